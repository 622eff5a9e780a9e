# SPDX-License-Identifier: Apache-2.0
"""What `get_publishers_info_by_topic` returns."""

from dataclasses import dataclass, field
from enum import IntEnum

from rclpy.qos import QoSProfile
from rosless.missing import missing


class TopicEndpointTypeEnum(IntEnum):
    INVALID = 0
    PUBLISHER = 1
    SUBSCRIPTION = 2


@dataclass
class TopicEndpointInfo:
    """One publisher or subscription of a topic."""

    node_name: str = ""
    node_namespace: str = ""
    topic_type: str = ""
    endpoint_type: TopicEndpointTypeEnum = TopicEndpointTypeEnum.INVALID
    endpoint_gid: list = field(default_factory=list)
    qos_profile: QoSProfile = None


__getattr__ = missing(__name__)

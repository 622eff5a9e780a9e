# SPDX-License-Identifier: Apache-2.0
"""The parts of one perception node that its cameras share."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.lifecycle import LifecycleNode

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.image_reader import ImageReader
from lfmvl_ros.ros.model_manager import ModelManager
from lfmvl_ros.ros.opinion_channel import OpinionChannel
from lfmvl_ros.ros.parameters import SettingsParameters
from lfmvl_ros.ros.side_outputs import SideOutputs
from lfmvl_ros.ros.spatial.transform_input import TransformInput
from lfmvl_ros.ros.streams import StreamReader


@dataclass(frozen=True, eq=False)
class Shared:
    """The parts of a node that each of its cameras uses.

    Attributes:
        node: has the topics and services.
        parameters: hold the settings in force.
        models: hold model and pipeline.
        images: decodes image messages.
        gate: everything is published through it.
        streams: takes messages of cameras and IMUs.
        transforms: takes ``/tf`` and ``/tf_static``.
        side: stores samples.
        opinions: shows crops of tracks to a second model.
    """

    node: LifecycleNode
    parameters: SettingsParameters[PerceptionSettings]
    models: ModelManager
    images: ImageReader
    gate: Gate
    streams: StreamReader
    transforms: TransformInput
    side: SideOutputs
    opinions: OpinionChannel

    @property
    def settings(self) -> PerceptionSettings:
        """The settings in force."""
        return self.parameters.settings

    @property
    def pipeline(self) -> Pipeline | None:
        """The pipeline; None while the node is not configured."""
        return self.models.pipeline

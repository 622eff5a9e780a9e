# SPDX-License-Identifier: Apache-2.0
"""Positions as rules ask about them, from the topics ``tracks_3d`` and ``pick_poses``."""

from __future__ import annotations

import numpy as np
from rclpy.subscription import Subscription
from vision_msgs.msg import Detection3D, Detection3DArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.rules import Positions
from lfmvl_ros.core.rules.history import largest_sigma
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.streams import StreamReader

_PICK_LIFE_S = 0.5  # no message comes while no object has a pick pose


class ReceivedPositions:
    """The newest positions of one camera's tracks, and what is known of their pick poses.

    Args:
        streams: reads the topics.
        prefix: of the camera's topics.
    """

    def __init__(self, streams: StreamReader, prefix: str) -> None:
        self._streams, self._prefix = streams, prefix
        self._newest: Positions | None = None
        self._picks: tuple[int, dict[int, tuple[float, float]]] = (0, {})
        self._subscriptions: list[Subscription] = []

    @property
    def newest(self) -> Positions | None:
        """The newest positions; None before the first, or after :meth:`forget`."""
        return self._newest

    def start(self) -> None:
        """Listen."""
        for name, took in (("tracks_3d", self._on_places), ("pick_poses", self._on_picks)):
            self._subscriptions.append(
                self._streams.subscribe(
                    Detection3DArray,
                    self._prefix + name,
                    took,
                    qos.own(qos.RESULTS),
                    qos_overriding_options=qos.overridable(),
                )
            )

    def stop(self) -> None:
        """Listen no more, and forget."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            self._streams.unsubscribe(subscription)
        self.forget()

    def forget(self) -> None:
        """Forget everything: time has started again."""
        self._newest, self._picks = None, (0, {})

    def _on_places(self, message: Detection3DArray, _info: dict[str, int]) -> None:
        self._newest = self._joined(to_positions(message))

    def _on_picks(self, message: Detection3DArray, _info: dict[str, int]) -> None:
        self._picks = conversions.stamp_ns(message.header.stamp), to_pick_sigmas(message)
        if self._newest is not None:
            self._newest = self._joined(self._newest)

    def _joined(self, places: Positions) -> Positions:
        taken_ns, picks = self._picks
        recent = abs(places.stamp_ns - taken_ns) * NS <= _PICK_LIFE_S
        return Positions(places.stamp_ns, places.frame_id, places.by_id, picks if recent else {})


def to_positions(message: Detection3DArray) -> Positions:
    """Return the positions of a ``tracks_3d`` message; those without a track id are left out."""
    header = message.header
    found = {key: _pose(item)[:2] for key, item in _tracked(message).items()}
    return Positions(conversions.stamp_ns(header.stamp), header.frame_id, found)


def to_pick_sigmas(message: Detection3DArray) -> dict[int, tuple[float, float]]:
    """Return standard deviations of pick points in m and normals in rad, by track id.

    About the normal nothing is known; across it there are two directions of tilt, of one variance.
    """
    found = {}
    for key, item in _tracked(message).items():
        _, position, rotation = _pose(item)
        tilt = float(np.sqrt(max(np.linalg.eigvalsh(rotation)[1], 0.0)))
        found[key] = largest_sigma(position), tilt
    return found


def _tracked(message: Detection3DArray) -> dict[int, Detection3D]:
    return {int(d.id): d for d in message.detections if d.id.isdecimal() and d.results}


def _pose(item: Detection3D) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return position ``(3,)`` and the covariances ``(3, 3)`` of position and rotation."""
    pose = item.results[0].pose
    point = pose.pose.position
    whole = np.asarray(pose.covariance, dtype=np.float64).reshape(6, 6)
    return np.array([point.x, point.y, point.z]), whole[:3, :3], whole[3:, 3:]

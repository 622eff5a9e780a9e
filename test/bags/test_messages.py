# SPDX-License-Identifier: Apache-2.0
"""Messages of a bag are, byte by byte, those that the node publishes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed")

from rclpy.serialization import serialize_message

from lfmvl_ros.bags.messages import DETECTIONS, MARKERS, STRING, Messages
from lfmvl_ros.bags.types import DEFINITIONS, typestore
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.ros import conversions

ROOT = Path(__file__).parents[2]
STAMP_NS = 1_700_000_003_250_000_001
STORE = typestore()
LENS = (150.0, 151.0, 80.0, 60.0)


def same(kind: str, ours: Any, theirs: Any) -> None:
    """Alignment fills gaps with whatever was there, so both are read and compared."""
    data = bytes(STORE.serialize_cdr(ours, kind))
    other = serialize_message(theirs)
    assert len(data) == len(other)
    assert bytes(STORE.serialize_cdr(STORE.deserialize_cdr(other, kind), kind)) == data


def grounding() -> Grounding:
    boxes = np.array([[1.5, 2, 30, 40.25], [5, 6, 7, 8]])
    found = Detections(boxes, ("red tote", "人"), np.array([0.5, 1.0]), np.ones((2, 4)))
    query = Query(("red tote", "人"))
    return Grounding(Outcome.OK, found, STAMP_NS, "lens", "", (64, 48), query, Reply("x"))


def tracks() -> Tracks:
    return Tracks(
        STAMP_NS, np.array([4, 2**33]), ("person", "Ä"), np.array([0.9, 0.25]),
        np.array([[6.0, 4, 12, 9], [0, 0, 64, 48]]), np.array([[10.0, -2.5], [0, 0]]),
        np.stack([np.eye(4), np.eye(4)]), (TrackState.CONFIRMED, TrackState.COASTING),
        np.array([1.0, 0.5]), "lens", "", (64, 48),
    )  # fmt: skip


def test_detections_and_tracks() -> None:
    made = Messages(STORE)
    ids = ("4", "")
    same(DETECTIONS, made.detections(grounding(), ids), conversions.to_detections(grounding(), ids))
    for rows in ([0, 1], [1], []):
        same(DETECTIONS, made.tracks(tracks(), rows), conversions.to_tracks(tracks(), rows))


def test_documents_and_markers() -> None:
    made = Messages(STORE)
    document = grounding().to_dict()
    same(STRING, made.text(document), conversions.to_json(document))
    theirs = conversions.to_markers(tracks(), [0, 1], LENS, [7])
    same(MARKERS, made.markers(tracks(), [0, 1], LENS, [7]), theirs)


def test_images_and_calibration() -> None:
    made = Messages(STORE)
    pixels = np.random.default_rng(0).integers(0, 255, (6, 7, 3), dtype=np.uint8)
    theirs = conversions.to_image(pixels, STAMP_NS, "lens")
    same("sensor_msgs/msg/Image", made.image(pixels, STAMP_NS, "lens"), theirs)
    info = conversions.to_camera_info(STAMP_NS, "lens", (7, 6), LENS)
    same("sensor_msgs/msg/CameraInfo", made.camera_info(STAMP_NS, "lens", (7, 6), LENS), info)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_fields_are_those_of_the_interfaces(name: str) -> None:
    path = ROOT / "interfaces" / "vision_msgs" / "msg" / f"{name.rpartition('/')[2]}.msg"
    assert DEFINITIONS[name].split("\n") == path.read_text(encoding="utf-8").split("\n")[:-1]

# SPDX-License-Identifier: Apache-2.0
"""Positions that were heard, against the truth: which is which, how far off, and the pictures."""

import numpy as np
import pytest
from vision_msgs.msg import Detection3D, Detection3DArray

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.video_reader import VideoReader
from lfmvl_ros.ros.place_recording import PlaceRecording
from lfmvl_ros.ros.spatial.received_solids import ReceivedSolid, solids_from

T0 = 5_000_000_000
BOX = np.array([10.0, 10.0, 50.0, 50.0])


def item(name, x, covariance=0.01):
    pose = RigidTransform(np.eye(3), np.array([x, 0.0, 4.0]))
    return ReceivedSolid(name, "tote", pose, np.full(3, 0.4), covariance * np.eye(3))


@pytest.fixture
def recording():
    """Two tracks for 10 images; the second is of a true object whose box lies elsewhere."""
    made = PlaceRecording("map", "eye", Intrinsics(60.0, 60.0, 31.5, 31.5))
    for k in range(10):
        stamp = T0 + k * 10**8
        made.transforms.add("map", "eye", stamp, [0, 0, 0], [0, 0, 0, 1])
        made.places[stamp] = [item("7", 0.1), item("8", 2.0)]
        made.truth[stamp] = [item("1", 0.0), item("2", 0.9)]
        made.true_boxes[stamp] = {"2": BOX + 200, "1": BOX + 2}
    return made


def test_a_track_is_compared_with_the_object_whose_box_it_has(recording):
    summary = recording.summary(lambda _: {"7": BOX, "8": BOX + 100})
    assert summary == {
        "tracks_with_position": 2,
        "position_error_m": {"p50": 0.1, "p90": 0.1},
        "position_error_share": {"p50": 0.025, "p90": 0.025},
        "position_regions_hold": 1.0,
    }


def test_a_region_that_is_too_small_does_not_hold(recording):
    for solids in recording.places.values():
        solids[0] = item("7", 0.1, covariance=0.0001)
    assert recording.summary(lambda _: {"7": BOX})["position_regions_hold"] == 0.0


def test_without_truth_positions_are_counted_and_without_positions_nothing_is_said(recording):
    recording.truth.clear()
    assert recording.summary(lambda _: {"7": BOX}) == {"tracks_with_position": 2}
    assert PlaceRecording().summary(lambda _: {}) == {}


def test_the_pictures(recording, tmp_path):
    recording.write(tmp_path, lambda _: np.zeros((64, 64, 3), np.uint8), 10.0)
    frames = list(VideoReader(tmp_path / "places.mp4"))
    assert len(frames) == 10
    assert frames[0][1].shape[:2] == (64, 64 + 48)
    assert (tmp_path / "places.png").stat().st_size > 0


def test_a_box_that_can_not_be_is_refused():
    message = Detection3DArray(detections=[Detection3D()])
    message.detections[0].bbox.center.orientation.w = 0.0
    with pytest.raises(ValueError, match="expected 1"):
        solids_from(message)
    message.detections[0].bbox.center.orientation.w = 1.0
    message.detections[0].bbox.size.x = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        solids_from(message)

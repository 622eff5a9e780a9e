# SPDX-License-Identifier: Apache-2.0
"""Boxes of an answer beside the tracks that they belong to."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.tracking.association import Pairs
from lfmvl_ros.core.tracking.measurement import measure
from lfmvl_ros.core.tracking.sightings import sightings


def pairs(tracks: list[int], boxes: list[int]) -> Pairs:
    nis = np.arange(len(tracks), dtype=np.float64)
    return Pairs(np.array(tracks), np.array(boxes), nis, np.zeros(len(tracks), dtype=np.bool_))


def test_each_track_has_its_own_box_and_label() -> None:
    xyxy = np.array([[10.0, 10, 30, 40], [100, 100, 160, 120], [200, 200, 220, 260]])
    found = Detections(xyxy, ("tote", "person", "tote"), np.array([0.9, 0.8, 0.7]), np.ones((3, 4)))
    seen = measure(found, 0.05)
    assert seen.words == ("person", "tote")
    assert [seen.words[code] for code in seen.code.tolist()] == list(seen.labels)
    columns = seen.code + 1  # of a vocabulary with another label before these
    some = sightings(seen, pairs([0, 4], [2, 1]), columns, tracks=5)
    assert len(some) == 2
    assert some.boxes.tolist() == seen.boxes[[2, 1]].tolist()
    assert some.error.tolist() == seen.error[[2, 1]].tolist()
    assert some.scores.tolist() == [0.7, 0.8]
    assert some.columns.tolist() == [2, 1]
    assert np.arange(5)[some.rows].tolist() == [0, 4]


def test_all_tracks_in_order_are_a_slice() -> None:
    seen = measure(Detections(np.array([[0.0, 0, 9, 9], [50, 50, 70, 80]]), ("tote",) * 2,
                              np.array([0.9, 0.8]), np.ones((2, 4))), 0.05)  # fmt: skip
    columns = np.zeros(2, dtype=np.intp)
    assert sightings(seen, pairs([0, 1], [1, 0]), columns, tracks=2).rows == slice(None)
    assert not isinstance(sightings(seen, pairs([1, 0], [1, 0]), columns, tracks=2).rows, slice)

# SPDX-License-Identifier: Apache-2.0
"""Pairs follow likelihood, one to one, inside the gate; repeated boxes count once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import f as f_distribution

from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.tracking import Tracker
from lfmvl_ros.core.tracking.association import (
    TAIL,
    Pairs,
    associate,
    new_object_density,
    with_overlapping,
)
from lfmvl_ros.core.tracking.measurement import measure

DENSITY = new_object_density((1280, 720))


def match(
    tracks: np.ndarray,
    boxes: np.ndarray,
    *,
    sigma: np.ndarray | float = 5.0,
    share: np.ndarray | None = None,
    gate: float = 0.997,
) -> dict[int, int]:
    n, m = len(tracks), len(boxes)
    spread = np.broadcast_to(np.asarray(sigma, float), (n,))
    pairs = associate(
        tracks,
        spread[:, None, None] ** 2 * np.eye(4),
        np.full(n, 0.9),
        np.ones((n, m)) if share is None else share,
        boxes,
        np.broadcast_to(np.eye(4) * 4.0, (m, 4, 4)),
        gate_probability=gate,
        density=DENSITY,
    )
    return dict(zip(pairs.tracks.tolist(), pairs.boxes.tolist(), strict=True))


@given(st.permutations(range(6)), st.integers(0, 10_000))
def test_permuted_boxes_find_their_tracks(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracks = np.column_stack(
        [np.arange(6) * 100.0 + 50, np.full(6, 300.0), *[np.full(6, 50.0)] * 2]
    )
    boxes = (tracks + rng.uniform(-4, 4, tracks.shape))[order]
    assert match(tracks, boxes) == {track: order.index(track) for track in range(6)}


def test_gate_lets_the_stated_share_through() -> None:
    rng = np.random.default_rng(0)
    track = np.array([[300.0, 300, 80, 80]])
    matched = 0
    for _ in range(2000):
        tail = np.sqrt(TAIL / rng.chisquare(TAIL))
        matched += bool(
            match(track, track + rng.normal(size=(1, 4)) * np.sqrt(29.0) * tail, gate=0.9)
        )
    assert 0.87 < matched / 2000 < 0.93


def test_distance_counts_in_units_of_uncertainty() -> None:
    """The box is nearer to the first track, yet only the second may be that wrong."""
    tracks = np.array([[100.0, 100, 50, 50], [180, 100, 50, 50]])
    box = np.array([[130.0, 100, 50, 50]])
    assert match(tracks, box, sigma=np.array([3.0, 40.0])) == {1: 0}


def test_no_track_is_stretched_so_that_every_box_is_matched() -> None:
    """Shifting both pairs along would also pass the gate, but explains the answer worse."""
    tracks = np.array([[300.0, 300, 50, 50], [450, 300, 50, 50]])
    boxes = tracks + np.array([150.0, 0, 0, 0])
    assert 150**2 / (30**2 + 4) < 4 * f_distribution.ppf(0.997, 4, TAIL)
    assert match(tracks, boxes, sigma=30.0) == {1: 0}


def test_labels_decide_between_two_boxes_in_one_place() -> None:
    tracks = np.array([[100.0, 100, 50, 50], [101, 100, 50, 50]])
    boxes = np.array([[100.4, 100, 50, 50], [100.6, 100, 50, 50]])
    crossed = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert match(tracks, boxes, share=crossed) == {0: 1, 1: 0}


def test_nothing_to_match() -> None:
    none = np.zeros((0, 4))
    assert match(none, none) == {}
    assert match(np.array([[1.0, 1, 5, 5]]), none) == {}


def test_repeated_boxes_are_merged_per_label(answer: Callable[..., Grounding]) -> None:
    boxes = [[100, 100, 50, 50], [101, 100, 50, 50], [100, 100, 50, 50], [400, 100, 50, 50]]
    labels = ["tote", "Tote", "box", "tote"]
    found = answer(0, boxes, labels, scores=[0.5, 0.9, 0.6, 0.7]).detections
    seen = measure(found, 0.03)
    assert len(seen) == 3
    assert seen.source[0] == seen.source[1]
    assert len(set(seen.source)) == 3
    assert seen.boxes[seen.source[0], 0] == 101


def test_error_follows_the_corners(answer: Callable[..., Grounding]) -> None:
    """Monte Carlo of corners gives the covariance of centre and size."""
    found = answer(0, [[100, 100, 60, 40]]).detections
    sigma = np.array([[1.0, 2.0, 3.0, 0.5]])
    object.__setattr__(found, "sigma_px", sigma)
    drawn = np.random.default_rng(0).normal(size=(200_000, 4)) * sigma
    centre_size = np.concatenate(
        [(drawn[:, :2] + drawn[:, 2:]) / 2, drawn[:, 2:] - drawn[:, :2]], axis=1
    )
    np.testing.assert_allclose(measure(found, 0.0).error[0], np.cov(centre_size.T), atol=0.1)


@pytest.mark.parametrize("jitter", [0.0, 0.03])
def test_jitter_grows_with_the_box(answer: Callable[..., Grounding], jitter: float) -> None:
    seen = measure(answer(0, [[300, 300, 50, 50], [600, 300, 500, 50]]).detections, jitter)
    wide = seen.boxes[:, 2].argmax()
    assert (seen.error[wide, 0, 0] > seen.error[1 - wide, 0, 0]) == (jitter > 0)


def no_pairs() -> Pairs:
    return Pairs(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), np.zeros(0, np.bool_))


def test_overlapping_box_beyond_the_gate_is_the_same_object() -> None:
    """Half of it was hidden: the gate refuses it, a second track on top would take its id."""
    tracks = np.array([[100.0, 100, 60, 120], [400, 100, 60, 120]])
    boxes = np.array([[400.0, 70, 60, 60], [250, 100, 60, 120]])
    found = with_overlapping(no_pairs(), tracks, np.ones((2, 2)), boxes, 30.0)
    assert (found.tracks.tolist(), found.boxes.tolist(), found.nis.tolist()) == ([1], [0], [30.0])


def test_overlap_is_no_reason_for_another_label_or_a_taken_track() -> None:
    tracks = np.array([[100.0, 100, 60, 120]])
    boxes = np.array([[100.0, 70, 60, 60], [100, 100, 60, 120]])
    other = with_overlapping(no_pairs(), tracks, np.zeros((1, 2)), boxes, 30.0)
    assert not other.tracks.size
    taken = Pairs(np.array([0]), np.array([1]), np.array([1.0]), np.zeros(1, np.bool_))
    assert with_overlapping(taken, tracks, np.ones((1, 2)), boxes, 30.0).boxes.tolist() == [1]


def test_object_that_is_cut_in_half_from_one_answer_to_the_next_keeps_its_id(
    answer: Callable[..., Grounding],
) -> None:
    tracker = Tracker()
    for i in range(4):
        tracker.apply(answer(i / 4, [[300, 300, 60, 120]]))
    applied = tracker.apply(answer(1.0, [[300, 270, 60, 60]]))
    assert applied.ids == (1,)


def test_track_whose_pixels_went_with_another_is_found_where_it_was_predicted() -> None:
    """Both tracks were carried to the right; only the first one was predicted to stay left."""
    spread = np.tile(25.0 * np.eye(4), (2, 1, 1))
    left, right = [300.0, 300, 40, 90], [390.0, 300, 40, 90]
    carried, foretold = np.array([[388.0, 300, 40, 90], right]), np.array([left, right])
    boxes = np.array([right, left])
    hypotheses = np.stack([carried, foretold], axis=1), spread, np.tile([0.9, 0.1], (2, 1))
    for otherwise, matched in ((None, 1), (hypotheses, 2)):
        pairs = associate(
            carried,
            spread,
            np.full(2, 0.9),
            np.ones((2, 2)),
            boxes,
            np.tile(9.0 * np.eye(4), (2, 1, 1)),
            gate_probability=0.99,
            density=DENSITY,
            otherwise=otherwise,
        )
        assert len(pairs.tracks) == matched
    assert dict(zip(pairs.tracks.tolist(), pairs.boxes.tolist(), strict=True)) == {0: 1, 1: 0}
    assert pairs.otherwise[pairs.tracks == 0].all()
    assert not pairs.otherwise[pairs.tracks == 1].any()

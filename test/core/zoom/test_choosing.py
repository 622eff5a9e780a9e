# SPDX-License-Identifier: Apache-2.0
"""Which region is next: whatever is worth a closer look gets its turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import ZoomSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.core.zoom.choosing import Waiting, choose_region, region_wh, sweep_of, worth_of

from ...examples import examples

WH = (640, 480)
TRACKS_ONLY = ZoomSettings(share=0.5, sweep=False)


def tracks_of(
    boxes: list[tuple[float, float, float, float]],
    states: tuple[TrackState, ...] | None = None,
    labels: tuple[str, ...] | None = None,
    existence: dict[int, float] | None = None,
) -> Tracks:
    n = len(boxes)
    return Tracks(
        0,
        ids=np.arange(1, n + 1, dtype=np.int64),
        labels=labels or ("tote",) * n,
        scores=np.ones(n),
        xyxy_px=np.array(boxes, np.float64).reshape(n, 4),
        velocity_px_s=np.zeros((n, 2)),
        covariance=np.repeat(np.eye(4)[None], n, axis=0),
        state=states or (TrackState.CONFIRMED,) * n,
        age_s=np.zeros(n),
        wh=WH,
        existence=existence or {},
    )


@st.composite
def small_boxes(draw: st.DrawFn) -> list[tuple[float, float, float, float]]:
    side = st.floats(4, 45)
    boxes = []
    for _ in range(draw(st.integers(1, 12))):
        w, h = draw(side), draw(side)
        x, y = draw(st.floats(0, WH[0] - w)), draw(st.floats(0, WH[1] - h))
        boxes.append((x, y, x + w, y + h))
    return boxes


@given(
    boxes=small_boxes(),
    magnification=st.floats(1.2, 4.0),
    sweep=st.booleans(),
)
@examples(25)
def test_every_small_track_gets_its_turn(
    boxes: list[tuple[float, float, float, float]], magnification: float, sweep: bool
) -> None:
    settings = ZoomSettings(share=0.5, magnification=magnification, sweep=sweep)
    tracks, waiting = tracks_of(boxes), Waiting()
    since = np.zeros(len(boxes), int)
    for _ in range(100):
        region, waiting = choose_region(waiting, tracks, WH, settings)
        assert region is not None
        assert region.size_wh == region_wh(WH, magnification)
        since = np.where(region.holds(tracks.xyxy_px), 0, since + 1)
        # Twelve tracks and the sweep: none waits longer than all others together would need.
        assert since.max() <= 60


@given(box=small_boxes(), magnification=st.floats(1.2, 4.0))
@examples(25)
def test_the_sweep_shows_every_small_object_whole(
    box: list[tuple[float, float, float, float]], magnification: float
) -> None:
    held = [each.holds(np.array(box)) for each in sweep_of(WH, magnification)]
    # An object of 7 % of the width fits into the overlap of two regions up to 2 times.
    if magnification <= 2:
        assert np.any(held, axis=0).all()
    assert sum(np.prod(each.size_wh) for each in sweep_of(WH, magnification)) > WH[0] * WH[1]


@pytest.mark.parametrize("magnification", [1.2, 1.5, 2.0, 3.0, 4.0])
def test_without_tracks_the_sweep_visits_every_part(magnification: float) -> None:
    settings, waiting = ZoomSettings(share=0.5, magnification=magnification), Waiting()
    seen = np.zeros((WH[1], WH[0]), bool)
    for _ in sweep_of(WH, magnification):
        region, waiting = choose_region(waiting, Tracks(0), WH, settings)
        assert region is not None
        x1, y1, x2, y2 = region.xyxy_px
        seen[y1:y2, x1:x2] = True
    assert seen.all()


def test_nothing_worth_it_and_no_sweep_is_no_region() -> None:
    large = tracks_of([(100, 100, 400, 400)])
    assert choose_region(Waiting(), large, WH, TRACKS_ONLY) == (None, Waiting())
    assert choose_region(Waiting(), Tracks(0), WH, TRACKS_ONLY)[0] is None


def test_a_track_too_large_for_a_region_is_no_reason() -> None:
    doubtful = tracks_of([(10, 10, 630, 470)], states=(TrackState.TENTATIVE,))
    assert choose_region(Waiting(), doubtful, WH, TRACKS_ONLY)[0] is None


def test_reasons_add_up() -> None:
    settings = ZoomSettings(labels=("Red tote",))
    tracks = tracks_of(
        [(0, 0, 20, 20), (0, 0, 300, 300), (0, 0, 300, 300), (0, 0, 300, 300), (0, 0, 20, 20)],
        states=(TrackState.CONFIRMED, TrackState.TENTATIVE, *(TrackState.CONFIRMED,) * 3),
        labels=("tote", "tote", "tote", "tote", "red tote"),
        existence={1: 0.99, 3: 0.5, 4: 0.99},
    )
    assert worth_of(tracks, settings).tolist() == [1, 1, 1, 0, 2]


def test_tracks_of_another_image_size_are_not_looked_at() -> None:
    tracks = tracks_of([(600, 440, 630, 470)])
    region, _ = choose_region(Waiting(), tracks, (320, 240), ZoomSettings(share=0.5))
    assert region is not None
    assert region.wh == (320, 240)
    assert choose_region(Waiting(), tracks, (320, 240), TRACKS_ONLY)[0] is None


def test_tracks_that_ended_are_forgotten() -> None:
    waiting = choose_region(Waiting(), tracks_of([(0, 0, 20, 20)]), WH, TRACKS_ONLY)[1]
    assert set(waiting.tracks) == {1}
    settings = ZoomSettings(share=0.5)
    assert choose_region(waiting, Tracks(0), WH, settings)[1].tracks == {}


def test_a_label_that_is_none_is_refused() -> None:
    with pytest.raises(UserError):
        ZoomSettings(labels=("a\x00b" * 500,))


@pytest.mark.parametrize(("wh", "parts"), [((1, 1), 1), ((2, 1), 2), ((64, 48), 36)])
def test_each_part_of_the_sweep_comes_once(wh: tuple[int, int], parts: int) -> None:
    sweep = sweep_of(wh, 4.0)
    assert len(sweep) == len(set(sweep)) == parts

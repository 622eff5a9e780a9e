# SPDX-License-Identifier: Apache-2.0
"""Depth images by stamp, and whether they are registered."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.ros.sensors.pairing import (
    MAX_ITEMS,
    ImageGeometry,
    StampedBuffer,
    registration_problem,
)

STAMPS = st.lists(st.integers(0, 1000), max_size=60)


@given(STAMPS, st.integers(0, 1000), st.integers(0, 300), st.integers(0, 1000))
def test_the_nearest_of_what_is_kept_is_found(stamps, wanted, slop, keep):
    buffer = StampedBuffer()
    kept = {}
    for stamp in stamps:
        buffer.add(stamp, str(stamp), keep)
        kept[stamp] = str(stamp)
        kept = {one: item for one, item in kept.items() if one >= max(kept) - keep}
    found = buffer.nearest(wanted, slop)
    gap = min((abs(stamp - wanted) for stamp in kept), default=slop + 1)
    if gap > slop:
        assert found.item is None
    else:
        assert abs(int(found.item) - wanted) == gap
    assert found.final == any(stamp >= wanted for stamp in kept)


@given(st.lists(st.integers(0, 10**6), min_size=MAX_ITEMS, max_size=3 * MAX_ITEMS))
def test_it_holds_a_bounded_number(stamps):
    buffer = StampedBuffer()
    for stamp in stamps:
        buffer.add(stamp, stamp, 10**6)
    assert len(buffer._items) <= MAX_ITEMS
    assert buffer.nearest(max(stamps), 0).item == max(stamps)
    buffer.clear()
    assert buffer.nearest(max(stamps), 10**6).item is None


LENS = Intrinsics(500.0, 500.0, 320.0, 240.0)
COLOR = ImageGeometry("color", (640, 480), LENS)


def test_registered_by_frame_or_by_intrinsics():
    ok = [
        COLOR,
        replace(COLOR, frame_id="/color"),
        replace(COLOR, lens=None),
        replace(COLOR, frame_id="depth"),
        replace(COLOR, frame_id="depth", lens=replace(LENS, cx_px=320.4)),
        replace(COLOR, frame_id="", lens=None),
    ]
    assert [registration_problem(COLOR, depth) for depth in ok] == [""] * len(ok)
    bad = {
        "320x240": replace(COLOR, wh=(320, 240)),
        "fx 430.0": replace(COLOR, lens=replace(LENS, fx_px=430.0)),
        "frame 'depth'": replace(COLOR, frame_id="depth", lens=None),
    }
    for words, depth in bad.items():
        assert words in registration_problem(COLOR, depth)
        assert "registered to color" in registration_problem(COLOR, depth)
    assert registration_problem(replace(COLOR, lens=None), replace(COLOR, frame_id="depth"))
    # Equal lenses side by side: a stereo pair, or a simulator's two cameras.
    elsewhere = replace(COLOR, frame_id="depth")
    assert "0.025 m from 'color'" in registration_problem(COLOR, elsewhere, apart_m=0.025)
    assert registration_problem(COLOR, elsewhere, apart_m=0.0) == ""
    assert registration_problem(COLOR, COLOR, apart_m=None) == ""

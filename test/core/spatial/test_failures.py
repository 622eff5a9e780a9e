# SPDX-License-Identifier: Apache-2.0
"""An error about one box costs that box its place, and no other; the log has it once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest

from lfmvl_ros.core.spatial import measure as measure_module
from lfmvl_ros.core.spatial import memory, occlusion, placer
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.failures import Failures
from lfmvl_ros.core.spatial.fusion import FusedPlace
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import Places, PlaceSource, Refusal
from lfmvl_ros.core.spatial.rigid import RigidTransform

from .rendered import LENS, tracks_of

T0, STEP = 1_700_000_000_000_000_000, 200_000_000
# Two blocks beside each other; the second one fails.
BOXES = np.array([[20.0, 40, 60, 80], [100, 40, 140, 80]])
# A camera 1 m above the floor that looks ahead.
LEVEL = RigidTransform(np.array([[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]]), np.array([0, 0, 1.0]))
Break = Callable[[pytest.MonkeyPatch], None]


def depth_at(stamp_ns: int) -> DepthImage:
    depth = np.full((120, 160), 3.0, np.float32)
    depth[40:80, 20:60] = depth[40:80, 100:140] = 1.5
    return DepthImage(depth, stamp_ns, "camera")


def failing(owner: object, name: str, sign: Callable[..., bool]) -> Break:
    """Return a function that makes a call fail where ``sign`` recognises the second box."""

    def break_(monkeypatch: pytest.MonkeyPatch) -> None:
        sound = getattr(owner, name)

        def broken(*args: object, **others: object) -> object:
            if sign(*args):
                raise ArithmeticError("a defect")
            return sound(*args, **others)

        monkeypatch.setattr(owner, name, broken)

    return break_


def right_half(*args: object) -> bool:
    """Whether a call is about the second box: what it is given lies in the right half."""
    for arg in args:
        box = getattr(getattr(arg, "fore", arg), "patch", None)
        if getattr(box, "xyxy_px", (0,))[0] > 80:
            return True
        if isinstance(arg, np.ndarray) and arg.shape == (4,) and arg[0] > 80:
            return True
    return False


def to_the_right(*args: object) -> bool:
    return any(isinstance(arg, np.ndarray) and arg.shape == (3,) and arg[0] > 0 for arg in args)


DEFECTS = {
    "claim": failing(placer, "claim_of", right_half),
    "samples": failing(measure_module, "sample_patch", right_half),
    "beside others": failing(occlusion, "_settle_one", right_half),
    "shape": failing(measure_module, "measure_extent", right_half),
    "pick point": failing(measure_module, "find_pick_point", right_half),
    "first position": failing(placer, "TrackMemory", to_the_right),
    "later position": failing(FusedPlace, "update", to_the_right),
}


def placed(finder: Placer, k: int) -> Places:
    stamp = T0 + k * STEP
    return finder.place(tracks_of(BOXES, stamp), depth_at(stamp), LENS, RigidTransform.identity())


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=list(DEFECTS))
def test_one_box_that_fails_costs_no_other_its_place(
    defect: Break, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sound, finder = Placer(), Placer()
    for k in range(2):
        placed(sound, k), placed(finder, k)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        defect(patch)
        if defect is DEFECTS["first position"]:
            finder = Placer()
            sound = Placer()
        for k in (2, 3, 4):
            got = placed(finder, k)
            if got.refused:
                assert got.refused == {2: Refusal.FAILED}
            assert 1 in got.by_id
    # Logged once, with what it was and where.
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is not None
    assert "ArithmeticError: a defect" in caplog.text
    assert "track 2" in caplog.text
    # What is mended has its place again; the other has the one that it would have had.
    again = placed(finder, 5)
    assert set(again.by_id) == {1, 2}
    for k in (2, 3, 4):
        placed(sound, k)
    assert np.array_equal(again.by_id[1].centre_m, placed(sound, 5).by_id[1].centre_m)


@pytest.mark.parametrize("source", [PlaceSource.FLOOR, PlaceSource.SIZE])
def test_so_it_is_without_depth(source: PlaceSource, monkeypatch: pytest.MonkeyPatch) -> None:
    finder = Placer(PlacerOptions(source, "map", {"box": (0.4, 0.4, 0.4)}, max_sigma_m=9.0))
    failing(placer, f"{'floor' if source is PlaceSource.FLOOR else 'sized'}_place", right_half)(
        monkeypatch
    )
    got = finder.place(tracks_of(BOXES, T0), None, LENS, LEVEL)
    assert set(got.by_id) == {1}
    assert got.refused == {2: Refusal.FAILED}


def test_what_fails_is_predicted_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered may be half changed, so the track starts anew."""
    finder = Placer()
    placed(finder, 0)
    with monkeypatch.context() as patch:
        failing(memory.TrackMemory, "coasted", lambda this, *_: this.last.centre_m[0] > 0)(patch)
        got = finder.place(tracks_of(BOXES, T0 + STEP), None, LENS, RigidTransform.identity())
        assert set(got.by_id) == {1}
        assert got.refused == {2: Refusal.FAILED}
    got = finder.place(tracks_of(BOXES, T0 + 2 * STEP), None, LENS, RigidTransform.identity())
    assert got.refused == {2: Refusal.NO_DEPTH}


def test_each_way_of_failing_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures()

    def one() -> None:
        raise ValueError("one")

    def other() -> None:
        raise ValueError("other")

    for _ in range(50):
        assert failures.guard(1, one) is Refusal.FAILED
        assert failures.guard(2, other) is Refusal.FAILED
    assert len(caplog.records) == 2


def test_what_ends_the_program_ends_it() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Failures().guard(1, interrupted)

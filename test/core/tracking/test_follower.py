# SPDX-License-Identifier: Apache-2.0
"""A learned follower corrects what flow says: where flow sees nothing, and within its budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.tracking import Tracker, Tracks
from lfmvl_ros.core.tracking.follower import MOST_FOLLOWED, Follower, Looked
from lfmvl_ros.core.tracking.siamese import Features, Look, SiameseNets
from lfmvl_ros.core.tracking.table import Table

from .tiny_nets import write_tiny_nets

MakeAnswer = Callable[..., Grounding]
WH, HZ, SIDE_PX = (640, 360), 25, 64
# CPU time per point and per look are taken for granted, so that every machine follows alike.
POINT_S = 1e-6
SPEED_PX = 4.0


class Counting(SiameseNets):
    """Networks that count the looks."""

    looks = 0

    def look(self, image: np.ndarray, box: np.ndarray, template: Features) -> Look:
        self.looks += 1
        return super().look(image, box, template)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_nets(tmp_path_factory.mktemp("nets"))


def settings(follower: str, **changes: float) -> TrackerSettings:
    return replace(TrackerSettings(bridge_budget_ms=40.0, follower=follower), **changes)


def place(index: int) -> float:
    """A blurred red ball rests for a second and then rolls to the right."""
    return 150.0 + SPEED_PX * max(index - HZ, 0)


@cache
def frame(index: int) -> Frame:
    """It has neither edges nor texture, so optical flow finds nothing to hold on to."""
    x, y = np.meshgrid(np.arange(WH[0]), np.arange(WH[1]))
    away = np.hypot(x - place(index), y - 180.0) / (SIDE_PX / 2)
    share = np.clip(1.6 - away, 0, 1)[..., None]
    pixels = share * np.array([200.0, 40, 30]) + (1 - share) * np.array([90.0, 110, 100])
    return Frame(pixels.astype(np.uint8), round(index * 1e9 / HZ))


def play(tracker: Tracker, answer: MakeAnswer, last: int, late: int = 0) -> list[Tracks]:
    """Answers about frames 0, 6, 12, 18 and 24, each ``late`` frames after its own; none later."""
    said = []
    for index in range(last + 1):
        asked = index - late
        if 0 <= asked < HZ and asked % 6 == 0 and late:
            tracker.apply(answer(asked / HZ, [[place(asked), 180.0, SIDE_PX, SIDE_PX]], wh=WH))
        said.append(tracker.observe(frame(index)))
        if not late and index < HZ and index % 6 == 0:
            tracker.apply(answer(index / HZ, [[place(index), 180.0, SIDE_PX, SIDE_PX]], wh=WH))
    return said


def error_px(tracks: Tracks, index: int) -> float:
    assert len(tracks) == 1
    return abs(float(tracks.xyxy_px[0, [0, 2]].mean()) - place(index))


@pytest.mark.parametrize("late", [0, 6])
def test_what_flow_can_t_see_is_followed(folder: Path, answer: MakeAnswer, late: int) -> None:
    last = HZ + 20
    with_it = play(Tracker(settings(str(folder)), point_s=POINT_S), answer, last, late)[-1]
    without = play(Tracker(settings("flow"), point_s=POINT_S), answer, last, late)[-1]
    assert error_px(without, last) > 0.8 * SIDE_PX
    assert error_px(with_it, last) < 0.5 * error_px(without, last)


def test_the_same_frames_and_answers_give_the_same_tracks(folder: Path, answer: MakeAnswer) -> None:
    runs = [
        play(Tracker(settings(str(folder)), point_s=POINT_S), answer, HZ + 10, 6) for _ in (0, 1)
    ]
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one.xyxy_px, other.xyxy_px)


def table(answer: MakeAnswer, count: int) -> Table:
    """Tracks of boxes side by side after one answer."""
    tracker = Tracker(TrackerSettings(bridge="predict"))
    rows_px = (180.0, 90.0, 270.0)
    boxes = [[50.0 + 90 * (i % 7), rows_px[i // 7], SIDE_PX, SIDE_PX] for i in range(count)]
    tracker.apply(answer(0.0, boxes, wh=WH))
    return tracker._history.table


@pytest.mark.parametrize("spare_ms", [0.0, 0.5, 4.0, 100.0])
def test_looks_stay_within_the_budget(folder: Path, answer: MakeAnswer, spare_ms: float) -> None:
    nets = Counting(folder / "backbone.onnx", folder / "neckhead.onnx")
    follower, looked = Follower(nets, is_measured=False), Looked()
    tracks, image, scale = table(answer, 5), frame(0).pixels, np.ones(4)
    nets.looks = 0  # one was made to try them
    for index in range(50):
        if index % 6 == 0:
            follower.remember(tracks, image, scale)
        stamp_ns = tracks.stamp_ns + round(1e9 / HZ)
        moved = tracks.changed(stamp_ns=stamp_ns, seen_ns=np.full(5, stamp_ns))
        tracks, looked = follower.corrected(
            moved, np.ones(5), image, scale, looked, spare_ms * 1e-3, 1 / HZ
        )
    # A look takes 5 ms here, and four may be saved up.
    assert nets.looks <= 50 * spare_ms / 5 + 4
    assert (nets.looks > 0) == (spare_ms >= 4)


def test_only_so_many_objects_are_followed(folder: Path, answer: MakeAnswer) -> None:
    """However much time there is: each needs a template with every answer."""
    nets = SiameseNets(folder / "backbone.onnx", folder / "neckhead.onnx")
    follower, looked = Follower(nets, is_measured=False), Looked()
    count = MOST_FOLLOWED + 4
    tracks, image, scale = table(answer, count), frame(0).pixels, np.ones(4)
    for _ in range(12):
        follower.remember(tracks, image, scale)
        stamp_ns = tracks.stamp_ns + round(1e9 / HZ)
        moved = tracks.changed(stamp_ns=stamp_ns, seen_ns=np.full(count, stamp_ns))
        tracks, looked = follower.corrected(moved, np.ones(count), image, scale, looked, 9, 1 / HZ)
    assert len(looked.last_ns) == MOST_FOLLOWED


def test_looks_take_turns(folder: Path, answer: MakeAnswer) -> None:
    nets = SiameseNets(folder / "backbone.onnx", folder / "neckhead.onnx")
    follower, looked = Follower(nets, is_measured=False), Looked()
    tracks, image, scale = table(answer, 3), frame(0).pixels, np.ones(4)
    for _ in range(8):
        follower.remember(tracks, image, scale)
        stamp_ns = tracks.stamp_ns + round(1e9 / HZ)
        moved = tracks.changed(stamp_ns=stamp_ns, seen_ns=np.full(3, stamp_ns))
        tracks, looked = follower.corrected(moved, np.ones(3), image, scale, looked, 5e-3, 1 / HZ)
    last = sorted(looked.last_ns.values())
    assert len(last) == 3
    assert (last[-1] - last[0]) * 1e-9 < 3.5 / HZ


def test_a_wrong_follower_is_refused_and_changes_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tracker\.follower"):
        Tracker(settings(str(tmp_path)))
    tracker = Tracker(settings(str(folder)))
    with pytest.raises(UserError, match=r"tracker\.follower"):
        tracker.configure(settings(str(tmp_path / "nothing")))
    assert tracker.settings.follower == str(folder)


def test_it_can_be_switched_on_and_off_while_it_tracks(folder: Path, answer: MakeAnswer) -> None:
    tracker = Tracker(settings("flow"), point_s=POINT_S)
    play(tracker, answer, 5)
    for turn, follower in enumerate((str(folder), "flow", str(folder))):
        tracker.configure(settings(follower))
        for index in range(6 + 3 * turn, 9 + 3 * turn):
            assert len(tracker.observe(frame(index))) == 1


def test_when_all_tracks_have_ended_a_replay_goes_on(folder: Path, answer: MakeAnswer) -> None:
    tracker = Tracker(settings(str(folder)), point_s=POINT_S)
    two = [[place(0), 180.0, SIDE_PX, SIDE_PX], [400.0, 180.0, SIDE_PX, SIDE_PX]]
    for index in range(6):
        tracker.observe(frame(index))
        if index in (0, 2):
            tracker.apply(answer(index / HZ, two, wh=WH))
    asked = Query.parse("pallet", version=2)
    tracker.apply(answer(3 / HZ, outcome=Outcome.EMPTY, query=asked, wh=WH))
    assert not len(tracker.observe(frame(6)))

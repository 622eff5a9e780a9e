# SPDX-License-Identifier: Apache-2.0
"""A second model's opinions: what they change of a track, and what they never change."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.tracking import Opinion, Stance, Tracker, Tracks, TrackState
from lfmvl_ros.core.tracking.opinions import KEPT, MOST_RATIO, added, raised

from ...examples import examples
from ...schemas import check
from .conftest import make_answer
from .followed import BOX, MakeAnswer, ns

SETTINGS = TrackerSettings(bridge="predict")
OTHER = [900, 300, 80, 120]


def opinion(stance: Stance, time_s: float, id_: int = 1, **more: object) -> Opinion:
    return Opinion(id_, more.pop("label", "person"), stance, ns(time_s), **more)  # type: ignore[arg-type]


def agree(time_s: float, id_: int = 1, **more: object) -> Opinion:
    return opinion(Stance.AGREE, time_s, id_, **more)


def disagree(time_s: float, id_: int = 1, **more: object) -> Opinion:
    return opinion(Stance.DISAGREE, time_s, id_, **more)


def seen(answer: MakeAnswer, times: int, **more: object) -> Tracker:
    """A tracker after that many answers with one person, 0.5 s apart."""
    tracker = Tracker(SETTINGS)
    for k in range(times):
        tracker.apply(answer(0.5 * k, [BOX], **more))
    return tracker


def state_of(tracks: Tracks, id_: int = 1) -> TrackState | None:
    ids = tracks.ids.tolist()
    return tracks.state[ids.index(id_)] if id_ in ids else None


def test_agreement_raises_and_contradiction_lowers(answer: MakeAnswer) -> None:
    plain = seen(answer, 4, scores=0.6).at(ns(1.5))
    for said, sign in ((agree(1.5), 1), (disagree(1.5), -1)):
        tracker = seen(answer, 4, scores=0.6)
        assert tracker.take_opinion(said)
        tracks = tracker.at(ns(1.5))
        assert sign * (tracks.scores[0] - plain.scores[0]) > 0.1
        assert sign * (tracks.existence[1] - plain.existence[1]) > 0
        np.testing.assert_array_equal(tracks.xyxy_px, plain.xyxy_px)
        (track,) = check(tracks.to_dict())["tracks"]
        assert track["opinion"] == {"says": said.stance.value, "age_s": 0.0, "model": ""}
    assert "opinion" not in plain.to_dict()["tracks"][0]


def test_agreement_confirms_what_one_answer_has_seen(answer: MakeAnswer) -> None:
    tracker = seen(answer, 1)
    assert state_of(tracker.at(0)) is TrackState.TENTATIVE
    tracker.take_opinion(agree(0.0, confidence=0.95))
    assert state_of(tracker.at(0)) is TrackState.CONFIRMED


def test_a_false_track_that_the_model_repeats_loses_its_confirmation(answer: MakeAnswer) -> None:
    tracker = seen(answer, 6, scores=0.8)
    assert state_of(tracker.at(ns(2.5))) is TrackState.CONFIRMED
    for k in range(6, 12):
        tracker.take_opinion(disagree(0.5 * k - 0.25))
        tracker.apply(answer(0.5 * k, [BOX], scores=0.8))
    tracks = tracker.at(ns(5.5))
    assert tracks.ids.tolist() == [1], "its boxes must not start another track"
    assert tracks.state == (TrackState.TENTATIVE,)
    assert tracks.scores[0] < 0.3
    # When the second model changes its mind, it is confirmed again.
    tracker.take_opinion(agree(6.0))
    tracker.take_opinion(agree(6.5))
    tracker.apply(answer(7.0, [BOX], scores=0.8))
    assert state_of(tracker.at(ns(7.0))) is TrackState.CONFIRMED


def answers_until_gone(answer: MakeAnswer, said: Opinion | None, more: list[Opinion] = []) -> int:  # noqa: B006
    """How many answers without its object a track is published for."""
    tracker = seen(answer, 4)
    for each in [*([said] if said else []), *more]:
        tracker.take_opinion(each)
    for k in range(4, 30):
        tracker.apply(answer(0.5 * k, []))
        if not len(tracker.at(ns(0.5 * k))):
            return k - 3
    raise AssertionError("it never goes")


def test_a_contradicted_track_goes_sooner_and_an_agreed_one_later(answer: MakeAnswer) -> None:
    plain = answers_until_gone(answer, None)
    sooner = answers_until_gone(answer, disagree(1.0), [disagree(1.5)])
    later = answers_until_gone(answer, agree(1.5, confidence=0.95))
    assert sooner < plain < later, (sooner, plain, later)
    assert later <= plain + 4, "what has left is not kept for long"


def test_a_true_track_that_flickers_stays_published(answer: MakeAnswer) -> None:
    def frames_shown(said: Opinion | None) -> int:
        tracker, shown = seen(answer, 3), 0
        if said is not None:
            tracker.take_opinion(said)
        for k in range(3, 24):  # seen in every fourth answer
            tracker.apply(answer(0.5 * k, [BOX] if k % 4 == 0 else []))
            shown += len(tracker.at(ns(0.5 * k)).established)
        return shown

    assert frames_shown(agree(1.0, confidence=0.95)) > frames_shown(None)


@pytest.mark.parametrize("late", [False, True])
def test_opinions_count_from_their_frame_on_whenever_they_come(
    answer: MakeAnswer, late: bool
) -> None:
    tracker, told = Tracker(SETTINGS), [agree(0.6), disagree(1.2)]
    for k in range(6):
        if not late:
            for said in told:
                if 0.5 * (k - 1) < said.stamp_ns / 1e9 <= 0.5 * k:
                    tracker.take_opinion(said)
        tracker.apply(answer(0.5 * k, [BOX], scores=0.6))
    if late:
        for said in reversed(told):
            assert tracker.take_opinion(said)
    whole = Tracker(SETTINGS)
    for k in range(6):
        whole.apply(answer(0.5 * k, [BOX], scores=0.6))
    for said in told:
        whole.take_opinion(said)
    assert tracker.at(ns(2.5)).scores[0] == pytest.approx(whole.at(ns(2.5)).scores[0], abs=1e-12)
    never = Tracker(SETTINGS)
    for k in range(6):
        never.apply(answer(0.5 * k, [BOX], scores=0.6))
    raised_then_lowered = [
        tracker.at(ns(t)).scores[0] - never.at(ns(t)).scores[0] for t in (0.5, 1)
    ]
    assert raised_then_lowered[0] > 0 > raised_then_lowered[1]
    assert tracker.at(0).scores[0] == never.at(0).scores[0]


def test_a_late_answer_keeps_the_opinions(answer: MakeAnswer) -> None:
    tracker = seen(answer, 4, scores=0.6)
    tracker.take_opinion(disagree(1.0))
    with_it = tracker.at(ns(1.5)).scores[0]
    applied = tracker.apply(answer(1.2, [BOX], scores=0.6))
    assert applied.reordered
    plain = seen(answer, 4, scores=0.6)
    plain.apply(answer(1.2, [BOX], scores=0.6))
    assert tracker.at(ns(1.5)).scores[0] < plain.at(ns(1.5)).scores[0] - 0.1
    assert tracker.at(ns(1.5)).scores[0] == pytest.approx(with_it, abs=0.1)


def test_no_opinion_on_a_track_that_ended_or_became_another(answer: MakeAnswer) -> None:
    tracker = seen(answer, 1)
    before = tracker.at(0)
    assert not tracker.take_opinion(agree(0.0, 7))
    assert not tracker.take_opinion(agree(0.0, label="red tote"))
    np.testing.assert_array_equal(tracker.at(0).scores, before.scores)
    tracker.apply(answer(0.5, []))
    tracker.apply(answer(1.0, []))
    assert not tracker.take_opinion(agree(0.5)), "it has ended"
    assert not len(tracker.at(ns(1.0)))
    tracker.reset()
    assert not tracker.take_opinion(agree(0.5))


def test_opinions_fade(answer: MakeAnswer) -> None:
    tracker = seen(answer, 4, scores=0.6)
    plain = tracker.at(ns(1.5)).scores[0]
    tracker.take_opinion(agree(1.5))
    at_once = tracker.at(ns(1.5)).scores[0]
    for k in range(4, 1204):
        tracker.apply(answer(0.5 * k, [BOX], scores=0.6))
    assert plain < tracker.at(ns(0.5 * 1203)).scores[0] < at_once


def test_the_weight_of_an_opinion_is_limited() -> None:
    assert agree(0, confidence=1.0).log_odds == pytest.approx(math.log(MOST_RATIO))
    assert agree(0, confidence=0.2).log_odds == 0.0, "an agreement never counts against a track"
    assert disagree(0).log_odds < 0 < agree(0).log_odds
    with pytest.raises(ValueError, match="confidence"):
        agree(0, confidence=1.5)


def test_only_the_newest_of_a_track_are_kept() -> None:
    kept: tuple[Opinion, ...] = ()
    for k in range(KEPT + 3):
        kept = added(kept, agree(float(k)))
    kept = added(added(kept, disagree(2.5, 2)), disagree(float(KEPT + 2)))
    assert [o.stamp_ns for o in kept] == sorted(o.stamp_ns for o in kept)
    ours = [o for o in kept if o.id == 1]
    assert len(ours) == KEPT
    assert ours[-1].stance is Stance.DISAGREE, "one about the same frame replaces it"


@given(st.floats(0, 1), st.floats(-10, 10))
def test_raised_is_a_probability_in_the_right_direction(p: float, log_odds: float) -> None:
    (value,) = raised(np.array([p]), np.array([log_odds]))
    assert 0 <= value <= 1
    assert (value - p) * log_odds >= -1e-12


steps = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.sampled_from([(), (0,), (1,), (0, 1)]), st.floats(0, 1)),
        st.tuples(st.sampled_from(list(Stance)), st.integers(1, 4), st.none() | st.floats(0, 1)),
    ),
    max_size=25,
)


@examples(60)
@given(steps, st.lists(st.floats(0, 3), min_size=25, max_size=25))
def test_opinions_change_neither_boxes_nor_ids_of_what_stays(
    script: list[tuple[object, ...]], delays: list[float]
) -> None:
    """With any opinions, at any time, everything is a probability; without them, as before."""
    with_them, again, plain = Tracker(SETTINGS), Tracker(SETTINGS), Tracker(SETTINGS)
    for k, (kind, what, number) in enumerate(script):
        now = 0.4 * k
        if kind == "answer":
            boxes = [(BOX, OTHER)[i] for i in what]  # type: ignore[attr-defined]
            for tracker in (with_them, again, plain):
                tracker.apply(make_answer(now, boxes, scores=number))  # type: ignore[arg-type]
        else:
            said = Opinion(what, "person", kind, ns(max(0.0, now - delays[k])), number)  # type: ignore[arg-type]
            before = with_them.at(ns(now))
            told = with_them.take_opinion(said)
            assert again.take_opinion(said) is told
            after = with_them.at(ns(now))
            both = sorted(set(before.ids.tolist()) & set(after.ids.tolist()))
            rows = [[t.ids.tolist().index(key) for key in both] for t in (before, after)]
            np.testing.assert_array_equal(before.xyxy_px[rows[0]], after.xyxy_px[rows[1]])
        tracks, same = with_them.at(ns(now)), again.at(ns(now))
        for item in fields(tracks):
            assert str(getattr(tracks, item.name)) == str(getattr(same, item.name)), "repeatable"
        for value in tracks.existence.values():
            assert 0 < value < 1
        assert np.isfinite(tracks.scores).all()
    if not any(kind != "answer" for kind, *_ in script):
        np.testing.assert_array_equal(with_them.at(ns(9)).scores, plain.at(ns(9)).scores)


def test_with_optical_flow_an_opinion_counts_at_the_newest_frame(answer: MakeAnswer) -> None:
    from lfmvl_ros.core.frame import Frame

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    tracker = Tracker(TrackerSettings(), point_s=1e-6)
    for k in range(4):
        tracker.observe(Frame(pixels, ns(0.1 * k)))
    tracker.apply(answer(0.1, [BOX], scores=0.6))
    tracker.apply(answer(0.2, [BOX], scores=0.6))
    plain = tracker.observe(Frame(pixels, ns(0.4)))
    assert tracker.take_opinion(disagree(0.3))
    told = tracker.observe(Frame(pixels, ns(0.5)))
    assert told.ids.tolist() == plain.ids.tolist() == [1]
    assert told.scores[0] < plain.scores[0] - 0.1
    assert told.opinions[1].stance is Stance.DISAGREE

# SPDX-License-Identifier: Apache-2.0
"""When time restarts: loops always, reordering never, and no stamp blocks those after it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfmvl_ros
from lfmvl_ros.core.timeline import RUN, MessageTimeline, Timeline, Verdict

MS, SECOND = 10**6, 10**9
WINDOW_NS = 2 * SECOND
STEPS_NS = st.integers(1, 400 * MS)
OUT_OF_ORDER, NEWER, RESTARTED, UNSTAMPED = (
    Verdict.OUT_OF_ORDER, Verdict.NEWER, Verdict.RESTARTED, Verdict.UNSTAMPED,
)  # fmt: skip


def judged(timeline: Timeline, stamps_ns: list[int]) -> list[Verdict]:
    return [timeline.judge(stamp_ns, WINDOW_NS) for stamp_ns in stamps_ns]


@st.composite
def streams(draw: st.DrawFn, least: int = 1, most: int = 40, within_ns: int = 10**18) -> list[int]:
    """Strictly increasing stamps that span at most ``within_ns``."""
    start_ns = draw(st.integers(1, 2**31 * SECOND))
    steps_ns = draw(st.lists(STEPS_NS, min_size=least - 1, max_size=most - 1))
    stamps_ns = [start_ns]
    for step_ns in steps_ns:
        if stamps_ns[-1] + step_ns - start_ns <= within_ns or len(stamps_ns) < least:
            stamps_ns.append(stamps_ns[-1] + min(step_ns, within_ns // least))
    return stamps_ns


@given(stamps_ns=streams(), places=st.integers(1, RUN - 1), seed=st.integers())
def test_messages_that_are_at_most_four_places_late_never_restart_time(
    stamps_ns: list[int], places: int, seed: int
) -> None:
    # Sorting by place + noise below k + 1 moves no message by more than k places.
    noise = random.Random(seed)
    order = sorted(
        range(len(stamps_ns)), key=lambda place: place + noise.uniform(0, places + 0.999)
    )
    assert max(abs(now - place) for now, place in enumerate(order)) <= places
    arriving = [stamps_ns[place] for place in order]
    timeline = Timeline()
    verdicts = [timeline.judge(stamp_ns, window_ns=10**18) for stamp_ns in arriving]
    assert RESTARTED not in verdicts
    kept = [s for s, v in zip(arriving, verdicts, strict=True) if v.is_kept]
    assert kept == sorted(set(kept))
    assert kept[-1] == max(stamps_ns)


@given(bag_ns=streams(least=RUN), cut=st.integers(0, 100))
def test_a_loop_is_followed_again_by_its_fifth_image_however_short_it_is(
    bag_ns: list[int], cut: int
) -> None:
    timeline = Timeline()
    assert judged(timeline, bag_ns) == [NEWER] * len(bag_ns)
    again_ns = bag_ns[min(cut, len(bag_ns) - RUN) :]  # also a loop that starts later in the bag
    verdicts = judged(timeline, again_ns)
    first = verdicts.index(RESTARTED)
    assert first < RUN
    assert set(verdicts[:first]) <= {OUT_OF_ORDER}
    assert set(verdicts[first + 1 :]) <= {NEWER}
    if bag_ns[-1] - again_ns[0] > WINDOW_NS:
        assert first == 0


@given(bag_ns=streams(least=2, most=RUN - 1, within_ns=WINDOW_NS))
def test_loops_of_less_than_five_images_are_followed_in_a_later_round(bag_ns: list[int]) -> None:
    timeline = Timeline()
    judged(timeline, bag_ns)
    assert RESTARTED in judged(timeline, bag_ns * RUN)


@given(
    stamps_ns=st.lists(
        st.one_of(
            st.integers(1, 20).map(lambda i: i * 100 * MS),
            st.integers(0, 2**31 * SECOND),
        ),
        max_size=60,
    ),
    window_ns=st.sampled_from([0, WINDOW_NS, 10**18]),
)
def test_whatever_comes_stamps_strictly_increase_between_restarts(
    stamps_ns: list[int], window_ns: int
) -> None:
    timeline, epoch, kept = Timeline(), 0, []
    for stamp_ns in stamps_ns:
        verdict = timeline.judge(stamp_ns, window_ns)
        epoch += verdict is RESTARTED
        if verdict.is_kept:
            kept.append((epoch, stamp_ns))
    assert kept == sorted(set(kept))


@given(before_ns=streams(), after_ns=streams(least=RUN), junk=st.lists(st.integers(0, 2**62)))
def test_no_stamps_block_what_comes_after_them(
    before_ns: list[int], after_ns: list[int], junk: list[int]
) -> None:
    timeline = Timeline()
    judged(timeline, before_ns)
    judged(timeline, junk)
    verdicts = judged(timeline, after_ns)
    assert any(verdict.is_kept for verdict in verdicts[:RUN])
    assert timeline.newest_ns is not None
    if after_ns[-1] - after_ns[0] <= WINDOW_NS:
        assert verdicts[-1].is_kept


@given(bag_ns=streams(least=RUN + 2), ahead_ns=st.integers(1, 2**61))
def test_one_stamp_from_the_future_costs_a_restart_and_at_most_four_images(
    bag_ns: list[int], ahead_ns: int
) -> None:
    timeline = Timeline()
    assert judged(timeline, [bag_ns[0], bag_ns[0] + ahead_ns]) == [NEWER, NEWER]
    verdicts = judged(timeline, bag_ns[1:])
    assert sum(not verdict.is_kept for verdict in verdicts) < RUN
    if ahead_ns > bag_ns[1] - bag_ns[0] + WINDOW_NS:
        assert verdicts == [RESTARTED] + [NEWER] * (len(bag_ns) - 2)


def test_a_paused_simulation_restarts_nothing() -> None:
    timeline = Timeline()
    assert judged(timeline, [SECOND] * 100) == [NEWER] + [OUT_OF_ORDER] * 99
    assert judged(timeline, [SECOND + 1]) == [NEWER]


def test_newer_messages_in_between_take_the_count_back() -> None:
    """A second camera on the topic, a second behind: its images are dropped, time goes on."""
    timeline, verdicts = Timeline(), []
    for i in range(50):
        now_ns = 10 * SECOND + i * 33 * MS
        verdicts += judged(timeline, [now_ns, now_ns - SECOND])
    assert verdicts == [NEWER, OUT_OF_ORDER] * 50


@pytest.mark.parametrize(("back_ns", "restarts"), [(WINDOW_NS, False), (WINDOW_NS + 1, True)])
def test_the_window_itself_is_still_late(back_ns: int, restarts: bool) -> None:
    timeline = Timeline(10 * SECOND)
    assert judged(timeline, [10 * SECOND - back_ns]) == [RESTARTED if restarts else OUT_OF_ORDER]


# -- messages without a stamp ----------------------------------------------------------------------


class Topic:
    """A topic on the way; the time of receipt grows by a millisecond with each message."""

    def __init__(self, now_ns: int = 500 * SECOND) -> None:
        self.timeline, self.now_ns = MessageTimeline(), now_ns

    def send(self, *stamps_ns: int | None) -> list[tuple[Verdict, int]]:
        told = []
        for stamp_ns in stamps_ns:
            self.now_ns += MS
            judged = self.timeline.judge(stamp_ns, self.now_ns, WINDOW_NS)
            assert bool(judged.why) == (judged.verdict is not NEWER)
            told.append((judged.verdict, judged.stamp_ns))
        return told


@given(stamps_ns=streams(least=2), at=st.lists(st.integers(1, 60), max_size=20))
def test_messages_without_a_stamp_between_others_are_dropped_and_change_nothing(
    stamps_ns: list[int], at: list[int]
) -> None:
    mixed: list[int | None] = [*stamps_ns]
    for place in at:
        mixed.insert(max(1, place), None)
    told = Topic().send(*mixed)
    assert [one for one in told if one[0] is not UNSTAMPED] == [(NEWER, s) for s in stamps_ns]
    assert told.count((UNSTAMPED, 0)) == len(at)


def test_a_topic_that_is_never_stamped_has_the_times_of_receipt() -> None:
    topic = Topic()
    assert topic.send(None, None) == [(NEWER, 500 * SECOND + i * MS) for i in (1, 2)]
    topic.now_ns = 7 * SECOND  # /clock jumps back
    assert topic.send(None) == [(RESTARTED, 7 * SECOND + MS)]
    topic.now_ns -= SECOND  # by less than the window
    assert [verdict for verdict, _ in topic.send(*[None] * RUN)] == [
        *[OUT_OF_ORDER] * (RUN - 1),
        RESTARTED,
    ]


@pytest.mark.parametrize("ahead_s", [-400, -1, 0, 1, 400])
def test_a_topic_that_begins_to_stamp_is_believed_with_the_fifth_stamp(ahead_s: int) -> None:
    topic = Topic()
    topic.send(None, None)
    first_ns = topic.now_ns + ahead_s * SECOND
    stamps_ns = [first_ns + i * MS for i in range(RUN + 1)]
    told = topic.send(stamps_ns[0], None, *stamps_ns)  # a single one decides nothing
    assert [verdict for verdict, _ in told] == [
        *(OUT_OF_ORDER, NEWER),
        *[OUT_OF_ORDER] * (RUN - 1),
        *(RESTARTED, NEWER),
    ]
    assert topic.send(None) == [(UNSTAMPED, 0)]


def test_a_topic_that_stops_stamping_is_dropped_until_it_is_opened_again() -> None:
    topic = Topic()
    topic.send(SECOND)
    assert topic.send(*[None] * 100) == [(UNSTAMPED, 0)] * 100
    topic.timeline.reopen()
    assert topic.send(None) == [(NEWER, topic.now_ns)]
    topic.timeline.reopen()  # and what is known of time stays
    assert topic.send(topic.now_ns) == [(OUT_OF_ORDER, topic.now_ns - MS)]
    assert topic.send(3 * SECOND) == [(RESTARTED, 3 * SECOND)]


def test_before_there_is_a_clock_nothing_is_decided() -> None:
    topic = Topic(now_ns=-10 * MS)
    assert topic.send(*[None] * 10) == [(UNSTAMPED, 0)] * 10
    assert topic.timeline.stamped is None
    assert topic.send(SECOND) == [(NEWER, SECOND)]


def test_a_stamp_is_spelt_out_in_one_place_only() -> None:
    root = Path(lfmvl_ros.__file__).parent
    spelling = re.compile(r"[\"']nanosec[\"']\s*:\s*[^\s0-9]")  # a number: an example
    found = [path for path in root.rglob("*.py") if spelling.search(path.read_text("utf-8"))]
    assert [path.relative_to(root).as_posix() for path in found] == ["core/timeline.py"]

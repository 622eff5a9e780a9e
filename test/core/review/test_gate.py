# SPDX-License-Identifier: Apache-2.0
"""The review gate: nothing that waits for a person gets out without one, and nothing is lost."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config_review import ReviewSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.review import ReviewAnswer, ReviewGate, ReviewOutcome, ReviewVerdict
from lfmvl_ros.core.rules import Event, EventState, EventTrack, Kind, Rule
from lfmvl_ros.core.rules.rule import Unanswered

from ...examples import examples
from ...schemas import check

BOX = (0.1, 0.2, 0.3, 0.4)
HELD = Rule("held", Kind.ENTER, review=True)
KEPT = Rule("kept", Kind.ENTER, review=True, unanswered=Unanswered.PUBLISH)
FREE = Rule("free", Kind.ENTER)
RULES = {rule.name: rule for rule in (HELD, KEPT, FREE)}
SETTINGS = ReviewSettings(timeout_s=10.0, max_held=3)


def event(number: int, rule: str, state: EventState, confidence: float = 0.7) -> Event:
    track = EventTrack(1, "person", confidence, BOX)
    return Event(
        f"{rule}/{number}", rule, Kind.ENTER, state, None, 5, 5, 5, "lens", "", "", "", 0.9, None,
        "", (track,),
    )  # fmt: skip


def gate() -> ReviewGate:
    numbers = count()
    return ReviewGate(lambda: f"{next(numbers):016x}")


def answer(item: str, verdict: ReviewVerdict) -> ReviewAnswer:
    return ReviewAnswer(item, verdict, bbox=BOX if verdict is ReviewVerdict.BOX else None)


@pytest.mark.parametrize("verdict", ReviewVerdict)
def test_an_event_waits_for_the_answer(verdict: ReviewVerdict) -> None:
    held = gate()
    begin, end = event(1, "held", EventState.BEGIN), event(1, "held", EventState.END)
    assert held.take(begin, HELD, SETTINGS, 0.0) == ((), "0" * 16)
    assert held.take(event(1, "held", EventState.UPDATE), HELD, SETTINGS, 1.0) == ((), "")
    settled = held.answer(answer("0" * 16, verdict))
    assert settled is not None
    check(settled.to_dict())
    assert settled.published is (verdict in (ReviewVerdict.YES, ReviewVerdict.BOX))
    assert settled.events == ((begin,) if settled.published else ())
    assert held.take(end, HELD, SETTINGS, 2.0)[0] == ((end,) if settled.published else ())
    assert held.answer(answer("0" * 16, verdict)) is None
    status = held.status()
    assert (status.held, status.asked, status.answered, status.late) == (0, 1, 1, 1)


def test_without_an_answer_the_rule_decides() -> None:
    held = gate()
    for rule in (HELD, KEPT):
        held.take(event(1, rule.name, EventState.BEGIN), rule, SETTINGS, 0.0)
    assert held.expire(9.9) == []
    settled = held.expire(10.0)
    assert [(item.rule, item.outcome, item.published) for item in settled] == [
        ("held", ReviewOutcome.TIMEOUT, False),
        ("kept", ReviewOutcome.TIMEOUT, True),
    ]


def test_an_event_that_is_over_before_the_answer_begins_and_ends() -> None:
    held = gate()
    begin, end = event(1, "held", EventState.BEGIN), event(1, "held", EventState.END)
    _, item = held.take(begin, HELD, SETTINGS, 0.0)
    assert held.take(end, HELD, SETTINGS, 1.0) == ((), "")
    settled = held.answer(answer(item, ReviewVerdict.YES))
    assert settled is not None
    assert settled.events == (begin, end)


@pytest.mark.parametrize(
    ("low", "high", "confidence", "waits"),
    [(0.4, 0.6, 0.5, True), (0.4, 0.6, 0.6, False), (0.4, 0.6, 0.39, False), (0, 0, 0.0, False)],
)
def test_the_band_marks_events_of_any_rule(
    low: float, high: float, confidence: float, waits: bool
) -> None:
    settings = ReviewSettings(min_confidence=low, max_confidence=high)
    begin = event(1, "free", EventState.BEGIN, confidence)
    assert bool(gate().take(begin, FREE, settings, 0.0)[1]) is waits


def test_a_band_upside_down_is_refused() -> None:
    with pytest.raises(UserError, match=r"below review\.max_confidence"):
        ReviewSettings(min_confidence=0.6, max_confidence=0.5)


steps = st.lists(
    st.tuples(
        st.sampled_from(["begin", "update", "end", "answer", "wait"]),
        st.integers(0, 30),
        st.sampled_from(sorted(RULES)),
        st.sampled_from(ReviewVerdict),
    ),
    max_size=60,
)


@given(steps)
@examples(60)
def test_whatever_happens(told: list[tuple[str, int, str, ReviewVerdict]]) -> None:  # noqa: PLR0912
    """Each event begins at most once, ends at most once and then last; none is held for ever."""
    held, now_s, numbers = gate(), 0.0, count()
    open_events: list[Event] = []
    begun: list[str] = []
    out: list[Event] = []
    items: dict[str, str] = {}
    confirmed: set[str] = set()
    for what, number, name, verdict in told:
        if what == "wait":
            now_s += number / 2
            out += [e for item in held.expire(now_s) for e in item.events]
        elif what == "answer" and items:
            item = sorted(items)[number % len(items)]
            settled = held.answer(answer(item, verdict))
            if settled is not None:
                assert settled.published is verdict.confirms
                confirmed |= {items[item]} if settled.published else set()
                out += settled.events
        elif what == "begin":
            open_events.append(event(next(numbers), name, EventState.BEGIN))
            begun.append(open_events[-1].id)
            events, item = held.take(open_events[-1], RULES[name], SETTINGS, now_s)
            out += events
            if item:
                items[item] = open_events[-1].id
        elif open_events:
            chosen = open_events[number % len(open_events)]
            state = EventState(what) if what in ("update", "end") else EventState.UPDATE
            if state is EventState.END:
                open_events.remove(chosen)
            rule = chosen.rule
            told_now = event(int(chosen.id.split("/")[1]), rule, state)
            out += held.take(told_now, RULES[rule], SETTINGS, now_s)[0]
        assert held.status().held <= SETTINGS.max_held
    for chosen in open_events:
        told_now = event(int(chosen.id.split("/")[1]), chosen.rule, EventState.END)
        out += held.take(told_now, RULES[chosen.rule], SETTINGS, now_s)[0]
    out += [e for item in held.close() for e in item.events]
    status = held.status()
    assert status.held == 0
    assert status.asked == status.answered + status.timed_out
    for name in begun:
        states = [e.state for e in out if e.id == name]
        if name.startswith("free") or name in confirmed:
            assert states, f"{name} is lost"
        if name.startswith("held") and name not in confirmed:
            assert not states, f"{name} got out although nobody confirmed it"
        if states:
            assert states[0] is EventState.BEGIN
            assert states[-1] is EventState.END
            assert states.count(EventState.BEGIN) == states.count(EventState.END) == 1

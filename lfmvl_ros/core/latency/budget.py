# SPDX-License-Identifier: Apache-2.0
"""Chooses image tokens and tiles so that answers meet a target latency.

The cost of vision, prefill and decoding on this machine is learned from every answer
(:mod:`lfmvl_ros.core.latency.answer_time`). The next image gets the most image tokens with which
80 % of the answers are predicted to meet the target. The checkpoint's fewest tokens and the user's
own settings are the limits.

It starts with the fewest tokens. A step up is at most to twice the work measured so far, and only
where the prediction fits; a step down may be of any size. A change needs several answers in a row
that require it, and a step up that had to be reverted makes the next one wait longer, so that noise
does not make the choice alternate.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.latency.answer_time import AnswerWork, Machine
from lfmvl_ros.core.latency.forecast import Forecast, PastAnswer
from lfmvl_ros.core.latency.ladder import Rung, Sizes, ladder
from lfmvl_ros.core.reply import FinishReason, Reply

_RECENT = 24  # answers from which the percentile is computed
_UP_AFTER, _DOWN_AFTER = 3, 2  # answers in a row
_LEAST_GAIN = 1.1  # tokens after a step up, relative to before
_GROWTH = 2.0  # work after a step up, relative to the most work measured
_MOST_CAUTION = 5
_UNDO_WINDOW = 4  # times _calls_needed answers: a step down within this reverts the step up


class Because(str, Enum):
    """Why a choice is what it is."""

    UNMEASURED = "unmeasured"
    """No answer has been timed yet: the cheapest choice, or the one before the query changed."""
    FITS = "fits"
    """The most that is predicted to meet the target, or on the way there."""
    ALL = "all"
    """The user's own settings are predicted to meet the target."""
    CHEAPEST = "cheapest"
    """Even the cheapest choice is predicted to take longer than the target."""


@dataclass(frozen=True)
class Choice:
    """The choice for the next image, and why.

    Attributes:
        rung: the choice.
        target_s: longest time that an answer should take.
        expected_s: predicted median; None when unmeasured.
        likely_s: predicted 80th percentile; None when unmeasured.
        because: why.
    """

    rung: Rung
    target_s: float
    expected_s: float | None
    likely_s: float | None
    because: Because

    def to_dict(self) -> dict[str, object]:
        """Return the value of ``latency_budget`` in the ``grounding`` document."""
        return {
            "target_ms": round(self.target_s * 1e3, 3),
            "expected_ms": _ms(self.expected_s),
            "likely_ms": _ms(self.likely_s),
            "image_tokens": self.rung.tokens,
            "tiles": self.rung.tiles,
            "because": self.because.value,
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)


@dataclass(frozen=True)
class Stream:
    """What is known about the answers of one camera, or of cameras in one batch.

    Attributes:
        recent: newest answers to the present query, oldest first.
        tokens: image tokens last chosen; None before the first choice.
        target_s: the target they were chosen for.
        counted: number of the newest answer that has been counted for or against a change.
        calls: answers in a row that required more (> 0) or fewer (< 0) tokens.
        settled: whether the first rise from the cheapest choice has ended.
        caution: each one doubles the number of answers that a step up needs.
        raised: number of the answer after which the last step up was taken, 0 for none.
        ceiling: image tokens never to be exceeded again, after memory ran out; None for no limit.
    """

    recent: tuple[PastAnswer, ...] = ()
    tokens: int | None = None
    target_s: float = 0.0
    counted: int = 0
    calls: int = 0
    settled: bool = False
    caution: int = 0
    raised: int = 0
    ceiling: int | None = None

    def learned(self, seen: PastAnswer) -> Stream:
        """Return the stream after one more answer."""
        return replace(self, recent=(*self.recent, seen)[-_RECENT:])

    def with_other_query(self) -> Stream:
        """Return the stream for another query: the length of answers is learned again."""
        return replace(self, recent=(), calls=0)


def choose(
    machine: Machine, stream: Stream, rungs: tuple[Rung, ...], target_s: float
) -> tuple[Stream, Choice]:
    """Choose for the next image of a stream. A lower target never gets more tokens.

    Args:
        machine: the learned speed.
        stream: the answers and choices so far.
        rungs: of :func:`lfmvl_ros.core.latency.ladder.ladder`.
        target_s: > 0.

    Returns:
        The stream to continue with, and the choice.

    Raises:
        ValueError: the target is not a time above 0.
    """
    if not (math.isfinite(target_s) and target_s > 0):
        raise ValueError(f"a target is a time > 0 s, got {target_s}; 0 turns the budget off")
    if stream.ceiling is not None:
        limit = max(1, sum(rung.tokens <= stream.ceiling for rung in rungs))
        rungs = rungs[:limit]
    now = _place(rungs, stream.tokens)
    forecast = Forecast(machine, stream.recent)
    if not len(forecast):
        stream = replace(stream, tokens=rungs[now].tokens, target_s=target_s, calls=0)
        return stream, Choice(rungs[now], target_s, None, None, Because.UNMEASURED)
    stream, now = _step(forecast, stream, rungs, now, target_s)
    likely_s = forecast.seconds(rungs[now])
    because = Because.FITS
    if now == len(rungs) - 1 and likely_s <= target_s:
        because = Because.ALL
    elif now == 0 and likely_s > target_s * (1 + forecast.band(rungs[0])):
        because = Because.CHEAPEST
    expected_s = forecast.seconds(rungs[now], 0.5)
    return stream, Choice(rungs[now], target_s, expected_s, likely_s, because)


def _place(rungs: tuple[Rung, ...], tokens: int | None) -> int:
    """The largest rung that has at most the tokens chosen last, maybe for another image size."""
    if tokens is None:
        return 0
    return max(0, sum(rung.tokens <= tokens for rung in rungs) - 1)


def _step(
    forecast: Forecast, stream: Stream, rungs: tuple[Rung, ...], now: int, target_s: float
) -> tuple[Stream, int]:
    """Move to another rung, or stay."""
    required = _required_rung(forecast, stream, rungs, now, target_s)
    fresh = stream.recent[-1].number != stream.counted
    if fresh:
        stream = _counted(stream, required - now, confident=len(forecast) >= _UP_AFTER)
    if required > now:
        waited = fresh and (not stream.settled or stream.calls >= _calls_needed(stream))
        due = waited or target_s > stream.target_s
    else:
        due = (fresh and -stream.calls >= _DOWN_AFTER) or target_s < stream.target_s
    if required != now and due:
        stream = _moved(stream, up=required > now, asked_for=target_s < stream.target_s)
        now = required
    return replace(stream, tokens=rungs[now].tokens, target_s=target_s), now


def _required_rung(
    forecast: Forecast, stream: Stream, rungs: tuple[Rung, ...], now: int, target_s: float
) -> int:
    """The rung that the newest measurements require; ``now`` while it is good enough."""
    band = forecast.band(rungs[now])
    if forecast.seconds(rungs[now]) > target_s * (1 + band):
        return max(0, forecast.highest(rungs, target_s))
    measured = max(seen.image.patches for seen in stream.recent)
    reach = sum(rung.work.patches <= _GROWTH * measured for rung in rungs) - 1
    last = len(rungs) - 1
    enough = _LEAST_GAIN * rungs[now].tokens
    first = next((place for place, rung in enumerate(rungs) if rung.tokens >= enough), last)
    room_s = target_s * (1 - band)
    best = min(forecast.highest(rungs, room_s), max(first, reach))
    if best >= first and best > now:
        return best
    return first if _worth_a_try(forecast, stream, rungs[now], rungs[first], room_s) else now


def _worth_a_try(forecast: Forecast, stream: Stream, now: Rung, more: Rung, room_s: float) -> bool:
    """Whether to try ``more`` once, although it is predicted not to fit.

    While a stream has only used one size of image, all of its cost is assumed to grow with the
    size, so the prediction for ``more`` is too slow if part of the cost is fixed. The true time is
    between that and the time of the present size; the middle of the two decides.
    """
    if stream.raised or len(forecast) < _UP_AFTER:
        return False
    return (forecast.seconds(now) + forecast.seconds(more)) / 2 <= room_s


def _counted(stream: Stream, direction: int, *, confident: bool) -> Stream:
    """Count the direction that the newest answer requires."""
    newest = stream.recent[-1].number
    sign = (direction > 0) - (direction < 0)
    calls = stream.calls + sign if stream.calls * sign > 0 else sign
    if stream.caution and newest - stream.raised > 2 * _UNDO_WINDOW * _calls_needed(stream):
        stream = replace(stream, caution=stream.caution - 1, raised=newest)
    settled = stream.settled or (confident and sign <= 0)
    return replace(stream, calls=calls, counted=newest, settled=settled)


def _calls_needed(stream: Stream) -> int:
    """How many answers in a row must require more tokens before a step up."""
    return int(_UP_AFTER * 2**stream.caution)


def _moved(stream: Stream, *, up: bool, asked_for: bool) -> Stream:
    """Record a step. One down soon after one up reverts it, unless the target was lowered."""
    newest = stream.recent[-1].number
    if up:
        return replace(stream, calls=0, raised=newest)
    soon = stream.raised > 0 and newest - stream.raised <= _UNDO_WINDOW * _calls_needed(stream)
    more = 1 if soon and not asked_for else 0
    return replace(stream, calls=0, caution=min(stream.caution + more, _MOST_CAUTION))


class LatencyBudget:
    """Chooses image tokens for all cameras of a loaded model. Used by one thread."""

    _MOST_STREAMS = 32

    def __init__(self) -> None:
        self.machine = Machine()
        self._subject: Hashable = None
        self._streams: dict[str, tuple[Hashable, Stream]] = {}

    def choose(
        self,
        name: str,
        sizes: Sizes,
        rules: ImageTokenSettings,
        *,
        target_s: float,
        subject: Hashable = None,
        words: Hashable = None,
        prompt_text_tokens: int = 0,
    ) -> Choice:
        """Choose the image tokens of the next images of a camera.

        Args:
            name: of the camera, or of the cameras in one batch.
            sizes: (width, height) of the images, pixels.
            rules: the user's settings, completed by the checkpoint's.
            target_s: longest time that an answer should take, > 0.
            subject: names model and device; when it changes, everything is learned again.
            words: the query; when it changes, only the length of answers is learned again.
            prompt_text_tokens: approximate length of a prompt without its image.
        """
        if subject != self._subject:
            self.machine, self._streams, self._subject = Machine(), {}, subject
        before, stream = self._streams.pop(name, (words, Stream()))
        if before != words:
            stream = stream.with_other_query()
        rungs = ladder(sizes, rules, prompt_text_tokens)
        stream, choice = choose(self.machine, stream, rungs, target_s)
        self._streams[name] = (words, stream)
        while len(self._streams) > self._MOST_STREAMS:  # the least recently used one
            del self._streams[next(iter(self._streams))]
        return choice

    def learn(self, name: str, choice: Choice, replies: Sequence[Reply]) -> None:
        """Learn from the answers of one batch that used ``choice``.

        Nothing is learned from a failure. If memory ran out and the model used fewer image tokens
        than chosen, these become the limit. If the deadline came before the first token, half the
        tokens are chosen next.
        """
        if name not in self._streams or not replies:
            return
        times = replies[0].times  # of the whole batch, in each of its replies
        failed = any(reply.finish is FinishReason.ERROR for reply in replies)
        if failed or times.total_s <= 0:
            return
        words, stream = self._streams[name]
        if all(reply.finish is FinishReason.DEADLINE and not reply.tokens for reply in replies):
            self._streams[name] = (words, replace(stream, tokens=choice.rung.tokens // 2, calls=0))
            return
        tokens = sum(reply.image_tokens for reply in replies)
        if 0 < tokens < choice.rung.tokens:
            self._streams[name] = (words, replace(stream, ceiling=tokens))
            return
        written = [len(reply.tokens) for reply in replies]
        passes = [
            reply.forwards - 1 if reply.forwards else length
            for reply, length in zip(replies, written, strict=True)
        ]
        answer = AnswerWork(forwards=max(passes), tokens=sum(written))
        self.machine = self.machine.learned(choice.rung.work, answer, times)
        seen = PastAnswer(self.machine.answers, choice.rung.work, answer, times.total_s)
        self._streams[name] = (words, stream.learned(seen))

# SPDX-License-Identifier: Apache-2.0
"""How long an answer takes on this machine: learned from every answer, and told for the next.

Three stages, each with a cost linear in work that can be counted: looking (preprocessing and
vision tower) in patches, reading (prefill) in prompt tokens, writing (decode) in forward passes and
tokens. Coefficients are never negative, so more work never looks cheaper. They are fitted by
recursive least squares with exponential forgetting (Haykin, Adaptive Filter Theory, chapter 10),
kept in information form: without new evidence about one direction nothing winds up.

Single answers that the fit can't explain count for nothing; once several in a row are off to the
same side, the machine has changed (a Jetson that throttles) and all coefficients are scaled at
once, which keeps what is known about their proportions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lfmvl_ros.core.reply import StageTimes

_MEMORY = 0.95  # weight of an answer against the one after it
_ODD_RATIO = 1.5  # an answer this far off what was expected is odd
_ODD_IN_A_ROW = 3  # as many mean that the machine has changed
_STAGE_RATIO = 2.0  # one stage of an ordinary answer counts as this far off at most
_MOST_CHANGE = 100.0
_SHORTEST_S = 1e-5
# How strongly the fixed part of a cost is drawn to zero. Where all answers cost the same work it
# decides, and more work is then expected to cost in proportion: too much rather than too little.
_FIXED_PART_DRAWN = 0.02


@dataclass(frozen=True)
class ImageWork:
    """What looking at an image, or a batch of them, and reading its prompt takes.

    Attributes:
        patches: patches the vision tower computes on, its padding included; >= 0.
        prompt_tokens: image tokens, their markers and text, padding included; >= 0.
    """

    patches: int
    prompt_tokens: int

    def __post_init__(self) -> None:
        _check_counts(self)


@dataclass(frozen=True)
class AnswerWork:
    """What writing an answer, or those of a batch, took.

    Attributes:
        forwards: passes through the language tower, the prompt's not counted; >= 0.
        tokens: tokens written, of the whole batch; >= 0.
    """

    forwards: int
    tokens: int

    def __post_init__(self) -> None:
        _check_counts(self)


def _check_counts(work: object) -> None:
    for name, value in vars(work).items():
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} is a count, >= 0; got {value!r}")


@dataclass(frozen=True)
class LinearCost:
    """``seconds = a * u + b * v`` with ``a, b >= 0``, fitted to relative errors.

    Attributes:
        uu, uv, vv, uy, vy: weighted sums of products over past observations, y the seconds.

    >>> cost = LinearCost().learned(1.0, 2.0, 0.4)
    >>> round(cost.seconds(1.0, 4.0), 6)  # one observation: in proportion to the second
    0.8
    >>> round(cost.learned(1.0, 4.0, 0.6).seconds(1.0, 3.0), 2)
    0.5
    """

    uu: float = 0.0
    uv: float = 0.0
    vv: float = 0.0
    uy: float = 0.0
    vy: float = 0.0

    def learned(self, u: float, v: float, seconds: float) -> LinearCost:
        """Return the cost with one observation more, ``seconds`` >= 0."""
        scale = max(self.seconds(u, v) or seconds, _SHORTEST_S)
        u, v, y = u / scale, v / scale, seconds / scale
        return LinearCost(
            _MEMORY * self.uu + u * u,
            _MEMORY * self.uv + u * v,
            _MEMORY * self.vv + v * v,
            _MEMORY * self.uy + u * y,
            _MEMORY * self.vy + v * y,
        )

    def scaled(self, factor: float) -> LinearCost:
        """Return the cost on a machine ``factor`` > 0 times slower."""
        square = factor * factor
        return LinearCost(
            self.uu / square,
            self.uv / square,
            self.vv / square,
            self.uy / factor,
            self.vy / factor,
        )

    def coefficients(self) -> tuple[float, float]:
        """Return ``(a, b)``: the minimum of the squared errors where neither is negative."""
        uu = self.uu * (1 + _FIXED_PART_DRAWN)
        determinant = uu * self.vv - self.uv**2
        if determinant > 1e-12 * uu * self.vv:
            a = (self.uy * self.vv - self.vy * self.uv) / determinant
            b = (self.vy * uu - self.uy * self.uv) / determinant
            if a >= 0 and b >= 0:
                return a, b
        # On an edge: the one that explains more. With one of them zero the errors' sum falls by
        # the square of the other's product with y, over its own square.
        alone_u = self.uy**2 / uu if uu else 0.0
        alone_v = self.vy**2 / self.vv if self.vv else 0.0
        if alone_v >= alone_u:
            return 0.0, self.vy / self.vv if self.vv else 0.0
        return self.uy / uu, 0.0

    def seconds(self, u: float, v: float) -> float:
        """Return what work ``(u, v)`` is expected to take; 0 before the first observation."""
        a, b = self.coefficients()
        return a * u + b * v


@dataclass(frozen=True)
class Machine:
    """Model and device, as far as their speed goes.

    Attributes:
        look, read, write: cost of each stage.
        answers: how many have been learned from.
        since: number of the first answer that tells about the machine as it is now.
        odd: stage ratios, actual to expected, of the newest answers if those were all odd and off
            to the same side.
        slower: to which side.
    """

    look: LinearCost = field(default_factory=LinearCost)
    read: LinearCost = field(default_factory=LinearCost)
    write: LinearCost = field(default_factory=LinearCost)
    answers: int = 0
    since: int = 1
    odd: tuple[tuple[float, float, float], ...] = ()
    slower: bool = False

    def image_s(self, image: ImageWork) -> float:
        """Return the seconds that looking at an image and reading its prompt should take."""
        return self.look.seconds(*_look(image)) + self.read.seconds(*_read(image))

    def answer_s(self, answer: AnswerWork) -> float:
        """Return the seconds that writing an answer should take."""
        return self.write.seconds(*_write(answer))

    def learned(self, image: ImageWork, answer: AnswerWork, times: StageTimes) -> Machine:
        """Return the machine with one answer more, whose number is then ``answers``."""
        works = (_look(image), _read(image), _write(answer))
        actual = (times.preprocess_s + times.vision_s, times.prefill_s, times.decode_s)
        costs = (self.look, self.read, self.write)
        expected = [cost.seconds(*work) for cost, work in zip(costs, works, strict=True)]
        number = self.answers + 1
        ratio = _ratio(sum(actual), sum(expected)) if self.answers else 1.0
        if 1 / _ODD_RATIO <= ratio <= _ODD_RATIO:
            look, read, write = (
                cost.learned(*work, _within(seconds, usual))
                for cost, work, seconds, usual in zip(costs, works, actual, expected, strict=True)
            )
            return Machine(look, read, write, number, self.since)
        slower = ratio > 1
        ratios = tuple(_ratio(now, usual) for now, usual in zip(actual, expected, strict=True))
        before = self.odd if slower == self.slower else ()
        odd = (*before, (ratios[0], ratios[1], ratios[2]))
        # Nothing makes an answer much faster than the machine is, but loading and warming up make
        # the first much slower.
        warmed_up = not slower and self.answers < _ODD_IN_A_ROW
        if len(odd) < _ODD_IN_A_ROW and not warmed_up:
            return replace(self, answers=number, odd=odd, slower=slower)
        look, read, write = (
            cost.scaled(min(max(_median(column), 1 / _MOST_CHANGE), _MOST_CHANGE))
            for cost, column in zip(costs, zip(*odd, strict=True), strict=True)
        )
        return Machine(look, read, write, number, since=number + 1 - len(odd))


def _look(image: ImageWork) -> tuple[float, float]:
    return 1.0, image.patches / 1024


def _read(image: ImageWork) -> tuple[float, float]:
    return 1.0, image.prompt_tokens / 256


def _write(answer: AnswerWork) -> tuple[float, float]:
    # Passes last: where tokens and passes always go together it is passes that cost.
    return answer.tokens / 100, answer.forwards / 10


def _ratio(actual: float, expected: float) -> float:
    return max(actual, _SHORTEST_S) / max(expected, _SHORTEST_S)


def _within(seconds: float, usual: float) -> float:
    """Return the seconds, drawn near to what is usual where they are far off."""
    if usual < _SHORTEST_S:
        return seconds
    return min(max(seconds, usual / _STAGE_RATIO), usual * _STAGE_RATIO)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return math.sqrt(ordered[middle - 1] * ordered[middle])

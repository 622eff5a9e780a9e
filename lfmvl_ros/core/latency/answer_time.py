# SPDX-License-Identifier: Apache-2.0
"""Predicts how long an answer takes on this machine, learned from every answer.

Three stages, each with a cost linear in work that can be counted: vision (preprocessing and vision
tower) in patches, prefill in prompt tokens, decode in forward passes and tokens. Coefficients are
never negative, so more work is never predicted to be cheaper. They are fitted by recursive least
squares with exponential forgetting (Haykin, Adaptive Filter Theory, chapter 10), in information
form, which stays stable when new answers only bring evidence about some of the coefficients.

Single outliers are ignored. Several in a row, all slower or all faster, mean that the machine has
changed (a Jetson that throttles): then all coefficients are scaled at once, which keeps their
proportions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lfmvl_ros.core.reply import StageTimes

_MEMORY = 0.95  # weight of an answer relative to the next one
_ODD_RATIO = 1.5  # an answer that is off the prediction by this factor is an outlier
_ODD_IN_A_ROW = 3  # this many outliers mean that the machine has changed
_STAGE_RATIO = 2.0  # limit for one stage of an ordinary answer
_MOST_CHANGE = 100.0
_SHORTEST_S = 1e-5
# Regularisation of the fixed part of a cost towards zero. While all answers took the same work, it
# alone decides: time is then assumed proportional to work, which is too long rather than too short.
_FIXED_PART_DRAWN = 0.02


@dataclass(frozen=True)
class ImageWork:
    """Work of vision and prefill for an image, or for a batch of them.

    Attributes:
        patches: patches of the vision tower, padding included; >= 0.
        prompt_tokens: image tokens, their markers and text, padding included; >= 0.
    """

    patches: int
    prompt_tokens: int

    def __post_init__(self) -> None:
        _check_counts(self)


@dataclass(frozen=True)
class AnswerWork:
    """Work of decoding an answer, or those of a batch.

    Attributes:
        forwards: forward passes of the language model, without that of the prompt; >= 0.
        tokens: generated tokens of the whole batch; >= 0.
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
        """Return the cost after one more observation, ``seconds`` >= 0."""
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
        # Otherwise one of them is zero: the one that explains less. With one zero, the squared
        # error falls by the square of the other's product with y, over its own square.
        alone_u = self.uy**2 / uu if uu else 0.0
        alone_v = self.vy**2 / self.vv if self.vv else 0.0
        if alone_v >= alone_u:
            return 0.0, self.vy / self.vv if self.vv else 0.0
        return self.uy / uu, 0.0

    def seconds(self, u: float, v: float) -> float:
        """Return the predicted time of work ``(u, v)``; 0 before the first observation."""
        a, b = self.coefficients()
        return a * u + b * v


@dataclass(frozen=True)
class Machine:
    """The speed of a model on a device.

    Attributes:
        vision, prefill, decode: cost of each stage.
        answers: number of answers learned from.
        since: number of the first answer since the machine last changed.
        odd: stage ratios, actual to predicted, of the newest answers if those were all outliers in
            the same direction.
        slower: whether that direction is slower.
    """

    vision: LinearCost = field(default_factory=LinearCost)
    prefill: LinearCost = field(default_factory=LinearCost)
    decode: LinearCost = field(default_factory=LinearCost)
    answers: int = 0
    since: int = 1
    odd: tuple[tuple[float, float, float], ...] = ()
    slower: bool = False

    def image_s(self, image: ImageWork) -> float:
        """Return the predicted seconds of vision and prefill."""
        return self.vision.seconds(*_vision(image)) + self.prefill.seconds(*_prefill(image))

    def answer_s(self, answer: AnswerWork) -> float:
        """Return the predicted seconds of decoding an answer."""
        return self.decode.seconds(*_decode(answer))

    def learned(self, image: ImageWork, answer: AnswerWork, times: StageTimes) -> Machine:
        """Return the machine after one more answer, whose number is then ``answers``."""
        works = (_vision(image), _prefill(image), _decode(answer))
        actual = (times.preprocess_s + times.vision_s, times.prefill_s, times.decode_s)
        costs = (self.vision, self.prefill, self.decode)
        expected = [cost.seconds(*work) for cost, work in zip(costs, works, strict=True)]
        number = self.answers + 1
        ratio = _ratio(sum(actual), sum(expected)) if self.answers else 1.0
        if 1 / _ODD_RATIO <= ratio <= _ODD_RATIO:
            vision, prefill, decode = (
                cost.learned(*work, _within(seconds, usual))
                for cost, work, seconds, usual in zip(costs, works, actual, expected, strict=True)
            )
            return Machine(vision, prefill, decode, number, self.since)
        slower = ratio > 1
        ratios = tuple(_ratio(now, usual) for now, usual in zip(actual, expected, strict=True))
        before = self.odd if slower == self.slower else ()
        odd = (*before, (ratios[0], ratios[1], ratios[2]))
        # Answers are never much faster than the machine allows, but loading and warming up make the
        # first ones much slower.
        warmed_up = not slower and self.answers < _ODD_IN_A_ROW
        if len(odd) < _ODD_IN_A_ROW and not warmed_up:
            return replace(self, answers=number, odd=odd, slower=slower)
        vision, prefill, decode = (
            cost.scaled(min(max(_median(column), 1 / _MOST_CHANGE), _MOST_CHANGE))
            for cost, column in zip(costs, zip(*odd, strict=True), strict=True)
        )
        return Machine(vision, prefill, decode, number, since=number + 1 - len(odd))


def _vision(image: ImageWork) -> tuple[float, float]:
    return 1.0, image.patches / 1024


def _prefill(image: ImageWork) -> tuple[float, float]:
    return 1.0, image.prompt_tokens / 256


def _decode(answer: AnswerWork) -> tuple[float, float]:
    # Passes last: if tokens and passes are always proportional, passes get the cost.
    return answer.tokens / 100, answer.forwards / 10


def _ratio(actual: float, expected: float) -> float:
    return max(actual, _SHORTEST_S) / max(expected, _SHORTEST_S)


def _within(seconds: float, usual: float) -> float:
    """Return the seconds, limited to a range around the predicted ones."""
    if usual < _SHORTEST_S:
        return seconds
    return min(max(seconds, usual / _STAGE_RATIO), usual * _STAGE_RATIO)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return math.sqrt(ordered[middle - 1] * ordered[middle])

# SPDX-License-Identifier: Apache-2.0
"""Cumulative sums that notice when a feature leaves its reference.

Source: E. S. Page, Continuous Inspection Schemes, Biometrika 41 (1954), with the mean known from a
reference; Page and Hinkley's test in its usual form learns the mean as it goes, and so treats the
first hours after each start as normal. For each feature there are two one-sided sums over the means
of 20 answers, in units of their standard deviation::

    up = max(0, up + min(z, 3) - k)        down = max(0, down + min(-z, 3) - k)

A feature has changed while one of its sums is above 6. ``k`` is 1, and more where the mean of the
reference is less certain. For independent blocks a sum exceeds 6 once in about exp(2 k (6 + 1.17))
/ (2 k²) > 800,000 of them (Siegmund's approximation), so that 60 features make a false alarm about
once in 130,000 answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from lfmvl_ros.core.drift.features import shown
from lfmvl_ros.core.drift.reference import BlockMeans, Normal, Reference, ReferenceLearner

ALARM = 6.0
_MOST_Z = 3.0  # a single unusual block is not a change
_HIGHEST = ALARM + 6.0  # so that a change that has passed is soon forgotten
_ALLOWANCE = 1.0


@dataclass(frozen=True)
class Change:
    """A feature that has left the reference.

    Attributes:
        feature: its name.
        now: mean over the last 20 answers that have it, in the unit of the name.
        before: its mean in the reference, same unit.
        sigmas: the difference in standard deviations of a mean of 20 answers.
    """

    feature: str
    now: float
    before: float
    sigmas: float

    def __str__(self) -> str:
        return f"{self.feature} {self.now:.3g} instead of {self.before:.3g}"


@dataclass(frozen=True)
class DriftStatus:
    """A snapshot for diagnostics.

    Attributes:
        answers: seen since the start.
        to_learn: how many more answers are needed before the comparison begins; 0 once it has.
        problem: why nothing is compared; "" when it is, or will be.
        watched: features that are compared.
        changes: those that have changed, and still are.
        begun: changes since the start, also those that have passed.
        means: of the last 20 answers by feature, in the unit of the name.
    """

    answers: int
    to_learn: int
    problem: str
    watched: int
    changes: tuple[Change, ...]
    begun: int
    means: Mapping[str, float] = field(default_factory=dict)


class _Sums:
    """The two sums of a feature."""

    def __init__(self, normal: Normal) -> None:
        self._normal = normal
        self._allowance = _ALLOWANCE + 1 / math.sqrt(normal.blocks)
        self._up = self._down = 0.0

    def add(self, mean: float) -> None:
        z = (mean - self._normal.mean) / self._normal.sigma
        self._up = self._next(self._up, z)
        self._down = self._next(self._down, -z)

    def _next(self, total: float, z: float) -> float:
        return min(max(0.0, total + min(z, _MOST_Z) - self._allowance), _HIGHEST)

    @property
    def has_changed(self) -> bool:
        return max(self._up, self._down) > ALARM


class DriftMonitor:
    """Watches the answers about one camera. Not thread-safe.

    Args:
        reference: what is normal; None: it is learned from the first answers.
        learn_answers: how many of them, then.
    """

    def __init__(self, reference: Reference | None, learn_answers: int) -> None:
        self._given, self._learn_answers = reference, learn_answers
        self._answers = self._begun = 0
        self._subject: tuple[str, str] | None = None
        self._reference: Reference | None = None
        self._problem = ""
        self._start()

    def _start(self) -> None:
        self._blocks, self._learner = BlockMeans(), ReferenceLearner()
        self._means: dict[str, float] = {}
        self._sums: dict[str, _Sums] = {}
        self._changes: dict[str, Change] = {}
        self._reference = None

    def add(self, features: Mapping[str, float], query: str, model: str) -> list[Change]:
        """Take the features of an answer; return the changes that begin with it.

        Another query or model needs another reference: a learned one is learned again; one from a
            file is not used.
        """
        self._answers += 1
        if self._subject != (query, model):
            self._subject = (query, model)
            self._start()
            self._problem = self._why_not(query, model)
            if self._given is not None and not self._problem:
                self._compare_with(self._given)
        ended = self._blocks.add(features)
        self._means |= ended
        if self._given is None and self._reference is None:
            self._learn(features, query, model)
            return []
        return self._judge(ended)

    @property
    def has_changed(self) -> bool:
        """Whether a feature has changed, and still is."""
        return bool(self._changes)

    def status(self) -> DriftStatus:
        """Return a snapshot."""
        to_learn = 0
        if self._given is None and self._reference is None:
            to_learn = self._learn_answers - self._learner.answers
        means = {name: shown(name, value) for name, value in sorted(self._means.items())}
        changes = tuple(self._changes.values())
        return DriftStatus(
            self._answers, to_learn, self._problem, len(self._sums), changes, self._begun, means
        )

    def _why_not(self, query: str, model: str) -> str:
        given = self._given
        if given is None:
            return ""
        if given.query != query:
            return f"the profile is for the query {given.query!r}; nothing is compared"
        if given.model != model:
            return f"the profile is for the model {given.model!r}; nothing is compared"
        return ""

    def _learn(self, features: Mapping[str, float], query: str, model: str) -> None:
        self._learner.add(features)
        if self._learner.answers >= self._learn_answers:
            self._compare_with(self._learner.reference(query, model))

    def _compare_with(self, reference: Reference) -> None:
        self._reference = reference
        self._blocks = BlockMeans()
        self._sums = {name: _Sums(normal) for name, normal in reference.features.items()}

    def _judge(self, ended: Mapping[str, float]) -> list[Change]:
        begun = []
        for name, mean in ended.items():
            sums = self._sums.get(name)
            if sums is None or self._reference is None:
                continue
            sums.add(mean)
            if not sums.has_changed:
                self._changes.pop(name, None)
                continue
            normal = self._reference.features[name]
            sigmas = (mean - normal.mean) / normal.sigma
            change = Change(name, shown(name, mean), shown(name, normal.mean), sigmas)
            if name not in self._changes:
                begun.append(change)
            self._changes[name] = change
        self._begun += len(begun)
        return begun

# SPDX-License-Identifier: Apache-2.0
"""Compares answers with a reference: which figures have changed, and which are back.

:mod:`.sequential_tests` decides both, for each figure alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lfmvl_ros.core.drift.features import lacking, shown
from lfmvl_ros.core.drift.reference import BLOCK, BlockMeans, Reference, ReferenceLearner
from lfmvl_ros.core.drift.sequential_tests import SequentialTests


@dataclass(frozen=True)
class Change:
    """A feature that has left the reference, or is back in it.

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
        without_values: features of the reference that at least 20 answers in a row should have had
            and had not, such as the temperature of a machine that reports none.
        not_in_reference: features of the newest answers that the reference lacks.
    """

    answers: int
    to_learn: int
    problem: str
    watched: int
    changes: tuple[Change, ...]
    begun: int
    means: Mapping[str, float] = field(default_factory=dict)
    without_values: tuple[str, ...] = ()
    not_in_reference: tuple[str, ...] = ()


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
        self._tests: dict[str, SequentialTests] = {}
        self._changes: dict[str, Change] = {}
        self._cleared: tuple[Change, ...] = ()
        self._lacking: dict[str, int] = {}
        self._reference = None

    def add(self, features: Mapping[str, float], query: str, model: str) -> list[Change]:
        """Take the features of an answer; return the changes that begin with it.

        Another query or model needs another reference: a learned one is learned again; one from a
            file is not used.
        """
        self._answers += 1
        self._cleared = ()
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
        for name in lacking(self._tests, features):
            self._lacking[name] = self._lacking.get(name, 0) + 1
        for name in features:
            self._lacking.pop(name, None)
        return self._judge(ended)

    @property
    def has_changed(self) -> bool:
        """Whether a feature has changed, and still is."""
        return bool(self._changes)

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes that last, with their newest mean."""
        return tuple(self._changes.values())

    @property
    def cleared(self) -> tuple[Change, ...]:
        """The changes that ended with the newest answer, with the mean that ended them."""
        return self._cleared

    def status(self) -> DriftStatus:
        """Return a snapshot."""
        to_learn = 0
        if self._given is None and self._reference is None:
            to_learn = self._learn_answers - self._learner.answers
        means = {name: shown(name, value) for name, value in sorted(self._means.items())}
        return DriftStatus(
            self._answers, to_learn, self._problem, len(self._tests), self.changes, self._begun,
            means, *self._uncompared(),
        )  # fmt: skip

    def _uncompared(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what only the reference has, and what only the answers have."""
        if not self._tests:
            return (), ()
        without = sorted(name for name, count in self._lacking.items() if count >= BLOCK)
        return tuple(without), tuple(sorted(set(self._means) - set(self._tests)))

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
        self._tests = {name: SequentialTests(each) for name, each in reference.features.items()}

    def _judge(self, ended: Mapping[str, float]) -> list[Change]:
        begun, cleared = [], []
        for name, mean in ended.items():
            tests = self._tests.get(name)
            if tests is None or self._reference is None:
                continue
            tests.add(mean)
            before = shown(name, self._reference.features[name].mean)
            change = Change(name, shown(name, mean), before, tests.sigmas(mean))
            if tests.has_changed:
                if name not in self._changes:
                    begun.append(change)
                self._changes[name] = change
            elif self._changes.pop(name, None) is not None:
                cleared.append(change)
        self._begun += len(begun)
        self._cleared = tuple(cleared)
        return begun

# SPDX-License-Identifier: Apache-2.0
"""The loop of a run: update, evaluate, keep the best weights, save, stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.whole_files import write_whole
from lfmvl_ros.finetune.encoding import Encoder
from lfmvl_ros.finetune.estimate import Estimate, peak_bytes
from lfmvl_ros.finetune.learner import Learner
from lfmvl_ros.finetune.run_folder import (
    LOG_FILE,
    read_log,
    read_state,
    using_state,
    write_state,
)
from lfmvl_ros.finetune.run_log import RunLog, RunPosition
from lfmvl_ros.finetune.samples import SampleStream
from lfmvl_ros.finetune.saved import (
    check_count,
    check_seconds,
    check_tensors,
    load_optimiser,
)
from lfmvl_ros.finetune.settings import FinetuneSettings

MEASURED_STEPS = 3
"""Updates after which time and memory of the run are estimated."""

_WARM_UP = 10  # updates, or a tenth of a short run
_LAST_SHARE = 0.05  # of the learning rate, at the end
_LOG_EVERY_S = 10.0
_JUDGING_SHARE = 1 / 3  # most of a given time that evaluation may take
_KEY = "finetune"  # identifies a state of this kind

Judge = Callable[[Mapping[str, Tensor] | None], dict[str, float | None]]
"""Returns the scores of held-out answers with these weights (None: the initial ones)."""


@dataclass
class RunProgress:
    """Progress of a run; it is saved with the state.

    Attributes:
        step: updates so far.
        total: updates in all; 0 until it is known.
        judgements: evaluations during training if a time is given; 0: as many as in the settings.
        seconds: of training and evaluation so far.
        judge_s: duration of the last evaluation.
        first: score of the initial weights.
        best, best_step: highest score after the start, and its update.
        waited: evaluations since then.
        stopped: whether the run ended early.
    """

    step: int = 0
    total: int = 0
    judgements: int = 0
    seconds: float = 0.0
    judge_s: float = 0.0
    first: float = -1.0
    best: float = -1.0
    best_step: int = 0
    waited: int = 0
    stopped: bool = False

    def check(self, planned: int) -> None:
        """Raise ValueError for values that no run has.

        Args:
            planned: number of updates in all; 0 if a time is given.
        """
        for name in ("step", "total", "judgements", "best_step", "waited"):
            check_count(name, getattr(self, name))
        for name in ("seconds", "judge_s"):
            check_seconds(name, getattr(self, name))
        if not is_number(self.first) or not is_number(self.best):
            raise ValueError("first or best is not a score")
        if not isinstance(self.stopped, bool):
            raise ValueError("stopped is neither true nor false")
        if planned and self.total not in (0, planned):
            raise ValueError(f"total is {self.total}, and {planned} updates were planned")


@dataclass
class FinetuneTrainer:
    """One run.

    Attributes:
        settings: of the run.
        out: its directory.
        learner: the weights.
        stream: the samples.
        encoder: makes model inputs of them.
        judge: evaluates weights, see :data:`Judge`.
        epoch: number of images in an epoch.
        identity: what a saved state must agree with to be resumed.
    """

    settings: FinetuneSettings
    out: Path
    learner: Learner
    stream: SampleStream
    encoder: Encoder
    judge: Judge
    epoch: int
    identity: dict[str, Any]
    progress: RunProgress = field(default_factory=RunProgress)
    best: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._log = RunLog(self.out / LOG_FILE)
        self._durations: list[float] = []

    def run(self) -> None:
        """Train to the end; :attr:`best` then has the trained part of the best weights.

        Raises:
            UserError: an image changed, or the state can't be written.
        """
        progress = self.progress
        if progress.first < 0:
            progress.first = self._evaluate(None)
            self.save()
        if not progress.total:
            progress.total = self._planned()
        saved = logged = time.monotonic()
        while not progress.stopped and (not progress.total or progress.step < progress.total):
            self._advance()
            now = time.monotonic()
            if progress.step == MEASURED_STEPS and self._durations:
                self._estimate()
            if progress.total and self._is_time_to_judge():
                self._judge_and_compare()
                logged = now
            elif now - logged >= _LOG_EVERY_S:
                self._report()
                logged = now
            if now - saved >= self.settings.save_every_s:
                self.save()
                saved = time.monotonic()
        self.save()

    def _planned(self) -> int:
        """Total number of updates; 0 if a time is given and the speed is not known yet."""
        if self.settings.steps:
            return self.settings.steps
        if self.settings.minutes:
            return 0
        return max(1, math.ceil(self.settings.epochs * self.epoch / self.settings.batch))

    def _advance(self) -> None:
        begun, progress, size = time.monotonic(), self.progress, self.settings.batch
        first = progress.step * size
        encoded = [
            self.encoder.encode(self.stream.sample(number)) for number in range(first, first + size)
        ]
        loss = self.learner.update(encoded, self._share())
        progress.step += 1
        spent = time.monotonic() - begun
        progress.seconds += spent
        self._durations.append(spent)
        self._log.collect({"loss": loss})

    def _share(self) -> float:
        """Share of the learning rate: up at first, then down along half a cosine."""
        step, total = self.progress.step, self.progress.total
        if not total:
            return min(1.0, (step + 1) / _WARM_UP)
        rise = min(1.0, (step + 1) / max(1.0, min(_WARM_UP, total / 10)))
        fall = 0.5 * (1 + math.cos(math.pi * step / total))
        return rise * (_LAST_SHARE + (1 - _LAST_SHARE) * fall)

    def _estimate(self) -> None:
        """Compute the number of updates if a time is given; log how long the run will take."""
        progress, settings = self.progress, self.settings
        step_s = min(self._durations[-MEASURED_STEPS:])
        if not progress.total:
            left_s = 60 * settings.minutes - progress.seconds
            affordable = int(_JUDGING_SHARE * left_s / max(progress.judge_s, 1e-3))
            progress.judgements = max(1, min(settings.judgements, affordable))
            left_s -= progress.judge_s * progress.judgements
            progress.total = MEASURED_STEPS + max(1, int(left_s / step_s))
        estimate = Estimate(
            step_s, progress.total, progress.judge_s, self._judgements, peak_bytes(self.learner)
        )
        self._log.say(estimate.sentence())
        self._log.write(self._place, {"estimate": estimate.as_dict()})

    @property
    def _judgements(self) -> int:
        return self.progress.judgements or self.settings.judgements

    def _is_time_to_judge(self) -> bool:
        step, total = self.progress.step, self.progress.total
        count = min(self._judgements, total)
        return (step * count) // total > ((step - 1) * count) // total

    def _judge_and_compare(self) -> None:
        progress = self.progress
        self._report()
        score = self._evaluate(self.learner.weights())
        if score > progress.best:
            progress.best, progress.best_step, progress.waited = score, progress.step, 0
            self.best = self.learner.trained()
        else:
            progress.waited += 1
        over = self.settings.patience and progress.waited >= self.settings.patience
        if over and progress.step < progress.total:
            progress.stopped = True
            self._log.say(
                f"no better score in the last {progress.waited} evaluations: stopped early at "
                f"update {progress.step} of {progress.total}"
            )

    def _evaluate(self, weights: Mapping[str, Tensor] | None) -> float:
        begun = time.monotonic()
        rates = self.judge(weights)
        self.progress.judge_s = time.monotonic() - begun
        self.progress.seconds += self.progress.judge_s
        words = ", ".join(f"{name} {'-' if v is None else f'{v:.3f}'}" for name, v in rates.items())
        self._log.say(f"held out, after {self.progress.step} updates: {words}")
        self._log.write(self._place, {"held_out": rates})
        return float(rates["score"] or 0.0)

    def _report(self) -> None:
        progress = self.progress
        share = progress.step / progress.total if progress.total else 0.0
        self._log.report(self._place, share, "")

    @property
    def _place(self) -> RunPosition:
        step = self.progress.step
        return RunPosition(step, step * self.settings.batch, self.progress.seconds)

    # ---- state ----------------------------------------------------------------------------

    def save(self) -> None:
        """Write everything that a resumed run needs, in one piece or not at all."""
        state = {
            _KEY: self.identity,
            "progress": dict(vars(self.progress)),
            "trained": self.learner.trained(),
            "best": self.best,
            "optimiser": self.learner.optimiser.state_dict(),
        }
        write_state(state, self.out)

    def resume(self) -> None:
        """Continue where the saved state of the run directory left off."""
        state = read_state(self.out, key=_KEY)
        with using_state(self.out):
            self.progress = RunProgress(**state["progress"])
            self.progress.check(self._planned())
            if state["best"]:
                check_tensors("best", state["best"], self.learner.parameters)
            self.best = dict(state["best"])
            check_tensors("trained", state["trained"], self.learner.parameters)
            self.learner.restore(state["trained"])
            load_optimiser(self.learner.optimiser, state["optimiser"])
        _cut_log(self.out / LOG_FILE, self.progress.step)


def identity_of(out: Path) -> dict[str, Any]:
    """Return what the state of a run says about what the run is.

    Raises:
        UserError: there is no state that can be read.
    """
    identity: dict[str, Any] = read_state(out, key=_KEY, mmap=True)[_KEY]
    return identity


def _cut_log(log: Path, step: int) -> None:
    """Drop the lines of updates after the state was saved: they are made again."""
    if not log.exists():
        return
    kept = [json_text(record) for record in read_log(log) if record["step"] <= step]
    write_whole(log, "".join(f"{line}\n" for line in kept))

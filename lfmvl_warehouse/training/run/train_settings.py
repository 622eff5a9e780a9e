# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run, and its curriculum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lfmvl_warehouse.training.data.batches import StreamSettings
from lfmvl_warehouse.training.model.build import ModelShape


@dataclass(frozen=True)
class TrainSettings:
    """One training run.

    Attributes:
        out: run directory; state, log and the finished checkpoint go there.
        minutes: training time; schedules follow it. Ignored when ``steps`` is given.
        steps: number of updates instead of a time, for repeatable runs.
        seed: of weights and data.
        device: ``cpu``, or a CUDA device.
        processes: data-parallel processes of one thread each; one on CUDA.
        workers: processes that draw images ahead, for each of these; 0: it draws them itself.
        shape: sizes of the model.
        stream: batch size, chunk and reuse (its seed and rank are set from here).
        vision_share: share of the run in which only the vision tower learns, from the dense
            heads: at twice the speed, and the language tower then has something to look at.
        max_objects: most objects in an answer, once the curriculum is through.
        sigma: width of the soft coordinate labels in hundredths, at first and in the end.
        ema_decay: of the averaged weights, which are what is shipped.
        save_every_s, evaluate_every_s: how often the state is written and the average evaluated.
        evaluation_scenes: how many held-out scenes a judgement during training takes.
        start: name of the checkpoint whose weights it starts from, "" for random ones.
        rate: factor of both learning rates.
        curriculum: whether answers have few objects at first.
        head_warm_up: share of the run over which the auxiliary heads get their weight.
        placing_share: share of the run after which the language tower is asked where in the whole
            image the object of each image token is.
        mix: share of warehouse scenes in a run on other images.
        data: what state and model card say of those images; None for the warehouse alone.
    """

    out: Path
    minutes: float = 75.0
    steps: int | None = None
    seed: int = 0
    device: str = "cpu"
    processes: int = 2
    workers: int = 0
    shape: ModelShape = field(default_factory=ModelShape)
    stream: StreamSettings = field(default_factory=StreamSettings)
    vision_share: float = 0.14
    max_objects: int = 8
    muon_rate: float = 0.01
    adam_rate: float = 1.5e-3
    dense_weight: float = 1.0
    sigma: tuple[float, float] = (3.0, 1.0)
    ema_decay: float = 0.998
    save_every_s: float = 180.0
    evaluate_every_s: float = 420.0
    evaluation_scenes: int = 64
    start: str = ""
    rate: float = 1.0
    curriculum: bool = True
    head_warm_up: float = 0.0
    placing_share: float = 0.37
    mix: float = 0.0
    data: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.minutes < math.inf or (self.steps is not None and self.steps < 1):
            raise ValueError(f"a run takes time or steps, got {self.minutes} and {self.steps}")
        if self.processes < 1 or self.max_objects < 1:
            raise ValueError("processes and max_objects are at least 1")
        if self.workers < 0:
            raise ValueError(f"workers is at least 0, got {self.workers}")
        if self.device != "cpu" and self.processes > 1:
            raise ValueError(f"one process trains on {self.device}, got {self.processes}")
        if not 0 < self.rate <= 10:
            raise ValueError(f"rate is above 0 and at most 10, got {self.rate}")
        if not 0 <= self.mix < 1:
            raise ValueError(f"mix is a share from 0 to below 1, got {self.mix}")

    def objects_at(self, progress: float) -> int:
        """Most objects in an answer when this share of the run is over."""
        return curriculum(progress, self.max_objects) if self.curriculum else self.max_objects

    def head_weight(self, progress: float) -> float:
        """Weight of the auxiliary heads, 0 to 1, when this share of the run is over."""
        return min(1.0, progress / self.head_warm_up) if self.head_warm_up else 1.0

    def place_weight(self, progress: float) -> float:
        """Weight of the places of objects, 0 to 1, when this share of the run is over."""
        return min(1.0, max(0.0, (progress - self.placing_share) / 0.02))

    @property
    def evaluations(self) -> int:
        """Questions of a judgement: no more than eight for each image there is to ask about."""
        if self.data is None:
            return self.evaluation_scenes
        return min(self.evaluation_scenes, 8 * int(self.data["held_out_images"]))

    @property
    def log_every(self) -> int:
        """Updates between two lines of the log: 50, fewer in a short run."""
        return 50 if self.steps is None else max(1, min(50, self.steps // 10))


def curriculum(progress: float, most: int) -> int:
    """Most objects in an answer when this share of the run is over: 2, then 4, then all."""
    if progress < 0.17:
        return min(2, most)
    return min(4, most) if progress < 0.21 else most

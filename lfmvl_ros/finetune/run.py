# SPDX-License-Identifier: Apache-2.0
"""One fine-tuning run, from folders and a checkpoint to an evaluated checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.whole_files import make_folder, whole_folder, write_json
from lfmvl_ros.datasets.coco import CocoFolder
from lfmvl_ros.finetune.card import facts_of_run, write_card
from lfmvl_ros.finetune.checkpoint import merged_model, write_checkpoint
from lfmvl_ros.finetune.data import TrainingData, read_data
from lfmvl_ros.finetune.encoding import Encoder
from lfmvl_ros.finetune.judge import Answered, ask_all, held_out_questions, total
from lfmvl_ros.finetune.learner import Learner
from lfmvl_ros.finetune.needs import check_peft
from lfmvl_ros.finetune.plan import make_plan, with_towers
from lfmvl_ros.finetune.report import write_comparison, write_plot
from lfmvl_ros.finetune.run_folder import (
    CHECKPOINT_DIRECTORY,
    LOG_FILE,
    STATE_FILE,
    check_resume,
    claim,
    judgements,
    using_state,
)
from lfmvl_ros.finetune.samples import SampleStream
from lfmvl_ros.finetune.settings import FinetuneSettings
from lfmvl_ros.finetune.start import Start, find_start
from lfmvl_ros.finetune.trainer import FinetuneTrainer, identity_of
from lfmvl_ros.models.calibration_file import fingerprint
from lfmvl_ros.models.checkpoint_labels import FACTS_FILE
from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend
from lfmvl_ros.models.lfm2_vl.loading import choose_device

PLOT_FILE, COMPARISON_FILE = "plot.png", "before_after.png"
_PASS_TOKENS = 2048  # of a forward pass, where samples are small


@dataclass(frozen=True)
class RunArguments:
    """Arguments of a run; see :func:`finetune`.

    Attributes:
        data: folders to learn from, with weights.
        start: checkpoint: a directory, a catalogue name or a hub id.
        out: run directory.
        revision: branch, tag or commit of a hub's checkpoint; "" for the newest.
        keep: folders of old data, with weights, against forgetting.
        resume: continue the run in ``out``.
    """

    data: Sequence[tuple[Path, float]]
    start: str
    out: Path
    revision: str = ""
    keep: Sequence[tuple[Path, float]] = ()
    resume: bool = False


@dataclass
class Result:
    """Result of a run.

    Attributes:
        checkpoint: directory of the new checkpoint; None if the initial weights are better.
        facts: of the run, as in its model card and log.
        folders: the training data.
    """

    checkpoint: Path | None
    facts: dict[str, Any] = field(default_factory=dict)
    folders: tuple[CocoFolder, ...] = ()


class _HeldOut:
    """Judges weights by the same questions each time, and remembers the last answers."""

    def __init__(
        self, start: Start, data: TrainingData, settings: FinetuneSettings, device: torch.device
    ) -> None:
        self._start, self._device, self._strength = start, device, settings.strength
        self._dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        self._rules = start.rules(settings.image_tokens)
        self.questions, self.old_questions = (
            list(
                held_out_questions(
                    [part.folder for part in parts],
                    settings.held_out_questions,
                    most_objects=settings.most_objects,
                )
            )
            for parts in (data.new, data.old)
        )
        self._before: list[Answered] = []
        self.answers: list[Answered] = []

    def backend(self, weights: Mapping[str, Tensor] | None) -> Lfm2VlBackend:
        """Return the checkpoint with these weights, as the product runs it."""
        model, processor = merged_model(
            self._start, weights or {}, self._device, self._dtype, strength=self._strength
        )
        template = self._start.templates[0]
        return Lfm2VlBackend(model, processor, name=self._start.name, template=template)

    def __call__(self, weights: Mapping[str, Tensor] | None) -> dict[str, float | None]:
        """Return the rates of the answers; ``old_score`` is that of the old folders."""
        backend = self.backend(weights)
        template = self._start.templates[0]
        self.answers = ask_all(backend, self.questions, template, self._rules)
        scores = total(self.answers)
        rates = {"score": scores.score, **scores.rates()}
        if self.old_questions:
            old = total(ask_all(backend, self.old_questions, template, self._rules))
            rates |= {"old_score": old.score, "old_recall50": old.rates()["recall50"]}
        if weights is None:
            self._before = self.answers
        return rates

    def before_answers(self) -> list[Answered]:
        """Return the answers of the start, asked again in a run that was resumed."""
        if not self._before:
            self(None)
        return self._before


def finetune(request: RunArguments, settings: FinetuneSettings) -> Result:
    """Run a fine-tuning to its end.

    Raises:
        UserError: something is missing or can't be used; says what to do.
    """
    check_resume(request.out, resume=request.resume)
    if not settings.full:
        check_peft()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    data = read_data(request.data, request.keep, keep_share=settings.keep_share)
    for part in data.parts:
        print(part.folder.describe(), flush=True)
    start = find_start(request.start, request.revision)
    settings = with_towers(settings, start, data)
    device = choose_device(settings.device)
    identity = _identity(data, start, settings)
    if request.resume:
        with using_state(request.out):
            _check_identity(identity, identity_of(request.out), request.out / STATE_FILE)
    make_folder(request.out)
    with claim(request.out):
        trainer, held_out = _prepared(data, start, settings, device, request.out, identity)
        if request.resume:
            trainer.resume()
        trainer.run()
        return _ended(trainer, held_out, data, start)


def _prepared(
    data: TrainingData,
    start: Start,
    settings: FinetuneSettings,
    device: torch.device,
    out: Path,
    identity: dict[str, Any],
) -> tuple[FinetuneTrainer, _HeldOut]:
    plan = make_plan(data, start, settings, device)
    learner = Learner(
        start,
        settings,
        data.names,
        device=device,
        dtype=getattr(torch, plan.dtype),
        checkpointing=plan.checkpointing,
        pass_tokens=max(_PASS_TOKENS, plan.tokens),
    )
    stream = SampleStream(
        data,
        start.templates,
        questions=settings.questions,
        negatives=settings.negatives,
        most_objects=settings.most_objects,
        seed=settings.seed,
    )
    rules = start.rules(settings.image_tokens)
    encoder = Encoder(learner.processor, rules, start.context)
    held_out = _HeldOut(start, data, settings, device)
    trainer = FinetuneTrainer(
        settings, out, learner, stream, encoder, held_out, data.epoch(), identity
    )
    trained = "all weights"
    if not settings.full:
        trained = f"adapters of rank {settings.rank} in {len(learner.adapted)} layers"
        if learner.rows is None:
            trained += " of the vision tower and the projector"
        else:
            trained += f" of both towers, and the embeddings of {len(learner.rows)} tokens"
    print(
        f"{start.name}: {start.parameters / 1e6:.1f} M parameters, {learner.count / 1e6:.2f} M "
        f"trained ({trained}), {plan.dtype} on {device}, up to {plan.image_tokens} image tokens",
        flush=True,
    )
    return trainer, held_out


def _identity(data: TrainingData, start: Start, settings: FinetuneSettings) -> dict[str, Any]:
    """Return what must be the same for a state to be resumed."""
    kept = {
        name: value
        for name, value in asdict(settings).items()
        if name not in ("save_every_s", "device", "patience")
    }
    return {
        "start": start.name,
        "weights": fingerprint(start.directory),
        "data": [part.folder.fingerprint() for part in data.parts],
        "shares": list(data.shares),
        "settings": kept,
    }


def _check_identity(wanted: Mapping[str, Any], known: Mapping[str, Any], state: Path) -> None:
    """Refuse to continue a run with other images, weights or settings than it began with."""
    new = f"give the same, or start a new run with another --out (from {state.parent})"
    if wanted["weights"] != known["weights"]:
        raise UserError(f"{state} was started from {known['start']}, with other weights; {new}")
    if wanted["data"] != known["data"] or wanted["shares"] != known["shares"]:
        raise UserError(f"{state} was trained on other images, boxes or weights of folders; {new}")
    for name, value in wanted["settings"].items():
        if known["settings"].get(name) != value:
            flag = "--" + name.replace("_", "-")
            raise UserError(
                f"{state} was trained with {flag} {known['settings'].get(name)}, not {value}; {new}"
            )


def _ended(
    trainer: FinetuneTrainer, held_out: _HeldOut, data: TrainingData, start: Start
) -> Result:
    """Write the best weights if they are better than the initial ones; return the result."""
    progress, out = trainer.progress, trainer.out
    better = bool(trainer.best) and progress.best > progress.first
    facts = facts_of_run(
        start, data, trainer.settings, dict(vars(progress)), judgements(out / LOG_FILE)
    )
    write_plot(out / PLOT_FILE, out / LOG_FILE)
    if not trainer.best:
        return Result(None, facts)
    trainer.learner.restore(trainer.best)
    weights = trainer.learner.weights()
    if progress.best_step < progress.step or not held_out.answers:  # else they are the last ones
        held_out(weights)
    answers = held_out.answers
    write_comparison(out / COMPARISON_FILE, held_out.before_answers(), answers)
    if not better:
        return Result(None, facts)
    target = out / CHECKPOINT_DIRECTORY
    with whole_folder(target) as folder:
        write_checkpoint(start, weights, folder, strength=trainer.settings.strength)
        write_json(folder / FACTS_FILE, facts)
        write_card(folder, facts)
    return Result(target, facts, tuple(part.folder for part in data.new))

# SPDX-License-Identifier: Apache-2.0
"""The training run of one process: step, average, log, evaluate, save, resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import Lfm2VlForConditionalGeneration, PreTrainedTokenizerFast

from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.whole_files import finite, whole_folder
from lfmvl_ros.datasets.judging import Scores
from lfmvl_ros.finetune.run_folder import LOG_FILE, read_state, using_state, write_state
from lfmvl_ros.finetune.run_log import RunLog, RunPosition
from lfmvl_ros.finetune.saved import check_count, check_seconds
from lfmvl_ros.models.lfm2_vl.bfloat16 import is_quick_in_bfloat16
from lfmvl_warehouse.training.data.batches import BatchStream, ExampleBatch
from lfmvl_warehouse.training.data.feed import Feed
from lfmvl_warehouse.training.data.sources import SceneSource
from lfmvl_warehouse.training.loss.alignment import Alignment, word_table
from lfmvl_warehouse.training.loss.objective import Loss, SoftCoordinates, compute_loss
from lfmvl_warehouse.training.model import tokenizer as layout
from lfmvl_warehouse.training.model.build import build_model, count_parameters
from lfmvl_warehouse.training.model.growth import grow
from lfmvl_warehouse.training.model.network import TrainingNetwork, patchify
from lfmvl_warehouse.training.model.words import own_names, start_words, widened, with_words
from lfmvl_warehouse.training.run.evaluation import HeldOut, evaluate, held_out
from lfmvl_warehouse.training.run.optim import (
    Optimisers,
    follow,
    start_coordinates,
    start_positions,
    start_thousandths,
)
from lfmvl_warehouse.training.run.state import TOKENIZER_DIRECTORY, check_state, remembered
from lfmvl_warehouse.training.run.train_settings import TrainSettings


class Trainer:
    """One process of a run. With several, each calls :meth:`run` after joining the group."""

    def __init__(
        self,
        settings: TrainSettings,
        source: SceneSource,
        *,
        rank: int = 0,
        tokenizer: PreTrainedTokenizerFast | None = None,
        weights: Mapping[str, Tensor] | None = None,
        make_source: Callable[[], SceneSource] | None = None,
    ) -> None:
        """Take a tokenizer and weights to start from; without them, both are new.

        Words of the source that the tokenizer lacks are added. ``make_source`` makes an equal
        source in worker processes.
        """
        self.settings, self.rank, self.source = settings, rank, source
        words = source.vocabulary
        if tokenizer is None:
            tokenizer = layout.build_tokenizer([name for names in words.names for name in names])
        self._names = {**words.languages, **own_names(words.names)}
        self._known, self.tokenizer = tokenizer, with_words(tokenizer, self._names)
        torch.manual_seed(settings.seed)
        self._coordinates = layout.coordinate_ids(self.tokenizer)
        self.model = self._fresh_model(weights)
        self.network = TrainingNetwork(
            self.model,
            kinds=len(source.vocabulary.kinds),
            colours=len(source.vocabulary.colours),
            alignment=self._alignment(),
        )
        self.average = build_model(settings.shape, vocabulary=len(self.tokenizer)).eval()
        self.average.load_state_dict(self.model.state_dict())
        self.device = torch.device(settings.device)
        self._mixed = is_quick_in_bfloat16(self.device)
        for part in (self.network, self.average):
            part.to(self.device)
        self._coordinate_ids = torch.tensor(self._coordinates, device=self.device)
        self.optimisers = Optimisers(
            self.network,
            muon_rate=settings.rate * settings.muon_rate,
            adam_rate=settings.rate * settings.adam_rate,
        )
        stream = replace(settings.stream, seed=settings.seed, rank=rank)
        self.views = source.views
        self.stream = BatchStream(source, self.tokenizer, self.views, stream)
        self._feed = Feed(
            self.stream, self.tokenizer, workers=settings.workers, make_source=make_source
        )
        self.step, self.samples, self.seconds = 0, 0, 0.0
        self._chunk_objects = 1
        self._batches: list[ExampleBatch] = []
        self._log = RunLog(settings.out / LOG_FILE, quiet=rank > 0)

    def _fresh_model(self, weights: Mapping[str, Tensor] | None) -> Lfm2VlForConditionalGeneration:
        model = build_model(self.settings.shape, vocabulary=len(self.tokenizer))
        start_coordinates(model.get_input_embeddings(), layout.pair_ids(self.tokenizer))
        self._start_thousandths(model)
        start_positions(model.model.vision_tower.embeddings.position_embedding)
        if weights is not None:
            model.load_state_dict(widened(weights, model.state_dict()))
        self._start_words(model)
        return model

    def _start_words(self, model: Lfm2VlForConditionalGeneration) -> None:
        start_words(model.get_input_embeddings(), self.tokenizer, self._known, self._names)

    def _start_thousandths(self, model: Lfm2VlForConditionalGeneration) -> None:
        start_thousandths(model.get_input_embeddings(), self._coordinates)

    def _alignment(self) -> Alignment:
        words, size = self.source.vocabulary, self.model.config.text_config.vocab_size
        return Alignment(
            word_table(self.tokenizer, words.kinds, size),
            word_table(self.tokenizer, words.colours, size),
            layout.pair_ids(self.tokenizer),
            self.settings.shape.text_width,
        )

    # ---- one update -----------------------------------------------------------------------

    def advance(self, progress: float) -> dict[str, float]:
        """Make one update from the next batch of the stream, and return its figures.

        Progress is 0 to 1.
        """
        loss = self.train_step(self._next_batch(progress), progress)
        figures = {"loss": loss.total.item(), **loss.figures}
        self._log.collect(figures)
        return figures

    def train_step(self, batch: ExampleBatch, progress: float) -> Loss:
        """Make one update from one batch (and the other processes' batches)."""
        settings = self.settings
        first, last = settings.sigma
        sigma = max(last, first * (1 - progress / 0.4))
        soft = SoftCoordinates.of_width(self._coordinate_ids, sigma)
        batch = batch.to(self.device)
        vision_only = progress < settings.vision_share
        heads = settings.head_weight(progress)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._mixed):
            patches = patchify(batch.images, batch.grid)
            output = self.network(patches, None if vision_only else batch.ids, batch.grid)
            loss = compute_loss(
                self.network,
                output,
                batch,
                soft=soft,
                dense_weight=heads * settings.dense_weight,
                alignment_weight=heads,
                place_weight=settings.place_weight(progress),
            )
        self.network.zero_grad(set_to_none=True)
        loss.total.backward()
        self._share_gradients(vision_only=vision_only)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimisers.step(self.step, progress)
        self.step += 1
        self.samples += len(batch.images[0]) * settings.processes
        follow(
            self.average.parameters(),
            self.model.parameters(),
            step=self.step,
            decay=settings.ema_decay,
        )
        return loss

    def _share_gradients(self, *, vision_only: bool) -> None:
        """Average gradients over the processes; in the vision stage, those of vision and heads."""
        if not dist.is_initialized():
            return
        gradients = []
        for name, parameter in self.network.named_parameters():
            if (vision_only and "language_model" in name) or (vision_only and "projector" in name):
                continue
            if parameter.grad is None:  # a head without targets in this batch
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.settings.processes
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    # ---- the run --------------------------------------------------------------------------

    def run(self) -> Scores | None:
        """Train to the end; return the last evaluation (rank 0) or None."""
        settings = self.settings
        source = self.source.held_out()
        count = settings.evaluations
        whole = [view for view in source.views if not view.grid.tiled]
        questions = held_out(source, whole, count, max_objects=settings.max_objects)
        questions = questions[self.rank :: settings.processes]
        self._log.say(
            f"{count_parameters(self.model) / 1e6:.2f} M parameters, "
            f"{len(self.tokenizer)} tokens, from step {self.step}"
        )
        if settings.start and self.step == 0:
            self._judge(questions)  # what the checkpoint can do already
        self._log_if_over()
        try:
            self._train_until_done(questions)
        finally:
            self._feed.close()
        if self.rank == 0:
            self.save()
        return self._judge(questions)

    def _log_if_over(self) -> None:
        """Log that a resumed run has reached its total already, and how to train longer."""
        minutes, total = self.seconds / 60, self.settings
        if total.steps is not None and self.step >= total.steps:
            more = f"--steps {2 * self.step}"
        elif total.steps is None and minutes >= total.minutes:
            more = f"--minutes {math.ceil(2 * minutes)}"
        else:
            return
        self._log.say(
            f"nothing to add: this run has had {self.step:,} updates in {minutes:.1f} minutes, and "
            f"--steps and --minutes are totals over all its resumptions; pass more, such as {more}"
        )

    def _train_until_done(self, questions: list[HeldOut]) -> None:
        """Train until the time or the number of steps is reached."""
        settings = self.settings
        begun, before = time.monotonic(), self.seconds
        saved = evaluated = before
        while (progress := self._progress(begun, before)) < 1:
            self.advance(progress)
            if self.step % settings.log_every == 0:
                self._log.report(self._position, progress, f"objects {self._chunk_objects}")
            if self.seconds - evaluated >= settings.evaluate_every_s:
                self._judge(questions)
                evaluated = self.seconds
            if self.rank == 0 and self.seconds - saved >= settings.save_every_s:
                self.save()
                saved = self.seconds

    def _progress(self, begun: float, before: float) -> float:
        """Fraction of the run that is done, by rank 0's clock in every process."""
        clock = torch.tensor([before + time.monotonic() - begun], dtype=torch.float64)
        if dist.is_initialized():
            dist.broadcast(clock, 0)
        self.seconds = float(clock)
        if self.settings.steps is not None:
            return self.step / self.settings.steps
        return self.seconds / (60 * self.settings.minutes)

    def _next_batch(self, progress: float) -> ExampleBatch:
        index, place = divmod(self.step, self.stream.settings.chunk)
        if place == 0:
            wanted = self.settings.objects_at(progress)
            self._batches, self._chunk_objects = self._feed.chunk(index, wanted)
        elif not self._batches:  # resumed within a chunk
            self._batches = self.stream.chunk(index, max_objects=self._chunk_objects)
        return self._batches[place]

    def _judge(self, questions: list[HeldOut]) -> Scores | None:
        total = evaluate(self.average, self.tokenizer, questions)
        sums = torch.tensor(list(total.as_dict().values()), dtype=torch.float64)
        if dist.is_initialized():
            dist.all_reduce(sums)
        if self.rank:
            return None
        total = Scores(*sums.tolist())
        self._log.say("held-out " + json_text(finite(total.rates())))
        self._log.write(self._position, {"held_out": total.rates()})
        return total

    @property
    def _position(self) -> RunPosition:
        return RunPosition(self.step, self.samples, self.seconds)

    # ---- state ----------------------------------------------------------------------------

    def save(self) -> None:
        """Write everything a resumed run needs, in one piece or not at all."""
        state = {
            "step": self.step,
            "samples": self.samples,
            "seconds": self.seconds,
            "chunk_objects": self._chunk_objects,
            "tokens": len(self.tokenizer),
            "thousandths": True,
            **remembered(self.settings),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": self.optimisers.state_dict(),
        }
        with whole_folder(self.settings.out / TOKENIZER_DIRECTORY) as folder:
            self.tokenizer.save_pretrained(folder)
        write_state(state, self.settings.out)

    def resume(self) -> None:
        """Continue where the saved state of the run directory left off.

        Raises:
            UserError: the state is of another model shape or seed.
        """
        state = read_state(self.settings.out, key="shape")
        with using_state(self.settings.out):
            self._take(state)

    def _take(self, state: dict[str, Any]) -> None:
        check_state(state, self.settings)
        for name in ("step", "samples", "chunk_objects"):
            check_count(name, state[name])
        check_seconds("seconds", state["seconds"])
        old, new = state["shape"]["vision_layers"], self.settings.shape.vision_layers
        if grow(state, new, self.optimisers.names):
            self._log.say(f"{old} vision blocks become {new}; the new ones add nothing at first")
        for model, name in ((self.network, "network"), (self.average, "average")):
            model.load_state_dict(widened(state[name], model.state_dict()))
        if state.get("tokens", len(self._known)) < len(self.tokenizer):
            self._start_words(self.model)  # words that it learns from now on
            self._start_words(self.average)
        if not state.get("thousandths"):  # a state from before answers had three decimals
            self._start_thousandths(self.model)
            self._start_thousandths(self.average)
        self.optimisers.load_state_dict(state["optimisers"])
        self.step, self.samples = state["step"], state["samples"]
        self.seconds, self._chunk_objects = state["seconds"], state["chunk_objects"]

# SPDX-License-Identifier: Apache-2.0
"""Trains the sentence model: ``lfmvl train --sentences``."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F
from tqdm import tqdm
from transformers import Lfm2ForCausalLM

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.whole_files import make_folder, whole_folder, write_json
from lfmvl_ros.finetune.run_folder import (
    CHECKPOINT_DIRECTORY,
    check_resume,
    claim,
    read_state,
    using_state,
    write_state,
)
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.checkpoint_labels import FACTS_FILE
from lfmvl_ros.models.lfm2_vl.bfloat16 import is_quick_in_bfloat16
from lfmvl_ros.models.lfm2_vl.loading import quiet_transformers
from lfmvl_warehouse.sentences.phrase_file import languages
from lfmvl_warehouse.training.model.build import count_parameters, save_checkpoint
from lfmvl_warehouse.training.model.causal_attention import use_plain_attention
from lfmvl_warehouse.training.run.optim import Optimisers, follow
from lfmvl_warehouse.training.sentences import network
from lfmvl_warehouse.training.sentences.batches import IGNORED, Batch, Encoder, Sentences
from lfmvl_warehouse.training.sentences.card import write_card
from lfmvl_warehouse.training.sentences.settings import SentenceShape, SentenceTraining
from lfmvl_warehouse.training.sentences.start import read_start
from lfmvl_warehouse.training.sentences.tokenizer import learn, wrap

_CHUNK = 12  # batches that are composed together, so that those of a batch have a like length
_SAVE_EVERY_S = 300.0
_AVERAGE = 0.997
_UNKNOWN = "another checkpoint"


def train(settings: SentenceTraining, *, resume: bool = False) -> dict[str, Any]:
    """Run a training to its end and write its checkpoint; return what the card states.

    Raises:
        UserError: there is nothing to resume, or a state that a new run would overwrite.
    """
    check_resume(settings.out, resume=resume)
    make_folder(settings.out)
    torch.set_num_threads(1)  # the matrices are small: more threads would only wait for each other
    quiet_transformers()
    with claim(settings.out):
        trainer = _Trainer.resumed(settings) if resume else _Trainer.begun(settings)
        trainer.run()
    return export(settings.out, settings.out / CHECKPOINT_DIRECTORY)


def export(run: Path, target: Path, mean_with: Path | None = None) -> dict[str, Any]:
    """Write the averaged weights of a run as a checkpoint; return what the card states.

    Args:
        run: run directory.
        target: where to write.
        mean_with: a checkpoint, such as the one that the run began with. Then the weights are the
            mean of both, which often generalise better than either (Wortsman et al., 2022,
            arXiv:2203.05482, "Model soups").

    Raises:
        UserError: the run has no state yet, or it is damaged; the checkpoint is missing, or of
            another shape or tokenizer.
    """
    state = read_state(run, key="sentences")
    with using_state(run):
        tokenizer = Tokenizer.from_str(state["tokenizer"])
        model = network.build(SentenceShape(**state["sentence_shape"]), tokenizer.get_vocab_size())
        model.load_state_dict(state["average"])
        mixed = None if mean_with is None else _mix(model, state, mean_with)
        keys = ("step", "sentences", "seconds", "seed", "languages", "earlier")
        facts = {key: state[key] for key in keys} | {"shape": state["sentence_shape"]}
        facts["parameters"] = count_parameters(model)
        facts["mean_with"] = mixed
    with whole_folder(target) as fresh:
        save_checkpoint(model, wrap(tokenizer), fresh)
        write_json(fresh / FACTS_FILE, facts)
        write_card(fresh, facts)
    return facts


def _mix(model: Lfm2ForCausalLM, state: dict[str, Any], other: Path) -> dict[str, Any]:
    """Make a run's weights the mean with those of a checkpoint; return what its card states."""
    start = read_start(other)
    same_shape = asdict(start.shape) == state["sentence_shape"]
    if not same_shape or start.tokenizer.to_str() != state["tokenizer"]:
        raise UserError(
            f"{other} has another shape or tokenizer than the run, so that a mean of their weights "
            "means nothing; take the checkpoint that the run began with"
        )
    own = model.state_dict()
    model.load_state_dict({name: (own[name] + start.weights[name].float()) / 2 for name in own})
    return start.earlier[-1]


class _Trainer:
    """The weights of a run and how they change."""

    def __init__(self, settings: SentenceTraining, tokenizer: Tokenizer) -> None:
        self._settings = settings
        self._files = languages()
        torch.manual_seed(settings.seed)
        self._tokenizer, self._encoder = tokenizer, Encoder(tokenizer)
        self._model = network.build(settings.shape, tokenizer.get_vocab_size()).train()
        use_plain_attention(self._model)
        self._average = copy.deepcopy(self._model).eval()
        self._optimisers = Optimisers(self._model)
        self._mixed = is_quick_in_bfloat16(self._model.device)
        self._step, self._seen, self._before_s = 0, 0, 0.0
        self._begun_with: str | None = None
        self._earlier: list[dict[str, Any]] = []

    @classmethod
    def begun(cls, settings: SentenceTraining) -> _Trainer:
        """Begin a run: from a checkpoint, or learn the tokenizer and draw the weights.

        Raises:
            UserError: the checkpoint is missing, damaged, or none of this command's.
        """
        if settings.start is None:
            return cls(settings, _learned_tokenizer(settings))
        start = read_start(settings.start)
        trainer = cls(replace(settings, shape=start.shape), start.tokenizer)
        for model in (trainer._model, trainer._average):
            model.load_state_dict(start.weights)
        trainer._begun_with, trainer._earlier = _named(settings.start), start.earlier
        return trainer

    @classmethod
    def resumed(cls, settings: SentenceTraining) -> _Trainer:
        """Go on from the state that the run directory has.

        Raises:
            UserError: it is damaged, or of another shape, seed or start.
        """
        state = read_state(settings.out, key="sentences")
        with using_state(settings.out):
            begun_with = _begun_with(state)
            given = None if settings.start is None else _named(settings.start)
            if given not in (None, begun_with) and begun_with != _UNKNOWN:
                raise UserError(
                    f"the run in {settings.out} began with {begun_with or 'random weights'}, not "
                    f"with {given}; leave out --from, or begin a new run with another --out"
                )
            if begun_with is not None:
                settings = replace(settings, shape=SentenceShape(**state["sentence_shape"]))
            if state["sentence_shape"] != asdict(settings.shape):
                raise ValueError(f"it is of the shape {state['sentence_shape']}")
            if state["seed"] != settings.seed:
                raise ValueError(f"it was begun with --seed {state['seed']}")
            trainer = cls(settings, Tokenizer.from_str(state["tokenizer"]))
            trainer._model.load_state_dict(state["model"])
            trainer._average.load_state_dict(state["average"])
            trainer._optimisers.load_state_dict(state["optimisers"])
            trainer._step, trainer._seen = int(state["step"]), int(state["sentences"])
            trainer._before_s = float(state["seconds"])
            trainer._begun_with, trainer._earlier = begun_with, list(state["earlier"])
        return trainer

    def run(self) -> None:
        """Train to the end; the state is written on the way."""
        start_s = saved_s = time.monotonic()
        done = round(100 * self._progress(self._before_s), 1)
        look = "{l_bar}{bar}| {remaining}{postfix}"
        with tqdm(total=100, initial=done, bar_format=look) as bar:
            for batch in self._batches():
                now_s = time.monotonic()
                progress = self._progress(self._before_s + now_s - start_s)
                if progress >= 1:
                    break
                loss = self._update(batch, progress)
                bar.n = round(100 * progress, 1)
                bar.set_postfix_str(f"{self._seen:,} sentences, loss {loss:.4f}")
                if now_s - saved_s > _SAVE_EVERY_S:
                    saved_s = now_s
                    self._save(self._before_s + now_s - start_s)
        self._save(self._before_s + time.monotonic() - start_s)

    def _progress(self, seconds: float) -> float:
        if self._settings.steps is not None:
            return self._step / self._settings.steps
        return seconds / (60 * self._settings.minutes)

    def _batches(self) -> Iterator[Batch]:
        """Yield batches from where the run is; each chunk has a seed of its own."""
        size = self._settings.batch
        first, skipped = divmod(self._step, _CHUNK)
        for chunk in range(first, 1 << 62):
            source = Sentences(self._files, f"{self._settings.seed}/{chunk}")
            examples = iter(source)
            drawn = [next(examples) for _ in range(size * _CHUNK)]
            pairs = [(source.typed(example), example.answer) for example in drawn]
            pairs.sort(key=lambda pair: len(self._encoder.prompt(pair[0])) + len(pair[1]) // 3)
            parts = [pairs[at : at + size] for at in range(0, len(pairs), size)]
            random.Random(chunk).shuffle(parts)
            for number, part in enumerate(parts):
                if chunk > first or number >= skipped:
                    rng = random.Random(f"{self._settings.seed}/{chunk}/{number}")
                    yield self._encoder.batch(part, rng)

    def _update(self, batch: Batch, progress: float) -> float:
        wanted = batch.targets != IGNORED
        with torch.autocast("cpu", torch.bfloat16, enabled=self._mixed):
            hidden = self._model.model(batch.ids, use_cache=False).last_hidden_state
            logits = hidden[wanted] @ self._model.lm_head.weight.T
        loss = F.cross_entropy(logits.float(), batch.targets[wanted])
        self._model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimisers.step(self._step, progress)
        follow(
            self._average.parameters(), self._model.parameters(), step=self._step, decay=_AVERAGE
        )
        self._step += 1
        self._seen += len(batch.ids)
        return float(loss.detach())

    def _save(self, seconds: float) -> None:
        state = {
            "sentences": self._seen,
            "step": self._step,
            "seconds": seconds,
            "seed": self._settings.seed,
            "start": self._begun_with,
            "earlier": self._earlier,
            "sentence_shape": asdict(self._settings.shape),
            "languages": [file.language for file in self._files],
            "tokenizer": self._tokenizer.to_str(),
            "model": self._model.state_dict(),
            "average": self._average.state_dict(),
            "optimisers": self._optimisers.state_dict(),
        }
        write_state(state, self._settings.out)


def _named(start: Path) -> str:
    """Return a name of a checkpoint that does not change with the working directory."""
    entry = find("bundled")
    start = start.resolve()
    is_bundled = entry is not None and start == Path(entry.sentences).resolve()
    return "bundled" if is_bundled else str(start)


def _begun_with(state: dict[str, Any]) -> str | None:
    """Return what a run began with; None for random weights."""
    if "start" in state:
        return None if state["start"] is None else str(state["start"])
    return _UNKNOWN if state["earlier"] else None  # written before it was noted


def _learned_tokenizer(settings: SentenceTraining) -> Tokenizer:
    source = Sentences(languages(), settings.seed)
    texts = []
    for example, _ in zip(source, range(settings.tokenizer_sentences), strict=False):
        texts += [source.typed(example), example.answer]
    return learn(texts, vocabulary=settings.shape.vocabulary)

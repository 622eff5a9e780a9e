# SPDX-License-Identifier: Apache-2.0
"""The trained weights of a checkpoint (adapters or all weights): updates and merging.

What is trained is kept in float32 in either case. Steps of Adam are mostly smaller than bfloat16
can add to a weight: kept in bfloat16, weights lose half of them or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from lfmvl_ros.finetune.adapters import adapted_weights, attach, trainable
from lfmvl_ros.finetune.encoding import Encoded, collate, passes
from lfmvl_ros.finetune.objective import answer_loss
from lfmvl_ros.finetune.settings import FinetuneSettings, usual_rate
from lfmvl_ros.finetune.start import Start
from lfmvl_ros.finetune.word_rows import WordRows
from lfmvl_ros.models.lfm2_vl.loading import load_checkpoint

_ROWS = "word_rows.difference"  # among the trained tensors
_TABLE = "model.language_model.embed_tokens.weight"
_CLIP = 1.0  # norm of the gradient


class Learner:
    """A model that learns.

    Args:
        start: the checkpoint.
        settings: of the run.
        names: that questions may use; the embeddings of their tokens are trained as well, unless
            only the vision tower is.
        device: to train on.
        dtype: of the frozen weights and the computation.
        checkpointing: compute activations again in the backward pass.
        pass_tokens: tokens of a forward pass, at most; a sample with more has one of its own.
    """

    def __init__(
        self,
        start: Start,
        settings: FinetuneSettings,
        names: Iterable[str],
        *,
        device: torch.device,
        dtype: torch.dtype,
        checkpointing: bool = False,
        pass_tokens: int = 2048,
    ) -> None:
        stored = torch.float32 if settings.full else dtype
        self.model, self.processor = load_checkpoint(str(start.directory), device, stored)
        self.device, self._pass_tokens = device, pass_tokens
        self._full, self._dtype = settings.full, dtype
        self.rows: WordRows | None = None
        self.adapted: list[str] = []
        if settings.full:
            self.model.requires_grad_(True)
        else:
            self.adapted = attach(
                self.model, settings.rank, seed=settings.seed, towers=settings.towers
            )
            if settings.towers != "vision":
                table = self.model.get_input_embeddings().weight
                ids = name_tokens(self.processor.tokenizer, names)
                self.rows = WordRows(ids, *table.shape).to(device)
        if checkpointing:
            activate = (
                getattr(  # the older name, before transformers 5.24
                    self.model, "activation_checkpointing_enable", None
                )
                or self.model.gradient_checkpointing_enable
            )
            activate({"use_reentrant": False})
        self.model.train()
        self.rate = settings.rate or usual_rate(start.parameters, full=settings.full)
        self.parameters = trainable(self.model)
        if self.rows is not None:
            self.parameters[_ROWS] = self.rows.difference
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(), lr=self.rate, betas=(0.9, 0.95), weight_decay=0.0
        )

    @property
    def count(self) -> int:
        """Number of trained parameters."""
        return sum(parameter.numel() for parameter in self.parameters.values())

    def update(self, samples: Sequence[Encoded], share: float) -> float:
        """Make one update; return the loss, the mean over all answer tokens of the samples.

        Args:
            samples: of the update; they are split into passes, which changes nothing but rounding.
            share: of the learning rate, 0 to 1.
        """
        tokens = sum(sample.answer_tokens for sample in samples)
        pad_id = self.processor.tokenizer.pad_token_id or 0
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for group in passes(samples, self._pass_tokens):
            batch = collate(group, pad_id=pad_id).to(self.device)
            with self._precision():
                loss = answer_loss(self.model, self.rows, batch) / tokens
            loss.backward()
            total += float(loss.detach())
        nn.utils.clip_grad_norm_(self.parameters.values(), _CLIP)
        for group_ in self.optimiser.param_groups:
            group_["lr"] = self.rate * share
        self.optimiser.step()
        return total

    def _precision(self) -> AbstractContextManager[Any]:
        if self._full and self._dtype != torch.float32:
            return torch.autocast(self.device.type, self._dtype)
        return nullcontext()

    def weights(self) -> dict[str, Tensor]:
        """Return every weight that the run changed, merged, float32 on the CPU, by its name."""
        if self._full:
            return {name: p.detach().float().cpu() for name, p in self.model.named_parameters()}
        merged = adapted_weights(self.model)
        if self.rows is not None and len(self.rows):
            merged[_TABLE] = self.rows.table(self.model.get_input_embeddings().weight)
        return merged

    def trained(self) -> dict[str, Tensor]:
        """Return copies of the trained weights, not merged."""
        return {name: p.detach().cpu().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def restore(self, trained: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`trained` returned."""
        for name, parameter in self.parameters.items():
            parameter.copy_(trained[name])


def name_tokens(tokenizer: Any, names: Iterable[str]) -> list[int]:
    """Return the ids of the tokens that names are written with, in prompts and in answers."""
    found: set[int] = set()
    for name in names:
        for text in (name, f" {name}"):
            found.update(tokenizer(text, add_special_tokens=False)["input_ids"])
    return sorted(found)

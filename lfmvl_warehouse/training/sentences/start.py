# SPDX-License-Identifier: Apache-2.0
"""The checkpoint that a training of the sentence model begins with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.checkpoint_labels import FACTS_FILE
from lfmvl_ros.models.lfm2_vl.loading import load_language_model
from lfmvl_warehouse.training.sentences.settings import SentenceShape

_TOLD = ("step", "sentences", "seconds", "seed")


@dataclass(frozen=True)
class Start:
    """A finished sentence model.

    Attributes:
        shape: its sizes.
        tokenizer: its own; other pieces of words would make the weights useless.
        weights: name to tensor.
        earlier: facts of the runs that it comes from, the first one first.
    """

    shape: SentenceShape
    tokenizer: Tokenizer
    weights: dict[str, torch.Tensor]
    earlier: list[dict[str, Any]]


def read_start(directory: Path) -> Start:
    """Return a checkpoint that ``lfmvl train --sentences`` wrote.

    Raises:
        UserError: it is missing, damaged, or of another kind.
    """
    try:
        facts = json.loads((directory / FACTS_FILE).read_text(encoding="utf-8"))
        shape = SentenceShape(**facts["shape"])
        told = {key: facts[key] for key in _TOLD}
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    except Exception as error:  # tokenizers raises Exception itself
        raise UserError(
            f"{directory} is no checkpoint of lfmvl train --sentences: {error}; name the directory "
            "of such a checkpoint, or bundled"
        ) from error
    model, _ = load_language_model(str(directory), torch.device("cpu"))
    return Start(shape, tokenizer, model.state_dict(), [*facts.get("earlier", []), told])

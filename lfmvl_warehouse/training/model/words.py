# SPDX-License-Identifier: Apache-2.0
"""Give the words of names tokens of their own, which start as what is known to mean the same.

Cut into bytes, a Japanese word is a dozen tokens that a small model would have to learn to read
and to spell, and so is a category of somebody's own images. As one token that begins next to its
English counterpart, or to the mean of its old pieces, training only has to tell it apart. A run
that is resumed takes in words which were not there when it began.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from lfmvl_warehouse.training.model import tokenizer as layout

Names = Mapping[str, Mapping[str, str]]
"""Language -> words that mean the same and are known -> the name."""

_OWN_SHARE = 0.5
_LANGUAGE_SHARE = 0.5
"""How far a new word starts from what it means, against the spread of the table."""


def own_names(names: Iterable[Iterable[str]]) -> Names:
    """Names that mean nothing but themselves, as a language of their own."""
    return {"own": {name: name for group in names for name in group}}


def pieces_of(tokenizer: PreTrainedTokenizerFast, names: Names) -> dict[str, dict[str, set[str]]]:
    """Language -> word as it stands in a prompt or at the start of an answer -> what it means.

    Words are what the tokenizer cuts text into before it merges, in its own letters for bytes.
    """
    cut = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str
    found: dict[str, dict[str, set[str]]] = {}
    for language, meanings in names.items():
        words = found.setdefault(language, {})
        for meaning, name in meanings.items():
            for piece, _ in (*cut(name), *cut(f" {name}")):
                words.setdefault(piece, set()).add(meaning)
    return found


def with_words(tokenizer: PreTrainedTokenizerFast, names: Names) -> PreTrainedTokenizerFast:
    """The tokenizer with a token for each word of these names; the known ones keep their ids.

    It relies on words being looked up before they are merged from bytes (``ignore_merges``), as in
    LFM2's own tokenizer.
    """
    new = _missing(tokenizer, names)
    if not new:
        return tokenizer
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = backend["model"]["vocab"]
    for piece in new:
        vocabulary[piece] = len(vocabulary)
    return layout.wrap(Tokenizer.from_str(json.dumps(backend)))


def known_languages(tokenizer: PreTrainedTokenizerFast, names: Names) -> list[str]:
    """Return the languages whose words the tokenizer all has."""
    return [language for language in names if not _missing(tokenizer, {language: names[language]})]


def _missing(tokenizer: PreTrainedTokenizerFast, names: Names) -> list[str]:
    """Words of the names that have no token, each once."""
    known = tokenizer.get_vocab()
    pieces = (piece for words in pieces_of(tokenizer, names).values() for piece in words)
    return [piece for piece in dict.fromkeys(pieces) if piece not in known]


@torch.no_grad()
def start_words(
    table: nn.Embedding,
    tokenizer: PreTrainedTokenizerFast,
    before: PreTrainedTokenizerFast,
    names: Names,
    *,
    seed: int = 2,
) -> None:
    """Start the rows of new words at the mean of what they mean, each a little apart.

    Args:
        table: embeddings, shared with the output; rows of known words are left as they are.
        tokenizer: with the words.
        before: without them.
        names: as given to :func:`with_words`.
        seed: of what sets words and languages apart.
    """
    generator = torch.Generator().manual_seed(seed)
    known = table.weight[: len(before)]
    spread = float(known.std())
    vocabulary = tokenizer.get_vocab()
    for words in pieces_of(tokenizer, names).values():
        language = torch.randn(table.embedding_dim, generator=generator)
        for piece, meanings in words.items():
            own = torch.randn(table.embedding_dim, generator=generator)
            row = vocabulary[piece]
            if row < len(before):
                continue
            space = " " if piece.startswith("Ġ") else ""
            parts = [
                known[before.encode(space + meaning, add_special_tokens=False)].mean(0)
                for meaning in sorted(meanings)
            ]
            apart = (_OWN_SHARE * own + _LANGUAGE_SHARE * language).to(known)
            table.weight[row] = torch.stack(parts).mean(0) + spread * apart


def widened(state: Mapping[str, Any], own: Mapping[str, Tensor]) -> dict[str, Any]:
    """A saved state dictionary whose embeddings have as many rows as the model's own.

    New rows are the model's own; everything else stays as saved.
    """
    wide = dict(state)
    for name, value in state.items():
        here = own.get(name)
        if here is None or not value.ndim or value.shape[1:] != here.shape[1:]:
            continue
        if len(value) < len(here):
            wide[name] = torch.cat([value.to(here), here[len(value) :]])
    return wide


def widen_moments(state: dict[str, Any], optimiser: torch.optim.Optimizer) -> None:
    """Let the moments that an optimiser saved begin at zero for rows that were not there, in place.

    Args:
        state: of :meth:`torch.optim.Optimizer.state_dict`.
        optimiser: that will load it.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for index, moments in state["state"].items():
        shape = parameters[index].shape
        for name, value in moments.items():
            if value.ndim and value.shape != shape and value.shape[1:] == shape[1:]:
                moments[name] = nn.functional.pad(value, (0, 0, 0, shape[0] - value.shape[0]))

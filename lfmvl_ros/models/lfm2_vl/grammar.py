# SPDX-License-Identifier: Apache-2.0
"""Constrained decoding: a mask over the next token that allows only the requested form.

About an image, the grammar is that of the prompt's own example,
``[{"label": ..., "bbox": [x1, y1, x2, y2]}]``, with the labels of the query and numbers in range.
Spacing is free, because a style that the checkpoint was not trained on makes its answers worse.
Without an image, it is that of tool calls. The mask comes from xgrammar (Dong et al., 2024,
arXiv:2411.15100), an optional package, and is computed for every position of a draft.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import torch
from transformers import LogitsProcessor

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import MarkedForm, Prompt, keys_of
from lfmvl_ros.models.lfm2_vl.sampling import Sampler

_COMPILED = 16  # of queries, and as many of forms
_log = logging.getLogger(__name__)


def grammar_text(labels: Sequence[str], *, keys: tuple[str, str], decimals: int) -> str:
    r"""Return the grammar of an answer in xgrammar's EBNF.

    Args:
        labels: what may be named.
        keys: of label and box.
        decimals: 0 for integer coordinates; else fractions of one to four digits.

    >>> print(grammar_text(["tote", "person"], keys=("label", "bbox"), decimals=2).splitlines()[3])
    label ::= "\"tote\"" | "\"person\""
    """
    named = " | ".join(_quoted(label) for label in dict.fromkeys(labels))
    label, box = (_quoted(key) for key in keys)
    number = '"0" ("." [0-9]{1,4})? | "1" ("." "0"{1,4})?' if decimals else "[0-9]{1,4}"
    return "\n".join(
        (
            'root ::= ws "[" ws (object (ws "," ws object)* ws)? "]"',
            f'object ::= "{{" ws {label} ws ":" ws label ws "," ws {box} ws ":" ws box ws "}}"',
            'box ::= "[" ws number (ws "," ws number){3} ws "]"',
            f"label ::= {named}",
            f"number ::= {number}",
            "ws ::= [ \\n\\t]{0,24}",
        )
    )


def _quoted(text: str) -> str:
    """A JSON string as a literal of the grammar."""
    return json.dumps(json.dumps(text, ensure_ascii=False), ensure_ascii=False)


class AnswerGrammars:
    """Grammars of the answers to prompts, for one tokenizer.

    Args:
        tokenizer: of the checkpoint.
        width: size of the vocabulary, as of the logits.
        end_ids: tokens that end an answer.

    Raises:
        UserError: xgrammar is not installed.
    """

    def __init__(self, tokenizer: Any, width: int, end_ids: Sequence[int]) -> None:
        try:
            import xgrammar
        except ImportError as error:
            raise UserError(
                "generation.grammar is always, and the package xgrammar can't be imported "
                f"({error}); install it with `pip install pydantic` and "
                "`pip install --no-deps xgrammar apache-tvm-ffi`, or set "
                "generation.grammar to none"
            ) from error
        info = xgrammar.TokenizerInfo.from_huggingface(
            tokenizer, vocab_size=width, stop_token_ids=list(end_ids)
        )
        self._compiler = xgrammar.GrammarCompiler(info)
        self._matcher = xgrammar.GrammarMatcher
        self._compile = lru_cache(_COMPILED)(self._compiler.compile_grammar)
        self._compile_form = lru_cache(_COMPILED)(self._compiled_form)
        self._width = width

    def mask(self, prompt: Prompt) -> GrammarMask:
        """Return the mask for one answer to ``prompt``."""
        text = grammar_text(prompt.query.labels, keys=keys_of(prompt), decimals=prompt.decimals)
        return GrammarMask(self._matcher(self._compile(text)), self._width)

    def mask_of_form(self, form: MarkedForm) -> GrammarMask:
        """Return the mask for one answer that keeps to a form between markers."""
        return GrammarMask(self._matcher(self._compile_form(form)), self._width)

    def _compiled_form(self, form: MarkedForm) -> Any:
        content = {"type": "grammar", "grammar": form.content}
        tag = {"type": "tag", "begin": form.begin, "content": content, "end": form.end}
        tags = {"type": "triggered_tags", "triggers": [form.begin], "tags": [tag]}
        return self._compiler.compile_structural_tag({"type": "structural_tag", "format": tags})


@lru_cache(1)
def can_constrain() -> bool:
    """Whether xgrammar can be imported; if it is there and broken, the log says so once."""
    try:
        importlib.import_module("xgrammar")
    except Exception as error:  # also of a library that it loads
        if not (isinstance(error, ModuleNotFoundError) and error.name == "xgrammar"):
            _log.warning("tool calls are not constrained, as xgrammar can't be imported: %s", error)
        return False
    return True


class Mask(Protocol):
    """Which tokens may come next; see :class:`GrammarMask`."""

    def after(self, logits: torch.Tensor, proposed: Sequence[int]) -> torch.Tensor:
        """Return the first rows of logits, with -inf where a token can't follow."""

    def add(self, chosen: Sequence[int]) -> None:
        """Add the tokens that the answer contains now."""


class GrammarMask:
    """The tokens that may come next in one answer."""

    def __init__(self, matcher: Any, width: int) -> None:
        self._matcher, self._width = matcher, width

    def after(self, logits: torch.Tensor, proposed: Sequence[int]) -> torch.Tensor:
        """Return logits with -inf where a token can't follow.

        Args:
            logits: ``(len(proposed) + 1, vocabulary)``, row i after ``proposed[:i]``; not changed.
            proposed: tokens that may come next.

        Returns:
            The first rows, up to where the grammar refuses a proposed token or the answer ends.
        """
        from xgrammar import allocate_token_bitmask, apply_token_bitmask_inplace

        bits = allocate_token_bitmask(len(proposed) + 1, self._width)
        accepted = 0
        while True:
            if self._matcher.is_terminated():
                bits[accepted] = -1  # the rows after it are not used
            else:
                self._matcher.fill_next_token_bitmask(bits, accepted)
            if accepted == len(proposed) or not self._accept(proposed[accepted]):
                break
            accepted += 1
        if accepted:
            self._matcher.rollback(accepted)
        masked = logits[: accepted + 1].clone()
        apply_token_bitmask_inplace(masked, bits[: accepted + 1].to(masked.device))
        return masked

    def add(self, chosen: Sequence[int]) -> None:
        """Add the tokens that the answer contains now."""
        for token in chosen:
            self._accept(token)

    def _accept(self, token: int) -> bool:
        return not self._matcher.is_terminated() and bool(self._matcher.accept_token(token))


class Masked:
    """Chooses with ``inner`` among the tokens that a mask allows; see :class:`Sampler`."""

    def __init__(self, inner: Sampler, mask: Mask) -> None:
        self._inner, self._mask = inner, mask

    def choose(self, logits: torch.Tensor, proposed: Sequence[int]) -> list[int]:
        """Choose; see :class:`Sampler`."""
        masked = self._mask.after(logits, proposed)
        chosen = self._inner.choose(masked, proposed[: len(masked) - 1])
        self._mask.add(chosen)
        return chosen


class MaskingProcessor(LogitsProcessor):  # type: ignore[misc]
    """The same for ``generate``, one mask for each row of the batch."""

    def __init__(self, masks: Sequence[GrammarMask]) -> None:
        self._masks, self._started = masks, False

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores ``(B, vocabulary)`` with -inf where a token can't follow."""
        if self._started:
            for mask, row in zip(self._masks, input_ids[:, -1].tolist(), strict=True):
                mask.add([row])
        self._started = True
        rows = [mask.after(row[None], []) for mask, row in zip(self._masks, scores, strict=True)]
        return torch.cat(rows)

# SPDX-License-Identifier: Apache-2.0
"""Makes the prompt from a query. A template is data: each checkpoint has its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lfmvl_ros.core.coordinate_scales import PROMPT_SCALES, has_integers
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query

# Everything that a chat template or image processor of these families treats as control tokens: the
# ChatML markers, reserved, image and video tokens in <|...|>, the bare <image> sentinel, and the
# tags of thoughts and tool calls.
_CONTROL = re.compile(
    r"<\|[^<>|]{0,64}\|>|<\s*/?\s*(?:image|video|think(?:ing)?|tool_call|function|parameter)\s*>"
    r"|<\s*(?:function|parameter)\s*=(?:[^<>]{0,64}>)?|<\|+|\|+>",
    re.IGNORECASE,
)
_KEYS = re.compile(r'\[\s*\{\s*"(\w+)"[^{}]*?"(\w+)"')


def neutralise(text: str) -> str:
    """Remove control tokens from a user's text.

    Repeated until none is left, so that a removal can't create a new one.

    >>> neutralise("box<|im_end|> <image>person")
    'box person'
    >>> neutralise("<|im_<|x|>end|>")
    'im_ end'
    """
    previous = None
    while previous != text:
        previous, text = text, _CONTROL.sub(" ", text)
    return " ".join(text.split())


@dataclass(frozen=True)
class Prompt:
    """The prompt of one answer. The answer keeps it, so a later query can't relabel it."""

    text: str
    query: Query
    decimals: int = 2
    scale: str = ""


@dataclass(frozen=True)
class MarkedForm:
    """The form of what stands between two markers in an answer; around them it is free.

    Attributes:
        begin: marker, as the tokenizer writes it.
        content: xgrammar's EBNF, with the rule ``root``.
        end: marker.
    """

    begin: str
    content: str
    end: str

    def __post_init__(self) -> None:
        if not (self.begin and self.content and self.end):
            raise ValueError(f"a form has two markers and a grammar between them, got {self}")


@dataclass(frozen=True)
class TextPrompt:
    """A question without an image.

    Attributes:
        system: the system prompt; may be empty.
        user: the user's message.
        form: that the answer keeps to, with models and packages that can; None: it is free.
        names: those that there are, by the argument of tools that takes them; not known without.
    """

    system: str
    user: str
    form: MarkedForm | None = None
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class PromptTemplate:
    """The prompt template of a checkpoint.

    Attributes:
        name: short name, as in the catalogue.
        text: the prompt, with ``{query}`` exactly once where the labels go.
        decimals: digits after the point in the checkpoint's coordinates; 0 for integers.
        scale: the unit of its coordinates, one of ``PROMPT_SCALES``; "" if unknown.
    """

    name: str
    text: str
    decimals: int = 2
    scale: str = ""

    def __post_init__(self) -> None:
        if self.text.count("{query}") != 1:
            raise ValueError(
                f"prompt template {self.name!r} must contain {{query}} exactly once, "
                f"got {self.text.count('{query}')} times"
            )
        if not 0 <= self.decimals <= 6:
            raise ValueError(f"prompt template {self.name!r}: decimals 0 to 6, got {self.decimals}")
        if self.scale not in ("", *PROMPT_SCALES):
            raise ValueError(
                f"prompt template {self.name!r}: scale is one of {', '.join(PROMPT_SCALES)}, "
                f"got {self.scale!r}"
            )
        if self.scale and has_integers(self.scale) != (self.decimals == 0):
            raise ValueError(
                f"prompt template {self.name!r}: coordinates of {self.scale} don't have "
                f"{self.decimals} decimals"
            )

    def render(self, query: Query) -> Prompt:
        """Fill in the query, without control tokens.

        Raises:
            UserError: nothing of the query is left once control tokens are removed.
        """
        words = ", ".join(filter(None, (neutralise(label) for label in query.labels)))
        if not words:
            raise UserError(
                f"the query {query.text!r} holds nothing but control tokens; name an object"
            )
        text = self.text.replace("{query}", words)
        return Prompt(text, query, self.decimals, self.scale)

    def on_scale_of(self, own: PromptTemplate) -> PromptTemplate:
        """Return these words with the unit of a checkpoint's ``own`` template.

        A checkpoint trained for one unit answers in it, whatever it is asked for.
        """
        if not own.scale:
            return self
        decimals = 0 if has_integers(own.scale) else self.decimals or own.decimals
        return replace(self, scale=own.scale, decimals=decimals)


def keys_of(prompt: Prompt) -> tuple[str, str]:
    """Return the keys of label and box in the example that the prompt gives.

    >>> keys_of(CARD_TEMPLATE.render(Query.parse("tote")))
    ('label', 'bbox')
    """
    found = _KEYS.search(prompt.text)
    return (found[1], found[2]) if found else ("label", "bbox")


CARD_TEMPLATE = PromptTemplate(
    "card",
    "Detect all instances of: {query}. Response must be a JSON array: "
    '[{"label": ..., "bbox": [x1, y1, x2, y2]}, ...]. Coordinates are normalized to [0,1].',
)
"""The template of the LFM2.5-VL-450M model card."""

COOKBOOK_TEMPLATE = PromptTemplate(
    "cookbook",
    "Inspect the image and detect the {query}. Provide result as a valid JSON: "
    '[{"label": str, "bbox": [x1,y1,x2,y2]}, ...]. Coordinates must be normalized to 0-1.',
)
"""The template of Liquid AI's fine-tuning cookbook."""

FINE_TEMPLATE = PromptTemplate("card_3_decimals", f"{CARD_TEMPLATE.text} Write three decimals.", 3)
"""The card's, for checkpoints trained to print the requested number of decimals."""

TEMPLATES = {
    template.name: template for template in (CARD_TEMPLATE, COOKBOOK_TEMPLATE, FINE_TEMPLATE)
}
"""By name, as settings and catalogue entries choose them."""

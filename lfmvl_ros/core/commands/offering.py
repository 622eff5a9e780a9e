# SPDX-License-Identifier: Apache-2.0
"""How a model is given the tools, by family."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lfmvl_ros.core.commands.call_forms import FORMS
from lfmvl_ros.core.commands.tools import declarations
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import TextPrompt, neutralise
from lfmvl_ros.core.safe_text import json_text, well_formed

SYNTAXES = ("lfm2", "lfm2.5", "lfm3", "learned")
"""Ways in which models are given tools."""
LONGEST_SENTENCE = 1000  # characters
_LINES = re.compile(r"\s*[\r\n]+\s*")
_LFM3 = """# Tools

You have access to these functions, given as JSON Schemas within <tools></tools>:
<tools>
{tools}
</tools>

Call a function in this form:
<tool_call><function=name><parameter=key>value</parameter></function></tool_call>"""


def offer(
    sentence: str,
    tools: Iterable[str],
    syntax: str,
    *,
    names: Mapping[str, tuple[str, ...]] | None = None,
    constrained: bool = True,
) -> TextPrompt:
    """Return the conversation that asks a model for the calls that a sentence means.

    Sources: the publisher's model cards. LFM2 reads tools between control tokens in the system
    text, LFM2.5 after ``List of tools:``, LFM3 between ``<tools>`` tags. A model that has learned
    these very tools (``learned``) is given the sentence alone.

    Args:
        sentence: what somebody wrote; control tokens in it are removed.
        tools: names of those to be offered.
        syntax: of the model's family, one of :data:`SYNTAXES`.
        names: those that there are, by argument (``rule``, ``camera``), as far as is known.
        constrained: the model's calls keep to the form of its family, where it can.

    Raises:
        UserError: the sentence is empty or too long.
    """
    one_line = _LINES.sub(". ", sentence[: LONGEST_SENTENCE + 1].strip())
    words = neutralise(well_formed(one_line))
    if len(sentence) > LONGEST_SENTENCE:
        raise UserError(
            f"a sentence takes at most {LONGEST_SENTENCE} characters, got {len(sentence)}; "
            "shorten it"
        )
    if not words:
        raise UserError("the command is empty; write a sentence, or a tool call as JSON")
    if syntax == "learned":  # by examples in small letters, as most people type
        return TextPrompt("", words.lower() if words.isupper() else words, names=names or {})
    declared, form = declarations(tools), FORMS[syntax] if constrained else None
    if syntax == "lfm3":
        listing = "\n".join(json_text({"type": "function", "function": tool}) for tool in declared)
        return TextPrompt(_LFM3.format(tools=listing), words, form)
    listing = json_text(declared)
    if syntax == "lfm2":
        listing = f"<|tool_list_start|>{listing}<|tool_list_end|>"
    return TextPrompt(f"List of tools: {listing}", words, form)

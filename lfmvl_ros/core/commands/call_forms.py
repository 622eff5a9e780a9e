# SPDX-License-Identifier: Apache-2.0
"""The forms in which families write tool calls, as grammars for constrained decoding.

They prescribe the form, not the names: a model that means a tool which does not exist shall say so
and be refused. Held to the tools there are, it would have to call one that nobody asked for.
"""

from __future__ import annotations

from lfmvl_ros.core.commands.checking import MOST_CALLS
from lfmvl_ros.core.prompt import MarkedForm

_NAME = "name ::= [a-zA-Z_] [a-zA-Z0-9_]*"
_BLANK = "ws ::= [ \\n]{0,4}"
# A text has no "<": a control token is a text, too.
_PYTHON = "\n".join(
    (
        f'root ::= ws "[" ws call (ws "," ws call){{0,{MOST_CALLS - 1}}} ws "]" ws',
        'call ::= name "(" ws (argument (ws "," ws argument){0,7})? ws ")"',
        'argument ::= name ws "=" ws value',
        'value ::= text | list | number | "True" | "False" | "None"',
        'list ::= "[" ws (text (ws "," ws text){0,31})? ws "]"',
        r"""text ::= "\"" [^"<\\\r\n\0]* "\"" | "'" [^'<\\\r\n\0]* "'" """,
        'number ::= "-"? ("0" | [1-9] [0-9]{0,8}) ("." [0-9]{1,6})?',
        _NAME,
        _BLANK,
    )
)
_TAGGED = "\n".join(
    (
        'root ::= ws "<function=" name ">" ws (parameter ws){0,8} "</function>" ws',
        'parameter ::= "<parameter=" name ">" [^<]* "</parameter>"',
        _NAME,
        _BLANK,
    )
)
_LFM2 = MarkedForm("<|tool_call_start|>", _PYTHON, "<|tool_call_end|>")
FORMS = {"lfm2": _LFM2, "lfm2.5": _LFM2, "lfm3": MarkedForm("<tool_call>", _TAGGED, "</tool_call>")}
"""By the syntax of a family; a model that has learned these very tools needs none."""

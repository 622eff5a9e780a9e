# SPDX-License-Identifier: Apache-2.0
"""The forms in which families write tool calls, as a grammar for constrained decoding.

The grammar takes all that :mod:`lfmvl_ros.core.commands.reading` takes, and more: brackets and
quotes close, and that is all. Numbers of calls, names and types are checked afterwards. A narrower
grammar would turn a call that has to be refused into another one that is executed.
"""

from __future__ import annotations

from lfmvl_ros.core.prompt import MarkedForm

# A text has no "<|", as a control token begins so.
_CALLS = "\n".join(
    (
        "root ::= ws (tagged | value | call | calls) ws",
        'calls ::= "[" ws call (ws "," ws call)* (ws ",")? ws "]"',
        'call ::= name ws "(" ws (argument (ws "," ws argument)* (ws ",")? ws)? ")"',
        'argument ::= (name ws "=" ws)? value',
        "value ::= text | list | object | number | word",
        'list ::= "[" ws (value (ws "," ws value)* (ws ",")? ws)? "]"',
        'object ::= "{" ws (pair (ws "," ws pair)* ws)? "}"',
        'pair ::= text ws ":" ws value',
        'word ::= "True" | "False" | "None" | "true" | "false" | "null"',
        r"""text ::= "\"" ([^"<\\\r\n\0] | "<"+ [^<|"\\\r\n\0] | "\\" [^\r\n\0])* "<"* "\"" """
        r"""| "'" ([^'<\\\r\n\0] | "<"+ [^<|'\\\r\n\0] | "\\" [^\r\n\0])* "<"* "'" """,
        'number ::= "-"? [0-9]+ ("." [0-9]+)? ([eE] [-+]? [0-9]+)?',
        'tagged ::= "<function=" name ">" ws (parameter ws)* "</function>"',
        'parameter ::= "<parameter=" name ">" ([^<] | "<"+ [^</|])* "</parameter>"',
        "name ::= [a-zA-Z_] [a-zA-Z0-9_]*",
        "ws ::= [ \\n\\r\\t]*",
    )
)
_LFM2 = MarkedForm("<|tool_call_start|>", _CALLS, "<|tool_call_end|>")
FORMS = {"lfm2": _LFM2, "lfm2.5": _LFM2, "lfm3": MarkedForm("<tool_call>", _CALLS, "</tool_call>")}
"""By the syntax of a family; a model that has learned these very tools needs none."""

# SPDX-License-Identifier: Apache-2.0
"""Renders a chat template once, in a process that may take little time and memory.

``python -m lfmvl_ros.models.template_child`` reads ``{"template", "tokens", "messages"}`` from
standard input and prints ``{"text"}`` or ``{"error"}``. A template is a program: it can loop, or
ask for any amount of memory. The kernel ends the process at its limits.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_S = 3
MEMORY_BYTES = 1 << 30
LONGEST = 100_000  # characters


class _Generation(Extension):
    """``{% generation %}``, which marks answers for training and writes what it holds."""

    tags = {"generation"}  # noqa: RUF012  (of jinja2)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def rendered(template: str, tokens: dict[str, str], messages: list[Any]) -> str:
    """Return the text of a conversation up to where the answer starts.

    Names, filters and tags are those that transformers gives to chat templates.

    Raises:
        jinja2.TemplateError: there is a mistake in it.
        ValueError: the text is longer than ``LONGEST``.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    parts, length = [], 0
    for part in environment.from_string(template).generate(
        messages=messages, add_generation_prompt=True, tools=None, documents=None, **tokens
    ):
        parts.append(part)
        length += len(part)
        if length > LONGEST:
            raise ValueError(f"its text is longer than {LONGEST:,} characters")
    return "".join(parts)


def _to_json(value: object, *, ensure_ascii: bool = False, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _refuse(message: object) -> NoReturn:
    raise jinja2.TemplateError(str(message))


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's time limit remains
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main() -> None:
    """Read, render, print."""
    document = json.load(sys.stdin)
    _limit()
    try:
        answer = {"text": rendered(document["template"], document["tokens"], document["messages"])}
    except MemoryError:
        answer = {"error": f"it takes more than {MEMORY_BYTES >> 20} MB of memory"}
    except Exception as error:  # whatever a template raises
        answer = {"error": f"{type(error).__name__}: {error}"[:300]}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""The commands that README.md, CONTRIBUTING.md and docs/ print, and how each of them is tried out.

A command is a line of a shell block (a fenced block without a language, or ``bash``), or code
within a sentence that begins with one of :data:`INLINE` and has arguments. It is run as printed,
in ``make test-deep``, and must end with exit code 0. ``docs_command_rules.py`` says what is
different about a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .docs_command_rules import RULES, Rule

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(
    path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")
))  # fmt: skip
INLINE = ("lfmvl", "python", "make", "pip", "ros2", "colcon", "DISTRO=kilted")
SHELL = ("", "bash", "sh")
PROMPTED = (*SHELL, "console")
"""Blocks in which a line that begins with ``$`` is a command; in ``console``, no other is."""


@dataclass(frozen=True)
class Command:
    """A command as a page prints it; ``output`` is what the page shows below it, if it does."""

    page: str
    line: int
    text: str
    output: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.text}"


def rule_for(command: Command) -> Rule:
    """Return the first rule that matches, or one that says "as printed, in make test-deep"."""
    for rule in RULES:
        if re.search(rule.pattern, command.text):
            return rule
    return Rule("")


def commands(page: str, text: str) -> Iterator[Command]:
    """Yield the commands of a page, in their order.

    >>> [c.text for c in commands("x.md", "Run `make demo X=1`.\\n```\\nlfmvl config  # all\\n```")]
    ['make demo X=1', 'lfmvl config']
    """
    language: str | None = None
    pending: list[str] = []
    shown: list[str] = []
    asked: Command | None = None  # of a block with prompts, whose output follows
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if fence := re.match(r"\s*```(\w*)", line):
            if asked is not None:
                yield Command(page, asked.line, asked.text, tuple(shown))
            language, asked, shown = (fence[1] if language is None else None), None, []
        elif language is None:
            for span in re.findall(r"`([^`]+)`", line):
                program, _, arguments = span.partition(" ")
                named_only = program in ("lfmvl", "make") and " " not in arguments
                if program in INLINE and arguments and not named_only:
                    yield Command(page, number, span)
        elif language in PROMPTED and line.startswith("$ "):
            if asked is not None:
                yield Command(page, asked.line, asked.text, tuple(shown))
            asked, shown = Command(page, number, _bare(line[2:])), []
        elif asked is not None:
            shown.append(line)
        elif language in SHELL and (bare := _bare(line)):
            pending.append(bare.removesuffix("\\").strip())
            if not bare.endswith("\\"):
                yield Command(page, number, " ".join(pending))
                pending = []


def _bare(line: str) -> str:
    """Without the comment behind it."""
    return re.sub(r"(^|\s)#.*", "", line).strip()


def all_commands() -> list[Command]:
    """Return the commands of all pages."""
    return [
        command
        for page in PAGES
        for command in commands(page, (ROOT / page).read_text(encoding="utf-8"))
    ]


def stable(line: str) -> str:
    """Return a line of output as a regular expression in which numbers may differ.

    >>> bool(re.fullmatch(stable("640x480: 70 tokens  # of 256"), "640x480: 64 tokens"))
    True
    """
    pieces = re.split(r"\d+(?:\.\d+)?", _bare(line))
    return r"\d+(?:\.\d+)?".join(re.escape(piece) for piece in pieces)

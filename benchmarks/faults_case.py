# SPDX-License-Identifier: Apache-2.0
"""A case of damaged input: the call that is made of it, and what the call must leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

QUERY = ("--query", "red tote")


@dataclass(frozen=True)
class Case:
    """What a call is made of.

    Attributes:
        files: folder of files, some of which are damaged.
        out: an empty folder.
        whole: folder of the whole files of every kind.
        rng: all that is random.
        changed: what is damaged; a file may be gone.
    """

    files: Path
    out: Path
    whole: Path
    rng: Random
    changed: tuple[Path, ...] = ()

    def one(self, *patterns: str) -> str:
        """Return a file or folder that is damaged, or has something damaged in it."""
        found = {path for pattern in patterns for path in self.files.glob(pattern)}
        damaged = [p for p in found if any(c.is_relative_to(p) for c in self.changed)]
        chosen = sorted(damaged or found)
        return str(self.rng.choice(chosen) if chosen else self.files / "none")

    @property
    def model(self) -> tuple[str, ...]:
        """Arguments that name a recording as the model."""
        return "--model", str(self.whole / "recordings/replies.jsonl")


@dataclass(frozen=True)
class Call:
    """One call of ``lfmvl``.

    Attributes:
        words: of the command line.
        outputs: files of which one at least must be there, not empty, after exit code 0.
        prints: what must have been printed then: "json" (its last line), "document" (all of it),
            "text", or "" for nothing.
    """

    words: tuple[str, ...]
    outputs: tuple[Path, ...] = ()
    prints: str = "json"


@dataclass(frozen=True)
class Target:
    """A kind of input and the commands that read it.

    Attributes:
        name: for the table.
        kind: of files (:mod:`faults_files`); "" for command lines alone.
        call: the call for a case.
        needs: kinds of whole files that it uses besides.
    """

    name: str
    kind: str
    call: Callable[[Case], Call]
    needs: tuple[str, ...] = ("recordings",)


def strict_json(text: str) -> object:
    """Return the document of a text; NaN and infinities are refused as any other parser does."""

    def refuse(word: str) -> object:
        raise ValueError(f"{word} in printed JSON")

    return json.loads(text, parse_constant=refuse)

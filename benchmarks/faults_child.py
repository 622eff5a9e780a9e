# SPDX-License-Identifier: Apache-2.0
"""The process that runs damaged cases one after the other, and says what became of each.

It speaks on a pipe, a line for each event: ``begin N`` before a case, ``end N`` with a JSON object
behind it. Who reads them knows from a ``begin`` without an ``end`` which case hung or crashed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from faults_case import Call, Case, Target, strict_json
from faults_mutations import damage, fresh_copy
from faults_targets import TARGETS

from lfmvl_ros.cli.main import main

_LONG_S = 5.0
_ACCEPTED = (0, 1, 2)  # done; done with a negative result; refused with a sentence


@dataclass
class Judgement:
    """What a case came to: exit code, what was wrong with it ("" for nothing), and its sentence."""

    code: int
    problem: str
    sentence: str


def target_named(name: str) -> Target:
    """Return a target by its name in the table."""
    return next(target for target in TARGETS if target.name == name)


def make_case(target: Target, whole: Path, work: Path, seed: str) -> tuple[Call, str]:
    """Damage a copy of the target's files; return the call and what was done.

    Args:
        target: whose input it is.
        whole: folder of undamaged files.
        work: folder of this case, which is emptied.
        seed: of all that is random.
    """
    rng = Random(seed)
    files, out = work / "files", work / "out"
    fresh_copy(whole / target.kind, files) if target.kind else fresh_copy(whole / "empty", files)
    fresh_copy(whole / "empty", out)
    # A recording may be a pipe on purpose, and whoever writes to it may take any time.
    pipes = target.kind != "recordings"
    done = damage(files, rng, pipes=pipes) if target.kind else {}
    changed = tuple(files / name for name in done)
    told = "; ".join(f"{name}: {how}" for name, how in done.items()) or "a value of a flag"
    return target.call(Case(files, out, whole, rng, changed)), told


def run_case(call: Call, out: Path) -> Judgement:
    """Run a call and judge it."""
    told, errors = io.StringIO(), io.StringIO()
    try:
        with (
            _log_of_libraries(),
            contextlib.redirect_stdout(told),
            contextlib.redirect_stderr(errors),
        ):
            code = main(call.words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        return Judgement(-1, f"{type(error).__name__} got out: {error}"[:300], "")
    sentence = (errors.getvalue().strip().splitlines() or [""])[-1][:300]
    problem = _problem(call, code, told.getvalue(), errors.getvalue(), out)
    return Judgement(code, problem, sentence)


def _problem(call: Call, code: int, told: str, errors: str, out: Path) -> str:
    if code not in _ACCEPTED:
        return f"exit code {code}: {errors.strip()[-300:]}"
    if "Traceback (most recent" in told + errors:
        return "a traceback was printed"
    if code == 2 and not errors.strip():
        return "exit code 2 without a word"
    if left := [path.name for path in out.parent.rglob("*") if ".part" in path.name]:
        return f"half files were left: {left[:3]}"
    return _nothing_produced(call, told) if code == 0 else ""


def _nothing_produced(call: Call, told: str) -> str:
    if call.outputs and not any(p.is_file() and p.stat().st_size for p in call.outputs):
        return f"exit code 0, and {call.outputs[0].name} is not there, or empty"
    if not call.prints:
        return ""
    lines = told.strip().splitlines()
    if not lines:
        return "exit code 0, and nothing was printed"
    if call.prints == "text":
        return ""
    try:
        strict_json(told if call.prints == "document" else lines[-1])
    except ValueError as error:
        return f"what was printed is not JSON: {error}"[:300]
    return ""


@contextlib.contextmanager
def _log_of_libraries() -> Iterator[None]:
    """Send what OpenCV, FFmpeg and llama.cpp print past Python into nothing."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def child(
    name: str, whole: Path, work: Path, seed: int, first: int, seconds: float, until_s: float | None
) -> int:
    """Run cases of a target for a while, one at least; exit code 0.

    Args:
        name: of the target.
        whole: folder of undamaged files.
        work: folder that cases are made in.
        seed: of all cases.
        first: number of the first case.
        seconds: how long, from the first case on.
        until_s: until when instead, by ``time.monotonic``.
    """
    target = target_named(name)
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _warm_up(target, whole, work, pipe)
    end_s, number = time.monotonic() + seconds if until_s is None else until_s, first
    while number == first or time.monotonic() < end_s:
        call, done = make_case(target, whole, work, f"{seed}/{name}/{number}")
        _say(pipe, "begin", number, {"words": list(call.words), "done": done})
        begun_s = time.monotonic()
        found = run_case(call, work / "out")
        if found.problem and (work / "files").is_dir():  # for who keeps it, while we go on
            (work / "files").rename(work / f"failed-{number}")
        took = {"seconds": round(time.monotonic() - begun_s, 3)}
        _say(pipe, "end", number, {**vars(found), **took})
        number += 1
    return 0


def _warm_up(target: Target, whole: Path, work: Path, pipe: Any) -> None:
    """Run calls on whole files, so that memory is that of a process which has imported.

    Two of them, as a target has several kinds of calls, but one where that takes long.
    """
    begun_s = time.monotonic()
    for number in range(2):
        if time.monotonic() - begun_s > _LONG_S:
            break
        files, out = work / "files", work / "out"
        fresh_copy(whole / (target.kind or "empty"), files)
        fresh_copy(whole / "empty", out)
        run_case(target.call(Case(files, out, whole, Random(number))), out)
    _say(pipe, "warm", 0, {})


def _say(pipe: Any, event: str, number: int, facts: dict[str, Any]) -> None:
    pipe.write(f"{event} {number} {json.dumps(facts)}\n")

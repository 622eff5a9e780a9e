# SPDX-License-Identifier: Apache-2.0
"""The directory of a run: its state, its log, and a lock while a process works on it.

`lfmvl train` and `lfmvl finetune` share it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.file_kinds import kind_of
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.safe_text import shortened
from lfmvl_ros.core.user_files import MAX_DATA_BYTES, check_regular, parse_json, read_text
from lfmvl_ros.core.whole_files import whole_file, writing
from lfmvl_ros.models.failures import is_out_of_memory

STATE_FILE = "state.pt"
LOG_FILE = "progress.jsonl"
LOCK_FILE = "lock"
CHECKPOINT_DIRECTORY = "checkpoint"
_MOST_STEPS = 1 << 53  # whole numbers above have no place in a float


def claim(run: Path) -> IO[str]:
    """Keep other trainings out of a run directory until the returned file closes, or we end.

    Raises:
        UserError: another process trains there.
    """
    with writing(run / LOCK_FILE):
        file = (run / LOCK_FILE).open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip()
        file.close()
        raise UserError(
            f"process {owner} is training in {run}; wait for it, stop it, or choose another --out"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def check_resume(run: Path, *, resume: bool) -> None:
    """Make sure that a run is continued where it has a state, and begun where it has none.

    Raises:
        UserError: there is nothing to resume, or a state that a new run would overwrite.
    """
    state = run / STATE_FILE
    if resume and not state.exists():
        raise UserError(f"there is no {state} to resume; start without --resume")
    if state.exists() and not resume:
        raise UserError(f"{state} exists; add --resume to continue it, or choose another --out")


def read_state(run: Path, *, key: str, mmap: bool = False) -> dict[str, Any]:
    """Return the state of a run.

    Args:
        run: its directory.
        key: that a state of this kind of run has.
        mmap: leave the tensors in the file until they are used.

    Raises:
        UserError: it is damaged, was not written by a training, or can't be read.
        MemoryError: there is too little memory for it.
    """
    import torch  # commands need the names of this module before they import it

    path = run / STATE_FILE
    check_regular(path)
    try:
        state = torch.load(path, weights_only=True, mmap=mmap, map_location="cpu")
        if not isinstance(state, dict) or key not in state:
            raise ValueError("it is not the state of such a run")
    except OSError as error:  # as where the right to read is missing; nothing says it is damaged
        raise UserError(
            f"{path} can't be read ({describe(error)}); check its rights and its disk, or start "
            "again with another --out"
        ) from error
    except Exception as error:  # of pickle and zip, whatever damaged files bring
        _raise_if_out_of_memory(error)
        what = kind_of(path) or "of an unknown kind"
        raise UserError(
            f"{path} ({what}) can't be read as the state of a run; start again with another --out"
        ) from error
    return state


@contextlib.contextmanager
def using_state(run: Path, part: str = STATE_FILE) -> Iterator[None]:
    """Turn what a state with missing or wrong values raises into a :class:`UserError`.

    Only reading belongs into it: what is raised elsewhere would be called damage, too.

    Args:
        run: directory.
        part: of it, that is being read.

    Raises:
        UserError: a value is missing or wrong.
        MemoryError: memory has run out, however torch says it.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError,
            ValueError) as error:  # fmt: skip
        _raise_if_out_of_memory(error)
        if isinstance(error, (NotImplementedError, RecursionError)):  # no file causes these
            raise
        raise UserError(
            f"{run / part} is damaged ({describe(error)[:200]}); start again with another --out"
        ) from error


def _raise_if_out_of_memory(error: Exception) -> None:
    """Raise torch's ways of saying that memory has run out as a :class:`MemoryError`."""
    if isinstance(error, MemoryError):
        raise error
    if is_out_of_memory(error):
        raise MemoryError(describe(error)) from error


def write_state(state: Mapping[str, Any], run: Path) -> None:
    """Write a state in one piece or not at all.

    Raises:
        UserError: it can't be written; the one before stays.
    """
    import torch

    with whole_file(run / STATE_FILE) as part, part.open("wb") as file:
        torch.save(state, file)


def judgements(log: Path) -> list[dict[str, Any]]:
    """Return the held-out scores of a run's log, each with its step; none where there is no log."""
    if not log.exists():
        return []
    return [{"step": r["step"], **r["held_out"]} for r in read_log(log) if "held_out" in r]


def read_log(log: Path) -> list[dict[str, Any]]:
    """Return the records of a run's log.

    Each has its ``step``, some a ``loss`` and some a ``held_out``, an object of scores. Loss and
    scores are finite numbers, or None for one that was not.

    Raises:
        UserError: it can't be read, or a line is not such a record.
    """
    records = []
    for number, line in enumerate(read_text(log, MAX_DATA_BYTES).splitlines(), start=1):
        try:
            record = parse_json(line)
            _check_record(record)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(
                f"line {number} of {log} is not a record of a run ({describe(error)}); remove the "
                "line, or start again with another --out"
            ) from error
        records.append(record)
    return records


def _check_record(record: dict[str, Any]) -> None:
    """Raise ValueError, TypeError, KeyError or AttributeError for what is not a record of a run."""
    step, scores = record["step"], record.get("held_out", {})
    if type(step) is not int or not 0 <= step <= _MOST_STEPS:
        raise ValueError("its step is not a number of updates")
    for name, value in [("loss", record.get("loss")), *scores.items()]:
        if value is not None and not is_number(value):
            raise ValueError(f"{shortened(name)} is {shortened(repr(value))}, and no finite number")

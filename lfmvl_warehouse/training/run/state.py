# SPDX-License-Identifier: Apache-2.0
"""What lies in a run directory, and whether a run can continue from it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import torch

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.file_kinds import kind_of
from lfmvl_ros.core.whole_files import whole_file, writing
from lfmvl_warehouse.training.model.growth import can_grow
from lfmvl_warehouse.training.run.train_settings import TrainSettings

STATE_FILE = "state.pt"
LOG_FILE = "progress.jsonl"
TOKENIZER_DIRECTORY = "tokenizer"
LOCK_FILE = "lock"


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


def check_state(state: Mapping[str, Any], settings: TrainSettings) -> None:
    """Make sure that a run with these settings can continue from a saved state.

    A state with fewer vision blocks will do: the run continues with more.

    Raises:
        UserError: the state is of another model shape or seed.
    """
    shape = state["shape"]
    fits = shape == asdict(settings.shape) or can_grow(shape, settings.shape)
    if not fits or state["seed"] != settings.seed:
        raise UserError(
            f"{settings.out / STATE_FILE} was trained with {state['shape']}, seed "
            f"{state['seed']}; resume it with the same ones or choose another directory"
        )


def remembered(settings: TrainSettings) -> dict[str, Any]:
    """What a state says of the run, for those who continue from it and for the model card."""
    return {
        "shape": asdict(settings.shape),
        "seed": settings.seed,
        "settings": {
            "planned_minutes": settings.minutes,
            "planned_steps": settings.steps,
            "device": settings.device,
            "processes": settings.processes,
            "max_objects": settings.max_objects,
        },
        "recipe": {
            "start": settings.start,
            "rate": settings.rate,
            "mix": settings.mix,
            "data": settings.data,
        },
    }


def read_state(run: Path, *, mmap: bool = False) -> dict[str, Any]:
    """Return the state of a run; with ``mmap``, its tensors stay in the file until used.

    Raises:
        UserError: it is damaged, or was not written by a training.
    """
    path = run / STATE_FILE
    try:
        state = torch.load(path, weights_only=True, mmap=mmap, map_location="cpu")
        if not isinstance(state, dict) or "shape" not in state:
            raise ValueError("it is no state of a training")
    except MemoryError:
        raise
    except Exception as error:
        what = kind_of(path) or "of no known kind"
        raise UserError(
            f"{path} ({what}) can't be read as the state of a training; start again with another "
            "--out"
        ) from error
    return state


def write_state(state: Mapping[str, Any], run: Path) -> None:
    """Write a state in one piece or not at all.

    Raises:
        UserError: it can't be written; the one before stays.
    """
    with whole_file(run / STATE_FILE) as part, part.open("wb") as file:
        torch.save(state, file)

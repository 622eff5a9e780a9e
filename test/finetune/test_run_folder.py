# SPDX-License-Identifier: Apache-2.0
"""What lies in a run's directory is read, or refused with a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.finetune.run_folder import LOG_FILE, STATE_FILE, judgements, read_state, using_state


@pytest.mark.parametrize(
    "line", ["{", "[]", "5", "null", '{"loss": 1}', '{"step": "x"}', '{"step": 1, "held_out": 5}',
             "[" * 100_000],
)  # fmt: skip
def test_a_damaged_log_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / LOG_FILE).write_text(f'{{"step": 1, "held_out": {{"recall50": 0.5}}}}\n{line}\n')
    with pytest.raises(UserError, match=r"line 2 of .* is not a record of a run"):
        judgements(tmp_path / LOG_FILE)


def test_a_state_that_never_ends_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / STATE_FILE)
    with pytest.raises(UserError, match="is a pipe"):
        read_state(tmp_path, key="shape")


@pytest.mark.parametrize("use", [
    lambda state: state["none"], lambda state: state["shape"].none, lambda state: state["shape"][9],
    lambda state: torch.zeros(3).copy_(state["shape"]), lambda state: int(state["shape"][0]),
])  # fmt: skip
def test_whatever_a_wrong_state_brings_is_one_sentence(tmp_path: Path, use: object) -> None:
    torch.save({"shape": ["x"]}, tmp_path / STATE_FILE)
    state = read_state(tmp_path, key="shape")
    wanted = r"is damaged .* start again with another --out"
    with pytest.raises(UserError, match=wanted), using_state(tmp_path):
        use(state)  # type: ignore[operator]


def raising(error: BaseException) -> object:
    """Return a function that raises an error, whatever it is called with."""

    def raises(*_: object, **__: object) -> None:
        raise error

    return raises


NO_MEMORY = [
    MemoryError(),
    RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
    ),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
    torch.OutOfMemoryError("CUDA out of memory"),
]


@pytest.mark.parametrize("error", NO_MEMORY)
def test_too_little_memory_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with pytest.raises(MemoryError), using_state(tmp_path):
        raise error
    torch.save({"shape": []}, tmp_path / STATE_FILE)
    monkeypatch.setattr(torch, "load", raising(error))
    with pytest.raises(MemoryError):
        read_state(tmp_path, key="shape")


@pytest.mark.parametrize("error", [NotImplementedError(), RecursionError(), AssertionError()])
def test_a_defect_of_ours_is_no_damage(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)), using_state(tmp_path):
        raise error


def test_a_file_that_may_not_be_read_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"shape": []}, tmp_path / STATE_FILE)
    monkeypatch.setattr(torch, "load", raising(PermissionError(13, "Permission denied")))
    with pytest.raises(UserError, match=r"can't be read \(.*check its rights and its disk"):
        read_state(tmp_path, key="shape")

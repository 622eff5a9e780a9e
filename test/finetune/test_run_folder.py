# SPDX-License-Identifier: Apache-2.0
"""What lies in a run's directory is read, or refused with a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.finetune.report import write_plot
from lfmvl_ros.finetune.run_folder import LOG_FILE, STATE_FILE, judgements, read_state, using_state


@pytest.mark.parametrize(
    "line", ["{", "[]", "5", "null", '{"loss": 1}', '{"step": "x"}', '{"step": 1, "held_out": 5}',
             '{"step": -1}', '{"step": true}', '{"step": 1e999}', f'{{"step": {10**40}}}',
             '{"step": 1, "loss": "x"}', '{"step": 1, "loss": NaN}', '{"step": 1, "loss": 1e999}',
             f'{{"step": 1, "loss": {10**400}}}', '{"step": 1, "loss": [1]}',
             '{"step": 1, "held_out": {"score": "x"}}', '{"step": 1, "held_out": {"score": NaN}}',
             "[" * 100_000],
)  # fmt: skip
def test_a_damaged_log_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / LOG_FILE).write_text(f'{{"step": 1, "held_out": {{"recall50": 0.5}}}}\n{line}\n')
    with pytest.raises(UserError, match=r"line 2 of .* is not a record of a run"):
        judgements(tmp_path / LOG_FILE)


@pytest.mark.parametrize("loss", ["null", "0", "-1e300", "1.7e308", "0.5"])
def test_any_log_that_is_read_can_be_drawn(tmp_path: Path, loss: str) -> None:
    scores = '"held_out": {"score": null, "recall50": -2, "precision50": 1e300}'
    lines = [f'{{"step": 0, {scores}}}', f'{{"step": 2, "loss": {loss}}}', '{"step": 3, "loss": 2}']
    for count in range(1, 4):
        (tmp_path / LOG_FILE).write_text("\n".join(lines[:count]))
        write_plot(tmp_path / "plot.png", tmp_path / LOG_FILE)
        assert (tmp_path / "plot.png").stat().st_size


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

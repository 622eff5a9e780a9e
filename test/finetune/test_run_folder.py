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

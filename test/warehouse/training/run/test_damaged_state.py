# SPDX-License-Identifier: Apache-2.0
"""``lfmvl train --export`` of a run whose files are damaged: a sentence, and nothing written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.catalog import directory_of
from lfmvl_warehouse.training.model.build import ModelShape, build_model
from lfmvl_warehouse.training.run.training_run import export

SHAPE = ModelShape(64, 1, 64, "ca", 96)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The tokenizer of a run, and its state."""
    run = tmp_path_factory.mktemp("run")
    bundled = directory_of("bundled")
    assert bundled is not None
    tokenizer = AutoTokenizer.from_pretrained(bundled, trust_remote_code=False)
    tokenizer.save_pretrained(run / "tokenizer")
    state = {
        "shape": vars(SHAPE), "average": build_model(SHAPE, vocabulary=len(tokenizer)).state_dict(),
        "step": 5, "samples": 40, "seconds": 60.0, "seed": 0, "recipe": {}, "settings": {},
    }  # fmt: skip
    return run, state


def change(state: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**copy.copy(state), **changes}


def less(state: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    "damaged",
    [
        *(lambda state, key=key: less(state, key) for key in ("average", "step", "seconds")),
        lambda state: change(state, average={}),
        lambda state: change(state, average=5),
        lambda state: change(state, recipe=[]),
        lambda state: change(state, settings=7),
        lambda state: change(state, shape=[]),
        lambda state: change(state, shape={**vars(SHAPE), "vision_width": 2**40}),
        lambda state: change(state, shape={**vars(SHAPE), "vision_layers": 10**9}),
        lambda state: change(state, shape={**vars(SHAPE), "text_layers": "c" * 10_000}),
        lambda state: change(state, shape={**vars(SHAPE), "none": 1}),
    ],
)
def test_a_state_with_wrong_values(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path,
    damaged: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:  # fmt: skip
    run, state = whole
    torch.save(damaged(state), run / "state.pt")
    with pytest.raises(UserError, match=r"state\.pt is damaged"):
        export(run, tmp_path / "checkpoint")
    assert not list(tmp_path.iterdir())


def test_a_damaged_tokenizer(whole: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run, state = whole
    torch.save(state, run / "state.pt")
    file = run / "tokenizer" / "tokenizer.json"
    kept = file.read_bytes()
    try:
        for content in (b"", b"{}", kept[: len(kept) // 2], b"\xff" * 100):
            file.write_bytes(content)
            with pytest.raises(UserError, match=r"the tokenizer in .* can't be read"):
                export(run, tmp_path / "checkpoint")
        file.unlink()
        file.symlink_to("/dev/zero")
        with pytest.raises(UserError, match="is a device"):
            export(run, tmp_path / "checkpoint")
    finally:
        file.unlink(missing_ok=True)
        file.write_bytes(kept)
    assert not list(tmp_path.iterdir())

# SPDX-License-Identifier: Apache-2.0
"""A directory that is no whole checkpoint is refused with what it holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.checkpoint_files import check_directory
from lfmvl_ros.models.load import check_model

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    entry = find("bundled")
    assert entry is not None
    return Path(shutil.copytree(entry.source, tmp_path / "checkpoint"))


def adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    document = {"base_model_name_or_path": "LiquidAI/LFM2.5-VL-450M"}
    (folder / "adapter_config.json").write_text(json.dumps(document))


def gguf(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model-Q4_0.gguf").write_bytes(b"GGUF")


def pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text(POINTER)


def half(folder: Path) -> None:
    (folder / "model.safetensors.incomplete").touch()


def cut(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])


def empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def shard(folder: Path) -> None:
    names = {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (adapter, "adapter .*of LiquidAI/LFM2.5-VL-450M"),
        (gguf, "GGUF files such as model-Q4_0.gguf"),
        (pointer, "Git LFS pointer"),
        (half, "half a download"),
        (cut, "ends 100 bytes too early"),
        (empty, "ends 8 bytes too early"),
        (shard, "has 1 of 2 files of weights, and model-00002-of-00002.safetensors is missing"),
    ],
)
def test_what_is_found_is_named(
    checkpoint: Path, damage: Callable[[Path], None], says: str
) -> None:
    check_directory(checkpoint)
    damage(checkpoint)
    with pytest.raises(UserError, match=says):
        check_directory(checkpoint)


def test_a_file_is_named_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"GGUF\x03")  # under the name of something else
    with pytest.raises(UserError, match="is a GGUF file"):
        check_model(PerceptionSettings(model=str(tmp_path / "model.bin")))

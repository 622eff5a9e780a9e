# SPDX-License-Identifier: Apache-2.0
"""Damaged SQLite files end in a sentence that names them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.memory.store import MemoryStore
from lfmvl_ros.review.store import ReviewStore

STORES: list[tuple[Callable[[Path], MemoryStore | ReviewStore], bytes]] = [
    (MemoryStore, b"seen"),
    (ReviewStore, b"items"),
]


@pytest.mark.parametrize(("store", "table"), STORES)
@pytest.mark.parametrize("byte", [0x80, 0xCE, 0xEF, 0xFF])
def test_names_in_a_schema_that_are_no_text(
    tmp_path: Path, store: Callable[[Path], MemoryStore | ReviewStore], table: bytes, byte: int
) -> None:
    path = tmp_path / "some.db"
    store(path).close()
    whole = path.read_bytes()
    damaged = whole.replace(b"TABLE " + table, b"TABLE " + bytes([byte]) * 2 + b")" + table[3:])
    path.write_bytes(damaged)
    assert damaged != whole
    with pytest.raises(UserError, match=re.escape(str(path))):
        store(path)

# SPDX-License-Identifier: Apache-2.0
"""The JSON file beside a GGUF file: whatever stands in it, facts or a sentence."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.server.facts import ModelFacts, read_facts, write_facts

VALUES = (None, True, 0, -1, 10**400, math.nan, 1e308, "", "x", [], [1], {}, {"a": 1})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from lfmvl_ros.models.catalog import directory_of

    folder = directory_of("bundled")
    assert folder is not None
    path = tmp_path_factory.mktemp("facts") / "a.json"
    write_facts(path, folder, name="bundled", kind="q4_0")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_what_is_written_is_read(whole: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(whole))
    facts = read_facts(tmp_path / "a.json")
    assert facts.calibration is not None
    assert facts.rules.max_tokens == whole["image"]["max_tokens"]


def test_any_value_in_any_place(whole: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    places = [(whole, key) for key in whole]
    places += [(whole[part], key) for part in ("prompt", "image", "calibration")
               for key in whole[part]]  # fmt: skip
    for holder, key in places:
        kept = holder[key]
        for value in VALUES:
            holder[key] = value
            path.write_text(json.dumps(whole))
            with contextlib.suppress(UserError):  # any other error fails the test
                assert isinstance(read_facts(path), ModelFacts)
        holder[key] = kept

# SPDX-License-Identifier: Apache-2.0
"""The card's list lies beside the weights, for the bundled checkpoint as for one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lfmvl_ros.models.checkpoint_labels import FACTS_FILE, known_labels, label_remark
from lfmvl_warehouse.scenes import TRANSLATIONS, known_names


def test_the_bundled_checkpoint_lists_all_it_was_asked_for() -> None:
    known = known_labels("bundled")
    assert known is not None
    assert not known.unlisted(known_names())
    assert not known.unlisted(name for names in TRANSLATIONS.values() for name in names.values())
    assert known.unlisted(["suitcase", "red", "box lid"]) == ("suitcase", "red", "box lid")


@pytest.mark.parametrize("model", ["LiquidAI/LFM2.5-VL-450M", "lfm2-vl-3b", "replies.jsonl", "/no"])
def test_where_nothing_is_listed_nothing_is_said(model: str) -> None:
    assert known_labels(model) is None
    assert label_remark(model, ("anything",)) == ""


@pytest.mark.parametrize("text", ["", "[]", "null", '{"labels": 3}', '{"labels": []}', "\x80"])
def test_facts_that_say_nothing_are_no_list(text: str, tmp_path: Path) -> None:
    (tmp_path / FACTS_FILE).write_bytes(text.encode("latin-1"))
    assert known_labels(str(tmp_path)) is None


def test_older_facts_list_kinds(tmp_path: Path) -> None:
    (tmp_path / FACTS_FILE).write_text(json.dumps({"kinds": ["valve"], "colours": []}))
    assert "does not list 'pump'" in label_remark(str(tmp_path), ("valve", "pump"))

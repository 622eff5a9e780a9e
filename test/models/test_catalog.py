# SPDX-License-Identifier: Apache-2.0
"""Every catalogue file parses, and bad ones are refused."""

import pytest
import yaml

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.query import Query
from lfmvl_ros.models.catalog import FOLDER, catalog, entry_from, find
from lfmvl_warehouse import CATALOG_FILE

FAMILY = [
    "LiquidAI/LFM2-VL-450M",
    "LiquidAI/LFM2-VL-1.6B",
    "LiquidAI/LFM2-VL-3B",
    "LiquidAI/LFM2.5-VL-450M",
    "LiquidAI/LFM2.5-VL-1.6B",
]


@pytest.mark.parametrize(
    "path", [*sorted(FOLDER.glob("*.yaml")), CATALOG_FILE], ids=lambda path: path.stem
)
def test_every_file_parses_and_renders(path):
    entry = entry_from(yaml.safe_load(path.read_text()))
    assert entry.name == path.stem
    assert "red tote" in entry.template.render(Query.parse("red tote")).text
    assert entry.licence
    assert entry.notes


def test_the_family_the_default_and_the_bundled_one_are_there():
    for hub_id in [*FAMILY, PerceptionSettings().model]:
        assert find(hub_id).id == hub_id
        assert find(hub_id.split("/")[1].lower()).id == hub_id
    assert find("bundled").source.endswith("lfmvl_warehouse/checkpoint")
    assert find("no such model") is None


def test_no_two_entries_answer_to_one_name():
    names = [n.casefold() for e in catalog() for n in {e.name.casefold(), e.id.casefold()} if n]
    assert len(names) == len(set(names))


def test_token_limits():
    assert find("LiquidAI/LFM2.5-VL-450M").image_tokens().min_tokens == 32
    assert find("LiquidAI/LFM2-VL-450M").image_tokens().min_tokens == 64


GOOD = {"name": "x", "id": "a/b", "prompt": {"text": "find {query}", "decimals": 3}}


def test_a_template_of_its_own():
    entry = entry_from(GOOD)
    assert (entry.template.name, entry.template.decimals) == ("x", 3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": ""}, "either id"),
        ({"id": "a"}, "owner/name"),
        ({"directory": "d"}, "either id"),
        ({"boxes": "perhaps"}, "boxes"),
        ({"image": {"min_tokens": 9, "max_tokens": 3}}, "min <= max"),
        ({"image": {"tokens": 9}}, "tokens"),
        ({"recommended": {"top_k": 9}}, "top_k"),
        ({"colour": "red"}, "colour"),
        ({"prompt": {}}, "prompt needs"),
        ({"prompt": {"text": "find it"}}, "query"),
    ],
)
def test_bad_entries_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        entry_from({**GOOD, **change})

# SPDX-License-Identifier: Apache-2.0
"""Every catalogue file parses, and bad ones are refused."""

import pytest
import yaml

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.prompt import neutralise
from lfmvl_ros.core.query import Query
from lfmvl_ros.models.catalog import FOLDER, catalog, entry_from, find
from lfmvl_warehouse import CATALOG_FILE

FAMILY = [
    "LiquidAI/LFM2-VL-450M",
    "LiquidAI/LFM2-VL-1.6B",
    "LiquidAI/LFM2-VL-3B",
    "LiquidAI/LFM2.5-VL-450M",
    "LiquidAI/LFM2.5-VL-1.6B",
    "LiquidAI/LFM2.5-VL-3B",
    "LiquidAI/LFM2.5-VL-450M-Extract",
    "LiquidAI/LFM2.5-VL-1.6B-Extract",
    "LiquidAI/LFM3-VL-2B",
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


def test_units_of_coordinates():
    def unit(name):
        template = find(name).template
        return template.scale, template.decimals

    assert unit("bundled") == unit("lfm2.5-vl-450m") == ("0-1", 2)
    assert unit("lfm2.5-vl-3b") == ("0-1000", 0)
    assert unit("lfm3-vl-2b") == ("", 2)


def test_words_of_a_query_can_not_act_as_placeholders_or_tags():
    for entry in catalog():
        words = " ".join((*entry.placeholders, "<think>", "</think>", "<tool_call>"))
        assert neutralise(f"red {words} tote") == "red tote", entry.name


def test_what_a_checkpoint_can_not_do_is_said():
    assert "no bounding boxes" in find("lfm2-vl-450m").remark
    assert "no captions" in find("bundled").remark
    assert "thinks before it answers" in find("lfm3-vl-2b").remark
    assert find("lfm2.5-vl-450m").remark == ""


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
        ({"recommended": {"beams": 9}}, "beams"),
        ({"prompt": {"text": "find {query}", "scale": "percent"}}, "scale"),
        ({"prompt": {"text": "find {query}", "scale": "0-1000", "decimals": 2}}, "decimals"),
        ({"captions": "perhaps"}, "captions"),
        ({"thinking": True}, "thinking"),
        ({"tools": "xml"}, "tools"),
        ({"image": {"rules": "siglip"}}, "image_rules"),
        ({"servers": ["llamafile"]}, "servers"),
        ({"colour": "red"}, "colour"),
        ({"prompt": {}}, "prompt needs"),
        ({"prompt": {"text": "find it"}}, "query"),
    ],
)
def test_bad_entries_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        entry_from({**GOOD, **change})

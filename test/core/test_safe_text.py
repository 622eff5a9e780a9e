# SPDX-License-Identifier: Apache-2.0
"""Whatever a label holds, what is shown, sent and stored of it does no harm."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import MAX_LABEL_CHARACTERS, Query
from lfmvl_ros.core.safe_text import REPLACEMENT, json_text, safe_text

from .replies import parse

ANY_TEXT = st.text(st.characters(), max_size=60)  # surrogates, unassigned and private ones, too
HARMFUL = {
    "C0 controls": "".join(map(chr, range(0x20))),
    "DEL and C1 controls": "".join(map(chr, range(0x7F, 0xA0))),
    "line and paragraph separator": "\u2028\u2029",
    "surrogates": "\ud800\udbff\udc00\udfff",
    "direction controls": "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069",
    "unassigned": "\u0378\u2fe0\U000e0080\U0003ffff",
    "non-characters": "\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0010ffff",
    "invisible": "\u00ad\u200b\u2060\u2063\ufeff\ufff9\U000e0041",
}
FINE = [
    "red tote", "naïve café", "フォークリフト", "인물", "شخص", "אדם", "व्यक्ति", "ক্ষ",
    "می\u200cخواهم", "👩\u200d🔧", "🏳️\u200d🌈", "½ l", "a\u0301", "\ue000", "50 % off <b>",
]  # fmt: skip


@pytest.mark.parametrize("kind", HARMFUL)
def test_harmful_characters_never_get_through(kind: str) -> None:
    for character in HARMFUL[kind]:
        assert safe_text(f"a{character}b") in ("a b", "ab", f"a{REPLACEMENT}b"), hex(ord(character))


@pytest.mark.parametrize("text", FINE)
def test_every_script_stays_as_it_is(text: str) -> None:
    assert safe_text(text) == text
    assert json_text(text) == json.dumps(text, ensure_ascii=False)


@given(ANY_TEXT)
def test_safe_text_is_one_visible_line_that_encodes(text: str) -> None:
    safe = safe_text(text)
    safe.encode("utf-8")
    assert safe == safe.strip()
    assert safe == " ".join(safe.split())
    assert len(safe.splitlines()) <= 1
    assert {unicodedata.category(c) for c in safe}.isdisjoint({"Cc", "Cn", "Cs", "Zl", "Zp"})
    assert safe_text(safe) == safe


@given(ANY_TEXT)
@example("\ud83d\ude00")
def test_safe_text_keeps_letters_in_order(text: str) -> None:
    def letters(of: str) -> str:
        return "".join(c for c in of if unicodedata.category(c)[0] in "LMNPS" and c != REPLACEMENT)

    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert letters(safe_text(text)) == letters(whole)


@given(st.recursive(ANY_TEXT | st.none() | st.floats(allow_nan=False, allow_infinity=False),
                    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner), max_leaves=8),
       st.sampled_from([None, 2]))  # fmt: skip
def test_json_text_is_read_back_and_breaks_no_line(document: object, indent: int | None) -> None:
    text = json_text(document, indent=indent)
    text.encode("utf-8")
    assert json.loads(text) == json.loads(json.dumps(document))
    assert text.splitlines() == text.split("\n")
    assert indent is not None or "\n" not in text
    shown = text.replace("\n", "").replace("\u200c", "").replace("\u200d", "")
    assert {unicodedata.category(c) for c in shown}.isdisjoint({"Cc", "Cf", "Cn", "Cs", "Zl", "Zp"})


@given(ANY_TEXT)
@example("red\x85tote")
@example("\u202e\u200b")
def test_labels_of_a_query_are_safe(text: str) -> None:
    try:
        query = Query.parse(text)
    except UserError:
        return
    assert all(label == safe_text(label) for label in query.labels)


def test_a_query_made_by_hand_takes_safe_labels_only() -> None:
    with pytest.raises(ValueError, match="visible characters"):
        Query(("to\x07te",))


@given(st.text(st.characters(), max_size=MAX_LABEL_CHARACTERS // 2), st.booleans())
def test_labels_of_an_answer_are_safe(text: str, escaped: bool) -> None:
    written = json.dumps(text, ensure_ascii=escaped)
    found = parse(f'[{{"label": {written}, "bbox": [0.1, 0.2, 0.3, 0.4]}}]')
    assert all(label == safe_text(label) for label in found.detections.labels)
    json_text(found.to_dict()).encode("utf-8")

# SPDX-License-Identifier: Apache-2.0
"""Whatever the text is: no exception, sound boxes, nothing lost that stood before the damage."""

from __future__ import annotations

import json
import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.boxes import normalise
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.parsing.geometry import SIGMA_FLOOR_PX
from lfmvl_ros.core.parsing.nodes import Container, Document, Node
from lfmvl_ros.core.parsing.patterns import MAX_CHARACTERS, MAX_DEPTH
from lfmvl_ros.core.parsing.scanner import scan

from ...examples import examples, scaled
from ..replies import parse, read_corpus, read_real

WH = (640, 480)
CHUNK, CHUNKS = 4_000, scaled(4)
NESTING = ("[", "{", '{"objects": ', '{"a": [', "[[", "(", '["', '{"bbox": ')
FINISHES = ("stop", "length", "deadline", "repetition")
FRAGMENTS = (
    *"[]{}(),:\"'\\`%.-+eE0 \n",
    *('"bbox"', '"label"', "```json", "```", "NaN", "1e999", "-0", "null", "…", "“", "\ud800"),
    *('{"label": "person", "bbox": [0.1, 0.2, 0.3, 0.4]}', '"objects": [', "\\u00", "//", "\x00"),
)


def check_sound(found: Grounding, wh: tuple[int, int] = WH) -> None:
    """Assert what holds for every answer; the dataclasses check shapes and x1 < x2, y1 < y2."""
    boxes = found.detections.xyxy_px
    assert (boxes >= 0).all()
    assert (boxes <= np.array([*wh, *wh])).all()
    assert (found.detections.sigma_px >= SIGMA_FLOOR_PX).all()
    with_objects = (Outcome.OK, Outcome.REPAIRED, Outcome.TRUNCATED)
    assert not len(found.detections) or found.outcome in with_objects
    assert len(found.detections) or found.outcome not in (Outcome.OK, Outcome.REPAIRED)
    assert found.outcome is not Outcome.OK or not found.repairs
    json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False).encode("utf-8")


def mutate(text: str, rng: random.Random, others: list[str]) -> str:
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(text))
        span = rng.choice((1, 1, 2, 5, 20))
        kind = rng.randrange(7)
        if kind == 0:
            text = text[:at] + text[at + span :]
        elif kind == 1:
            text = text[:at] + rng.choice(FRAGMENTS) + text[at:]
        elif kind == 2:
            text = text[:at] + rng.choice(FRAGMENTS) + text[at + span :]
        elif kind == 3:
            text = text[:at]
        elif kind == 4:
            text = text[at:]
        elif kind == 5:
            text = text[:at] + text[max(0, at - 40) : at] * rng.randint(1, 4) + text[at:]
        else:
            text = text[:at] + rng.choice(others)[-rng.randint(0, 80) :]
    return text


def invent(rng: random.Random, seeds: list[str]) -> str:
    """Return a text to parse: mostly a damaged reply, now and then bytes or brackets at random."""
    kind = rng.random()
    if kind < 0.92:
        return mutate(rng.choice(seeds), rng, seeds)
    if kind < 0.96:
        return rng.randbytes(rng.randint(0, 200)).decode("utf-8", "replace")
    depth = rng.choice((3, 30, 60))
    return "".join(rng.choices(NESTING, k=depth)) + mutate(rng.choice(seeds), rng, seeds)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_generated_replies(chunk: int) -> None:
    """16,000 altogether, 4 s on an idle core; ten times as many in the deep profile."""
    written = [*read_corpus(), *read_real()]
    seeds = [case["text"] for case in written if len(case["text"]) < 600]
    rng = random.Random(20240611 + chunk)
    seen = dict.fromkeys(Outcome, 0)
    for i in range(CHUNK):
        text = invent(rng, seeds)
        found = parse(text, finish=FINISHES[i % len(FINISHES)], wh=WH)
        check_sound(found)
        seen[found.outcome] += 1
    assert all(seen[outcome] > 20 for outcome in Outcome if outcome is not Outcome.ERROR), seen


@given(st.text(max_size=400), st.sampled_from(FINISHES))
@examples(300)
def test_any_text(text: str, finish: str) -> None:
    check_sound(parse(text, finish=finish, wh=WH))


@given(st.text(alphabet="[]{}(),:\"'\\ .0123459eE+-%`nulbox", max_size=200))
@examples(500)
def test_any_structure(text: str) -> None:
    check_sound(parse(text, wh=WH))


HOSTILE = {
    "arrays": "[" * 10**6,
    "objects": '{"a":' * 200_000,
    "open and close": "[]" * 500_000,
    "mismatched": "{]" * 500_000,
    "quotes": '"' * 10**6,
    "string without end": '[{"label":"' + "x" * 10**6,
    "inner quotes": '["' + '" x' * 300_000,
    "quote and spaces": '["' + '" ' * 500_000,
    "backslashes": '["' + "\\" * 10**6,
    "digits": "[" + "1" * 10**6,
    "digits and dots": "[" + "1." * 500_000,
    "words": "[{" + "x " * 500_000,
    "keys as values": '[{"a":' + '"b":' * 250_000,
    "keys with lists": "[{" + ",".join(f'"k{i}":[1]' for i in range(60_000)),
    "repeated keys": "[{" + '"label":"a","bbox":[0,0,1,1],' * 35_000,
    "numbers": "[" + "0.1," * 250_000,
    "objects without end": "[" + '{"label":"a","bbox":[0.1,0.2,0.3,0.4]},' * 25_000,
    "bad objects": "[" + '{"label":"a","bbox":[0.1,0.2]},' * 30_000,
    "no": '["' + 'no","' * 200_000,
    "spaces": "[" + " " * 10**6 + "]",
    "prose": "person " * 150_000,
    "points": '[{"label":"a","bbox":[' + "[0.1,0.2]," * 100_000,
    "captions": '{"global_caption":"' + "a b " * 250_000 + '","objects":[]}',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.timeout(120)
def test_a_megabyte_of_anything(text: str) -> None:
    """Anything quadratic in the length would take hours here."""
    found = parse(text, wh=WH)
    check_sound(found)
    assert len(found.repairs) <= 51
    assert len(found.rejected) <= 51
    assert len(text) <= MAX_CHARACTERS or found.outcome is not Outcome.OK


# -- clean replies --------------------------------------------------------------------------------

labels = st.sampled_from(["person", "red tote", "赤い箱", 'a "b"', "worker's cart", "x, y: [z]"])


@st.composite
def objects(draw: st.DrawFn) -> list[dict[str, object]]:
    """Objects that are no near-duplicates: each has its own column of the image."""
    columns = draw(st.lists(st.integers(0, 19), max_size=8, unique=True))
    found = []
    for column in columns:
        x1 = round(column * 0.05, 2)
        x2 = round(x1 + draw(st.sampled_from([0.02, 0.03, 0.05])), 2)
        y1, y2 = sorted(draw(st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True)))
        found.append({"label": draw(labels), "bbox": [x1, y1 / 100, x2, y2 / 100]})
    return found


def as_objects(found: Grounding) -> list[dict[str, object]]:
    boxes = normalise(found.detections.xyxy_px, WH).round(6).tolist()
    pairs = zip(found.detections.labels, boxes, strict=True)
    return [{"label": label, "bbox": box} for label, box in pairs]


@given(objects(), st.booleans(), st.sampled_from([None, 1]))
@examples(150)
def test_clean_replies_come_back_as_they_are(
    items: list[dict[str, object]], envelope: bool, indent: int | None
) -> None:
    text = json.dumps({"objects": items} if envelope else items, indent=indent)
    found = parse(text, wh=WH)
    assert found.outcome is (Outcome.OK if items else Outcome.EMPTY)
    assert (found.repairs, found.rejected) == ((), ())
    assert as_objects(found) == items
    again = parse(json.dumps(as_objects(found)), wh=WH)
    assert as_objects(again) == items


@pytest.mark.parametrize("case", read_real(), ids=lambda case: case["query"])
def test_what_the_bundled_checkpoint_writes(case: dict[str, str]) -> None:
    found = parse(case["text"], finish=case["finish"], query=case["query"], wh=(256, 256))
    check_sound(found, (256, 256))
    try:
        written = json.loads(case["text"])
    except ValueError:
        assert found.outcome not in (Outcome.OK, Outcome.EMPTY)
        return
    assert found.outcome is (Outcome.OK if written else Outcome.EMPTY)
    assert (found.repairs, found.rejected) == ((), ())
    assert len(found.detections) == len(written)


CLEAN = [
    {"label": "person", "bbox": [0.1, 0.2, 0.35, 0.4]},
    {"label": 'red "A" tote', "bbox": [0.42, 0.05, 0.61, 0.98]},
    {"label": "worker's cart, [x]", "bbox": [0.7, 0.31, 0.99, 0.62]},
]


@pytest.mark.parametrize("finish", FINISHES)
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CLEAN),
        json.dumps({"objects": CLEAN}, indent=2),
        "```json\n" + json.dumps(CLEAN) + "\n```",
        "\n".join(json.dumps(item) for item in CLEAN),
        str(CLEAN),
        json.dumps([{"bbox_2d": x["bbox"], "label": x["label"]} for x in CLEAN]),
    ],
    ids=["array", "envelope", "fenced", "lines", "python", "label last"],
)
def test_complete_objects_before_a_cut_are_kept(text: str, finish: str) -> None:
    """Cut at every character: each object whose brace stands before it is there, and no other."""
    ends = [i + 1 for i, c in enumerate(text) if c == "}"][: len(CLEAN)]
    for cut in range(len(text) + 1):
        found = parse(text[:cut], finish=finish, wh=WH)
        check_sound(found)
        complete = sum(end <= cut for end in ends)
        got = as_objects(found)
        assert got[:complete] == CLEAN[:complete], (cut, text[:cut])
        # The object being written may count once its box and its label are whole, never sooner.
        assert len(got) <= complete + 1
        assert all(item in CLEAN for item in got), (cut, text[:cut])
        if complete == 0 and not got:
            assert not found.outcome.is_evidence_of_absence, (cut, text[:cut])


@given(st.data())
@examples(200)
def test_damage_behind_objects_does_not_reach_them(data: st.DataObject) -> None:
    text = json.dumps(CLEAN)
    second = text.index("}", text.index("}") + 1) + 1
    junk = data.draw(st.text(alphabet=string.printable, max_size=60))
    found = parse(text[:second] + ", " + junk, wh=WH)
    assert as_objects(found)[:2] == CLEAN[:2]


# -- the scanner and strict JSON ------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


def to_python(document: Document, node: Node) -> object:
    if isinstance(node, Container):
        values = [to_python(document, item) for item in node.items]
        if node.kind == "[":
            return values
        keys = [document.string(key) for key in node.keys if key is not None]
        return dict(zip(keys, values, strict=True))
    if node.kind == "string":
        return document.string(node)
    return json.loads(document.text[node.start : node.end])


@given(
    st.lists(json_values, max_size=5) | st.dictionaries(st.text(max_size=8), json_values),
    st.booleans(),
    st.sampled_from([None, 2]),
)
@examples(300)
def test_strict_json_is_read_as_the_standard_library_reads_it(
    value: object, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    document = scan(text)
    assert not document.repairs, document.repairs.phrases()
    assert not document.cut
    assert len(document.values) == 1
    assert document.values[0].closed
    assert to_python(document, document.values[0]) == json.loads(text)


def test_brackets_are_read_up_to_the_limit() -> None:
    fits = scan("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert not fits.repairs
    deeper = scan("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    assert "nested deeper" in deeper.repairs.phrases()[0]

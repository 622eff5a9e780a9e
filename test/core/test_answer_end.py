# SPDX-License-Identifier: Apache-2.0
"""Answers that are over though the model goes on, and all the others, which are not."""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.answer_end import SAME_OBJECT, AnswerWatch
from lfmvl_ros.core.reply import FinishReason

from ..examples import examples
from .replies import parse, read_corpus, read_real

TOKEN = re.compile(r"\s?[^\W\d]+|\d{1,3}|[^\w\s]{1,3}|\s{1,4}|.", re.DOTALL)


def tokens_of(text):
    return TOKEN.findall(text)


def watch(tokens):
    """Return why and how long: verdict and the text that is kept."""
    watcher, ids = AnswerWatch(), {}
    for token in tokens:
        verdict = watcher.add(ids.setdefault(token, len(ids)), token)
        if verdict is not None:
            break
    return verdict if tokens else None, "".join(tokens[: watcher.keep])


def box(label, *numbers):
    return f'{{"label": "{label}", "bbox": [{", ".join(f"{n:.2f}" for n in numbers)}]}}'


STUCK = box("tote", 0.1, 0.2, 0.3, 0.4)


def test_the_same_object_again_and_again():
    verdict, text = watch(tokens_of("[" + ", ".join([box("person", 0, 0, 1, 1)] + [STUCK] * 99)))
    assert verdict is FinishReason.REPETITION
    assert text.count("tote") == SAME_OBJECT
    found = parse(text, finish=verdict.value)
    assert found.outcome.value == "truncated"
    assert list(found.detections.labels) == ["person", "tote"]


def test_objects_that_are_tried_out_in_a_thought_are_not_named():
    thought = f"<think>perhaps {STUCK}, {STUCK}, [{STUCK}] so {STUCK}. Again: {STUCK}</think>"
    answer = f"\n[{STUCK}]"
    assert watch(tokens_of(thought + answer)) == (None, thought + answer)
    verdict, kept = watch(tokens_of(f"{thought}{answer}\nI hope this helps"))
    assert (verdict, kept.strip()) == (FinishReason.STOP, thought + answer)
    verdict, _ = watch(tokens_of(f"{thought}[" + ", ".join([STUCK] * 9)))
    assert verdict is FinishReason.REPETITION


def test_braces_in_a_label_are_no_object():
    text = json.dumps([{"label": "shelf {3}", "bbox": [x / 10, 0.2, 0.9, 0.4]} for x in range(8)])
    assert watch(tokens_of(text)) == (None, text)


def test_several_objects_in_turn():
    turn = [box("tote", x / 10, 0.2, 0.9, 0.4) for x in range(7)]
    verdict, text = watch(tokens_of("[" + ", ".join(turn * 20)))
    assert verdict is FinishReason.REPETITION
    assert text.count("tote") <= (SAME_OBJECT - 1) * 7 + 1
    assert len(parse(text, finish="repetition").detections) == 7


@pytest.mark.parametrize(
    "loop",
    ["1234567", "\n", "  \n", "tote ", "]", "<|x|>", "0, ", '["tote", 0.1, 0.2, 0.3, 0.4], ', "!"],
)
@pytest.mark.parametrize("start", ["", "[", "[" + STUCK + ", "])
def test_anything_without_end(start, loop):
    verdict, text = watch(tokens_of(start + loop * 400))
    assert verdict is FinishReason.REPETITION
    assert len(text) < 400 + len(start)


def test_a_number_without_end():
    verdict, text = watch(tokens_of('[{"label": "tote", "bbox": [0.' + "31415926" * 100))
    assert verdict is FinishReason.REPETITION
    assert parse(text, finish="repetition").outcome.value == "unparseable"


@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"separators": (",", ":")}])
@pytest.mark.parametrize("fence", ["{}", "```json\n{}\n", " {}"])
def test_words_behind_the_list(style, fence):
    items = [{"label": 'a ] \\ " { tote', "bbox": [0.1, 0.2, 0.3, 0.4]}, {"label": "x", "bbox": []}]
    text = fence.format(json.dumps(items, **style))
    verdict, kept = watch(tokens_of(text + "\nThe image shows a tote [0.5, 0.5, 0.6, 0.6]."))
    assert verdict is FinishReason.STOP
    assert kept.strip() == text.strip()


def test_words_behind_an_empty_list():
    assert watch(tokens_of("[]\n\nThere is nothing.")) == (FinishReason.STOP, "[]")


def test_the_list_and_the_words_in_one_token():
    assert watch(["[", "{", "}", "]. So", " it is"]) == (FinishReason.STOP, "[{}]. So")


@pytest.mark.parametrize(
    "text",
    [
        "person: [], tote: [" + STUCK + "]",
        "I see two: [" + STUCK + "] and more",
        "[0.1, 0.2, 0.3, 0.4] is the tote",
        STUCK + " and " + STUCK,
        "[" + STUCK + "]\n[" + STUCK + "]",
        "[" + STUCK + "]}, " + STUCK + "]",
        '["tote", "person"] [0.1, 0.2, 0.3, 0.4] words',
    ],
)
def test_lists_that_words_may_follow_or_precede(text):
    assert watch(tokens_of(text)) == (None, text)


labels = st.sampled_from(["tote", "red tote", "人", "Größe", 'a "b" ]', "shelf {3}", "0000"])
numbers = st.integers(0, 1000).map(lambda n: n / 1000)
objects = st.lists(
    st.tuples(labels, st.tuples(numbers, numbers, numbers, numbers)), max_size=40, unique=True
)


@examples(60)
@given(objects, st.sampled_from([None, 1, 4, "\t"]), st.booleans(), st.integers(0, 2**32))
def test_no_sane_answer_is_touched(found, indent, envelope, seed):
    rng = random.Random(seed)
    items = [{"label": label, "bbox": list(numbers)} for label, numbers in found]
    document = {"objects": items, "global_caption": "a tote [1] and {2}"} if envelope else items
    text = json.dumps(document, indent=indent, ensure_ascii=rng.random() < 0.5)
    pieces = cut_anywhere(text, rng)
    assert watch(pieces) == (None, text)
    assert watch(tokens_of(text)) == (None, text)


def cut_anywhere(text, rng):
    places = sorted({0, len(text), *(rng.randrange(len(text)) for _ in range(len(text) // 3))})
    return [text[a:b] for a, b in pairwise(places)]


@pytest.mark.parametrize("case", read_corpus(), ids=lambda case: case["name"])
@pytest.mark.parametrize("seed", range(3))
def test_no_odd_reply_loses_an_object(case, seed):
    """What is kept holds the very objects of the whole, and means the same."""
    pieces = cut_anywhere(case["text"], random.Random(seed)) if seed else tokens_of(case["text"])
    verdict, kept = watch(pieces)
    if verdict is None:
        assert kept == case["text"]
        return
    options = {key: case[key] for key in ("query", "decimals") if key in case}
    options["wh"] = tuple(case.get("wh", (640, 480)))
    whole = parse(case["text"], finish=case.get("finish", "stop"), **options)
    part = parse(kept, finish=verdict.value, **options)
    assert part.detections.labels == whole.detections.labels
    assert (part.detections.xyxy_px == whole.detections.xyxy_px).all()
    assert part.outcome.is_evidence == whole.outcome.is_evidence


def test_what_the_bundled_checkpoint_wrote_is_whole():
    for case in read_real():
        verdict, kept = watch(tokens_of(case["text"]))
        if verdict is not None:
            assert verdict is FinishReason.REPETITION
            boxes = re.findall(r"\{[^{}]*\}", kept)
            assert max(map(boxes.count, boxes)) == SAME_OBJECT

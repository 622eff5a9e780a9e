# SPDX-License-Identifier: Apache-2.0
"""The weights that ship read sentences of operators, in nine languages, and refuse the rest."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.commands.offering import offer
from lfmvl_ros.core.commands.tools import (
    TOOLS,
    Count,
    Find,
    Follow,
    LookFor,
    StopLooking,
    Watch,
    WhereIs,
)
from lfmvl_ros.core.config import GenerationSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.lfm2_vl.sentences import SentenceModel
from lfmvl_warehouse.sentences.judging import calls_in, judge, read_sentences, total

from ..examples import examples

ROOT = Path(__file__).parents[2]
HELD_OUT = ROOT / "benchmarks" / "held_out_sentences"
GENERATION = GenerationSettings(timeout_s=120.0)


@pytest.fixture(scope="module")
def write():
    model = SentenceModel(find("bundled").sentences, "bundled", "cpu")

    def written(sentence):
        reply = model.write(offer(sentence, TOOLS, "learned"), generation=GENERATION)
        assert reply.error is None
        assert reply.finish is FinishReason.STOP
        return reply.text

    return written


def test_names_in_use_are_told_from_other_words():
    """Without them, ``derrame`` is a word like any other of its sentence."""
    model = SentenceModel(find("bundled").sentences, "bundled", "cpu", sure=0.0)
    names = {"rule": ("derrame", "zona_4"), "camera": ("dock_1", "front")}
    for sentence, meant in (
        ("Quiero saber cuándo se activa la regla derrame.", (Watch("derrame"),)),
        ("count people on the dock 1 camera", (Count("person", "dock_1"),)),
        ("wait for the rule gate", (Watch("gate"),)),  # refused later: there is none
        ("wait for rule derrame_2", (Watch("derrame_2"),)),
    ):
        prompt = offer(sentence, TOOLS, "learned", names=names)
        assert calls_in(model.write(prompt, generation=GENERATION).text) == meant


def test_it_ships_with_card_and_scores():
    folder = Path(find("bundled").sentences)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 10e6
    scores = json.loads((folder / "scores.json").read_text())
    card = (folder / "README.md").read_text()
    for language, score in scores.items():
        assert f"| {language} | {score['sentences']} | " in card


@pytest.mark.parametrize(
    ("sentence", "calls"),
    [
        ("look for red crates near the door", (LookFor(("red crate",)),)),
        ("Look for forklifts and people without a vest.",
         (LookFor(("forklift", "person without a vest")),)),
        ("how many pallets are there?", (Count("pallet"),)),
        ("find a blue tote within 20 seconds", (Find("blue tote", 20.0),)),
        ("where is the fire extinguisher?", (WhereIs("fire extinguisher"),)),
        ("stop looking", (StopLooking(),)),
        ("COUNT THE CRATES", (Count("crate"),)),
        ("Suche nach roten Holzkisten", (LookFor(("red crate",)),)),
        ("combien de palettes y a-t-il ?", (Count("pallet"),)),
        ("¿dónde está la carretilla elevadora?", (WhereIs("forklift"),)),
        ("フォークリフトはどこですか", (WhereIs("forklift"),)),
        ("寻找红色的木箱", (LookFor(("red crate",)),)),
    ],
)  # fmt: skip
def test_plain_sentences(write, sentence, calls):
    assert calls_in(write(sentence)) == calls


@pytest.mark.parametrize(
    "sentence",
    ["drive to the door", "look for zebras", "don't look for crates", "what time is it?", "hmm",
     "if you see a person, stop the belt", "pick up the red box", "a" * 900, "crates and " * 65],
)  # fmt: skip
def test_what_it_can_not_do_is_refused(write, sentence):
    assert calls_in(write(sentence)) == ()


def test_every_tenth_of_the_held_out_sentences_reads_as_in_the_card(write):
    found = {
        path.stem: judge(read_sentences(path)[::10], write)
        for path in sorted(HELD_OUT.glob("*.yaml"))
    }
    assert len(found) == 9
    whole = total(found)
    assert whole.sentences == 100
    assert whole.right >= 75
    assert whole.wrong_calls <= 6


@given(text=st.text(min_size=1, max_size=60))
@examples(25)
def test_whatever_is_said_nothing_is_raised(write, text):
    try:
        prompt = offer(text, TOOLS, "learned")
    except UserError:
        return  # nothing but spaces or control tokens
    calls_in(write(prompt.user))


def test_a_sentence_of_too_many_tokens_is_refused_in_one_line(caplog):
    """A character of Chinese takes up to three tokens."""
    model = SentenceModel(find("bundled").sentences, "bundled", "cpu")
    reply = model.write(offer("\u6f22" * 1000, TOOLS, "learned"), generation=GENERATION)
    assert reply.error is not None
    assert "context has 2048; shorten it" in reply.error
    assert caplog.text == ""


@pytest.mark.parametrize("number", [12345, 1234567, 99999999])
def test_a_long_id_is_the_one_that_was_said_or_refused(write, number):
    sentence = f"follow object {number}"
    assert calls_in(write(sentence), sentence) in ((), (Follow(number),))


NEVER_SEEN = ("quorvex_7", "zirbelnuss", "p3-hala", "xanthic", "almoxarifado9", "trolleybucht_ost")


@pytest.mark.parametrize("name", NEVER_SEEN)
@pytest.mark.parametrize(
    "sentence", ["watch rule {}", "Überwache die Regel {}", "规则{}触发时告诉我"]
)
def test_a_rule_that_it_writes_stands_in_the_sentence(anything, sentence, name):
    for call in calls_in(anything(sentence.format(name))):
        if isinstance(call, Watch):
            assert call.rule in sentence.format(name)


@pytest.fixture(scope="module")
def anything():
    model = SentenceModel(find("bundled").sentences, "bundled", "cpu", sure=0.0)
    return lambda text: model.write(offer(text, TOOLS, "learned"), generation=GENERATION).text

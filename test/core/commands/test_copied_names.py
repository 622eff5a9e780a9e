# SPDX-License-Identifier: Apache-2.0
"""Names of rules and cameras can only be parts of the sentence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.commands.copied_names import (
    SIDES,
    allowed_names,
    called_by_name,
    names_in,
    unfinished_name,
)
from lfmvl_warehouse.sentences.judging import names_of, read_sentences

NAME = st.from_regex(r"[a-z][a-z0-9]{0,8}([_-][a-z0-9]{1,6})?", fullmatch=True)


@given(
    NAME,
    st.sampled_from(
        ["rule {}, please", "({})", "règle «{}».", "見て {} を", "{}을 봐", "{}を見て"]
    ),
)
def test_a_name_is_found_wherever_it_stands(name, sentence):
    assert name in names_in(sentence.format(name))


@given(st.text())
def test_names_are_parts_of_the_sentence(sentence):
    assert all(name in sentence for name in names_in(sentence))


@pytest.mark.parametrize(
    ("sentence", "not_a_name"),
    [("Cuántas personas", "ntas"), ("für", "r"), ("almacén2", "n2")],
)
def test_words_are_not_cut_at_an_accent(sentence, not_a_name):
    assert not_a_name not in names_in(sentence)


def test_a_camera_may_have_a_side_that_the_sentence_says_in_its_own_words():
    assert {*SIDES} <= {*allowed_names("camera", "Kamera hinten")}
    assert not {*SIDES} & {*allowed_names("rule", "Kamera hinten")}


RULES = ("door", "spill", "person", "zone", "zone_4", "person_in_aisle")
CAMERAS = ("left", "right", "rear", "dock", "dock_1", "front", "front_left")


@pytest.mark.parametrize(
    ("argument", "sentence", "name"),
    [
        ("rule", "watch the rule spill", "spill"),
        ("rule", "Quand la règle « Spill » se déclenche", "spill"),
        ("rule", "ルールspillを見て", "spill"),
        ("rule", "watch rule zone_4 for a minute", "zone_4"),
        ("rule", "regla zone-4", "zone_4"),
        ("camera", "count people on the dock 1 camera", "dock_1"),
        ("camera", "Kamera rear", "rear"),
        ("camera", "the front left camera", "front_left"),
    ],
)
def test_a_name_in_use_beside_what_it_names_is_meant(argument, sentence, name):
    in_use = RULES if argument == "rule" else CAMERAS
    assert called_by_name(argument, sentence, in_use) == name
    assert allowed_names(argument, sentence, in_use) == (name,)


@pytest.mark.parametrize(
    ("argument", "sentence", "meant"),
    [
        ("rule", "watch the rule door_2", "door_2"),
        ("rule", "wait for rule door-2", "door-2"),
        ("rule", "watch the rule gate at the door", "gate"),
        ("rule", "tell me when rule intrusion sees a person", "intrusion"),
        ("rule", "watch the gate rule, it is at the spill", "gate"),
        ("rule", "the rules spill and gate", "gate"),
        ("rule", "rule spill, then rule gate", "gate"),
        ("rule", "watch rule zone 5", "zone"),
        ("rule", "watch rule person in aisle", "aisle"),  # the rule person, or the other one
        ("camera", "how many crates are left on camera dock_7", "dock_7"),
        ("camera", "Finde mit der hinteren Kamera eine Kiste am dock", "rear"),
        ("camera", "caméra arrière, et décris dock", "rear"),
    ],
)
def test_no_call_is_forced_onto_another_rule_or_camera(argument, sentence, meant):
    in_use = RULES if argument == "rule" else CAMERAS
    assert called_by_name(argument, sentence, in_use) is None
    assert meant in allowed_names(argument, sentence, in_use)


@given(NAME, NAME, st.sampled_from(["rule {}, please", "regla {}", "ルール{}を", "the rule: '{}'"]))
def test_a_name_that_is_not_in_use_can_always_be_written(name, other, sentence):
    """So that the command is refused, with the name that was meant."""
    said = sentence.format(name)
    if other != name:
        assert name in allowed_names("rule", said, (other,))
        assert called_by_name("rule", said, (name, other)) in (name, None)


HELD_OUT = sorted((Path(__file__).parents[3] / "benchmarks/held_out_sentences").glob("*.yaml"))


@pytest.mark.parametrize("path", HELD_OUT, ids=lambda path: path.stem)
def test_without_the_name_that_a_sentence_means_no_other_is_taken(path):
    sentences, checked = read_sentences(path), 0
    for argument, in_use in names_of(sentences).items():
        for sentence in sentences:
            own = names_of([sentence])[argument]
            others = sorted({*in_use} - {*own})
            assert not own or called_by_name(argument, sentence.say, others) is None, sentence.say
            checked += len(own)
    assert checked >= 5


@pytest.mark.parametrize(
    ("written", "unfinished"),
    [
        ("", None),
        ("[count(label=\"cra", None),
        ('[watch(rule="', ("rule", "")),
        ('[watch(rule="a", timeout_s=3), count(label="box", camera="do', ("camera", "do")),
        ('[watch(rule="a"', None),
    ],
)  # fmt: skip
def test_what_a_model_has_written_of_a_name(written, unfinished):
    assert unfinished_name(written) == unfinished

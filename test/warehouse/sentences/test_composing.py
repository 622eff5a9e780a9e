# SPDX-License-Identifier: Apache-2.0
"""What is composed means what its answer says, in every language."""

import itertools
import random

import pytest

from lfmvl_ros.core.commands.tools import TOOLS
from lfmvl_warehouse.scenes.translations import TRANSLATIONS
from lfmvl_warehouse.scenes.vocabulary import known_names
from lfmvl_warehouse.sentences.composing import MEANINGS, SHARES, Composer
from lfmvl_warehouse.sentences.filling import Filler
from lfmvl_warehouse.sentences.judging import calls_in
from lfmvl_warehouse.sentences.phrase_file import languages, parse, slots_of
from lfmvl_warehouse.sentences.typing_errors import as_typed

FILES = {file.language: file for file in languages()}


def examples(file, count, seed=0):
    composer = Composer(file, random.Random(seed))
    return [composer.compose() for _ in range(count)]


def test_there_is_a_file_for_each_language_of_the_bundled_model():
    assert next(iter(FILES)) == "en"
    assert set(FILES) == {"en", *TRANSLATIONS}


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_answers_are_read_back_as_the_calls_that_they_mean(file):
    for example in examples(file, 1500):
        assert calls_in(example.answer) == example.calls, example
        assert bool(example.calls) == (example.refusal is None)


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_labels_are_names_that_the_bundled_model_knows(file):
    known = known_names()
    for example in examples(file, 1500, seed=1):
        for call in example.calls:
            arguments = call.to_document()["arguments"]
            labels = arguments.get("labels", [arguments.get("label")])
            assert {label for label in labels if label} <= known, example


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_every_intent_has_phrases_and_every_phrase_can_be_filled(file):
    assert set(file.templates) == set(SHARES)
    filler = Filler(file, random.Random(0))
    for intent, templates in file.templates.items():
        for template in templates:
            text = filler.fill(
                template.replace("{first}", "a").replace("{second}", "b"),
                camera=True, time=1.0, place=True,
            ).text  # fmt: skip
            assert text, (intent, template)
            assert "{" not in text, (intent, template)
            assert "  " not in text, (intent, template)


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_every_tool_and_every_refusal_occurs(file):
    found = examples(file, 3000, seed=2)
    assert {call.name for example in found for call in example.calls} == set(TOOLS)
    assert {example.refusal for example in found if example.refusal} | {None} >= {None}
    assert len({example.refusal for example in found}) == 4
    assert {example.intent for example in found} == set(SHARES)
    assert any(len(example.calls) == 2 for example in found)


def test_the_same_seed_gives_the_same_sentences():
    assert examples(FILES["en"], 50) == examples(FILES["en"], 50)
    assert examples(FILES["en"], 50) != examples(FILES["en"], 50, seed=1)


def test_a_sentence_about_an_unknown_object_is_refused():
    found = [e for e in examples(FILES["en"], 4000) if e.intent in MEANINGS and e.refusal]
    assert len(found) > 100
    assert {e.answer for e in found} == {"I know no such object."}


@pytest.mark.parametrize("language", FILES)
def test_names_stay_as_they_are_however_badly_somebody_types(language):
    rng = random.Random(0)
    for _ in range(300):
        text = as_typed("Watch rule aisle_entry on camera dock_left.", language,
                        ("aisle_entry", "dock_left"), rng)  # fmt: skip
        assert "aisle_entry" in text
        assert "dock_left" in text


def test_slips_change_something():
    rng = random.Random(0)
    typed = {as_typed("Look for yellow crates.", "en", (), rng) for _ in range(400)}
    assert "look for yellow crates" in typed
    assert len(typed) > 20


def document():
    import yaml

    from lfmvl_warehouse.sentences.phrase_file import FOLDER

    return yaml.safe_load((FOLDER / "en.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["colours"].pop("red"), "nothing for red"),
        (lambda d: d["nouns"].pop("tote"), "nothing for tote"),
        (lambda d: d["nouns"].update(zebra=["zebra | zebras | n"]), "no labels: zebra"),
        (lambda d: d["attributed"].pop("open box"), "nothing for open box"),
        (lambda d: d["templates"]["find"].append("find {nobody}"), "no slot nobody"),
        (lambda d: d["unknown"].append("zebra"), "expected 'singular | plural | class'"),
        (lambda d: d["unknown"].append("zebra | zebras | ?"), "no class in"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(change, message):
    broken = document()
    change(broken)
    with pytest.raises(ValueError, match=message.replace("|", r"\|").replace("'", ".")):
        parse(broken)


def test_slots_are_found():
    assert slots_of("look for {many} {place}") == ["many", "place"]
    assert list(itertools.islice(slots_of("stop"), 1)) == []

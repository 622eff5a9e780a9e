# SPDX-License-Identifier: Apache-2.0
"""What is asked about each image."""

from __future__ import annotations

from pathlib import Path

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.evaluate.data import EvaluationSet, evaluation_set
from lfmvl_ros.evaluate.questions import (
    AS_ANNOTATED,
    TOGETHER,
    folded_words,
    questions_for,
    read_translations,
)

from ..datasets.coco_folders import add_box, plain_folder, save

GERMAN = folded_words({"de": {"Tote": "Behälter", "person": "Person"}})


def test_each_image_is_asked_for_what_is_there_and_one_thing_that_is_not(
    data: EvaluationSet,
) -> None:
    asked = questions_for(data)
    assert [item.number for item in asked] == list(range(len(asked)))
    for index, image in enumerate(data.images):
        mine = [item for item in asked if item.image == index]
        there = set(image.kinds.tolist())
        assert there <= set(mine[0].kinds)
        assert len(set(mine[0].kinds) - there) == (1 if len(there) < len(data.labels) else 0)
        for item in mine[1:]:  # asked for absent things alone
            assert not set(item.kinds) & there
    assert any(len(set(i.kinds) & set(data.images[i.image].kinds.tolist())) == 0 for i in asked)
    assert asked == questions_for(data)


def test_all_labels_are_asked_for_in_parts(tmp_path: Path) -> None:
    content = plain_folder(tmp_path, count=2)
    for number in range(10, 10 + TOGETHER):
        content["categories"].append({"id": number, "name": f"thing {number}"})
        content["annotations"].append({**content["annotations"][0], "id": number,
                                       "category_id": number})  # fmt: skip
    save(tmp_path / "annotations.json", content)
    data = evaluation_set(tmp_path)
    asked = questions_for(data, ask="all")
    assert [len(item.labels) for item in asked if item.image == 1] == [TOGETHER, 1]
    assert {kind for item in asked if item.image == 1 for kind in item.kinds} == set(range(7))


@pytest.mark.parametrize("ask", ["present", "all"])
def test_a_label_with_a_crowd_on_an_image_is_not_absent_there(tmp_path: Path, ask: str) -> None:
    content = plain_folder(tmp_path, count=3)
    content["categories"].append({"id": 4, "name": "person"})
    add_box(content, 0, 4, [1, 1, 9, 9])
    add_box(content, 1, 4, [20, 15, 20, 15], iscrowd=1)
    save(tmp_path / "annotations.json", content)
    data = evaluation_set(tmp_path)
    person = data.labels.index("person")
    asked = questions_for(data, ask=ask)
    assert [person in i.kinds for i in asked if i.image == 1] == (
        [False] if ask == "present" else [True]
    )
    assert person in next(i.kinds for i in asked if i.image == 2)  # there it is absent


def test_the_query_of_a_robot_is_asked_as_it_is(data: EvaluationSet) -> None:
    asked = questions_for(data, query="a Tote, ladder")
    assert len(asked) == len(data.images)
    assert {item.labels for item in asked} == {("a Tote", "ladder")}
    assert asked[0].kinds == (data.labels.index("tote"), -1)
    with pytest.raises(UserError, match=r"none of 'ladder' is annotated .* its labels are"):
        questions_for(data, query="ladder")


def test_other_languages_ask_the_same_again(data: EvaluationSet) -> None:
    plain = questions_for(data)
    asked = questions_for(data, languages=["de"], words=GERMAN)
    assert [i.labels for i in asked if i.language == AS_ANNOTATED] == [i.labels for i in plain]
    german = [item for item in asked if item.language == "de"]
    assert german
    assert {label for item in german for label in item.labels} == {"Behälter", "Person"}
    assert not any(item.headline for item in german)
    with pytest.raises(UserError, match="no words in 'fr'"):
        questions_for(data, languages=["fr"], words=GERMAN)


def test_translations_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("no: {hard_hat: hjelm}\nja: {Person: 人}\n", encoding="utf-8")
    assert read_translations(path) == {"no": {"hard hat": "hjelm"}, "ja": {"person": "人"}}
    for text, says in (("[1, 2]", "holds no translations"), ("{a: [", "can't be read")):
        path.write_text(text)
        with pytest.raises(UserError, match=says):
            read_translations(path)

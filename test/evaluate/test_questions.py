# SPDX-License-Identifier: Apache-2.0
"""What is asked about each image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.evaluate.answers import answer_all
from lfmvl_ros.evaluate.average_precision import coco_documents, coco_values
from lfmvl_ros.evaluate.data import EvaluationSet, evaluation_set
from lfmvl_ros.evaluate.figures import sums_of
from lfmvl_ros.evaluate.page_images import figure_of
from lfmvl_ros.evaluate.questions import (
    AS_ANNOTATED,
    TOGETHER,
    folded_words,
    questions_for,
    read_translations,
)
from lfmvl_ros.evaluate.slices import labels_of
from lfmvl_ros.evaluate.table import table_of
from lfmvl_ros.models.load import load_model

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


def test_a_label_with_nothing_but_crowds_is_none_but_its_crowds_count(tmp_path: Path) -> None:
    content = plain_folder(tmp_path, count=3)
    content["categories"].append({"id": 4, "name": "person"})
    add_box(content, 1, 4, [20, 15, 20, 15], iscrowd=1)
    save(tmp_path / "annotations.json", content)
    data = evaluation_set(tmp_path)
    assert (data.labels, data.names[1][0]) == (("bin",), "person")
    assert data.facts()["crowds"] == 1
    assert {i.labels for i in questions_for(data, ask="all")} == {("bin",)}
    with pytest.raises(UserError, match="none of 'person' is annotated"):
        questions_for(data, query="person")
    # As a query of the robot, a person on the crowd is not counted, and elsewhere is wrong.
    said = json.dumps([{"label": "person", "bbox": [0.6, 0.6, 0.8, 0.9]}])
    (tmp_path / "replies.jsonl").write_text(json.dumps({"text": said}))
    settings = PerceptionSettings(model=str(tmp_path / "replies.jsonl"))
    model, asked = load_model(settings), questions_for(data, query="bin, person")
    judged = answer_all(model, settings, data, asked, title="")
    assert [item.on_crowd.tolist() for item in judged] == [[False], [True], [False]]
    table = table_of(judged, 3)
    sums = sums_of(table, answers=table.headline)
    assert sums.column("boxes").tolist() == [1, 0, 1]
    assert sums.column("pairs").tolist() == [2, 1, 2]
    assert [each["label"] for each in labels_of(table, data.labels, ["0", "1", "2"])] == ["bin"]
    truth, found = coco_documents(judged, data.labels)
    assert {each["category_id"] for each in (*truth["annotations"], *found)} == {1}
    assert "crowd: person" in figure_of(data, judged, 1)
    words = folded_words({"de": {"bin": "Kiste", "person": "Person"}})
    german = questions_for(data, query="bin, person", languages=["de"], words=words)
    assert {item.labels for item in german if item.language == "de"} == {("Kiste", "Person")}


def lvis_folder(folder: Path) -> EvaluationSet:
    """Three labels; each image says which of them were looked for, and in which not to the end.

    Image 0 has a bin, and no person; nobody looked for cones. Image 1 has a bin among more bins
    that have no box, and a cone. Image 2 has a person and a bin, and no cone.
    """
    content = plain_folder(folder, count=3)
    content["categories"] += [{"id": 4, "name": "person"}, {"id": 5, "name": "cone"}]
    add_box(content, 1, 5, [1, 1, 9, 9])
    add_box(content, 2, 4, [1, 1, 9, 9])
    for image, absent, unfinished in zip(content["images"], ([4], [], [5]), ([], [3], []),
                                         strict=True):  # fmt: skip
        image |= {"neg_category_ids": absent, "not_exhaustive_category_ids": unfinished}
    save(folder / "annotations.json", content)
    return evaluation_set(folder)


@pytest.mark.parametrize("ask", ["present", "all"])
def test_only_labels_that_were_looked_for_are_asked(tmp_path: Path, ask: str) -> None:
    data = lvis_folder(tmp_path)
    asked = questions_for(data, ask=ask)
    names = [{data.labels[kind] for i in asked if i.image == image for kind in i.kinds}
             for image in range(3)]  # fmt: skip
    assert names == [{"bin", "person"}, {"bin", "cone"}, {"person", "bin", "cone"}]


def test_boxes_of_labels_that_were_not_searched_for_to_the_end_count_neither_way(
    tmp_path: Path,
) -> None:
    data = lvis_folder(tmp_path)
    asked = questions_for(data, query="bin, cone")
    far = [0.6, 0.6, 0.9, 0.95]
    said = json.dumps([
        {"label": "bin", "bbox": [0.125, 1 / 3, 0.375, 2 / 3]},
        {"label": "bin", "bbox": far}, {"label": "cone", "bbox": far},
    ])  # fmt: skip
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"text": said}))
    settings = PerceptionSettings(model=str(path))
    model = load_model(settings)
    judged = answer_all(model, settings, data, asked, title="")
    # In image 0 a cone may be there, in image 1 another bin; the cone of image 1 was missed.
    assert [item.on_crowd.tolist() for item in judged] == [
        [False, False, True], [False, True, False], [False, False, False],
    ]  # fmt: skip
    table = table_of(judged, 3)
    sums = sums_of(table, answers=table.headline)
    assert sums.column("boxes").tolist() == [2, 2, 3]
    assert sums.column("right").tolist() == [1, 1, 1]
    assert sums.column("pairs").tolist() == [1, 1, 2]  # where nobody counted, nothing is off
    assert sums.column("count_off").tolist() == [1, 0, 2]
    nothing = answer_all(model, settings, data, questions_for(data, query="cone"), title="")
    assert table_of(nothing, 3).absent.tolist() == [False, False, True]
    pytest.importorskip("faster_coco_eval")
    truth, found = coco_documents(judged, data.labels)
    counted = [box for box, ignored in zip(found, np.concatenate([i.on_crowd for i in judged]),
                                           strict=True) if not ignored]  # fmt: skip
    assert (len(found), len(counted)) == (9, 7)
    parts = [[0, 1, 2]]
    assert coco_values(truth, found, parts).tolist() == coco_values(truth, counted, parts).tolist()


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

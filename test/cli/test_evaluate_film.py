# SPDX-License-Identifier: Apache-2.0
"""``lfmvl evaluate`` on a recorded bag with its truth, and on a folder of MOTChallenge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed")
pytest.importorskip("trackeval", reason="trackeval is not installed")

from lfmvl_ros.bags.reading import open_bag
from lfmvl_ros.bags.truth import read_truth, truth_topic
from lfmvl_ros.cli.main import main

from ..datasets.mot_folders import coco_video, mot_folder, save_video
from ..schemas import check, undescribed, validator

FPS = 10


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "camera"
    assert main(["record", str(path), "--seconds", "2", "--fps", str(FPS), "--truth"]) == 0
    return path


def replies(path: Path, bag: Path, *, missed: str = "") -> Path:
    """Answers that name what the annotations name, without one label."""
    lines = []
    with open_bag(bag) as opened:
        for at_ns, boxes in read_truth(opened, truth_topic(opened)).items():
            found = [
                {"label": label, "bbox": (box / (640, 480, 640, 480)).round(3).tolist()}
                for label, box, visible in zip(boxes.labels, boxes.xyxy_px, boxes.visible,
                                               strict=True)
                if label != missed and visible > 0.3
            ]  # fmt: skip
            lines.append(json.dumps({"text": json.dumps(found), "stamp_ns": at_ns}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def evaluated(out: Path, *words: str, code: int = 0) -> dict[str, Any]:
    assert main(["evaluate", *words, "--out", str(out)]) == code
    document = check(json.loads((out / "scorecard.json").read_text(encoding="utf-8")))
    schema = validator(document["schema"]).schema
    data, models = document["data"], document["models"]
    maps = {*data["boxes_by_label"], *(key for each in models for key in each["outcomes"]),
            *(key for each in models for key in each["settings"]), *data["left_out"],
            *data["changed"]}  # fmt: skip
    assert undescribed(document, schema, schema) <= maps
    return document


def test_record_then_evaluate(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = replies(tmp_path / "good.jsonl", bag)
    bad = replies(tmp_path / "bad.jsonl", bag, missed="person")
    words = [str(bag), "--model", str(good), "--model", str(bad), "--latency", "100"]
    document = evaluated(tmp_path / "out", *words, "--fail-if", "hota<0.01")
    assert document["data"]["annotated_images"] == 2 * FPS
    first, second = (entry["figures"] for entry in document["models"])
    assert first["hota"]["value"] > 0.6
    assert first["idf1"]["value"] > second["idf1"]["value"] + 0.05
    labels = {entry["label"]: entry for entry in document["models"][1]["labels"]}
    assert labels["person"]["idf1"]["value"] == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["models"][0]["hota"] == first["hota"]["value"]


def test_two_runs_give_the_same_figures(bag: Path, tmp_path: Path) -> None:
    words = [str(bag), "--model", str(replies(tmp_path / "replies.jsonl", bag)), "--query", "crate"]
    one, two = (evaluated(tmp_path / name, *words)["models"] for name in ("one", "two"))
    assert one == two


def test_a_condition_that_holds_is_exit_code_1(bag: Path, tmp_path: Path) -> None:
    model = str(replies(tmp_path / "replies.jsonl", bag, missed="person"))
    words = [str(bag), "--model", model, "--fail-if", "idf1[person]<0.5"]
    document = evaluated(tmp_path / "out", *words, code=1)
    assert "idf1[person]<0.5: it is 0" in document["failures"][0]


def test_a_model_that_only_fails_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, path = mot_folder(tmp_path / "mot"), tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"stamp_ns": 10**9, "text": "no JSON"}))
    evaluated(tmp_path / "out", str(folder), "--model", str(path))
    (warning,) = [w for w in capsys.readouterr().err.splitlines() if w.startswith("warning:")]
    assert f"no answer of {path} could be used" in warning


def test_a_folder_of_motchallenge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = mot_folder(tmp_path / "mot")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scorecard.html").write_text("of images")
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(
        json.dumps({"stamp_ns": 10**9 + index * 50_000_000, "text": json.dumps(
            [{"label": "person", "bbox": [(10 + 4 * index) / 160, 1 / 3, (42 + 4 * index) / 160,
                                          0.6]}])})
        for index in range(20)
    ))  # fmt: skip
    document = evaluated(tmp_path / "out", str(folder), "--model", str(path), "--latency", "zero")
    assert not (tmp_path / "out" / "scorecard.html").exists()  # it would be of other data
    assert "scorecard.html was of an earlier evaluation and is removed" in capsys.readouterr().err
    assert document["data"]["form"] == "mot"
    assert document["data"]["boxes_by_label"] == {"person": 20}
    assert document["models"][0]["figures"]["idf1"]["value"] > 0.8


def test_rows_of_images_that_are_not_there_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = mot_folder(tmp_path / "mot", count=3)
    with (folder / "gt" / "gt.txt").open("a") as file:
        file.write("\n4,7,1,1,9,9,1,1,1.0\n0,7,1,1,9,9,1,1,1.0\n2,5,1,1,9,9,1,3,1.0")
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"text": "[]"}))
    document = evaluated(tmp_path / "out", str(folder), "--model", str(path))
    assert document["data"]["left_out"] == {
        "rows that the file takes out (confidence 0)": 3,
        "rows of images that are not there": 2,
        "rows of another class than 1 (person)": 1,
    }
    assert "left out: 2 rows of images that are not there" in capsys.readouterr().err


def square(index: int, label: str = "bright square") -> dict[str, Any]:
    box = [(10 + 4 * index) / 160, 1 / 3, (42 + 4 * index) / 160, 0.6]
    return {"label": label, "bbox": box}


def test_a_coco_file_of_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = coco_video(tmp_path)
    file, path = save_video(tmp_path, content), tmp_path / "replies.jsonl"
    path.write_text("\n".join(
        json.dumps({"stamp_ns": 10**9 + i * 50_000_000, "text": json.dumps([square(i)])})
        for i in range(20)
    ))  # fmt: skip
    words = [str(file), "--model", str(path), "--latency", "zero"]
    document = evaluated(tmp_path / "out", *words)
    assert "40 annotated images in 2 sequences; asked for: bright square" in capsys.readouterr().err
    data, (entry,) = document["data"], document["models"]
    assert (data["form"], data["sequences"], data["objects"]) == ("coco_video", 2, 2)
    assert (entry["images"], data["boxes_by_label"]) == (40, {"bright square": 40})
    both = entry["figures"]
    assert both["idf1"]["value"] > 0.8
    assert both["id_switches"]["value"] == 0  # the square of the second film is another object

    # Each film alone, and the same figures: they are of all together.
    for part in ("videos", "images", "annotations"):
        content[part] = content[part][: len(content[part]) // 2]
    save_video(tmp_path, content)
    one = evaluated(tmp_path / "one", *words)["models"][0]["figures"]
    for name in ("hota", "deta", "assa", "idf1", "mota"):
        assert one[name]["value"] == pytest.approx(both[name]["value"], abs=1e-4)


def test_a_track_of_a_label_that_was_not_looked_for_counts_neither_way(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    robot = {"label": "robot", "bbox": [0.7, 0.05, 0.9, 0.25]}
    path.write_text("\n".join(
        json.dumps({"stamp_ns": 10**9 + i * 50_000_000, "text": json.dumps([square(i), robot])})
        for i in range(20)
    ))  # fmt: skip
    idf1 = []
    for name, known in (("all", {}), ("some", {"neg_category_ids": []})):
        content = coco_video(tmp_path / name, **known)
        file = save_video(tmp_path / name, content)
        words = ["--model", str(path), "--latency", "zero", "--query", "bright square, robot"]
        document = evaluated(tmp_path / "out", str(file), *words)
        idf1.append(document["models"][0]["figures"]["idf1"]["value"])
    assert idf1[0] < 0.75 < idf1[1]


def test_images_of_another_size_than_the_annotations_say_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = coco_video(tmp_path, count=2)
    content["images"][1]["width"] = 320
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"text": "[]"}))
    words = ["evaluate", str(save_video(tmp_path, content)), "--model", str(path)]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "is 160x120, the annotations say 320x120" in capsys.readouterr().err
    assert main([*words, "--fps", "0"]) == 2
    assert "--fps must be between 0.01 and 1000" in capsys.readouterr().err
    assert main([*words, "--topic", "/x"]) == 2
    assert "--topic is for a bag" in capsys.readouterr().err


def test_what_is_read_otherwise_than_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = coco_video(tmp_path, count=2)
    content["images"][0] |= {"width": 80, "height": 60}
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"text": "[]"}))
    words = [str(save_video(tmp_path, content)), "--model", str(path), "--fps", "10"]
    document = evaluated(tmp_path / "out", *words)
    resized = "images of another size than their annotations state: boxes scaled"
    own = "videos at the rate that the file gives them, not at --fps"
    assert document["data"]["changed"] == {own: 2, resized: 1}
    said = capsys.readouterr().err
    assert f"changed: 2 {own}, such as 'one' at 20" in said
    assert f"changed: 1 {resized}, such as 000001.jpg" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--fps", "10"], "--fps is for a COCO file of videos"),
        (["--truth", "/camera/camera_info"], "is no topic of vision_msgs/msg/Detection2DArray"),
        (["--truth", ""], "'' is no topic of vision_msgs/msg/Detection2DArray"),
        (["--topic", ""], "is not in the bag"),
        (["--robustness", "3"], "--robustness is for labelled images"),
        (["--against", "x.json"], "--against is for labelled images"),
        (["--latency", "soon"], "--latency must be"),
        (["--query", "ladder"], "none of 'ladder' is annotated in"),
        (["--fail-if", "recall<1"], "recall is measured on labelled images only"),
        (["--fail-if", "hota[persn]<1"], "did you mean 'person'?"),
        (["--model", "nothing.jsonl"], "'nothing.jsonl' can't be read"),
        (["--topic", "/other"], "/other is not in the bag"),
    ],
)
def test_wrong_flags_are_one_line(
    bag: Path, tmp_path: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(replies(tmp_path / "replies.jsonl", bag))]
    assert main(["evaluate", str(bag), *model, "--out", str(tmp_path / "out"), *words]) == 2
    assert says in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_bag_without_annotations_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", str(tmp_path / "bag"), "--seconds", "0.2", "--fps", "10"]) == 0
    words = ["--model", "x.jsonl", "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(tmp_path / "bag"), *words]) == 2
    assert "has no annotations: no message of vision_msgs/msg/Det" in capsys.readouterr().err

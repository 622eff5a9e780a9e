# SPDX-License-Identifier: Apache-2.0
"""``lfmvl evaluate`` from the outside: recorded replies, its schema, a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.evaluate.data import evaluation_set
from lfmvl_ros.evaluate.questions import questions_for

from ..browser import PROGRAM, browser
from ..datasets.coco_folders import add_box, plain_folder, save, scene_folder
from ..evaluate.folders import recorded
from ..schemas import check, undescribed, validator


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evaluate") / "warehouse <1>"
    scene_folder(path, count=16, kinds=("tote", "person", "forklift", "crate"))
    return path


@pytest.fixture(scope="module")
def replies(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A good model and a bad one."""
    place = tmp_path_factory.mktemp("replies")
    data = evaluation_set(folder)
    questions = questions_for(data)
    good = recorded(place / "good.jsonl", data, questions, kept=0.95)
    return good, recorded(place / "bad.jsonl", data, questions, kept=0.3, jitter=0.05)


@pytest.fixture(scope="module")
def done(
    folder: Path, replies: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a scorecard of both models."""
    out = tmp_path_factory.mktemp("scorecard")
    models = [word for path in replies for word in ("--model", str(path))]
    words = ["--robustness", "2", "--sustained", "0.4", "--out", str(out)]
    assert main(["evaluate", str(folder), *models, *words]) == 0
    return out


def test_the_scorecard_is_what_its_schema_says(done: Path) -> None:
    document = check(json.loads((done / "scorecard.json").read_text(encoding="utf-8")))
    schema = validator(document["schema"]).schema
    maps = {"tote", "person", "forklift", "crate", "ok", "empty", "repaired", "unparseable",
            *document["models"][0]["latency_ms"], *document["data"]["left_out"],
            *document["data"]["changed"]}  # fmt: skip
    assert undescribed(document, schema, schema) <= maps
    good, bad = document["models"]
    assert good["figures"]["recall"]["value"] > 0.8 > bad["figures"]["recall"]["value"]
    assert len(good["images"]) == document["data"]["images"] == 16
    assert len(good["robustness"]) == 16
    assert good["sustained"]["answers"] > 0
    verdicts = {e["figure"]: e["verdict"] for e in document["comparisons"][0]["figures"]}
    assert verdicts["recall"] == "worse"


def test_two_runs_differ_in_times_only(
    done: Path, folder: Path, replies: tuple[Path, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["evaluate", str(folder), "--model", str(replies[0]), "--out", str(tmp_path)]
    assert main([*words, "--against", str(done / "scorecard.json"), "--fail-if", "worse"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["failures"] == []
    (verdicts,) = [each["verdicts"] for each in summary["comparisons"]]
    assert verdicts["recall"] == "open"
    assert Path(summary["page"]).is_file()
    first, again = (
        json.loads((place / "scorecard.json").read_text(encoding="utf-8"))
        for place in (done, tmp_path)
    )
    timed = ("figures", "latency_ms", "throughput", "sustained", "robustness")
    assert {k: v for k, v in first["models"][0].items() if k not in timed} == {
        k: v for k, v in again["models"][0].items() if k not in timed
    }
    (comparison,) = again["comparisons"]
    assert comparison["same_images"]
    assert {e["difference"] for e in comparison["figures"] if "ms" not in e["figure"]} == {0.0}


def test_a_comparison_with_other_images_is_said_and_its_verdicts_are(
    done: Path, folder: Path, replies: tuple[Path, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["evaluate", str(folder), "--model", str(replies[1]), "--out", str(tmp_path)]
    against = ["--against", str(done / "scorecard.json")]
    assert main([*words, *against, "--query", "tote", "--images", "9"]) == 0
    shown = capsys.readouterr()
    (warning,) = [line for line in shown.err.splitlines() if line.startswith("warning:")]
    assert "16 images of 'warehouse <1>' (split all), now 9 images" in warning
    assert "query none, now 'tote'" in warning
    assert "bad.jsonl (earlier) (other images or questions)\n  " in shown.err
    (found,) = json.loads(shown.out.splitlines()[-1])["comparisons"]
    assert (found["same_images"], found["after"]) == (False, str(replies[1]))
    assert main([*words, *against]) == 0
    err = capsys.readouterr().err
    assert "warning" not in err
    assert "bad.jsonl (earlier) (the same images)\n  " in err
    assert "  open: precision " in err


def test_a_model_that_only_fails_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(json.dumps({"text": "?", "stamp_ns": n}) for n in range(16)))
    words = ["--query", "tote", "--model", str(path), "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(folder), *words]) == 0
    assert f"warning: no answer of {path} could be used (unparseable 16)" in capsys.readouterr().err


def test_a_condition_that_holds_is_exit_code_1(
    done: Path, folder: Path, replies: tuple[Path, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["--fail-if", "recall<0.8", "--fail-if", "precision<0", "--query", "tote"]
    model = ["--model", str(replies[1])]
    code = main(["evaluate", str(folder), *model, "--out", str(tmp_path), *words])
    shown = capsys.readouterr()
    assert code == 1
    assert "recall<0.8: it is" in shown.err
    assert len(json.loads(shown.out.splitlines()[-1])["failures"]) == 1
    assert "Failed" in (tmp_path / "scorecard.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["nowhere", "--model", "x.jsonl"],
            "there is no file or folder nowhere; give",
        ),
        (["nowhere", "--model", "x", "--fail-if", "worse"], "needs --against, or a second --model"),
        (["nowhere", "--model", "x", "--fail-if", "recal<1"], "('recall' is near); write"),
        (["nowhere", "--model", "x", "--fail-if", "hota<1"], "hota is measured on a film only"),
        (["nowhere", "--model", "x", "--model", "x"], "named twice"),
        (["nowhere", "--model", "x", "--sustained", "nan"], "--sustained must be between"),
        ([".", "--model", "x", "--against", "missing.json"], "missing.json"),
        (
            ["nowhere", "--model", "x", "--translations", "w.yaml"],
            "with --languages",
        ),
    ],
)
def test_wrong_flags_are_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert says in error[-1]
    assert len(error) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "nothing.jsonl"], "the recording 'nothing.jsonl' can't be read"),
        (["--fail-if", "recall[persn]<1"], "did you mean 'person'?"),
        (["--fail-if", "recall[person]<1", "--query", "tote"], "asked for (tote)"),
    ],
)
def test_what_can_only_fail_is_refused_before_a_model_answers(
    folder: Path, replies: tuple[Path, Path], tmp_path: Path, words: list[str], says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = ["--out", str(tmp_path / "out")]
    assert main(["evaluate", str(folder), "--model", str(replies[0]), *out, *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert says in error[-1]
    assert not any("good" in line for line in error)
    assert not (tmp_path / "out").exists()


def test_another_document_is_no_scorecard(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.json").write_text('{"schema": "lfmvl/grounding/1"}')
    words = ["--model", "x.jsonl", "--against", str(tmp_path / "other.json")]
    assert main(["evaluate", str(folder), *words]) == 2
    assert "is not a scorecard" in capsys.readouterr().err


def boxes_shown(tab: Any, group: str) -> bool:
    return bool(
        tab.value(f"getComputedStyle(document.querySelector('.{group}')).display != 'none'")
    )


@pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed: the page is not looked at")
def test_the_page_in_a_real_browser(done: Path) -> None:
    page = done / "scorecard.html"
    with browser() as tab:
        for width in (360, 1280):
            tab.open(page, width)
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert tab.value("document.querySelector('h1').textContent") == "warehouse <1>"
            texts = tab.value(
                "[...document.querySelectorAll('main p, td, .row')].every(e => "
                "parseFloat(getComputedStyle(e).fontSize) >= 12)"
            )
            assert texts
            loaded = tab.value(
                "[...document.querySelectorAll('svg image')].map(i => i.getBoundingClientRect()"
                ".width > 100).filter(Boolean).length"
            )
            assert loaded >= 12
            assert tab.value("document.querySelectorAll('.missed').length") > 0
            for group in ("truth", "answer"):
                assert boxes_shown(tab, group)
                tab.click(f"label[for={group}]")
                assert not boxes_shown(tab, group)
                tab.click(f"label[for={group}]")
                assert boxes_shown(tab, group)
            right = tab.value(  # recall and precision of labels are seen without scrolling
                "[...[...document.querySelectorAll('h3')].find(h => h.textContent == 'By label')"
                ".nextElementSibling.querySelectorAll('th')].filter(c => /recall|precision/.test("
                "c.textContent)).map(c => c.getBoundingClientRect().right)"
            )
            assert len(right) == 2
            assert max(right) <= width
            tab.click("summary")
            assert tab.value("document.querySelector('details').open")
        assert {url.partition(":")[0] for url in tab.requests} <= {"file", "data"}
        assert [url for url in tab.requests if url.startswith("file")] == [page.as_uri()] * 2
        assert tab.errors == []


def test_a_box_on_a_crowd_counts_neither_way(tmp_path: Path) -> None:
    content = plain_folder(tmp_path / "images", count=2)
    add_box(content, 0, 3, [20, 15, 20, 15], iscrowd=1)
    save(tmp_path / "images" / "annotations.json", content)
    found = [{"label": "bin", "bbox": box} for box in ([0.125, 0.333, 0.375, 0.667],
                                                       [0.6, 0.6, 0.8, 0.9])]  # fmt: skip
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(json.dumps({"text": json.dumps(found), "stamp_ns": n})
                              for n in range(2)))  # fmt: skip
    words = ["--model", str(path), "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(tmp_path / "images"), *words]) == 0
    (entry,) = json.loads((tmp_path / "out" / "scorecard.json").read_text())["models"]
    assert entry["figures"]["precision"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    shown = (tmp_path / "out" / "scorecard.html").read_text()
    assert "crowd: bin" in shown
    assert shown.count('"box wrong"') == 1

# SPDX-License-Identifier: Apache-2.0
"""Licences of real packages of this environment, of made ones, and of checkpoints."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import distribution
from pathlib import Path

import pytest

pytest.importorskip("packaging.licenses", reason="packaging is older than 24.2")

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.licences.item import folded, read_known
from lfmvl_ros.licences.packages import from_ros, installed_packages
from lfmvl_ros.licences.spdx import LFM, from_text, from_words
from lfmvl_ros.licences.weights import head_of, weights_and_data
from lfmvl_ros.licences.wheel_weights import weights_in_wheels
from lfmvl_ros.models.text_reader import MODELS

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "lfmvl_warehouse" / "checkpoint"


def package(folder: Path, name: str, head: str, files: dict[str, str]) -> None:
    """Install a package that has nothing but its metadata."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    (info / "licenses").mkdir(parents=True)
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n"
                                         f"{head}\n")  # fmt: skip
    for file, text in files.items():
        info.joinpath("licenses", file).write_text(text)
    listed = [f"{info.name}/licenses/{file},," for file in files]
    info.joinpath("RECORD").write_text("\n".join([f"{info.name}/METADATA,,", *listed]) + "\n")


def licences(folder: Path, monkeypatch: pytest.MonkeyPatch, known: dict[str, str]) -> dict:
    monkeypatch.syspath_prepend(str(folder))
    return {item.name: item.licence for item in installed_packages(known)}


def test_the_users_list_then_an_expression_then_the_shipped_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """numpy 2.2 states nothing clear, 2.3 an expression: the shipped list is for the former."""
    package(tmp_path, "made-clear", "License-Expression: MIT", {})
    package(tmp_path, "made-vague", "License: BSD", {})
    package(tmp_path, "made-mine", "License-Expression: MIT", {})
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ("made-clear", "made-vague", "made-mine")
    found = installed_packages({"made-mine": "Zlib"}, dict.fromkeys(names, "ISC"))
    stated = {item.name: item.licence for item in found}
    assert [stated[name] for name in names] == ["MIT", "ISC", "Zlib"]


def test_the_texts_of_this_repository_and_of_real_packages() -> None:
    assert from_text((ROOT / "LICENSE").read_text()) == "Apache-2.0"
    for name, licence in (("pytest", "MIT"), ("click", "BSD-3-Clause")):
        (file,) = [f for f in distribution(name).files or () if f.name.startswith("LICENSE")
                   and ".dist-info" in str(f)]  # fmt: skip
        assert from_text(Path(str(file.locate())).read_text()) == licence


@pytest.mark.parametrize("words", ["BSD", "Apache", "Dual License", "GPL", "", "see LICENSE"])
def test_unclear_words_are_not_guessed(words: str) -> None:
    assert from_words(words) == ""


def test_a_text_with_more_than_is_known_is_not_guessed() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert from_text(text + "\nGNU General Public License, version 3") == ""


def test_packages_by_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apache = (ROOT / "LICENSE").read_text()
    mit = Path(str(next(f for f in distribution("pytest").files or ()
                        if f.name == "LICENSE").locate())).read_text()  # fmt: skip
    package(tmp_path, "made-expression", "License-Expression: mit or apache-2.0", {})
    package(tmp_path, "made-classifier", "Classifier: License :: OSI Approved :: MIT License", {})
    package(tmp_path, "made-both", "License: Dual License", {"LICENSE": apache, "LICENSE.mit": mit})
    package(tmp_path, "made-unclear", "License: BSD", {"LICENSE": "do what you like"})
    package(tmp_path, "made-silent", "", {})
    package(tmp_path, "made-looked-up", "License: BSD", {})
    found = licences(tmp_path, monkeypatch, {"made-looked-up": "BSD-3-Clause"})
    assert {name: found[name] for name in found if name.startswith("made-")} == {
        "made-expression": "MIT OR Apache-2.0",
        "made-classifier": "MIT",
        "made-both": "Apache-2.0 AND MIT",
        "made-unclear": "",
        "made-silent": "",
        "made-looked-up": "BSD-3-Clause",
    }


def test_a_ros_package_says_it_in_its_package_xml(tmp_path: Path) -> None:
    assert from_ros([tmp_path / "none.xml", ROOT / "package.xml"]) == "Apache-2.0"
    unclear = tmp_path / "package.xml"
    unclear.write_text("<package><license>MIT</license><license>BSD</license></package>")
    assert from_ros([unclear]) == ""


def test_weights(tmp_path: Path) -> None:
    (weights,) = weights_and_data("bundled", {})
    assert (weights.licence, weights.source) == ("Apache-2.0", "model card")
    (published,) = weights_and_data("LiquidAI/LFM2.5-VL-450M", {})
    assert published.licence == LFM
    assert "10 million USD" in published.demands[0]
    tmp_path.joinpath("README.md").write_text(
        "---\nlicense: other\nlicense_name: lfm1.0\ndatasets: [me/shelves, coco]\n---\n"
    )
    own, shelves, coco = weights_and_data(str(tmp_path), {"coco": "CC-BY-4.0"})
    assert (own.licence, shelves.licence, coco.licence) == (LFM, "", "CC-BY-4.0")


READER = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
NOTICE = """The artifacts are made available under the Apache License,
Version 2.0 (`Apache-2.0`).

| file | upstream | SHA-256 |
| --- | --- | --- |
| `{name}` | `model` | `{digest}` |
"""


def test_the_text_readers_weights_are_those_that_its_wheel_names() -> None:
    pytest.importorskip("rapidocr")
    found = weights_in_wheels({})
    assert {item.name for item in found} == MODELS
    assert {(item.kind, item.licence) for item in found} == {("weights", "Apache-2.0")}
    assert {item.source for item in found} == {"MODEL_LICENSES.md of rapidocr"}


@pytest.mark.parametrize(
    ("notice", "licence", "source"),
    [
        (NOTICE, "Apache-2.0", "MODEL_LICENSES.md of rapidocr"),
        (NOTICE.replace("{digest}", "0" * 64), "", "not the file"),
        (NOTICE.replace("{name}", "other.onnx"), "", "does not name it"),
        (NOTICE.replace("`Apache-2.0`", "`BSD`"), "", "not clear"),
        ("", "", "has no MODEL_LICENSES.md"),
    ],
)
def test_weights_that_a_wheel_does_not_vouch_for_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notice: str, licence: str, source: str
) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    text = notice.replace("{name}", READER).replace("{digest}", digest)
    package(tmp_path, "rapidocr", "License-Expression: MIT", {"MODEL_LICENSES.md": text})
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / READER).write_bytes(b"weights")
    with (tmp_path / "rapidocr-1.0.dist-info" / "RECORD").open("a") as record:
        record.write(f"models/{READER},,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (found,) = weights_in_wheels({})
    assert found.licence == licence
    assert source in found.source
    (found,) = weights_in_wheels({folded(READER): "Zlib"})
    assert (found.licence, found.source) == ("Zlib", "looked up")


def test_without_the_text_reader_it_has_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lfmvl_ros.licences.wheel_weights.PACKAGE", "made-absent")
    assert weights_in_wheels({}) == []


@pytest.mark.parametrize("card", ["", "# no head", "---\n[a\n---\n", "---\njust text\n---\n"])
def test_a_card_without_a_readable_head_says_nothing(card: str) -> None:
    assert head_of(card) == {}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    package(tmp_path, "made-silent", "", {})
    monkeypatch.syspath_prepend(str(tmp_path))
    out, known = tmp_path / "list.json", tmp_path / "known.yaml"
    assert main(["licences", "--model", "bundled", "--out", str(out)]) == 1
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "made-silent" in summary["unknown"]
    assert json.loads(out.read_text())["unknown"] == summary["unknown"]
    known.write_text("".join(f"{name}: MIT\n" for name in summary["unknown"]))
    assert main(["licences", "--model", "bundled", "--known", str(known)]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["unknown"] == []


@pytest.mark.parametrize("text", ["a: [", "just text", "name: BSD", "name: 3"])
def test_a_list_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    path = tmp_path / "known.yaml"
    path.write_text(text)
    with pytest.raises(UserError):
        read_known(path)

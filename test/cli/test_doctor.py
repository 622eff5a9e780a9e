# SPDX-License-Identifier: Apache-2.0
"""``lfmvl doctor``: what is broken is found, said, and comes with advice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lfmvl_ros.cli import checkup, checkup_machine
from lfmvl_ros.cli.checkup import FAIL, OK, WARN, Finding
from lfmvl_ros.cli.doctor import topic_findings
from lfmvl_ros.cli.main import main
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.topic_probe import TopicReport

IMAGE = "sensor_msgs/msg/Image"
BUNDLED = Path(__file__).parents[2] / "lfmvl_ros" / "data" / "warehouse"


def test_a_module_that_kills_the_process_is_named_and_the_others_are_still_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dies.py").write_text("import os; os.abort()")
    (tmp_path / "raises.py").write_text("raise RuntimeError('operator nms does not exist')")
    (tmp_path / "fine.py").write_text("print('chatter')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = checkup.import_problems(["fine", "dies", "raises", "nowhere", "json"])
    assert found["fine"] == found["json"] == ""
    assert found["dies"] == "the process died with signal 6"
    assert found["raises"] == "RuntimeError: operator nms does not exist"
    assert found["nowhere"].startswith("ModuleNotFoundError")


def test_versions_too_old_missing_and_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {"numpy": ("999", "numpy"), "no-such-thing": ("1", "nowhere"), "scipy": ("1", "no")}
    monkeypatch.setattr(checkup, "PACKAGES", packages)
    found = {item.name: item for item in checkup.installation()}
    assert found["python"].level == OK
    assert [found[name].level for name in packages] == [FAIL] * 3
    assert "older than 999" in found["numpy"].message
    assert found["no-such-thing"].advice == "pip install 'no-such-thing>=1'"
    assert "does not import: ModuleNotFoundError" in found["scipy"].message


@pytest.mark.parametrize(
    ("environment", "name", "level"),
    [
        ({}, "domain", OK),
        ({"ROS_DOMAIN_ID": "42"}, "domain", OK),
        ({"ROS_DOMAIN_ID": "150"}, "domain", WARN),
        ({"ROS_DOMAIN_ID": "233"}, "domain", FAIL),
        ({"ROS_DOMAIN_ID": "robot"}, "domain", FAIL),
        ({}, "reach", OK),
        ({"ROS_LOCALHOST_ONLY": "1"}, "reach", WARN),
        ({"ROS_LOCALHOST_ONLY": "0"}, "reach", OK),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "localhost"}, "reach", WARN),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, "reach", OK),
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, "RMW", OK),
    ],
)
def test_dds_settings(environment: dict[str, str], name: str, level: str) -> None:
    found = {item.name: item for item in checkup_machine.dds(environment, 8 << 20)}
    assert found[name].level == level
    assert all(item.level == OK for item in found.values() if item.name != name)


def test_buffers_too_small_for_images_come_with_a_limit_that_is_large_enough() -> None:
    assert checkup_machine.buffers(8 << 20, "an image", 2_764_800).level == OK
    assert checkup_machine.buffers(None, "an image", 2_764_800).level == OK
    for size in (300_000, 2_764_800, 8_294_400, 99_532_800):
        finding = checkup_machine.buffers(212_992, "an image", size)
        assert finding.level == WARN
        told = finding.advice.partition("rmem_max=")[2].partition(" ")[0]
        assert checkup_machine.buffers(int(told), "an image", size).level == OK


def test_every_package_that_is_required_is_looked_at() -> None:
    lines = (Path(__file__).parents[2] / "requirements.txt").read_text().splitlines()
    found = [re.match(r"([\w-]+)(?:>=([\d.]+))?", line) for line in lines]
    required = {match[1].lower(): match[2] for match in found if match}
    assert set(required) == set(checkup.PACKAGES)
    for name, oldest in required.items():
        assert oldest in (None, checkup.PACKAGES[name][0])


def test_a_busy_machine_is_told_before_its_answers_are_judged() -> None:
    assert checkup_machine.load(2.9, 2).level == OK
    finding = checkup_machine.load(11.0, 2)
    assert finding.level == WARN
    assert "11.0 programs wanted the 2 cores" in finding.message


def test_a_checkpoint_that_cannot_be_fetched_is_told_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checkup, "PACKAGES", {})
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, document = doctor(capsys, "--model", "nobody/has-this")
    finding = document["findings"][-1]
    assert (code, finding["name"], finding["level"]) == (1, "download", "fail")
    assert "nobody/has-this is not on this machine, and huggingface.co" in finding["said"]
    assert "--model DIR" in finding["advice"]
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example:8443/hub")
    assert checkup_machine.hub_host() == "mirror.example"
    assert not checkup_machine.is_cached("nobody/has-this")


def test_whether_a_server_answers_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert not checkup_machine.is_reachable("nowhere.invalid")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert checkup_machine.is_reachable("nowhere.invalid")  # the proxy would know
    for cached, reachable, level in ((True, False, OK), (False, True, OK), (False, False, FAIL)):
        assert checkup_machine.download("a/b", cached=cached, reachable=reachable).level == level


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="no bundled checkpoint")
def test_the_bundled_checkpoint_needs_no_download_and_says_what_its_confidence_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "PACKAGES", {})
    _, document = doctor(capsys, "--model", "bundled")
    found = {item["name"]: item for item in document["findings"]}
    assert "download" not in found
    assert found["model"]["message"].startswith("bundled loaded in")
    if found["answer"]["level"] == "ok":  # in time, that is
        assert found["confidence"]["message"].startswith(("calibrated", "the model's own"))


def report(**changes: Any) -> TopicReport:
    good: dict[str, Any] = {
        "topic": "/cam", "kind": IMAGE, "publishers": 1, "rate_hz": 30.0, "received": 90,
        "encodings": ("rgb8",), "sizes": ((640, 480),), "message_bytes": 921_600, "age_s": 0.01,
    }  # fmt: skip
    return TopicReport(**{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "level", "says"),
    [
        ({}, OK, "30.0 images a second, 640x480 rgb8"),
        ({"publishers": 0, "kind": "", "others": ("/a/image", "/b")}, FAIL, "/a/image, /b"),
        ({"publishers": 0, "kind": ""}, FAIL, "start the camera"),
        ({"kind": "std_msgs/msg/String"}, FAIL, "carries std_msgs/msg/String"),
        ({"received": 0}, FAIL, "nothing came in 3 s"),
        ({"rate_hz": 0.7}, WARN, "lost on the way"),
        ({"problem": "image encoding '8UC3' is not supported"}, FAIL, "8UC3"),
        ({"publishers": 2}, WARN, "2 nodes publish it"),
        ({"message_bytes": 99_532_800}, WARN, "99532800"),
        ({"unstamped": 90, "age_s": None}, WARN, "no stamp"),
        ({"backwards": 2}, WARN, "2 stamps went back"),
        ({"age_s": 12.0}, WARN, "12.00 s old"),
        ({"age_s": -3.0}, WARN, "synchronise the clocks"),
    ],
)
def test_topics(changes: dict[str, Any], level: str, says: str) -> None:
    found = list(topic_findings(report(**changes), 3.0, 8 << 20))
    order = (OK, WARN, FAIL)
    assert max((item.level for item in found), key=order.index) == level
    assert any(says in f"{item.message} {item.advice}" for item in found), found


def test_what_to_do_is_what_an_error_ends_with() -> None:
    finding = checkup.failure("model", UserError("it is gone; it was deleted; download it again"))
    assert finding == Finding(FAIL, "model", "it is gone; it was deleted", "download it again")
    assert checkup.failure("model", UserError("gone")).advice


def doctor(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", "--json", *words])
    document = json.loads(capsys.readouterr().out)
    for item in document["findings"]:
        item["said"] = f"{item['message']} {item['advice']}"
    return code, document


def test_json_of_a_machine_whose_model_answers_and_whose_camera_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", "83")
    recording = tmp_path / "replies.jsonl"
    recording.write_text('{"text": "[]"}\n')
    code, document = doctor(
        capsys, "--model", str(recording), "--topic", "/no/camera", "--seconds", "0.1"
    )
    found = {item["name"]: item for item in document["findings"]}
    assert found["answer"]["level"] == "ok"
    assert "empty, 0 objects" in found["answer"]["message"]
    assert found["topic"]["level"] == "fail"
    assert "nobody publishes /no/camera" in found["topic"]["message"]
    assert code == 1
    assert document["summary"]["fail"] == sum(
        item["level"] == "fail" for item in document["findings"]
    )


def test_models_that_do_not_load_or_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "PACKAGES", {})
    for text, name, level, says in (
        (None, "model", "fail", "can't be read"),
        ('{"error": "CUDA error: an illegal memory access"}', "answer", "fail", "illegal memory"),
        ('{"text": "I like trains."}', "answer", "warn", "it holds no boxes"),
    ):
        recording = tmp_path / f"{name}{level}.jsonl"
        if text is not None:
            recording.write_text(text + "\n")
        code, document = doctor(capsys, "--model", str(recording))
        (finding,) = [item for item in document["findings"] if item["name"] == name]
        assert finding["level"] == level
        assert says in finding["said"]
        assert code == 1 or level == "warn"


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--no-model"])
    out = capsys.readouterr().out
    lines = out.strip().splitlines()
    assert lines[0].startswith("ok    python ")
    assert (code == 1) == any(line.startswith("fail") for line in lines)
    assert lines[-1].endswith("will not work")

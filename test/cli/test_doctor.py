# SPDX-License-Identifier: Apache-2.0
"""``lfmvl doctor``: what is broken is found, said, and comes with advice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.cli import checkup, checkup_machine, checkup_transport
from lfmvl_ros.cli.checkup import FAIL, OK, WARN, Finding
from lfmvl_ros.cli.checkup_transport import Wire
from lfmvl_ros.cli.doctor import topic_findings
from lfmvl_ros.cli.main import main
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.diagnostics.topic_probe import TopicReport
from lfmvl_ros.ros.sensors.arrivals import ArrivalStatus

IMAGE = "sensor_msgs/msg/Image"
ORDER = (OK, WARN, FAIL)
PROFILE = Path(__file__).parents[2] / "config" / "fastdds_images.xml"
BUNDLED = Path(__file__).parents[2] / "lfmvl_warehouse" / "checkpoint"


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
        ({"ROS_DOMAIN_ID": "010"}, "domain", FAIL),
        ({"ROS_DOMAIN_ID": ""}, "domain", OK),
        ({}, "reach", OK),
        ({"ROS_LOCALHOST_ONLY": "1"}, "reach", WARN),
        ({"ROS_LOCALHOST_ONLY": "0"}, "reach", OK),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "localhost"}, "reach", WARN),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, "reach", OK),
    ],
)
def test_discovery_settings(environment: dict[str, str], name: str, level: str) -> None:
    found = {item.name: item for item in checkup_machine.discovery(environment)}
    assert found[name].level == level
    assert all(item.level == OK for item in found.values() if item.name != name)


def wire(**changes: Any) -> Wire:
    """A machine with room for everything, and Fast DDS with the shipped profile."""
    good: dict[str, Any] = {
        "rmw": "rmw_fastrtps_cpp", "distribution": "jazzy", "environment": {}, "profile": PROFILE,
        "rmem_max": 64 << 20, "rmem_default": 212_992, "free_shm": 10**9,
    }  # fmt: skip
    return Wire(**{**good, **changes})


HERE, NETWORK = "images here", "images over network"
CYCLONE = {"rmw": "rmw_cyclonedds_cpp", "profile": None}
PROFILE_LINE = f"export FASTRTPS_DEFAULT_PROFILES_FILE={PROFILE}"
SEGMENT_512K = {"segment_bytes": 512 * 1024}


@pytest.mark.parametrize(
    ("image", "changes", "name", "level", "says"),
    [
        ("640x480", {}, HERE, OK, "16 MiB"),
        ("1920x1080", {}, HERE, OK, "16 MiB"),
        ("3840x2160", {}, HERE, WARN, "segment_size 67108864"),
        ("640x480", {"profile": None}, HERE, WARN, PROFILE_LINE),
        ("320x240:mono8", {"profile": None}, HERE, OK, "0.5 MiB"),
        ("1280x720", SEGMENT_512K, HERE, WARN, PROFILE_LINE),  # the camera's counts, not ours
        ("1280x720", {"profile": None, "segment_bytes": 16 << 20}, HERE, OK, "16 MiB"),
        ("1280x720", {"segment_bytes": 4 << 20}, HERE, WARN, "one fits, two don't"),
        ("1280x720", {"environment": {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}}, HERE, WARN,
         "no shared memory"),
        ("1280x720", {"profile": None, "distribution": "kilted"}, HERE, WARN,
         "export FASTDDS_DEFAULT_PROFILES_FILE="),
        ("1280x720", {}, NETWORK, OK, "2765000"),
        ("1280x720", {"rmem_max": 212_992}, NETWORK, WARN, "sysctl -w net.core.rmem_max=8388608"),
        ("1280x720", {"profile": None}, NETWORK, WARN, "asks for 212992"),
        ("640x480", {**CYCLONE, "rmem_max": 212_992}, HERE, WARN, "sysctl -w net.core.rmem_max"),
        ("1280x720", CYCLONE, HERE, WARN, "export CYCLONEDDS_URI=file:///"),
        ("1280x720", {**CYCLONE, "environment": {"CYCLONEDDS_URI": "file:///a"}}, HERE, OK, "64"),
        ("1280x720", {"rmw": "rmw_zenoh_cpp"}, HERE, OK, "nothing is known about rmw_zenoh_cpp"),
    ],
)  # fmt: skip
def test_whether_images_fit_the_transport(
    image: str, changes: dict[str, Any], name: str, level: str, says: str
) -> None:
    load = checkup_transport.parse_image(image, 30.0)
    found = {item.name: item for item in checkup_transport.carrying(load, wire(**changes))}
    assert found[name].level == level
    assert says in f"{found[name].message} {found[name].advice}"


def test_images_of_a_camera_on_another_machine_need_the_network_alone() -> None:
    load = checkup_transport.parse_image("1280x720:bgr8", 30.0)
    (found,) = checkup_transport.carrying(load, wire(same_host=False, **SEGMENT_512K))
    assert (found.name, found.level) == (NETWORK, OK)


@given(st.integers(1, 10**8))
def test_the_advised_limit_is_large_enough(size_bytes: int) -> None:
    limit = int(checkup_transport.sysctl_line(size_bytes).partition("rmem_max=")[2])
    load = checkup_transport.ImageLoad("an image", size_bytes, 30.0)
    found = checkup_transport.carrying(load, wire(same_host=False, rmem_max=limit))
    assert size_bytes > 16 << 20 or all(item.level == OK for item in found)


def test_images_are_given_by_size_and_encoding() -> None:
    assert checkup_transport.parse_image("640x480:mono16", 5.0).size_bytes == 2 * 640 * 480 + 200
    for text in ("640", "0x480", "640x480:", "640x480:rgb9", "640 x 480", "-1x2", ""):
        with pytest.raises(UserError):
            checkup_transport.parse_image(text, 30.0)
    assert main(["doctor", "--image", "huge"]) == 2
    assert main(["doctor", "--rate-hz", "0"]) == 2


def test_a_profile_that_cannot_be_read_and_a_small_shared_memory_are_told(tmp_path: Path) -> None:
    (missing,) = checkup_transport.configuration(wire(profile=tmp_path / "none.xml"))
    assert (missing.level, missing.name) == (FAIL, "DDS profile")
    profile, memory = checkup_transport.configuration(wire(free_shm=40_000_000))
    assert (profile.level, memory.level) == (OK, WARN)
    assert "40 MB free in /dev/shm; 3 processes take 55 MB" in memory.message
    assert not list(checkup_transport.configuration(wire(**CYCLONE)))


@pytest.mark.parametrize(
    ("counts", "changes", "level", "says"),
    [
        (ArrivalStatus(90, 0), {}, OK, "all 90 images that were sent arrived"),
        (ArrivalStatus(89, 1), {}, WARN, "1 of 90 images got lost"),
        (ArrivalStatus(45, 45, period_s=1 / 30), SEGMENT_512K, FAIL, PROFILE_LINE),
        (ArrivalStatus(45, 45, period_s=1 / 30), {}, FAIL, "the camera sends 30.0 a second"),
        (ArrivalStatus(45, 45), {}, FAIL, "this machine is too busy"),
        (ArrivalStatus(60, 0, not_sent=30), {}, WARN, "left out 30 images by its own stamps"),
    ],
)
def test_arrivals(counts: ArrivalStatus, changes: dict[str, Any], level: str, says: str) -> None:
    load = checkup_transport.parse_image("1280x720", 30.0)
    found = list(checkup_transport.arrivals(counts, load, wire(**changes)))
    assert max((item.level for item in found), key=ORDER.index) == level
    assert any(says in f"{item.message} {item.advice}" for item in found), found


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
        "arrivals": ArrivalStatus(90), "segment_bytes": 16 << 20,
    }  # fmt: skip
    return TopicReport(**{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "level", "says"),
    [
        ({}, OK, "30.0 images per second, 640x480 rgb8"),
        ({"publishers": 0, "kind": "", "others": ("/a/image", "/b")}, FAIL, "/a/image, /b"),
        ({"publishers": 0, "kind": ""}, FAIL, "start the camera"),
        ({"kind": "std_msgs/msg/String"}, FAIL, "carries std_msgs/msg/String"),
        ({"received": 0}, FAIL, "nothing came in 3 s"),
        ({"rate_hz": 0.7}, WARN, "5 per second or more"),
        ({"problem": "image encoding '8UC3' is not supported"}, FAIL, "8UC3"),
        ({"publishers": 2}, WARN, "2 nodes publish it"),
        ({"message_bytes": 99_532_800}, WARN, "99532800"),
        ({"arrivals": ArrivalStatus(30, 60)}, FAIL, "60 of 90 images got lost"),
        ({"segment_bytes": 512 * 1024}, WARN, PROFILE_LINE),
        ({"unstamped": 90, "age_s": None}, WARN, "no stamp"),
        ({"backwards": 2}, WARN, "2 stamps went back"),
        ({"age_s": 12.0}, WARN, "12.00 s old"),
        ({"age_s": -3.0}, WARN, "synchronise the clocks"),
    ],
)
def test_topics(changes: dict[str, Any], level: str, says: str) -> None:
    found = list(topic_findings(report(**changes), 3.0, wire()))
    assert max((item.level for item in found), key=ORDER.index) == level
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


def test_a_topic_that_can_not_be_one_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = doctor(capsys, "--no-model", "--topic", "no topic")
    assert code == 1
    assert document["findings"][-1]["said"] == (
        "'no topic' is not a topic name give one such as /camera/image_raw"
    )


def test_without_a_model_asked_for_nothing_is_fetched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "PACKAGES", {})
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    _, document = doctor(capsys)
    found = {item["name"]: item for item in document["findings"]}
    assert "download" not in found
    assert found["model"]["message"].startswith("bundled loaded")
    assert found["ROS"]["message"].startswith("ROS 2 ")
    assert found["RMW"]["message"].startswith("rmw_")


def test_an_rmw_that_is_not_installed_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "PACKAGES", {})
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_nothing_cpp")
    code, document = doctor(capsys, "--no-model")
    found = {item["name"]: item for item in document["findings"]}
    assert (code, found["RMW"]["level"]) == (1, FAIL)
    assert "unset RMW_IMPLEMENTATION" in found["RMW"]["advice"]


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

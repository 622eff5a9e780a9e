# SPDX-License-Identifier: Apache-2.0
"""A node that offers metrics over HTTP and stores uncertain answers; one that can't do so ends."""

import json
import time
import urllib.request

import pytest

from .diagnostics.test_telemetry import free_port

TOTE = {"text": json.dumps([{"label": "red tote", "bbox": [0.1, 0.2, 0.3, 0.6]}]),
        "tokens": [[1, "[", -0.1]], "times": {"decode_s": 0.2}, "delay_s": 0.01}  # fmt: skip


def fetched(port, wanted, timeout_s=60.0):
    deadline_s, text = time.monotonic() + timeout_s, ""
    while time.monotonic() < deadline_s:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            text = page.read().decode()
        if all(part in text for part in wanted):
            return text
        time.sleep(0.2)
    raise AssertionError(f"{wanted} not in {text[-3000:]}")


def test_metrics_of_a_real_node(world):
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    port = free_port()
    world.perception([TOTE], query="red tote", **{"telemetry.port": port})
    world.camera().start(rate_hz=20.0)
    text = fetched(port, [
        'lfmvl_answers_total{camera="",outcome="ok"}', 'lfmvl_answer_seconds_bucket{camera=""',
        'lfmvl_boxes_total{camera=""}', 'lfmvl_health_level{part="camera"} 0.0',
        'lfmvl_diagnostics{key="', "lfmvl_process_memory_bytes",
    ])  # fmt: skip
    answers = float(text.split('lfmvl_answers_total{camera="",outcome="ok"} ')[1].split()[0])
    times = float(text.split('lfmvl_answer_seconds_sum{camera=""} ')[1].split()[0])
    assert times == pytest.approx(0.2 * answers, rel=0.3)
    assert f"http://127.0.0.1:{port}/metrics" in world.log()


def test_a_port_in_use_ends_configuring_with_a_sentence(world):
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = world.perception([TOTE], wait=False, **{"telemetry.port": port})
        assert process.wait(60) == 2
    assert f"127.0.0.1 port {port} can't be opened" in world.log()


def test_uncertain_answers_are_stored_and_where_is_said(world):
    folder = world.folder / "samples"
    unsure = {**TOTE, "tokens": [[i, c, -1.2] for i, c in enumerate(TOTE["text"])]}
    parameters = {"collect.folder": str(folder), "collect.min_interval_s": 0.0,
                  "collect.below_confidence": 1.0}  # fmt: skip
    world.perception([unsure], query="red tote", **parameters)
    world.camera().start(rate_hz=20.0)
    found = world.health("collect", lambda s: not s.message.startswith("0 samples"))
    assert "samples" in found.message
    assert f"are stored in {folder}" in world.log()
    document = json.loads((folder / "annotations" / "instances.json").read_text())
    assert document["annotations"][0]["bbox"][0] == pytest.approx(6.4, abs=0.1)
    assert (folder / "images" / document["images"][0]["file_name"]).is_file()

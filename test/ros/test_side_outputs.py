# SPDX-License-Identifier: Apache-2.0
"""A node that offers metrics over HTTP and stores uncertain answers; one that can't do so ends."""

import json
import urllib.request

import pytest
from std_srvs.srv import SetBool

from ..domains import next_port
from ..waiting import PATIENCE_S, until

TOTE = {"text": json.dumps([{"label": "red tote", "bbox": [0.1, 0.2, 0.3, 0.6]}]),
        "tokens": [[1, "[", -0.1]], "times": {"decode_s": 0.2}, "delay_s": 0.01}  # fmt: skip


def fetched(port, wanted):
    """Fetch the page of metrics until it is as wanted; return it."""
    seen = [""]

    def page():
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            seen[0] = answer.read().decode()
        return seen[0] if wanted(seen[0]) else None

    return until(page, told=lambda: seen[0][-3000:], every_s=0.2)


def value(text, name):
    return float(text.split(f"{name} ")[1].split()[0])


def test_metrics_of_a_real_node(world):
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    port = next_port()
    world.perception([TOTE], query="red tote", **{"telemetry.port": port})
    world.camera().start(rate_hz=20.0)
    shown = [
        'lfmvl_answers_total{camera="",outcome="ok"}', 'lfmvl_answer_seconds_bucket{camera=""',
        'lfmvl_boxes_total{camera=""}', 'lfmvl_health_level{part="camera"} 0.0',
        'lfmvl_diagnostics{key="', "lfmvl_process_memory_bytes",
    ]  # fmt: skip
    fetched(port, lambda text: all(part in text for part in shown))
    assert world.call(SetBool, "enable", data=False).success
    fetched(  # once no answer is under way
        port,
        lambda text: (
            value(text, 'lfmvl_answer_seconds_sum{camera=""}')
            == pytest.approx(0.2 * value(text, shown[0]))
        ),
    )
    assert f"http://127.0.0.1:{port}/metrics" in world.log()


def test_a_port_in_use_ends_configuring_with_a_sentence(world):
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = world.perception([TOTE], wait=False, **{"telemetry.port": port})
        assert process.ended() == 2
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

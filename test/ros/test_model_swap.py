# SPDX-License-Identifier: Apache-2.0
"""The parameter ``model`` changes while the node runs, over real DDS."""

import json
import logging
import os
import queue

import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.models.load import check_model
from lfmvl_ros.ros.model_manager import ModelManager

from ..waiting import PATIENCE_S, until
from .conftest import values

OK, WARN = b"\x00", b"\x01"


def model(label, bbox=(0.1, 0.25, 0.4, 0.75), delay_s=0.05):
    return [{"text": json.dumps([{"label": label, "bbox": bbox}]), "delay_s": delay_s}]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "/nowhere"}, "there is no model '/nowhere'"),
        ({"model": ""}, "no model is named"),
        ({"model": "/nowhere.jsonl"}, "there is no such file"),
        ({"model": "bundled", "device": "quantum"}, "device 'quantum' is unknown"),
    ],
)
def test_what_can_be_known_without_loading(changes, reason):
    with pytest.raises(UserError, match=reason):
        check_model(PerceptionSettings().updated(changes))


def test_a_directory_without_a_checkpoint_and_names_that_are_good(tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        check_model(PerceptionSettings(model=str(tmp_path)))
    for model in ("bundled", "LiquidAI/LFM2.5-VL-450M", "somebody/something"):
        check_model(PerceptionSettings(model=model))


def test_of_many_requests_the_last_one_stays(tmp_path):
    """Good and damaged models requested faster than they load; the last one is what stays."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(model("tote")[0]) + "\n")
    (tmp_path / "bad.jsonl").write_text("no JSON\n")
    settings = {name: PerceptionSettings(model=str(tmp_path / f"{name}.jsonl"))
                for name in ("a", "b", "bad")}  # fmt: skip
    log, reverted, answers = logging.getLogger("models"), queue.Queue(), queue.Queue()
    models = ModelManager(log, reverted.put)
    assert models.configure(lambda: settings["a"], answers.put) == "a.jsonl"
    models.pipeline.start()
    for stamp_ms, name in enumerate(["b", "bad", "a"] * 20 + ["b"], start=1):
        models.request(settings[name])
        models.pipeline.submit(Frame(np.zeros((48, 64, 3), np.uint8), stamp_ms * 10**6))
    until(lambda: not models.loading and models.pipeline.status().model == "b.jsonl")
    assert models.problem == ""
    models.request(settings["bad"])
    until(lambda: models.problem)
    while reverted.get(timeout=PATIENCE_S) != settings["b"].model_key:
        pass
    assert models.pipeline.status().model == "b.jsonl"
    models.pipeline.submit(Frame(np.zeros((48, 64, 3), np.uint8), 10**12))
    assert answers.get(timeout=PATIENCE_S).grounding.outcome.is_evidence
    pipeline = models.pipeline
    assert pipeline.stop(PATIENCE_S)
    models.release(True)
    models.request(settings["a"])  # nothing is in use: nothing to swap
    assert (models.pipeline, models.loading) == (None, "")


def parameter(world, name):
    response = world.call(GetParameters, "perception/get_parameters", names=[name])
    return response.values[0].string_value


def test_the_old_model_answers_until_the_new_one_is_loaded(world):
    world.perception(model("red tote"), query="red tote, tote")
    grounding, tracks = world.listen(String, "grounding"), world.listen(Detection2DArray, "tracks")
    world.camera().start()
    assert grounding.next_json()["model"] == "replies.jsonl"
    (track,) = tracks.next(lambda m: m.detections).detections

    slow = world.folder / "slow.jsonl"
    os.mkfifo(slow)  # reading it waits for a writer
    assert world.set_parameters(model=str(slow)).successful
    status = world.health("model", lambda s: values(s)["loading"] == str(slow))
    assert (status.level, values(status)["model"]) == (OK, "replies.jsonl")
    grounding.clear()
    for _ in range(5):
        assert grounding.next_json()["model"] == "replies.jsonl"
    assert world.set_parameters(query="red tote").successful  # everything else goes on

    slow.write_text(json.dumps(model("red tote")[0]) + "\n")
    document = grounding.next_json(lambda d: d["model"] == "slow.jsonl")
    assert document["query"] == "red tote"
    assert [item["id"] for item in document["objects"]] == [track.id]  # the same objects
    status = world.health("model", lambda s: values(s)["model"] == "slow.jsonl")
    assert (status.level, values(status)["loading"]) == (OK, "")
    assert "slow.jsonl answers from now on" in world.log()


def test_a_model_that_cannot_be_loaded_leaves_the_old_one(world):
    world.perception(model("red tote"), query="red tote")
    first = parameter(world, "model")
    grounding = world.listen(String, "grounding")
    world.camera().start()
    grounding.next()

    # What can be known at once is refused, together with what came along.
    refused = world.set_parameters(model="/nowhere.jsonl", query="box")
    assert not refused.successful
    assert refused.reason == "the recording '/nowhere.jsonl' can't be read: there is no such file"
    assert (parameter(world, "model"), parameter(world, "query")) == (first, "red tote")

    damaged = world.folder / "damaged.jsonl"
    damaged.write_text("no JSON at all\n")
    assert world.set_parameters(model=str(damaged)).successful
    status = world.health("model", lambda s: s.level == WARN)
    assert status.message.startswith(f"{damaged} can't be used, {first} stays: ")
    assert parameter(world, "model") == first
    grounding.clear()
    assert grounding.next_json()["model"] == "replies.jsonl"

    # The next one that can be loaded ends the warning.
    good = world.recording("good", model("red tote"))
    assert world.set_parameters(model=str(good)).successful
    grounding.next_json(lambda d: d["model"] == "good.jsonl")
    world.health_now("model", lambda s: values(s)["model"] == "good.jsonl" and s.level == OK)


def test_the_newest_request_counts_and_life_goes_on_around_it(world):
    process = world.perception(model("red tote"), query="red tote")
    grounding = world.listen(String, "grounding")
    world.camera().start()
    grounding.next()
    slow = world.folder / "slow.jsonl"
    os.mkfifo(slow)
    assert world.set_parameters(model=str(slow)).successful
    world.health("model", lambda s: values(s)["loading"] == str(slow))
    third = world.recording("third", model("red tote"))
    assert world.set_parameters(model=str(third)).successful
    assert world.change_state("deactivate")
    slow.write_text(json.dumps(model("red tote")[0]) + "\n")  # nobody waits for it any more
    assert world.change_state("activate")
    grounding.next_json(lambda d: d["model"] == "third.jsonl")
    assert "slow.jsonl answers" not in world.log()

    other = world.folder / "endless.jsonl"
    os.mkfifo(other)
    assert world.set_parameters(model=str(other)).successful
    code = world.end(process)  # in the middle of loading
    assert code == 0, world.log()
    assert "Traceback" not in world.log()

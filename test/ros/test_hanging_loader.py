# SPDX-License-Identifier: Apache-2.0
"""A model that never comes to an end loading keeps no other one from answering."""

import json
import os
import threading

import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros import model_loading
from lfmvl_ros.ros.model_loading import MOST_HANGING, Loading

from ..waiting import PATIENCE_S, until
from .conftest import values


@pytest.fixture
def hanging(monkeypatch):
    """Let models named ``hang`` load until the test ends, as one that waits for a pipe does."""
    go_on, load = threading.Event(), model_loading.load_model

    def loading(settings):
        if settings.model == "hang":
            go_on.wait(PATIENCE_S)
            raise UserError("it hung")
        return load(settings)

    monkeypatch.setattr(model_loading, "load_model", loading)
    monkeypatch.setattr(model_loading, "OVERTAKE_S", 0.0)
    yield go_on
    go_on.set()


def test_a_hanging_load_is_given_up_once_nobody_wants_it(hanging):
    assert Loading(PerceptionSettings(model="hang")).result(lambda: False) is None
    for _ in range(MOST_HANGING - 1):
        assert Loading(PerceptionSettings(model="hang")).result(lambda: False) is None
    with pytest.raises(UserError, match="start the node again"):
        Loading(PerceptionSettings(model="hang"))
    hanging.set()
    until(lambda: not model_loading._hanging)


def test_configuring_goes_on_with_the_model_that_is_asked_for_meanwhile(world):
    pipe = world.folder / "pipe.jsonl"
    os.mkfifo(pipe)
    (world.folder / "good.jsonl").write_text(json.dumps({"text": "[]"}) + "\n")
    world.start("perception_node", parameters={"model": str(pipe)})
    world.until_logged("loading")
    assert world.set_parameters(model=str(world.folder / "good.jsonl")).successful
    status = world.health("model", lambda status: "query" in values(status))
    assert "good" in str(values(status))

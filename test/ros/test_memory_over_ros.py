# SPDX-License-Identifier: Apache-2.0
"""The node remembers what it saw; `lfmvl where` and the tool where_is answer from it."""

import json

from lfmvl_ros.cli.main import main

from ..waiting import until
from .test_command_topics import Operator

TOTE = {"text": json.dumps([{"label": "red tote", "bbox": [0.1, 0.2, 0.3, 0.6]}])}


def test_what_was_seen_is_found_again(world, capsys):
    file = world.folder / "memory.db"
    world.perception([TOTE], query="red tote", memory__file=str(file), memory__period_s=0.1)
    world.camera().start()
    where = ["where", "red totes", "--file", str(file)]
    until(lambda: file.exists() and main(where) == 0, told=world.log, every_s=0.2)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["objects"][0]
    assert (found["label"], found["position"]) == ("red tote", None)

    operator = Operator(world).connect()
    call = operator.call("where_is", label="red tote")["calls"][0]
    assert call["data"]["objects"]
    assert "last_seen" not in call["data"]
    assert world.set_parameters(query="crate").successful
    call = operator.call("where_is", label="red tote")["calls"][0]
    assert call["status"] == "done"
    assert call["data"]["last_seen"]["label"] == "red tote"
    assert "last seen: red tote" in call["text"]
    assert "Traceback" not in world.log()


def test_a_node_whose_memory_can_not_be_used_does_not_start(world):
    file = world.folder / "memory.db"
    file.write_text("no database")
    process = world.perception([TOTE], query="red tote", memory__file=str(file), wait=False)
    assert process.ended() == 2
    assert "can't be used" in world.log()
    assert "Traceback" not in world.log()

# SPDX-License-Identifier: Apache-2.0
"""``lfmvl doctor`` on models that run behind a server."""

import argparse

from lfmvl_ros.cli.checkup import FAIL, OK, WARN
from lfmvl_ros.cli.checkup_model import model_findings

from ..models.server.scripted import Scripted, events, serving


def findings(model):
    args = argparse.Namespace(model=model, device="auto", dtype="auto", revision="")
    return {finding.name: finding for finding in model_findings(args)}


def test_a_server_is_tried_and_where_images_go_is_said():
    with serving(Scripted()) as address:
        found = findings(address)
    assert found["device"].message == "that of the server"
    assert found["model"].level == OK
    assert address in found["server"].message
    assert found["answer"].level == OK
    assert "not calibrated" in found["confidence"].message


def test_what_a_server_should_be_started_with_is_said():
    script = Scripted(lambda handler, _: handler.stream(events(tokens=False)))
    script.count = lambda document: 50
    with serving(script) as address:
        found = findings(address)
    assert found["server"].level == WARN
    assert "--image-min-tokens 32" in found["server"].advice
    assert "no usable probabilities" in found["confidence"].message


def test_a_server_that_refuses_and_one_that_is_not_there():
    def refuse(handler, _):
        handler.answer(500, {"error": {"message": "slot unavailable"}})

    with serving(Scripted(refuse)) as address:
        found = findings(address)
    assert found["answer"].level == FAIL
    assert "slot unavailable" in found["answer"].message
    assert findings("http://127.0.0.1:1")["model"].level == FAIL
    assert findings("nowhere/text.gguf")["model"].level == FAIL

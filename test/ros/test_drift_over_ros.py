# SPDX-License-Identifier: Apache-2.0
"""Drift in the node: a darker image is a WARN with the numbers; a profile that can't be read."""

import json
import re

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from lfmvl_ros.ros import conversions

from .conftest import values

TOTE = {"text": json.dumps([{"label": "red tote", "bbox": [0.1, 0.2, 0.3, 0.6]}])}


def image(light):
    pixels = np.random.default_rng(0).integers(light - 20, light + 20, (48, 64, 3)).astype(np.uint8)
    return lambda stamp_ns: conversions.to_image(pixels, stamp_ns, "lens")


def test_darkness_is_found_and_passes(world):
    parameters = {"drift.watch": True, "drift.learn_answers": 200}
    world.perception([TOTE], query="red tote", **parameters)
    camera = world.camera()
    shown = [image(120)]
    plain = camera.send
    camera.send = lambda: plain(shown[0](len(camera.sent_ns) * 10**7 + 10**18),
                                len(camera.sent_ns) * 10**7 + 10**18)  # fmt: skip
    camera.start(rate_hz=100.0)
    learnt = world.health("drift", lambda s: values(s).get("to_learn") == "0")
    assert (learnt.level, values(learnt)["changes"]) == (DiagnosticStatus.OK, "0")
    shown[0] = image(60)
    warn = DiagnosticStatus.WARN
    dark = world.health("drift", lambda s: s.level == warn and "brightness" in s.message)
    assert re.search(r"brightness 0\.2\d+ instead of 0\.46", dark.message)
    assert "drift: brightness" in world.log()
    shown[0] = image(120)
    passed = world.health("drift", lambda s: s.level == DiagnosticStatus.OK)
    assert values(passed)["changes"] == "0"
    assert values(passed)["changes_begun"] != "0"


def test_a_profile_that_can_not_be_read_ends_configuring(world):
    path = world.folder / "profile.json"
    path.write_text("{}")
    parameters = {"drift.watch": True, "drift.profile": str(path)}
    process = world.perception([TOTE], wait=False, **parameters)
    assert process.ended() == 2
    assert "is not a drift profile" in world.log()

# SPDX-License-Identifier: Apache-2.0
"""The nodes end as real ROS expects: goodbye first, exit code 0, nothing on the terminal."""

import signal
import time

import pytest

REPLY = [{"text": "[]", "delay_s": 0.02}]
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def is_clean(world):
    """Whether nothing but log lines of our nodes was written."""
    lines = world.log().splitlines()
    return all(line.startswith(("[INFO]", "[WARN]")) and "[rcl" not in line for line in lines)


@SIGNALS
@pytest.mark.parametrize("after_s", [0.0, 3.0])  # importing torch, loading the weights
def test_while_the_model_is_loading(world, number, after_s):
    process = world.start("perception_node", parameters={"model": "bundled"})
    world.until_logged("loading bundled")
    time.sleep(after_s)
    code = world.end(process, number)
    assert code == 0, world.log()
    assert is_clean(world), world.log()


@SIGNALS
def test_while_another_model_is_loading_in_the_background(world, number):
    process = world.perception(REPLY)
    assert world.set_parameters(model="bundled").successful
    world.until_logged("loading bundled")
    code = world.end(process, number)
    assert code == 0, world.log()
    assert is_clean(world), world.log()


@SIGNALS
def test_while_frames_and_answers_come_as_fast_as_they_can(world, number):
    process = world.perception(REPLY)
    camera, _ = world.connected_camera()
    camera.start(200.0)
    time.sleep(0.5)
    code = world.end(process, number)
    assert code == 0, world.log()
    assert is_clean(world), world.log()


@SIGNALS
def test_a_camera_node_at_full_speed(world, number):
    source = {"source": world.images(), "rate_hz": 100.0}
    process = world.start("camera_node", parameters=source)
    world.until_logged("images per second")
    time.sleep(0.5)
    code = world.end(process, number)
    assert code == 0, world.log()
    assert "Traceback" not in world.log()


def test_a_second_and_a_third_signal_change_nothing(world):
    process = world.perception([{"text": "[]", "delay_s": 60.0}], generation__timeout_s=90.0)
    world.camera().start()
    world.health("model", lambda s: any(v.key == "busy_s" and float(v.value) > 0.1
                                        for v in s.values))  # fmt: skip
    process.send_signal(signal.SIGINT)
    for number in (signal.SIGINT, signal.SIGTERM):
        time.sleep(0.1)
        process.send_signal(number)
    assert process.ended() == 0, world.log()
    assert is_clean(world), world.log()


def test_in_the_middle_of_a_change_of_state(world):
    """Activation is under way or not: either way the process ends well."""
    for number in range(3):
        process = world.perception(REPLY, wait=False)
        world.until_logged("is ready", times=1 + number)
        code = world.end(process)
        assert code == 0, world.log()
    assert is_clean(world), world.log()

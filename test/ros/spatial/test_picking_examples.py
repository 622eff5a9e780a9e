# SPDX-License-Identifier: Apache-2.0
"""The examples for picking: a client that waits, beside the node, and MoveIt's scene."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rclpy.duration import Duration
from rclpy.time import Time
from vision_msgs.msg import Detection3DArray

from ...waiting import PATIENCE_S
from .rig import NEAR_M
from .test_places_over_ros import start

EXAMPLES = Path(__file__).parents[3] / "examples" / "picking"


def run(world, *words, **parameters):
    """Start the client; return the process."""
    given = [w for name, value in parameters.items() for w in ("-p", f"{name}:={value}")]
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / "wait_for_pick.py"), *words,
         "--ros-args", "-r", f"__ns:={world.namespace}", *given],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip


def test_a_confident_pick_pose_is_waited_for(world):
    rig = start(world)
    rig.place()
    patient = {"timeout_s": PATIENCE_S, "max_age_s": 1e6}  # however busy the machine is
    waiting = run(world, "red tote", **patient)
    doubtful = run(world, "red tote", **patient | {"max_sigma_m": 1e-5, "timeout_s": 15.0})
    other = run(world, "blue tote", **patient | {"timeout_s": 15.0})
    rig.until(lambda: waiting.poll() is not None and doubtful.poll() is not None, rig.step)
    told, errors = waiting.communicate()
    assert waiting.returncode == 0, errors
    document = json.loads(told)
    assert document["frame_id"] == "lens"
    assert document["position"][2] == pytest.approx(NEAR_M, abs=0.03)
    x, y, z, w = document["orientation_xyzw"]
    normal = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    assert normal == pytest.approx([0, 0, -1], abs=0.15)
    for process in (doubtful, other):
        told, errors = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, told) == (1, ""), errors
        assert "Traceback" not in errors


def test_the_planning_scene_needs_moveit_and_says_so(world):
    if importlib.util.find_spec("moveit_msgs") is not None:
        pytest.skip("moveit_msgs is installed")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "planning_scene.py")],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 1
    assert "moveit" in done.stderr
    assert "Traceback" not in done.stderr


def test_objects_are_boxes_in_the_planning_scene_until_they_are_gone(world):
    """One diff; names by id; expiry."""
    pytest.importorskip("moveit_msgs", reason="moveit_msgs is in no package index: with ROS 2 only")
    spec = importlib.util.spec_from_file_location("example", EXAMPLES / "planning_scene.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rig = start(world)
    message: Detection3DArray = rig.place()
    node, sent = module.MirrorPlanningScene(), []
    node.scene.publish = sent.append
    node.on_tracks(message)
    (box,) = sent[0].world.collision_objects
    assert sent[0].is_diff
    assert box.id == f"red_tote_{message.detections[0].id}"
    assert box.primitives[0].dimensions[0] > message.detections[0].bbox.size.x
    node.expire(Time.from_msg(message.header.stamp) + Duration(seconds=10))
    assert [o.operation for o in sent[1].world.collision_objects] == [b"\x01"]
    node.destroy_node()

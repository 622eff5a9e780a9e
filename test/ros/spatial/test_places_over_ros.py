# SPDX-License-Identifier: Apache-2.0
"""Depth, lens and transforms over real DDS: positions are right, or absent with a reason."""

import math
import time

import numpy as np
import pytest
from tf2_msgs.msg import TFMessage

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.ros import conversions

from ..conftest import values
from .rig import BOX, LENS, MS, NEAR_M, WH, Rig, centre, scene, stamp, to_depth, transform

WARN = b"\x01"
UNKNOWN_RAD2 = math.pi**2 / 3


def start(world, **parameters):
    defaults = {"query": "red tote", "tracker__bridge": "predict", "spatial__source": "depth"}
    world.perception([BOX], **{**defaults, **parameters})
    return Rig(world)


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_a_flat_object_at_a_known_distance(world, encoding):
    rig = start(world, spatial__target_frame="map")
    rig.mount()

    def step():
        rig.step(encoding=encoding)
        rig.send_tf(rig.now_ns, translation=(1.0, 2.0, 0.0))

    message = rig.place(step)
    (found,) = message.detections
    assert message.header.frame_id == found.header.frame_id == "map"
    assert stamp(message) in rig.images.sent_ns
    tracks = rig.tracks.next(lambda m: stamp(m) == stamp(message))
    assert found.id == tracks.detections[0].id
    assert found.results[0].hypothesis.class_id == "red tote"
    # x ahead: 1.0 of the robot, 0.2 of the camera, the object's front and half of its thickness.
    front_m = 1.0 + 0.2 + NEAR_M
    x, y, z = centre(found)
    assert front_m - 0.02 < x < front_m + 0.4
    assert (y, z) == pytest.approx((2.0, 1.0), abs=0.03)
    covariance = np.array(found.results[0].pose.covariance).reshape(6, 6)
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert np.diag(covariance)[3:] == pytest.approx([UNKNOWN_RAD2] * 3)
    width_m = 64 / 250 * NEAR_M
    assert found.bbox.size.x == pytest.approx(width_m, rel=0.15)
    assert found.bbox.size.z > 0
    pick = rig.picks.next(lambda m: m.detections).detections[0]
    assert centre(pick) == pytest.approx((front_m, 2.0, 1.0), abs=0.05)
    assert pick.id == found.id


def silent(rig, key, words, step):
    """Step until a reason is counted three times more; nothing may have been published."""
    before = int(rig.values(step)[key])
    status = rig.counted(key, step, times=before + 3)
    rig.until(lambda: words in rig.counted(key, step).message, step)
    assert status.level == WARN
    assert rig.places.empty, rig.places.next()
    assert rig.picks.empty
    assert f"({key.partition('.')[2]})" in rig.world.log() or key.startswith("refused")


def test_depth_that_cannot_be_laid_over_the_image_is_named_and_nothing_is_published(world):
    rig = start(world)
    rig.send_image = lambda: Rig.send_image(rig, lens=None)
    rig.established(lambda: rig.step(depth=False))
    silent(rig, "images.no_intrinsics", "no camera_info has come yet", rig.step)
    rig.handled()  # no image with good depth may wait for its lens any longer
    rig.send_image = lambda: Rig.send_image(rig)
    silent(rig, "images.no_depth", "within 0.02 s", lambda: rig.step(depth=False))
    late = 75 * MS
    silent(rig, "images.no_depth", "within 0.02 s", lambda: rig.step(stamp_ns=rig.now_ns + late))
    silent(rig, "images.unregistered", "frame 'left_ir'", lambda: rig.step(frame_id="left_ir"))
    half = scene(wh=(160, 120), box_px=(64, 45, 96, 75))
    silent(rig, "images.unregistered", "160x120", lambda: rig.step(depth_m=half))

    def another_lens():
        lens = Intrinsics(210.0, 210.0, 160.0, 120.0)
        rig.depth_infos.publish(conversions.to_camera_info(rig.now_ns, "lens", WH, lens))
        rig.step()

    silent(rig, "images.unregistered", "fx 210.0", another_lens)
    rig.handled()  # no image with good depth may wait any longer
    rig.depth_infos.publish(conversions.to_camera_info(rig.now_ns, "lens", WH, LENS))
    rig.place()  # and all is well again
    assert "Traceback" not in world.log()


def test_depth_that_means_nothing_is_named_and_nothing_is_published(world):
    rig = start(world)
    rig.established(lambda: rig.step(depth=False))
    silent(rig, "images.unsupported_encoding", "'8UC1'", lambda: rig.step(encoding="8UC1"))
    silent(rig, "images.wrong_unit", "millimetres", lambda: rig.step(depth_m=scene() * 1000))
    nothing = np.full((WH[1], WH[0]), np.nan, np.float32)
    silent(rig, "refused.too_few_valid", "too_few_valid", lambda: rig.step(depth_m=nothing))
    endless = np.inf * scene()
    silent(rig, "refused.too_few_valid", "too_few_valid", lambda: rig.step(depth_m=endless))

    def cut_off():
        message = to_depth(scene(), rig.now_ns + 50 * MS)
        message.data = message.data[:1000]
        rig.depths.publish(message)
        rig.step(depth=False)

    silent(rig, "images.corrupt", "1000 bytes", cut_off)
    message = rig.place()  # and all is well again: the camera's own frame needs no transform
    assert message.header.frame_id == "lens"
    (found,) = message.detections
    x, y, z = centre(found)
    assert (x, y) == pytest.approx((0.0, 0.0), abs=0.03)
    assert NEAR_M - 0.02 < z < NEAR_M + 0.4
    assert "Traceback" not in world.log()


def test_a_frame_of_depth_is_that_of_the_image_until_a_transform_says_otherwise(world):
    rig = start(world)
    rig.established(lambda: rig.step(depth=False))
    # The same frame under another name, with equal intrinsics: registered.
    rig.depth_infos.publish(conversions.to_camera_info(rig.now_ns, "registered", WH, LENS))
    time.sleep(0.3)
    placed = int(rig.values(rig.step)["placed"])
    rig.counted("placed", lambda: rig.step(frame_id="registered"), times=placed + 5)

    rig.tf_static.publish(
        TFMessage(transforms=[transform("lens", "registered", 0, (0.025, 0.0, 0.0))])
    )
    status = rig.counted("images.unregistered", lambda: rig.step(frame_id="registered"))
    before = int(values(status)["images.unregistered"])
    rig.until(
        lambda: (
            "0.025 m from 'lens'"
            in rig.counted(
                "images.unregistered", lambda: rig.step(frame_id="registered"), before + 3
            ).message
        ),
        lambda: None,
    )
    assert "Traceback" not in world.log()


def test_without_depth_a_position_is_predicted_for_a_while(world):
    """Less and less certain, and then it ends."""
    rig = start(world)
    rig.established(lambda: rig.step(depth=False))
    placed = int(rig.values(rig.step)["placed"])
    rig.counted("placed", rig.step, times=placed + 5)
    sigmas = []
    rig.places.clear()

    def coast():
        rig.step(depth=False)
        while not rig.places.empty:
            sigmas.append(rig.places.next().detections[0].results[0].pose.covariance[0])

    coasted = int(rig.values(coast)["coasted"])
    rig.counted("coasted", coast, times=coasted + 3)
    # That of the last measured ones may still be under way.
    rig.until(lambda: sigmas and sigmas[-1] > min(sigmas), coast)
    silent_since = len(sigmas)
    rig.until(lambda: "no_depth" in rig.counted("refused.no_depth", coast).message, coast)
    rig.until(lambda: _ends(sigmas, coast), lambda: None)
    assert len(sigmas) >= silent_since
    assert "Traceback" not in world.log()


def _ends(sigmas, step):
    """Step for half a second; True if nothing was published in it."""
    before = len(sigmas)
    for _ in range(10):
        step()
    return len(sigmas) == before


@pytest.mark.parametrize("lag_frames", [5, -5])
def test_depth_is_paired_by_stamp_however_late_or_early_it_comes(world, lag_frames):
    rig = start(world, spatial__tf_timeout_s=1.0)
    distances, waiting = {}, []

    def step():
        """Send an image, and the depth of five images before or after it."""
        near_m = 1.2 + 0.02 * (len(distances) % 40)
        time.sleep(0.05)
        rig.now_ns += 50 * MS
        stamp_ns = rig.now_ns if lag_frames > 0 else rig.now_ns + 5 * 50 * MS
        distances[stamp_ns] = near_m
        waiting.append((stamp_ns, near_m))
        while len(waiting) > max(lag_frames, 0):
            taken_ns, near_m = waiting.pop(0)
            rig.send_depth(scene(near_m), taken_ns)
        rig.send_image()

    rig.place(step)
    rig.picks.clear()
    seen = {}

    def enough():  # a busy machine replaces images that wait by newer ones
        for message in rig.picks.taken():
            seen.update((stamp(message), centre(pick)[2]) for pick in message.detections)
        return len(distances) > 60 and len(seen) > 15

    rig.until(enough, step)
    wrong = [(distances[at], z) for at, z in seen.items() if abs(z - distances[at]) > 0.04]
    assert wrong == []

# SPDX-License-Identifier: Apache-2.0
"""Transforms over real DDS: late, stale, missing, broken, jumping back."""

import math
import time

import numpy as np

from .rig import MS, NEAR_M, NS, Rig, centre, newest, scene, stamp
from .test_places_over_ros import start

TURN_RAD_S = math.radians(30)
OUT_M = 0.2 + NEAR_M  # of the object's front, from the axis that the camera turns about


class Turning:
    """A camera that turns with an object in front of it; its transforms come late."""

    def __init__(self, rig):
        self.rig, self.began_ns = rig, rig.now_ns
        self.sent_ns = rig.now_ns

    def angle(self, stamp_ns):
        return TURN_RAD_S * (stamp_ns - self.began_ns) / NS

    def front(self, stamp_ns):
        angle = self.angle(stamp_ns)
        return np.array([OUT_M * math.cos(angle), OUT_M * math.sin(angle), 1.0])

    def transforms_until(self, stamp_ns):
        while self.sent_ns + 20 * MS <= stamp_ns:
            self.sent_ns += 20 * MS
            self.rig.send_tf(self.sent_ns, angle_rad=self.angle(self.sent_ns))

    def step(self, late_s=0.2):
        self.rig.step()
        self.transforms_until(self.rig.now_ns - round(late_s * NS))


def test_a_late_transform_of_a_turning_camera_is_waited_for(world):
    rig = start(world, spatial__target_frame="map")
    rig.mount()
    turning = Turning(rig)
    rig.place(turning.step)
    rig.picks.clear()
    off_m = []

    def checked():
        for message in rig.picks.taken():
            off = centre(message.detections[0]) - turning.front(stamp(message))
            off_m.append(np.linalg.norm(off))
        return len(off_m) > 20

    rig.until(checked, turning.step)
    assert max(off_m) < 0.05  # the newest transform would put it 0.18 m off
    # Tracks have waited for none of it.
    rig.tracks.clear()
    rig.step()
    rig.tracks.next(lambda m: stamp(m) == rig.now_ns)
    assert turning.sent_ns < rig.now_ns - 150 * MS


def test_without_a_transform_at_the_stamp_nothing_is_published(world):
    rig = start(world, spatial__target_frame="map", spatial__tf_timeout_s=0.3)
    rig.established()

    def silent(words, step):
        before = int(rig.values(step)["images.no_transform"])
        rig.counted("images.no_transform", step, times=before + 3)
        rig.until(lambda: words in rig.counted("images.no_transform", step).message, step)
        assert rig.places.empty, rig.places.next()
        assert rig.picks.empty

    silent("frame 'map' is unknown", rig.step)
    turning = Turning(rig)

    def unmounted():
        turning.step(late_s=0.0)

    silent("'lens' is unknown", unmounted)
    rig.mount(parent="nowhere")
    silent("not connected", unmounted)
    rig.mount(parent="base")
    rig.place(unmounted)  # the tree is whole

    # The robot stops sending: the newest transform is never taken for one at the stamp.
    def stale():
        rig.step()

    last_ns = turning.sent_ns
    time.sleep(0.5)
    rig.places.clear()
    rig.picks.clear()  # their stamps are within the minute before the end
    before = int(rig.values(stale)["images.no_transform"])
    rig.counted("images.no_transform", stale, times=before + 10)
    while not rig.places.empty:
        assert stamp(rig.places.next()) <= last_ns
    assert "ends" in rig.counted("images.no_transform", stale).message

    # Time starts again a minute earlier, as when a bag loops.
    rig.now_ns -= 60 * NS
    again_ns = rig.now_ns
    turning = Turning(rig)
    message = rig.place(lambda: turning.step(late_s=0.0), lambda m: m.detections)
    while stamp(message) > last_ns:
        message = rig.place(lambda: turning.step(late_s=0.0))
    assert again_ns < stamp(message) < last_ns
    pick = rig.until(
        lambda: newest(rig.picks, lambda m: m.detections and again_ns < stamp(m) < last_ns),
        lambda: turning.step(late_s=0.0),
    )
    assert np.linalg.norm(centre(pick.detections[0]) - turning.front(stamp(pick))) < 0.05
    assert "Traceback" not in world.log()


def test_a_frame_that_jumps_takes_the_places_along(world):
    """A localization that is corrected moves the map: nothing is averaged over the jump."""
    rig = start(world, spatial__target_frame="map")
    rig.mount()
    offset_m = before_m = 0.0

    def step():
        rig.step()
        rig.send_tf(rig.now_ns, translation=(offset_m, 0.0, 0.0))

    rig.place(step)
    for offset_m in (1.5, -0.5):
        step()
        step()
        after_ns = rig.now_ns  # between two transforms the jump is interpolated
        message = rig.place(step, lambda m, after=after_ns: m.detections and stamp(m) > after)
        while abs((x := centre(message.detections[0])[0]) - OUT_M - before_m) < 0.45:
            message = rig.place(step, lambda m: m.detections)  # predicted until it is seen again
        assert offset_m + OUT_M - 0.02 < x < offset_m + OUT_M + 0.4
        before_m = offset_m
        # The velocity is not that of the jump.
        assert message.detections[0].results[0].pose.covariance[0] < 0.1


def test_what_is_played_again_gives_the_same_places(world):
    """As a bag that loops: the same images, depth and transforms give the same positions again."""
    rig = start(world, spatial__target_frame="map", spatial__max_rate_hz=240.0)
    rig.mount()
    rig.established(lambda: play(rig, [rig.now_ns + 50 * MS], 0))
    first_ns = rig.now_ns + NS
    stamps = [first_ns + k * 60 * MS for k in range(40)]
    runs = []
    both = []
    while len(both) < 3:  # on a busy machine not every image has its place
        assert len(runs) < 15, [len(seen) for seen in runs]
        rig.picks.clear()
        play(rig, stamps, first_ns)
        time.sleep(1.0)  # what is under way
        seen = {}
        while not rig.picks.empty:
            message = rig.picks.next()
            if message.detections and stamp(message) >= first_ns:
                seen[stamp(message)] = centre(message.detections[0])
        both += [(old[at], seen[at]) for old in runs for at in old.keys() & seen.keys()]
        runs.append(seen)
    for one, other in both:
        assert np.linalg.norm(one - other) < 0.01


def play(rig, stamps, first_ns):
    """Send images with depth and transforms of these stamps; the object comes nearer."""
    for at in stamps:
        time.sleep(0.06)
        rig.now_ns = at
        near_m = NEAR_M - 0.2 * max(at - first_ns, 0) / NS if first_ns else NEAR_M
        rig.send_tf(at, translation=(0.1, 0.0, 0.0))
        rig.send_depth(scene(near_m))
        rig.send_image()


def test_two_cameras_have_places_of_their_own(world):
    start(world, cameras=["left", "right"])
    rigs = {name: Rig(world, f"{name}/") for name in ("left", "right")}
    near_m = {"left": 1.2, "right": 2.0}

    def step():
        for name, rig in rigs.items():
            rig.step(step_ms=25, depth_m=scene(near_m[name]))

    for name, rig in rigs.items():
        rig.place(step)
        pick = rig.until(lambda rig=rig: newest(rig.picks, lambda m: m.detections), step)
        assert abs(centre(pick.detections[0])[2] - near_m[name]) < 0.03
        assert int(rig.values(step)["placed"]) > 0

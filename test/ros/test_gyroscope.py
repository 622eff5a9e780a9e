# SPDX-License-Identifier: Apache-2.0
"""A gyroscope over real DDS: tracks stay on things while the camera turns and nobody answers."""

import json
import math
import threading
import time

import pytest
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, Imu
from std_srvs.srv import SetBool
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray

from lfmvl_ros.ros import conversions, qos

from .conftest import values

OK, WARN = b"\x00", b"\x01"
MS = 1_000_000
WH, LENS = (320, 240), (250.0, 250.0, 160.0, 120.0)
# Its middle is at 240, 120: 17.7 degrees to the right of the camera's axis.
BOX = {"text": json.dumps([{"label": "red tote", "bbox": [0.70, 0.4, 0.80, 0.6]}])}
BEARING = math.atan2(240 - 160, 250)


def rate(stamp_ns, turn_rad_s=0.0):
    """A message of an IMU with x ahead and z up, for a camera that turns to its right."""
    message = Imu(header=conversions.to_header(stamp_ns, "imu_link"))
    message.angular_velocity.z = -turn_rad_s
    return message


def mounted(parent, child, quaternion=(0.0, 0.0, 0.0, 1.0)):
    made = TransformStamped(header=conversions.to_header(0, parent), child_frame_id=child)
    turn = made.transform.rotation
    turn.x, turn.y, turn.z, turn.w = quaternion
    return made


class Rig:
    """A camera and an IMU whose messages the test sends, stamp by stamp."""

    def __init__(self, world):
        self.world, node = world, world.node
        self.images = world.camera(wh=WH)
        self.infos = node.create_publisher(CameraInfo, "camera_info", qos.SENSOR)
        self.imu = node.create_publisher(Imu, "imu", qos.RESULTS)
        self.frames = node.create_publisher(TFMessage, "/tf_static", qos.LATCHED)
        self.tracks = world.listen(Detection2DArray, "tracks")
        self.now_ns = time.time_ns()
        self.mount()

    def mount(self):
        looks_ahead = (-0.5, 0.5, -0.5, 0.5)
        self.frames.publish(
            TFMessage(
                transforms=[mounted("base", "imu_link"), mounted("base", "lens", looks_ahead)]
            )
        )

    def step(self, turn_rad_s=0.0, step_ms=50):
        """Send what comes in one camera frame's time, in that time; return the tracks at it."""
        over_s = time.monotonic() + step_ms / 1000
        for _ in range(0, step_ms, 5):
            self.now_ns += 5 * MS
            self.imu.publish(rate(self.now_ns, turn_rad_s))
        tracks = self.image()
        # Quicker than time, hundreds of rates would still wait for the node.
        time.sleep(max(0.0, over_s - time.monotonic()))
        return tracks

    def image(self):
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            self.infos.publish(conversions.to_camera_info(self.now_ns, "lens", WH, LENS))
            self.images.send(stamp_ns=self.now_ns)  # twice does no harm
            try:
                return self.tracks.next(
                    lambda m: conversions.stamp_ns(m.header.stamp) == self.now_ns, timeout_s=2
                )
            except AssertionError:
                continue
        raise AssertionError(f"no tracks at the image of {self.now_ns}: {self.world.log()}")

    def until(self, wanted):
        """Step until the tracks at an image are as wanted; return them."""
        deadline_s = time.monotonic() + 60
        while not wanted(tracks := self.step()):
            assert time.monotonic() < deadline_s, (tracks, self.world.log())
        return tracks

    def is_well(self):
        """Tell whether diagnostics have just said that the gyroscope is."""
        name = f"{self.world.namespace}/perception: imu"
        while not self.world.diagnostics.empty:
            for status in self.world.diagnostics.next().status:
                if status.name == name and status.level == OK and int(values(status)["used"]):
                    assert values(status)["imu_frame"] == "imu_link"
                    return True
        return False


def off_by(tracks, across_px):
    """Return how far the nearest box's middle is from a column; infinite where there is none."""
    middles = [one.bbox.center.position.x for one in tracks.detections]
    return min((abs(middle - across_px) for middle in middles), default=math.inf)


def test_tracks_follow_a_camera_that_turns_while_nobody_answers(world):
    world.perception(
        [BOX],
        query="red tote",
        tracker__bridge="predict",
        tracker__max_coast_s=30.0,
        ego_motion__source="imu",
    )
    rig = Rig(world)
    found = {}
    for source in ("imu", "none"):
        assert world.set_parameters(ego_motion__source=source).successful
        assert world.call(SetBool, "enable", data=True).success
        rig.now_ns += 60_000 * MS  # what was tracked before has ended
        rig.until(lambda m: off_by(m, 240) < 3)
        if source == "imu":
            rig.until(lambda _: rig.is_well())
        assert world.call(SetBool, "enable", data=False).success
        before = rig.step()
        for turned_rad in (0.2, 0.4):
            for _ in range(10):
                rig.step(turn_rad_s=0.4)
            wanted = 160 + 250 * math.tan(BEARING - turned_rad)
            if source == "imu":
                after = rig.until(lambda m, at=wanted: off_by(m, at) < 5)
            else:
                after = rig.step()
            found[source, turned_rad] = off_by(after, wanted)
        assert [t.id for t in after.detections] == [t.id for t in before.detections]
    assert found["imu", 0.4] < 5
    assert found["none", 0.2] > 40
    assert found["none", 0.4] > 80
    assert "Traceback" not in world.log()


class Stream:
    """Sends images, calibrations and rates all the time, as the test says."""

    def __init__(self, world):
        self.namespace, self.diagnostics = world.namespace, world.diagnostics
        self.infos = world.node.create_publisher(CameraInfo, "camera_info", qos.SENSOR)
        self.imu = world.node.create_publisher(Imu, "imu", qos.RESULTS)
        self.frames = world.node.create_publisher(TFMessage, "/tf_static", qos.LATCHED)
        self.info = self.rate = lambda _: None
        self.camera = world.camera(wh=WH)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended.wait(0.02):
            now_ns = time.time_ns()
            for publisher, message in (
                (self.infos, self.info(now_ns)),
                (self.imu, self.rate(now_ns)),
            ):
                if message is not None:
                    publisher.publish(message)
            self.camera.send(stamp_ns=now_ns)

    def stop(self):
        self._ended.set()
        self._thread.join(10.0)


@pytest.fixture
def stream(world):
    made = Stream(world)
    yield made
    made.stop()


def test_what_is_wrong_with_a_gyroscope_is_told_and_got_over(world, stream):
    process = world.perception(
        [BOX],
        tracker__bridge="predict",
        ego_motion__source="imu",
        ego_motion__mount="given",
        ego_motion__roll_rad=-1.5708,
        ego_motion__yaw_rad=-1.5708,
    )

    def told(words, level=WARN):
        return values(world.health("imu", lambda s: s.level == level and words in s.message))

    def calibration(focal_px):
        lens = (focal_px, focal_px, 160.0, 120.0)
        return lambda now_ns: conversions.to_camera_info(now_ns, "lens", WH, lens)

    def odd(change):
        def make(now_ns):
            change(message := rate(now_ns))
            return message

        return make

    def no_gyroscope(message):
        message.angular_velocity_covariance[0] = -1.0

    def not_a_number(message):
        message.angular_velocity.x = math.nan

    assert told("no angular velocity yet")["topic"] == f"{world.namespace}/imu"
    stream.rate = rate
    told("no camera_info has been received yet")
    stream.info = calibration(0.0)
    told("no calibration")
    stream.info = calibration(250.0)
    assert int(told("rates per second", OK)["frames_known"]) >= 0
    stream.rate = odd(no_gyroscope)
    told("not_provided")
    stream.rate = odd(not_a_number)
    told("corrupt")
    stream.rate = lambda now_ns: rate(now_ns - 10**18)  # a clock of its own
    assert int(told("no rate belongs to")["stamps_jumped_back"]) >= 1
    stream.rate = lambda _: rate(0)
    assert int(told("unstamped; the stamp is zero")["without_stamp"]) == 0
    stream.rate = rate
    told("rates per second", OK)
    assert world.set_parameters(ego_motion__mount="tf").successful
    told("no static transforms from imu_link to lens")
    stream.frames.publish(TFMessage(transforms=[mounted("imu_link", "lens")]))
    shown = told("rates per second", OK)
    for reason in ("not_provided", "corrupt", "unstamped", "no_lens", "no_mount"):
        assert int(shown[f"dropped.{reason}"]) > 0, shown
    assert world.change_state("deactivate")
    world.health("model", lambda s: s.message == "inactive")
    stream.rate = lambda _: rate(0)  # and from the start: the time of receipt
    assert world.change_state("activate")  # all anew, /tf_static as well
    shown = told("rates per second", OK)
    used = int(shown["used"])
    assert int(shown["without_stamp"]) >= used
    world.health("imu", lambda s: int(values(s)["used"]) > used)
    stream.rate = lambda _: None
    shown = told("no angular velocity for")
    assert int(shown["dropped.not_provided"]) == 0
    log = world.log()
    for words in (
        "no calibration",
        "(not_provided)",
        "(corrupt)",
        "jumped back",
        "IMU messages without a stamp are dropped",
        "the IMU sends messages without a stamp; the time of receipt is used",
    ):
        assert log.count(words) == 1, log
    assert "Traceback" not in log
    assert process.poll() is None

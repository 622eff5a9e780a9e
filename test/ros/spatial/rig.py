# SPDX-License-Identifier: Apache-2.0
"""A camera with depth, calibration and transforms, sent stamp by stamp over real DDS."""

import array
import json
import math
import time

import numpy as np
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, Detection3DArray

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.ros import conversions, qos

from ...waiting import until
from ..conftest import values

NS, MS = 1_000_000_000, 1_000_000
WH, LENS = (320, 240), Intrinsics(250.0, 250.0, 160.0, 120.0)
BOX = {"text": json.dumps([{"label": "red tote", "bbox": [0.4, 0.375, 0.6, 0.625]}])}
EMPTY = {"text": "[]"}
BOX_PX = (128, 90, 192, 150)  # its middle is on the optical axis
NEAR_M, WALL_M = 1.5, 3.0
AHEAD = (-0.5, 0.5, -0.5, 0.5)  # optical axes in a frame with x ahead and z up


def scene(near_m=NEAR_M, wall_m=WALL_M, box_px=BOX_PX, wh=WH):
    """Return depth of a flat object, parallel to the image, in front of a wall."""
    depth = np.full((wh[1], wh[0]), wall_m, np.float32)
    x1, y1, x2, y2 = box_px
    depth[y1:y2, x1:x2] = near_m
    return depth


def to_depth(depth_m, stamp_ns, frame_id="lens", encoding="32FC1"):
    """Return metres as a message of an encoding."""
    kind = {"32FC1": np.float32, "16UC1": np.uint16, "mono16": np.uint16, "8UC1": np.uint8}
    scaled = depth_m if encoding == "32FC1" else np.nan_to_num(depth_m) * 1000
    pixels = np.ascontiguousarray(scaled.astype(kind[encoding]))
    data = array.array("B")
    data.frombytes(pixels.tobytes())
    return Image(
        header=conversions.to_header(stamp_ns, frame_id),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels.strides[0],
        data=data,
    )


def transform(parent, child, stamp_ns, translation=(0.0, 0.0, 0.0), xyzw=(0.0, 0.0, 0.0, 1.0)):
    made = TransformStamped(header=conversions.to_header(stamp_ns, parent), child_frame_id=child)
    move, turn = made.transform.translation, made.transform.rotation
    move.x, move.y, move.z = map(float, translation)
    turn.x, turn.y, turn.z, turn.w = map(float, xyzw)
    return made


def yaw(angle_rad):
    return (0.0, 0.0, math.sin(angle_rad / 2), math.cos(angle_rad / 2))


class Rig:
    """Publishes what a robot with a depth camera does; the test says when and with what stamp."""

    def __init__(self, world, prefix=""):
        node = world.node
        self.world = world
        self.images = world.camera(f"{prefix}image_raw", wh=WH)
        self.infos = node.create_publisher(CameraInfo, f"{prefix}camera_info", qos.SENSOR)
        self.depths = node.create_publisher(Image, f"{prefix}depth/image", qos.SENSOR)
        self.depth_infos = node.create_publisher(
            CameraInfo, f"{prefix}depth/camera_info", qos.SENSOR
        )
        self.tf = node.create_publisher(TFMessage, "/tf", qos.TRANSFORMS)
        self.tf_static = node.create_publisher(TFMessage, "/tf_static", qos.LATCHED)
        self.tracks = world.listen(Detection2DArray, f"{prefix}tracks")
        self.places = world.listen(Detection3DArray, f"{prefix}tracks_3d")
        self.picks = world.listen(Detection3DArray, f"{prefix}pick_poses")
        self.part = f"places {prefix.rstrip('/')}".rstrip()
        self.now_ns = time.time_ns()

    def mount(self, parent="base", translation=(0.2, 0.0, 1.0)):
        """Send the static transform from the camera to its parent."""
        self.tf_static.publish(
            TFMessage(transforms=[transform(parent, "lens", 0, translation, AHEAD)])
        )

    def send_tf(self, stamp_ns, translation=(0.0, 0.0, 0.0), angle_rad=0.0):
        """Send the pose of the base in the map."""
        made = transform("map", "base", stamp_ns, translation, yaw(angle_rad))
        self.tf.publish(TFMessage(transforms=[made]))

    def send_depth(self, depth_m=None, stamp_ns=None, frame_id="lens", encoding="32FC1"):
        depth_m = scene() if depth_m is None else depth_m
        stamp_ns = self.now_ns if stamp_ns is None else stamp_ns
        self.depths.publish(to_depth(depth_m, stamp_ns, frame_id, encoding))

    def send_image(self, lens=LENS):
        if lens is not None:
            self.infos.publish(conversions.to_camera_info(self.now_ns, "lens", WH, lens))
        self.images.send(stamp_ns=self.now_ns)

    def step(self, *, step_ms=50, depth=True, **depth_options):
        """Let time pass, then send image and depth of the same stamp."""
        time.sleep(step_ms / 1000)
        self.now_ns += step_ms * MS
        if depth:
            self.send_depth(**depth_options)
        self.send_image()

    def until(self, came, step):
        """Step until ``came()`` returns something; return that."""
        return until(came, doing=step, told=self.world.log, every_s=0.0)

    def established(self, step=None):
        """Step until there is a track; from then on an empty message would be false."""
        self.until(lambda: newest(self.tracks, lambda m: m.detections), step or self.step)
        self.places.clear()
        self.picks.clear()

    def handled(self):
        """Wait until no image waits any more: it does for half a second, reports are 1 s apart."""
        for _ in range(2):
            self.world.health_now(self.part)

    def place(self, step=None, wanted=lambda m: m.detections):
        """Step until a message with places comes; return it."""
        return self.until(lambda: newest(self.places, wanted), step or self.step)

    def values(self, step):
        """Return the values of the next diagnostic status."""
        return values(self.counted("images", step, since_ns=time.time_ns()))

    def counted(self, key, step, times=1, since_ns=0):
        """Step until diagnostics (from then on) count ``key`` so often; return the status."""
        name = f"{self.world.namespace}/perception: {self.part}"

        def look():
            for message in self.world.diagnostics.taken():
                for status in message.status if stamp(message) >= since_ns else ():
                    if status.name == name and int(values(status)[key]) >= times:
                        return status
            return None

        return self.until(look, step)


def newest(inbox, wanted):
    """Return the newest message that is wanted among those that came, or None."""
    return next((message for message in reversed(inbox.taken()) if wanted(message)), None)


def stamp(message):
    return conversions.stamp_ns(message.header.stamp)


def centre(detection):
    at = detection.results[0].pose.pose.position
    return np.array([at.x, at.y, at.z])

# SPDX-License-Identifier: Apache-2.0
"""Transform buffers behind the same methods: our own, ROS 2's tf2_ros, and ROS 1's tf2."""

import functools
import importlib.util
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from rclpy.duration import Duration
from rclpy.time import Time

from lfmvl_ros.core.spatial.transforms import (
    DisconnectedError,
    ExtrapolationError,
    TransformBuffer,
    UnknownFrameError,
)

from .rig import transform

KEEP_S = 2.0
STILL = (0.0, 0.0, 0.0, 1.0)
# Debian's python3-tf2 is built for this one.
DEBIAN_PYTHON = "/usr/bin/python3"
WORKER = Path(__file__).with_name("tf2_of_debian.py")


class Own:
    """Our buffer."""

    unknown, disconnected, extrapolation = UnknownFrameError, DisconnectedError, ExtrapolationError

    def __init__(self):
        self.buffer = TransformBuffer(keep_s=KEEP_S)

    def add(self, parent, child, stamp_ns, move, turn=STILL, *, static=False):
        self.buffer.add(parent, child, stamp_ns, move, turn, static=static)

    def lookup(self, target, source, stamp_ns):
        """Return where the origin of ``source`` is, and where its x axis points."""
        found = self.buffer.lookup(target, source, stamp_ns)
        return found.translation_m, found.rotation[:, 0]


class Tf2:
    """The buffer of tf2_ros."""

    def __init__(self):
        import tf2_ros

        self.unknown = tf2_ros.LookupException
        self.disconnected = tf2_ros.ConnectivityException
        self.extrapolation = tf2_ros.ExtrapolationException
        self.buffer = tf2_ros.Buffer(cache_time=Duration(seconds=KEEP_S))

    def add(self, parent, child, stamp_ns, move, turn=STILL, *, static=False):
        made = transform(parent, child, stamp_ns, move, turn)
        (self.buffer.set_transform_static if static else self.buffer.set_transform)(made, "test")

    def lookup(self, target, source, stamp_ns):
        found = self.buffer.lookup_transform_core(target, source, Time(nanoseconds=stamp_ns))
        move, q = found.transform.translation, found.transform.rotation
        return np.array([move.x, move.y, move.z]), ahead(q.x, q.y, q.z, q.w)


class Tf2OfDebian:
    """The buffer of ROS 1's tf2, in a process of Debian's Python.

    Its binding counts time in float64 seconds, so only small stamps keep their nanoseconds.
    """

    class unknown(Exception): ...  # noqa: N801, N818 - a name of this test's buffers

    class disconnected(Exception): ...  # noqa: N801, N818

    class extrapolation(Exception): ...  # noqa: N801, N818

    def __init__(self):
        self._ask("new", KEEP_S)

    @staticmethod
    @functools.cache
    def _worker():
        return subprocess.Popen(
            [DEBIAN_PYTHON, str(WORKER)],
            stdin=-1,
            stdout=-1,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": "/usr/bin"},
        )

    def _ask(self, *request):
        worker = self._worker()
        worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.flush()
        return json.loads(worker.stdout.readline())

    def add(self, parent, child, stamp_ns, move, turn=STILL, *, static=False):
        move, turn = [float(x) for x in move], [float(x) for x in turn]
        self._ask("add", parent, child, stamp_ns, move, turn, static)

    def lookup(self, target, source, stamp_ns):
        found = self._ask("lookup", target, source, stamp_ns)
        if "error" in found:
            raise getattr(self, found["error"])(f"from {source} to {target}")
        return np.array(found["move"]), ahead(*found["turn"])


def ahead(x, y, z, w):
    """Return where the x axis points after a rotation."""
    return np.array([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)])


@functools.cache
def debian_has_tf2():
    """Tell whether Debian's Python has ROS 1's tf2."""
    try:
        code = "import genpy, geometry_msgs.msg, tf2_py"
        run = subprocess.run(
            [DEBIAN_PYTHON, "-c", code], check=False, capture_output=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return run.returncode == 0


has_tf2_ros = pytest.mark.skipif(
    importlib.util.find_spec("tf2_ros") is None,
    reason="tf2_ros is not installed: it comes with a ROS 2 installation",
)
has_tf2_of_debian = pytest.mark.skipif(
    not debian_has_tf2(), reason="ROS 1's tf2 is not installed: apt install python3-tf2"
)
ALL = [
    Own,
    pytest.param(Tf2, marks=has_tf2_ros),
    pytest.param(Tf2OfDebian, marks=has_tf2_of_debian),
]

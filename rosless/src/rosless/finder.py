# SPDX-License-Identifier: Apache-2.0
"""The import finder behind `import rclpy` and `from sensor_msgs.msg import Image`.

It is appended to the END of `sys.meta_path`: whatever can be imported otherwise, above all a real
ROS 2, wins. Message packages are supplied only beside our own rclpy, never beside a real one.
Only standard-library imports here, and few: `rosless.pth` loads this module in every process.
"""

import sys

PACKAGES = {  # package -> kinds of interfaces it has
    "builtin_interfaces": ("msg",),
    "diagnostic_msgs": ("msg",),
    "geometry_msgs": ("msg",),
    "lifecycle_msgs": ("msg", "srv"),
    "rcl_interfaces": ("msg", "srv"),
    "rmw_dds_common": ("msg",),
    "rosgraph_msgs": ("msg",),
    "sensor_msgs": ("msg", "srv"),
    "std_msgs": ("msg",),
    "std_srvs": ("srv",),
    "tf2_msgs": ("msg",),
    "vision_msgs": ("msg",),
    "visualization_msgs": ("msg",),
}
_OVERLAY = __file__.rpartition("finder.py")[0] + "overlay"


def install():
    """Append the finder to `sys.meta_path` (once)."""
    if not any(type(finder) is RoslessFinder for finder in sys.meta_path):
        sys.meta_path.append(RoslessFinder())


class RoslessFinder:
    """Finds rclpy and message packages that nothing else on the path supplies."""

    def find_spec(self, fullname, path=None, target=None):
        top, _, rest = fullname.partition(".")
        is_interface = top in PACKAGES and (not rest or rest in PACKAGES[top])
        if fullname != "rclpy" and not ((is_interface or top == "rclpy") and _rclpy_is_ours()):
            return None
        from rosless import loaders

        if is_interface:
            return loaders.interface_spec(fullname)
        return loaders.rclpy_spec(fullname, _OVERLAY)


def _rclpy_is_ours():
    module = sys.modules.get("rclpy")
    if module is not None:
        return str(getattr(module, "__file__", "")).startswith(_OVERLAY)
    from importlib.machinery import PathFinder

    return PathFinder.find_spec("rclpy") is None

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
        if top == "rclpy":
            return _rclpy_spec(fullname, rest)
        if top in PACKAGES and (not rest or rest in PACKAGES[top]) and _rclpy_is_ours():
            from importlib.machinery import ModuleSpec

            return ModuleSpec(fullname, InterfaceLoader(), is_package=True)
        return None


def _rclpy_spec(fullname, submodule):
    if not submodule:
        from importlib.machinery import PathFinder

        return PathFinder.find_spec("rclpy", [_OVERLAY])
    if _rclpy_is_ours():
        raise ModuleNotFoundError(
            f"rosless has no module {fullname!r}: a real ROS 2 is needed for it "
            "(rosless supplies the part of rclpy listed in its README)",
            name=fullname,
        )
    return None


def _rclpy_is_ours():
    module = sys.modules.get("rclpy")
    if module is not None:
        return str(getattr(module, "__file__", "")).startswith(_OVERLAY)
    from importlib.machinery import PathFinder

    return PathFinder.find_spec("rclpy") is None


class InterfaceLoader:
    """Makes `<package>`, `<package>.msg`, `<package>.srv`; classes are made on first use."""

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        package, _, kind = module.__name__.partition(".")
        if not kind:
            return
        from rosless import interfaces, messages

        names = interfaces.names(package, kind)

        def make(attribute):
            if attribute.partition("_")[0] in names and not attribute.startswith("__"):
                cls = messages.interface_class(f"{package}/{kind}/{attribute}")
                setattr(module, attribute, cls)
                return cls
            raise AttributeError(f"module {module.__name__!r} has no attribute {attribute!r}")

        module.__getattr__ = make
        module.__all__ = list(names)
        module.__dir__ = lambda: sorted(names)

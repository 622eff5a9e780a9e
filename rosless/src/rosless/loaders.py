# SPDX-License-Identifier: Apache-2.0
"""Loads what the finder found: rclpy from `overlay/`, message packages from their definitions."""

import dis
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader

_IMPORT_FROM = dis.opmap["IMPORT_FROM"]


def rclpy_spec(fullname, overlay):
    """Spec of `rclpy` or a module of it; says that ROS 2 is needed for a module we lack."""
    is_package = "." not in fullname
    parts = [*fullname.split("."), "__init__"] if is_package else fullname.split(".")
    path = os.path.join(overlay, *parts) + ".py"
    if not os.path.isfile(path):
        raise ModuleNotFoundError(
            f"rosless has no module {fullname!r}: a real ROS 2 is needed for it "
            "(rosless supplies the part of rclpy listed in its README)",
            name=fullname,
        )
    # A package without search path: Python's own finder leaves rclpy's modules to this one.
    spec = ModuleSpec(fullname, OverlayLoader(fullname, path), origin=path, is_package=is_package)
    spec.has_location = True
    return spec


def interface_spec(fullname):
    """Spec of a message package, or of its `msg` or `srv`."""
    return ModuleSpec(fullname, InterfaceLoader(), is_package=True)


class OverlayLoader(SourceFileLoader):
    """Loads a module of rclpy; asking it for what is not there says that ROS 2 is needed."""

    def exec_module(self, module):
        super().exec_module(module)
        module.__getattr__ = _missing(module.__name__)


def _missing(module):
    """A module `__getattr__`.

    `from rclpy.x import Y` replaces an AttributeError by its own message, so that statement (told
    by the instruction that is running) gets an ImportError; `hasattr` gets its AttributeError.
    """

    def __getattr__(name):
        text = f"{module}.{name} is not supplied by rosless: a real ROS 2 is needed for it"
        frame = sys._getframe(1)
        if frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _IMPORT_FROM:
            raise ImportError(text, name=module)
        raise AttributeError(text)

    return __getattr__


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

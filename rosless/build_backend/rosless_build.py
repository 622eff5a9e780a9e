# SPDX-License-Identifier: Apache-2.0
"""PEP 517/660 backend: setuptools' own, plus `rosless.pth` in the root of every wheel.

A `.pth` file in site-packages is the one hook Python offers that makes `import rclpy` work in every
process of an environment without the program mentioning rosless. setuptools has no setting that
puts a file there in both normal and editable installs, so the finished wheel is completed here.
"""

import base64
import hashlib
import os
import zipfile

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  (get_requires_for_*, prepare_metadata_*, sdist)

PTH = "rosless.pth"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return _add_pth(wheel_directory, name)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    return _add_pth(wheel_directory, name)


def _add_pth(directory, name):
    """Rewrite the wheel with rosless.pth and its line in RECORD; returns the wheel's name."""
    path = os.path.join(directory, name)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), PTH), "rb") as file:
        content = file.read()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    record_line = f"{PTH},sha256={digest},{len(content)}\n"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(path + ".tmp", "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith(".dist-info/RECORD"):
                data = record_line.encode() + data
            new.writestr(info, data)
        new.writestr(PTH, content)
    os.replace(path + ".tmp", path)
    return name

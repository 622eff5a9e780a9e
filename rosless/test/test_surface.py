# SPDX-License-Identifier: Apache-2.0
"""The README's lists of what is supplied equal the code."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rclpy.node import Node
from rosless import finder

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
TABLE = dict(re.findall(r"^\| `(rclpy[\w.]*)` \| (.*) \|$", README, re.M))
FILES = (ROOT / "src" / "rosless" / "overlay" / "rclpy").glob("*.py")
# Modules import from each other; only names that belong to a module's own subject count.
MODULES = sorted(
    {f"rclpy.{path.stem}".removesuffix(".__init__") for path in FILES if path.stem[0] != "_"}
    | {"rclpy"}
)


def _public_names(name):
    """Names that the module defines itself, and those it imports that the table lists."""
    module = importlib.import_module(name)
    found = {n for n in re.findall(r"`(\w+)`", TABLE[name]) if hasattr(module, n)}
    for statement in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            found.add(statement.name)
        elif isinstance(statement, ast.Assign):
            found |= {n.id for t in statement.targets for n in ast.walk(t) if hasattr(n, "id")}
    return {n for n in found if not n.startswith("_")}


@pytest.mark.parametrize("name", MODULES)
def test_table_of_modules(name):
    listed = re.findall(r"`(\w+)`", TABLE[name])
    assert listed == sorted(listed)
    internal = {"HEADER", "BODY_OFFSET", "ServiceSide", "qos_from", "apply", "Nanoseconds"}
    internal |= {"RosoutHandler", "apply_levels"}
    assert set(listed) == _public_names(name) - internal


def test_methods_of_node():
    text = README[README.index("Methods of `Node`") :].split("(A test compares")[0]
    listed = set(re.findall(r"`(\w+)`", text)) - {"Node"}
    assert listed == {name for name in dir(Node) if not name.startswith("_")}


def test_message_packages():
    text = README[README.index("Message packages:") :].split("Definitions come from")[0]
    assert set(re.findall(r"`(\w+)`", text)) == set(finder.PACKAGES)


def test_size():
    """It is not the product: what is added here should be asked for by something."""
    script = Path(__file__).with_name("size.py")
    words = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    lines, code = map(int, re.findall(r"\d+", words.stdout))
    assert code < 2550
    stated = re.search(r"Its size: ([\d,]+) lines in `src`, ([\d,]+) of them code", README)
    for actual, text in zip((lines, code), stated.groups(), strict=True):
        assert abs(actual - int(text.replace(",", ""))) < 50  # the README need not follow each edit

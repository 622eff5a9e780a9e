# SPDX-License-Identifier: Apache-2.0
"""Everybody judges a change by the same examples, and the deep profile reaches every property."""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import settings

from .examples import DEEP, DEEP_FACTOR, DEFAULT, examples

HERE = Path(__file__).parent


def test_default_examples_are_the_same_everywhere() -> None:
    profile = settings.get_profile(DEFAULT)
    assert profile.derandomize
    assert profile.database is None
    assert not settings.get_profile(DEEP).derandomize
    assert settings.get_profile(DEEP).max_examples == DEEP_FACTOR * profile.max_examples


def test_a_count_of_examples_grows_with_the_profile() -> None:
    current = settings.get_current_profile_name()
    try:
        for name, expected in ((DEFAULT, 7), (DEEP, 7 * DEEP_FACTOR)):
            settings.load_profile(name)
            assert examples(7).max_examples == expected
    finally:
        settings.load_profile(current)


def test_no_test_sets_its_examples_by_itself() -> None:
    """``@settings(max_examples=...)`` would win over the deep profile."""
    for path in HERE.rglob("*.py"):
        if path.name == "examples.py" or path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "hypothesis":
                names = {alias.name for alias in node.names}
                assert "settings" not in names, f"{path}: use examples(N) of test/examples.py"

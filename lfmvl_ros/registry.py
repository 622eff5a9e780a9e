# SPDX-License-Identifier: Apache-2.0
"""What other packages add under a name: entry points of this installation, imported when used.

A package adds things in the ``entry_points`` of its setup.py; the synthetic warehouse, which comes
with this package, is one of them (``lfmvl_warehouse``). Nothing here is imported before it is asked
for, so that ``lfmvl --help`` stays quick.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from lfmvl_ros.core.errors import UserError

COMMANDS = "lfmvl_ros.commands"
"""Name -> :class:`lfmvl_ros.cli.command.Command`."""

IMAGE_SOURCES = "lfmvl_ros.image_sources"
"""Name -> what makes a :class:`lfmvl_ros.ros.sensors.image_sources.ImageSource` of the settings."""

MODELS = "lfmvl_ros.models"
"""Name -> path of a YAML file as those in ``models/catalog``; its ``directory`` lies beside it."""

SAMPLE_IMAGES = "lfmvl_ros.sample_images"
"""Name -> a function ``(seed, wh_px, rate_hz)`` that returns one of ``(index)``: uint8 RGB."""

QUESTION_SETS = "lfmvl_ros.question_sets"
"""Name -> a function that returns :class:`lfmvl_ros.datasets.questions.QuestionSet` objects: one to
fit a calibration on, and those to measure it with."""

TRANSLATIONS = "lfmvl_ros.translations"
"""Name -> language (ISO 639-1) -> label -> what it is called there."""

DEMO_SCENES = "lfmvl_ros.demo_scenes"
"""Name -> what makes a :class:`lfmvl_ros.cli.scene_demo.DemoScene` of a seed, for at least so
many seconds (0: as long as it plans by itself)."""

QUERY_REMARKS = "lfmvl_ros.query_remarks"
"""Name of an image source -> a function ``(seed, labels)`` that returns a sentence or ""."""


def names(group: str) -> tuple[str, ...]:
    """Return the names that a group has in this installation, sorted."""
    return tuple(sorted(_entries(group)))


def load(group: str, name: str) -> Any:
    """Import and return what is registered under a name.

    Raises:
        UserError: there is no such name, or its package can't be imported.
    """
    entry = _entries(group).get(name)
    if entry is None:
        known = ", ".join(names(group)) or "nothing"
        raise UserError(
            f"this installation has no {name!r} among {group} (it has {known}); the synthetic "
            "warehouse and the bundled checkpoint come with the package lfmvl_warehouse: install "
            "lfmvl_ros again (pip install -e . in its folder, or colcon build)"
        )
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{name!r} among {group} is {entry.value}, which can't be imported ({error}); "
            "install its package again"
        ) from error


@lru_cache
def _entries(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}

# SPDX-License-Identifier: Apache-2.0
"""The tools, one class each: what a call of it means, with its arguments checked.

The first line of a class's text is what models, agents and the documentation read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from lfmvl_ros.core.commands.arguments import (
    LABEL,
    LABELS,
    SECONDS,
    TRACK,
    WORD,
    argument,
    arguments_of,
)
from lfmvl_ros.core.config_triggers import TriggerSettings

_CAMERA = "Name of the camera, where there are several; empty: all of them."
MODES = TriggerSettings.describe()["mode"].choices
LONGEST_FIND_S = 3600.0
LONGEST_WATCH_S = 86400.0


@dataclass(frozen=True)
class Tool:
    """A call that is understood. Built by :func:`lfmvl_ros.core.commands.checking.understand`."""

    name: ClassVar[str] = ""

    @classmethod
    def help(cls) -> str:
        """Return what it does, in a sentence."""
        return (cls.__doc__ or "").partition("\n")[0]

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of its arguments."""
        known = arguments_of(cls)
        return {
            "type": "object",
            "properties": {name: item.schema() for name, item in known.items()},
            "required": [name for name, item in known.items() if item.required],
            "additionalProperties": False,
        }

    @classmethod
    def declaration(cls) -> dict[str, Any]:
        """Return name, meaning and arguments, as chat templates and agents take them."""
        return {"name": cls.name, "description": cls.help(), "parameters": cls.schema()}

    def to_document(self) -> dict[str, Any]:
        """Return the call as JSON has it."""
        arguments = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }
        return {"name": self.name, "arguments": arguments}


@dataclass(frozen=True)
class LookFor(Tool):
    """Look for these objects from now on, instead of what was looked for before."""

    name: ClassVar[str] = "look_for"
    labels: tuple[str, ...] = argument(LABELS, "What to look for, one phrase each.")


@dataclass(frozen=True)
class StopLooking(Tool):
    """Stop asking the model about camera images, until look_for is called again."""

    name: ClassVar[str] = "stop_looking"


@dataclass(frozen=True)
class Find(Tool):
    """Look until an object is confirmed, or until the time is over."""

    name: ClassVar[str] = "find"
    label: str = argument(LABEL, "What to find.")
    timeout_s: float = argument(
        SECONDS, "How long to look, seconds.", default=30.0, low=0.1, high=LONGEST_FIND_S
    )
    camera: str = argument(WORD, _CAMERA, default="")


@dataclass(frozen=True)
class Count(Tool):
    """Count the confirmed objects of a label that is in the query."""

    name: ClassVar[str] = "count"
    label: str = argument(LABEL, "What to count.")
    camera: str = argument(WORD, _CAMERA, default="")


@dataclass(frozen=True)
class WhereIs(Tool):
    """Say where the objects of a label are: their boxes, and their positions where known."""

    name: ClassVar[str] = "where_is"
    label: str = argument(LABEL, "What to locate.")
    camera: str = argument(WORD, _CAMERA, default="")


@dataclass(frozen=True)
class Follow(Tool):
    """Select the object that pick_pose and object_pose are about.

    Needs positions (``spatial.source``).
    """

    name: ClassVar[str] = "follow"
    id: int = argument(TRACK, "Id of the object, from find or where_is.")


@dataclass(frozen=True)
class Describe(Tool):
    """Describe the newest camera image in a sentence."""

    name: ClassVar[str] = "describe"
    camera: str = argument(
        WORD, "Name of the camera, where there are several; empty: the first.", default=""
    )


@dataclass(frozen=True)
class Read(Tool):
    """Read the text on the objects of a label that are in view.

    Needs the extra ``ocr``.
    """

    name: ClassVar[str] = "read"
    label: str = argument(LABEL, "On which objects to read.")
    timeout_s: float = argument(
        SECONDS, "How long to try, seconds.", default=5.0, low=0.1, high=LONGEST_FIND_S
    )
    camera: str = argument(WORD, _CAMERA, default="")


@dataclass(frozen=True)
class SetMode(Tool):
    """Set when the model is asked: continuous, rate, duty_cycle, motion or on_demand."""

    name: ClassVar[str] = "set_mode"
    trigger: str = argument(WORD, "The mode, as the parameter trigger.mode.", choices=MODES)


@dataclass(frozen=True)
class Watch(Tool):
    """Wait for an event of a rule, or until the time is over; an active event counts at once.

    The rules are those of the node's ``rules_file``.
    """

    name: ClassVar[str] = "watch"
    rule: str = argument(WORD, "Name of the rule.")
    timeout_s: float = argument(
        SECONDS, "How long to wait, seconds.", default=60.0, low=0.1, high=LONGEST_WATCH_S
    )
    camera: str = argument(WORD, _CAMERA, default="")


TOOLS: dict[str, type[Tool]] = {
    tool.name: tool
    for tool in (LookFor, StopLooking, Find, Count, WhereIs, Follow, Describe, Read, SetMode, Watch)
}
"""Every tool by name."""


def declarations(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the declarations of the tools of these names, in the order of :data:`TOOLS`."""
    selected = set(names)
    return [tool.declaration() for name, tool in TOOLS.items() if name in selected]

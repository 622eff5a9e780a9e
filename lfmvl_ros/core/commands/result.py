# SPDX-License-Identifier: Apache-2.0
"""Content of the topic ``command_result``: what was understood, done and refused, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lfmvl_ros.core.commands.tools import Tool
from lfmvl_ros.core.timeline import stamp_document

SCHEMA = "lfmvl/command_result/1"


class Status(str, Enum):
    """State of a command, or of one of its calls.

    ``done``: it was done, even if the object it looked for was not found. ``running``: more results
    follow. ``refused``: nothing was done. ``failed``: it was begun and could not be done.
    ``cancelled``: somebody ended it. ``skipped``: a call before it was not done.
    """

    DONE = "done"
    RUNNING = "running"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        """True when nothing more follows."""
        return self is not Status.RUNNING


@dataclass(frozen=True)
class ToolProgress:
    """Progress of a tool: a sentence for people, and data for programs."""

    text: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """Result of one call: its status, a sentence for people, and data for programs."""

    status: Status
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CommandResult:
    """One message about a command.

    Attributes:
        id: of the command.
        stamp_ns: ROS time of the message.
        status: of the whole command.
        message: a sentence for people.
        command: what was sent, shortened.
        kind: ``sentence``, ``calls``, ``cancel``, or ``unreadable``.
        dry_run: nothing was done, only checked.
        tools: what was understood.
        outcomes: what came of the first of them, in their order.
        model: that read the sentence; "" where none did.
        model_text: what it wrote, shortened.
    """

    id: str
    stamp_ns: int
    status: Status
    message: str
    command: str = ""
    kind: str = "unreadable"
    dry_run: bool = False
    tools: tuple[Tool, ...] = ()
    outcomes: tuple[Done, ...] = ()
    model: str = ""
    model_text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of topic ``command_result`` (``lfmvl/command_result/1``)."""
        calls = []
        for i, tool in enumerate(self.tools):
            done = self.outcomes[i] if i < len(self.outcomes) else None
            calls.append(
                {
                    **tool.to_document(),
                    "status": None if done is None else done.status.value,
                    "text": "" if done is None else done.text,
                    "data": {} if done is None else dict(done.data),
                }
            )
        return {
            "schema": SCHEMA,
            "id": self.id,
            "stamp": stamp_document(self.stamp_ns),
            "command": self.command,
            "kind": self.kind,
            "status": self.status.value,
            "dry_run": self.dry_run,
            "message": self.message,
            "calls": calls,
            "model": self.model,
            "model_text": self.model_text,
        }

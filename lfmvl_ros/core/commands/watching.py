# SPDX-License-Identifier: Apache-2.0
"""The tool ``watch``: waits for an event of a rule; one that is already active counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping

from lfmvl_ros.core.commands.result import Done, Status, ToolProgress
from lfmvl_ros.core.commands.rule_events import RuleEvents
from lfmvl_ros.core.commands.tools import Watch
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.rules.event import Event
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.settings import nearest_name


def watch(
    tool: Watch,
    cameras: Callable[[], Mapping[str, RuleEvents]],
    check: Callable[[], object],
) -> Generator[ToolProgress | None, None, Done]:
    """Wait for an event of ``tool.rule``; one that is already active counts.

    Args:
        tool: what to wait for.
        cameras: returns the events by the name of the camera; empty without rules. An object other
            than before belongs to rules that were opened again.
        check: raises a :class:`UserError` when the node has stopped.

    Raises:
        UserError: there are no rules, or none of this name; it was removed while it was watched.
    """
    began_s, before = time.monotonic(), {name: (one, one.serial) for name, one in cameras().items()}
    while True:
        check()
        now = cameras()
        check_rule(tool, now)
        watched = {name: one for name, one in now.items() if tool.camera in ("", name)}
        elapsed_s = time.monotonic() - began_s
        for name, one in watched.items():
            known, serial = before.get(name, (one, 0))
            found = one.begun_after(tool.rule, serial if known is one else 0)
            if found := found or one.ongoing(tool.rule):
                return _happened(tool, found, elapsed_s)
        facts = {"rule": tool.rule, "elapsed_s": round(elapsed_s, 3), "timeout_s": tool.timeout_s}
        if elapsed_s >= tool.timeout_s:
            text = f"no event of {tool.rule} within {elapsed_s:.1f} s"
            return Done(Status.DONE, text, {"happened": False, **facts, "event": None})
        yield ToolProgress(f"waiting for an event of {tool.rule}", facts)


def check_rule(tool: Watch, cameras: Mapping[str, RuleEvents]) -> None:
    """Raise a :class:`UserError` if no such rule is in force for the camera."""
    of_camera = {name: one.names for name, one in cameras.items()}
    names = sorted({name for known in of_camera.values() for name in known})
    if not names:
        raise UserError("watch: there are no rules; give the node a rules_file (docs/rules.md)")
    if tool.rule not in names:
        near = nearest_name(tool.rule, names)
        meant = f"did you mean {near}?" if near else f"there are {', '.join(names)}"
        raise UserError(f"watch: there is no rule {quoted(tool.rule)}; {meant}")
    has_it = [name for name, known in of_camera.items() if tool.rule in known]
    if tool.camera and tool.camera not in has_it:
        raise UserError(f"watch: {tool.rule} is a rule of {', '.join(has_it)} only")


def _happened(tool: Watch, event: Event, elapsed_s: float) -> Done:
    document = event.to_dict()
    who = ", ".join(f"{track.label} {track.id}" for track in event.tracks) or "the scene"
    where = f" of {event.camera}" if event.camera else ""
    text = f"{tool.rule}{where}: {who}, probability {event.probability:.2f}"
    facts = {"happened": True, "rule": tool.rule, "elapsed_s": round(elapsed_s, 3)}
    return Done(Status.DONE, text, {**facts, "timeout_s": tool.timeout_s, "event": document})

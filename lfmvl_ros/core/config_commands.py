# SPDX-License-Identifier: Apache-2.0
"""Settings of commands: what operators and agents may do."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.commands.tools import TOOLS
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.settings import Group, nearest_name, setting


@dataclass(frozen=True)
class CommandSettings(Group):
    """What the topic command may do."""

    allow: tuple[str, ...] = setting(
        tuple(TOOLS),
        "Tools that may be called through the topic command (docs/commands.md). Remove those that "
        "change something (all but count, where_is, describe, read and watch) if operators may "
        "look but not change anything. "
        '[""] means none.',
    )
    dry_run: bool = setting(
        False,
        "Commands are parsed and checked but not executed. Set it to true to try out how "
        "sentences are understood.",
    )
    tool_syntax: str = setting(
        "checkpoint",
        "Format in which the model is given the tools when a command is a sentence. checkpoint: "
        "the one in its catalogue entry; if that has none, sentences are refused. Name a model "
        "family for a checkpoint of your own, or learned if it was trained on these tools and "
        "needs no list of them; none refuses all sentences.",
        choices=("checkpoint", "lfm2", "lfm2.5", "lfm3", "learned", "none"),
    )

    grammar: str = setting(
        "auto",
        "Constrained decoding of tool calls, for a model that runs in the node. auto: brackets and "
        "quotes of a call always close, where the package xgrammar is installed; none: no "
        "constraint. Choose none if a model calls tools better without it.",
        choices=("auto", "none"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.allow:  # an empty list has no type of its own in ROS: this is what it means
            object.__setattr__(self, "allow", ("",))
        for name in filter(None, self.allow):
            if name not in TOOLS:
                near = nearest_name(name, TOOLS)
                meant = f"did you mean {near}" if near else f"the tools are {', '.join(TOOLS)}"
                raise UserError(f"commands.allow: there is no tool {quoted(name)}; {meant}")

# SPDX-License-Identifier: Apache-2.0
"""Command-line flags made from the declared settings."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.settings import SettingInfo
from lfmvl_ros.core.user_files import user_path

# Those that only mean something to a node.
_NODE_ONLY = ("autostart", "bond_timeout", "cameras", "compressed_input", "query", "rules_file")
_NODE_GROUPS = (
    "collect.",
    "commands.",
    "diagnostics.",
    "drift.",
    "ego_motion.",
    "limits.",
    "memory.",
    "review.",
    "spatial.",
    "telemetry.",
    "trigger.",
)


def flag_of(name: str) -> str:
    """Return the flag of a setting.

    >>> flag_of("generation.max_new_tokens")
    '--generation-max-new-tokens'
    """
    return "--" + name.replace(".", "-").replace("_", "-")


def as_path(text: str) -> Path:
    """Convert a word of the command line to a path: argparse's ``type`` for every path."""
    try:
        return user_path(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def as_count(text: str) -> int:
    """Convert a word to a number of things, 1 or more: leave the flag out for no limit."""
    try:
        found = int(text)
    except ValueError:
        found = 0
    if not 1 <= found < 2**31:
        raise argparse.ArgumentTypeError(
            f"a whole number of 1 or more was expected, got {quoted(text)}"
        )
    return found


def value_of(info: SettingInfo) -> Any:
    """Return argparse's converter from a word of the command line to a setting's value."""

    def convert(text: str) -> object:
        if info.kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if info.choices:  # argparse's own message does not mention earlier names of a choice
            try:
                return info.check(text)
            except UserError as error:
                raise argparse.ArgumentTypeError(str(error)) from error
        return info.kind(text)

    convert.__name__ = info.kind.__name__
    return convert


def add_setting_flags(
    parser: argparse.ArgumentParser, settings: Iterable[SettingInfo] | None = None
) -> None:
    """Add a flag for each setting (those of the pipeline, by default), with its range and help."""
    group = parser.add_argument_group("settings")
    for info in pipeline_settings() if settings is None else settings:
        text = info.help.replace("%", "%%")
        extent = f", {info.low:g} to {info.high:g}" if info.low is not None else ""
        unit = f" {info.unit}" if info.unit else ""
        group.add_argument(
            flag_of(info.name),
            dest=f"setting:{info.name}",
            type=value_of(info),
            choices=info.choices or None,
            metavar=None if info.choices else info.name.rsplit(".", 1)[-1].upper(),
            default=None,
            help=f"{text} (default {info.default}{unit}{extent})",
        )


def pipeline_settings() -> list[SettingInfo]:
    """Return the settings that mean something without a node."""
    return [
        info
        for name, info in PerceptionSettings.describe().items()
        if name not in _NODE_ONLY and not name.startswith(_NODE_GROUPS)
    ]


def trigger_settings() -> list[SettingInfo]:
    """Return the settings of when the model is asked, for commands with a time of their own."""
    infos = PerceptionSettings.describe()
    return [info for name, info in infos.items() if name.startswith("trigger.")]


def settings_from(args: argparse.Namespace, **extra: object) -> PerceptionSettings:
    """Return the settings given by the flags and ``extra``.

    Raises:
        UserError: a value is out of its range.
    """
    changes = {**changed_settings(args), **extra}
    try:
        return PerceptionSettings().updated(changes)
    except UserError as error:
        raise UserError(f"{error}; see --help for what each setting takes") from error


def changed_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that flags were given for, by name."""
    return {
        key.removeprefix("setting:"): value
        for key, value in vars(args).items()
        if key.startswith("setting:") and value is not None
    }

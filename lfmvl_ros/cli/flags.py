# SPDX-License-Identifier: Apache-2.0
"""Command-line flags made from the declared settings."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.settings import SettingInfo
from lfmvl_ros.core.user_files import user_path

MOST = 2**31 - 1
"""The largest whole number that a flag takes."""

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
    "reading.",
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


def whole_number(least: int = 0, most: int = MOST) -> Callable[[str], int]:
    """Return argparse's ``type`` for a whole number from ``least`` to ``most``."""

    def convert(text: str) -> int:
        with contextlib.suppress(ValueError):
            if least <= (found := int(text)) <= most:
                return found
        extent = f"of {least} or more" if most == MOST else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(
            f"a whole number {extent} was expected, got {quoted(text)}"
        )

    return convert


as_count = whole_number(1)
"""A number of things: leave the flag out for no limit."""


def number(low: float, high: float = math.inf, unit: str = "") -> Callable[[str], float]:
    """Return argparse's ``type`` for a finite number from ``low`` to ``high``."""

    def convert(text: str) -> float:
        with contextlib.suppress(ValueError):
            if low <= (found := float(text)) <= high and is_number(found):
                return found
        of_unit = f" {unit}" if unit else ""
        extent = f"of {low:g}{of_unit} or more"
        if high != math.inf:
            extent = f"from {low:g} to {high:g}{of_unit}"
        raise argparse.ArgumentTypeError(f"a number {extent} was expected, got {quoted(text)}")

    return convert


def value_of(info: SettingInfo) -> Any:
    """Return argparse's converter from a word of the command line to a setting's value."""

    def convert(text: str) -> object:
        if info.kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if info.kind is tuple:  # texts, separated by commas
            return tuple(part.strip() for part in text.split(","))
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
    """Add a flag for each setting (those of the pipeline, by default), with its range and help.

    A command that has a default of its own for one sets it before, as ``setting:NAME``.
    """
    group = parser.add_argument_group("settings")
    for info in pipeline_settings() if settings is None else settings:
        text = info.help.replace("%", "%%")
        extent = f", {info.low:g} to {info.high:g}" if info.low is not None else ""
        unit = f" {info.unit}" if info.unit else ""
        usual = parser.get_default(f"setting:{info.name}") or info.default
        if isinstance(usual, tuple):
            text, usual = f"{text} Separate several by commas.", ", ".join(usual)
        shown = "empty" if usual == "" else f"{usual}{unit}"
        group.add_argument(
            flag_of(info.name),
            dest=f"setting:{info.name}",
            type=value_of(info),
            choices=info.choices or None,
            metavar=None if info.choices else info.name.rsplit(".", 1)[-1].upper(),
            help=f"{text} (default {shown}{extent})",
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

# SPDX-License-Identifier: Apache-2.0
"""The command line's flags come from the declared settings."""

from __future__ import annotations

import argparse

import pytest

from lfmvl_ros.cli import flags
from lfmvl_ros.cli.main import build_parser, commands, main
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    flags.add_setting_flags(parser)
    return parser.parse_args(words)


def test_no_flags_are_the_declared_defaults() -> None:
    assert flags.settings_from(parse()) == PerceptionSettings()


def test_several_texts_are_separated_by_commas() -> None:
    args = parse("--zoom-labels", "red tote, person")
    assert flags.settings_from(args).zoom.labels == ("red tote", "person")


@pytest.mark.parametrize("info", flags.pipeline_settings(), ids=lambda info: info.name)
def test_every_setting_can_be_given(info: object) -> None:
    value = info.choices[-1] if info.choices else info.default  # type: ignore[attr-defined]
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    args = parse(flags.flag_of(info.name), text)  # type: ignore[attr-defined]
    assert flags.settings_from(args).flat()[info.name] == value  # type: ignore[attr-defined]


def test_value_out_of_range_says_the_range() -> None:
    with pytest.raises(UserError, match=r"temperature must be between 0.0 and 2.0, got 9.0"):
        flags.settings_from(parse("--generation-temperature", "9"))


@pytest.mark.parametrize("command", commands())
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        main([command, "--help"])
    assert leave.value.code == 0
    assert f"lfmvl {command}" in capsys.readouterr().out


def test_the_help_says_the_defaults_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "usage: lfmvl demo [options] Run camera_node" in text
    assert "stays if loading fails. (default bundled)" in text
    assert "folder for results (default out/demo)" in text
    assert "Longest answer" in text


def test_help_lists_every_command() -> None:
    text = build_parser().format_help()
    assert all(command in text for command in commands())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["ground", "missing.png", "--query", "tote"], "no image file"),
        (["track", "missing.mp4", "--query", "tote"], "no video file"),
        (["ground", "missing.png", "--query", " ,"], "query is empty"),
        (["demo", "--duration", "0"], "--duration: a number from 1 to 3600 s"),
        (["demo", "--no-such-flag"], "unrecognized arguments: --no-such-flag; `lfmvl demo --help`"),
        (["rules", "try", "--answer-hz", "0"], "--answer-hz: a number from 0.01 to 240 Hz"),
    ],
)
def test_user_errors_are_one_line_and_exit_code_2(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1

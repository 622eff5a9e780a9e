# SPDX-License-Identifier: Apache-2.0
"""``lfmvl COMMAND``: each command is a module of this package, imported only when it is called."""

from __future__ import annotations

import argparse
import codecs
import importlib
import io
import sys
from collections.abc import Sequence
from typing import Any

from lfmvl_ros import __version__, registry
from lfmvl_ros.cli.command import Command
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import escape
from lfmvl_ros.registry import COMMANDS
from lfmvl_ros.threads import apply_thread_policy

# One line each here, so that `lfmvl --help` imports neither torch nor OpenCV.
_OWN = {
    "demo": "camera, perception node and a subscriber over DDS; pictures and figures in out/demo",
    "ground": "find objects in an image, print the grounding JSON",
    "track": "find and track objects in a video",
    "tokens": "image size -> tiles and image tokens, and what each setting would change",
    "export": "write a checkpoint as GGUF files for llama.cpp's server",
    "calibrate": "fit and measure what a checkpoint's confidences mean, on held-out scenes",
    "doctor": "check installation, checkpoint, DDS settings and camera topic; say what is wrong",
    "config": "print every setting: YAML for a node, or the documentation's table",
}


# Registered by lfmvl_warehouse; named here so that its absence can be explained.
_OF_THE_WAREHOUSE = ("scenes", "train")


def commands() -> dict[str, Command]:
    """Return every command by name: those of this package, then registered ones."""
    found = {name: Command(line, f"lfmvl_ros.cli.{name}") for name, line in _OWN.items()}
    for name in registry.names(COMMANDS):
        try:
            found[name] = registry.load(COMMANDS, name)
        except UserError as error:  # must not take the other commands away
            found[name] = Command(f"not usable: {error}", "")
    return found


def _module_of(name: str) -> Any:
    command = commands().get(name)
    if command is None or not command.module:
        registry.load(COMMANDS, name)  # raises what is wrong
    assert command is not None
    return importlib.import_module(command.module)


def build_parser() -> argparse.ArgumentParser:
    """Return the top-level parser; a command's own flags are added when it is called."""
    parser = argparse.ArgumentParser(
        prog="lfmvl",
        description="Ask images and camera topics for objects in words, with LFM2-VL models.",
        epilog="`lfmvl COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"lfmvl_ros {__version__}")
    listing = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    known = commands()
    absent = {n: Command("not installed", "") for n in _OF_THE_WAREHOUSE if n not in known}
    for name, command in {**known, **absent}.items():
        listing.add_parser(name, help=command.line, add_help=False)
    return parser


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Stand for what a terminal's encoding lacks, so that printed JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(escape, error.object[error.start : error.end])), error.end


def _print_in_any_encoding() -> None:
    """Let ``print`` escape what standard output can't encode, instead of ending in an error."""
    codecs.register_error("lfmvl_escape", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="lfmvl_escape")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. A :class:`UserError` is one line and code 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    known, rest = build_parser().parse_known_args(arguments[:1])
    rest += arguments[1:]
    _print_in_any_encoding()
    apply_thread_policy()  # before the command imports torch
    try:
        command = _module_of(known.command)
        parser = argparse.ArgumentParser(prog=f"lfmvl {known.command}", description=command.HELP)
        command.configure(parser)
        return int(command.run(parser.parse_args(rest)))
    except UserError as error:
        print(f"lfmvl {known.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    except OSError as error:  # a folder that can't be made, a disk that is full
        print(f"lfmvl {known.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""``lfmvl COMMAND``: each command is a module of this package, imported only when it is called.

A command that fails ends with an exit code and one sentence. ``--debug`` adds the traceback.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in typing, but without its import, so that signals are handled earlier
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from lfmvl_ros.cli.command import Command
    from lfmvl_ros.core.interrupts import InterruptWatch

# One line each here, so that `lfmvl --help` imports neither torch nor OpenCV.
_OWN = {
    "demo": "camera, perception node and a subscriber over DDS; images and figures in out/demo",
    "ground": "find objects in an image, print the grounding JSON",
    "track": "find and track objects in a video",
    "rules": "check a file of zones and rules about the tracks, or try it on a video",
    "review": "a local page that shows events which wait for a person, and takes answers",
    "say": "give a running node a sentence or a tool call, and see what becomes of it",
    "where": "where an object was last seen, from the memory of a node",
    "read": "the text in an image, with a confidence for each line",
    "tokens": "image size -> tiles and image tokens, and what each setting would change",
    "finetune": "fine-tune a checkpoint on your own labelled images",
    "models": "the known checkpoints: boxes, coordinates, sampling, GGUF files",
    "export": "write a checkpoint as GGUF files for llama.cpp's server",
    "calibrate": "fit and measure the calibration of a checkpoint's confidences",
    "evaluate": "measure models on labelled images: a scorecard, as JSON and as a page",
    "collected": "keys for a robot's encrypted samples, and the samples decrypted",
    "compare": "ask several models or precisions the same: accuracy, equal answers, time, memory",
    "record": "write a bag of camera images: a rendered scene, a video or a folder",
    "replay": "run the pipeline on a bag without ROS, write tracks into a new one",
    "mcp": "offer the tools of a running node to agents, over stdio or HTTP",
    "licences": "licences of weights, packages and data sets; fails on unknown ones",
    "doctor": "check installation, checkpoint, DDS settings and camera topic; report what is wrong",
    "config": "print every setting: YAML for a node, or the documentation's table",
}


# Registered by lfmvl_warehouse; named here so that its absence can be explained.
_OF_THE_WAREHOUSE = ("scenes", "train")


def commands() -> dict[str, Command]:
    """Return every command by name: those of this package, then registered ones."""
    from lfmvl_ros import registry
    from lfmvl_ros.cli.command import Command
    from lfmvl_ros.core.errors import UserError

    found = {name: Command(line, f"lfmvl_ros.cli.{name}") for name, line in _OWN.items()}
    for name in registry.names(registry.COMMANDS):
        try:
            found[name] = registry.load(registry.COMMANDS, name)
        except UserError as error:  # must not take the other commands away
            found[name] = Command(f"not usable: {error}", "")
    return found


def _module_of(name: str) -> Any:
    import importlib

    from lfmvl_ros import registry

    command = commands().get(name)
    if command is None or not command.module:
        registry.load(registry.COMMANDS, name)  # raises what is wrong
    assert command is not None
    return importlib.import_module(command.module)


def build_parser() -> argparse.ArgumentParser:
    """Return the top-level parser; a command's own flags are added when it is called."""
    import argparse

    from lfmvl_ros import __version__
    from lfmvl_ros.cli.command import Command

    parser = argparse.ArgumentParser(
        prog="lfmvl",
        description="Find objects named in words in images and camera topics, with LFM2-VL models.",
        epilog="`lfmvl COMMAND --help` explains a command. With --debug, a command that fails "
        "prints the traceback.",
    )
    parser.add_argument("--version", action="version", version=f"lfmvl_ros {__version__}")
    listing = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    known = commands()
    absent = {n: Command("not installed", "") for n in _OF_THE_WAREHOUSE if n not in known}
    for name, command in {**known, **absent}.items():
        listing.add_parser(name, help=command.line, add_help=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code.

    0: done. 1: done, and the result is negative (see the command). 2: an error that the user can
    fix, described on standard error. 3: a defect of this package. 130 and 143: ended by Ctrl-C
    or SIGTERM.
    """
    from lfmvl_ros.core.interrupts import InterruptWatch

    arguments = list(sys.argv[1:] if argv is None else argv)
    named = {*_OWN, *_OF_THE_WAREHOUSE}
    name = f"lfmvl {arguments[0]}" if arguments and arguments[0] in named else "lfmvl"
    with InterruptWatch(lambda word: _say(f"{name}: {word}")) as watch:
        from lfmvl_ros.cli.endings import Endings

        endings = Endings(name, debug="--debug" in arguments, watch=watch)
        code = endings.run(lambda: _run(arguments, watch))
        if argv is None:  # this process ends now
            watch.leave_default()
        return code


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _without_lone_dashes(parser: argparse.ArgumentParser, words: list[str]) -> list[str]:
    """Refuse ``--flag=--``: argparse up to Python 3.12 makes an empty list of such a value."""
    for word in words[: words.index("--")] if "--" in words else words:
        if word.startswith("-") and word.endswith("=--"):
            parser.error(f"argument {word.removesuffix('=--')}: expected a value, got '--'")
    return words


def _run(arguments: Sequence[str], watch: InterruptWatch) -> int:
    """Run a command; raises whatever it raises."""
    from lfmvl_ros.cli.parser import CommandParser
    from lfmvl_ros.threads import apply_thread_policy

    known, rest = build_parser().parse_known_args(arguments[:1])
    apply_thread_policy()  # before the command imports torch
    command = _module_of(known.command)
    parser = CommandParser(prog=f"lfmvl {known.command}", description=command.HELP)
    command.configure(parser)
    parser.add_argument("--debug", action="store_true", help="print the traceback of a failure")
    words = parser.parse_args(_without_lone_dashes(parser, [*rest, *arguments[1:]]))
    watch.begin()
    return int(command.run(words))


if __name__ == "__main__":
    sys.exit(main())

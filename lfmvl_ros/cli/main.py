# SPDX-License-Identifier: Apache-2.0
"""``lfmvl COMMAND``: each command is a module of this package, imported only when it is called.

Whatever a command meets, it ends with an exit code and at most a sentence, never with a traceback;
``--debug`` brings the traceback back.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing's, without the import: signals are handled the sooner
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from lfmvl_ros.interrupts import InterruptWatch

# One line each here, so that `lfmvl --help` imports neither torch nor OpenCV.
COMMANDS = {
    "demo": "camera, perception node and a subscriber over DDS; pictures and figures in out/demo",
    "ground": "find objects in an image, print the grounding JSON",
    "track": "find and track objects in a video",
    "tokens": "image size -> tiles and image tokens, and what each setting would change",
    "scenes": "draw synthetic warehouse scenes with their true boxes",
    "train": "train a small checkpoint on the synthetic scenes or your own pictures",
    "calibrate": "fit and measure what a checkpoint's confidences mean, on held-out scenes",
    "doctor": "check installation, checkpoint, DDS settings and camera topic; say what is wrong",
    "config": "print every setting: YAML for a node, or the documentation's table",
}


def build_parser() -> argparse.ArgumentParser:
    """Return the top-level parser; a command's own flags are added when it is called."""
    import argparse

    from lfmvl_ros import __version__

    parser = argparse.ArgumentParser(
        prog="lfmvl",
        description="Ask images and camera topics for objects in words, with LFM2-VL models.",
        epilog="`lfmvl COMMAND --help` explains a command. With --debug, a command that fails "
        "prints the traceback.",
    )
    parser.add_argument("--version", action="version", version=f"lfmvl_ros {__version__}")
    listing = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, line in COMMANDS.items():
        listing.add_parser(name, help=line, add_help=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code.

    0: done. 1: done, and the result is negative (see the command). 2: something the user can mend,
    said in a sentence on standard error. 3: a defect of this package. 130 and 143: ended by Ctrl-C
    or SIGTERM.
    """
    from lfmvl_ros.interrupts import InterruptWatch

    arguments = list(sys.argv[1:] if argv is None else argv)
    name = f"lfmvl {arguments[0]}" if arguments and arguments[0] in COMMANDS else "lfmvl"
    with InterruptWatch(lambda word: _say(f"{name}: {word}")) as watch:
        from lfmvl_ros.cli.endings import Endings

        endings = Endings(name, debug="--debug" in arguments, watch=watch)
        code = endings.run(lambda: _run(arguments, watch))
        if argv is None:  # this process ends now
            watch.leave_default()
        return code


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _run(arguments: Sequence[str], watch: InterruptWatch) -> int:
    """Run a command; raises whatever it raises."""
    import argparse
    import importlib

    from lfmvl_ros.threads import apply_thread_policy

    known, rest = build_parser().parse_known_args(arguments[:1])
    apply_thread_policy()  # before the command imports torch
    command = importlib.import_module(f"lfmvl_ros.cli.{known.command}")
    parser = argparse.ArgumentParser(prog=f"lfmvl {known.command}", description=command.HELP)
    command.configure(parser)
    parser.add_argument("--debug", action="store_true", help="print the traceback of a failure")
    words = parser.parse_args([*rest, *arguments[1:]])
    watch.begin()
    return int(command.run(words))


if __name__ == "__main__":
    sys.exit(main())

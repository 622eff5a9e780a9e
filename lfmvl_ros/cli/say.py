# SPDX-License-Identifier: Apache-2.0
"""``lfmvl say "look for crates"``: one command to a running node, and what becomes of it."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from typing import Any

from lfmvl_ros.agents.commands import NobodyAnswersError, NodeCommands
from lfmvl_ros.agents.link import Link
from lfmvl_ros.cli.flags import number, whole_number
from lfmvl_ros.cli.node_link import DEMO_DOMAIN, open_link
from lfmvl_ros.core.commands.json_calls import strict_json
from lfmvl_ros.core.commands.request import parse_request
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.ros_domain import HIGHEST_DOMAIN
from lfmvl_ros.core.safe_text import json_text, safe_text
from lfmvl_ros.core.whole_files import finite

HELP = (
    "Give a running perception node a sentence, or a tool call as JSON (docs/commands.md), over "
    "the topic command, and print what was understood, done or refused, and why. `lfmvl demo` is "
    "such a node, with --domain 77. Exit code 0 when it was done, 1 when it was refused, failed or "
    "was cancelled. Ctrl-C cancels the command."
)
_CONNECT_S, _SILENCE_S, _PROGRESS_S = 10.0, 60.0, 5.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "command",
        nargs="+",
        metavar="SENTENCE",
        help="a sentence, such as 'count the crates', or JSON, such as "
        """'{"name": "count", "arguments": {"label": "crate"}}'; several words are one sentence""",
    )
    parser.add_argument("--namespace", default="/lfmvl", help="namespace of the node")
    parser.add_argument(
        "--domain",
        type=whole_number(0, HIGHEST_DOMAIN),
        metavar="N",
        help=f"ROS domain of the node (default ROS_DOMAIN_ID, or 0; `lfmvl demo`: {DEMO_DOMAIN})",
    )
    parser.add_argument(
        "--timeout",
        type=number(0.1, 86_400, "s"),
        metavar="S",
        help=f"give up when no node answers for so many seconds (default {_CONNECT_S:g}), or when "
        f"nothing is heard about the command for so long (default {_SILENCE_S:g}; a find that "
        "runs is heard of twice a second). Raise it for a slow model",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="let the node only say what it understands"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON, too, last")


def run(args: argparse.Namespace) -> int:
    """Send, wait and print; exit code 0, or 1 when the command was not done."""
    command = command_of(" ".join(args.command), dry_run=args.dry_run)
    with open_link(args.namespace, args.domain, "say") as link:
        commands = NodeCommands(link, "say", args.timeout or _CONNECT_S, args.timeout or _SILENCE_S)
        try:
            result = asyncio.run(_result(commands, command))
        except NobodyAnswersError as error:
            raise UserError(f"{error}{_where_to_look(link)}") from error
    for line in in_words(result):
        print(line)
    if args.json:
        print(json_text(finite(result)))
    return 0 if result["status"] == "done" else 1


def command_of(text: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Return what to send; as an object even for a sentence, so that it can have an id.

    Raises:
        UserError: no node can read it.
    """
    parse_request(text)
    words = text.strip()
    document: Any = strict_json(words) if words[0] in "{[" else {"sentence": words}
    command = {"calls": document} if isinstance(document, list) else dict(document)
    return command | {"dry_run": True} if dry_run else command


def in_words(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines for people about a final result: what was understood, and what became of it."""
    calls = result["calls"]
    for call in calls:
        # One call has the status of the command, which is on the last line.
        became = f" ({call.get('status') or 'not started'})" if len(calls) > 1 else ""
        yield safe_text(f"understood: {_call(call)}{became}")
    status = "refused, nothing was done" if result["status"] == "refused" else result["status"]
    if result["status"] == "done" and result.get("dry_run"):
        status = "dry run"
    yield safe_text(f"{status}: {result['message']}")


def _call(call: Mapping[str, Any]) -> str:
    given = (
        f"{k}={json_text(finite(v))}" for k, v in call["arguments"].items() if v not in ("", None)
    )
    return f"{call['name']}({', '.join(given)})"


async def _result(commands: NodeCommands, command: Mapping[str, Any]) -> dict[str, Any]:
    """Return the final result; print on the way that the command is still running."""
    next_s, result = time.monotonic(), {}
    async with aclosing(commands.results(command)) as results:
        async for result in results:
            if result["status"] == "running" and time.monotonic() >= next_s:
                next_s = time.monotonic() + _PROGRESS_S
                print(f"lfmvl say: {safe_text(result['message'])}", file=sys.stderr, flush=True)
    return result


def _where_to_look(link: Link) -> str:
    """Return what a newcomer misses most often, where nothing answers in the whole domain."""
    if link.nodes() or link.namespaces():
        return ""
    if link.domain == DEMO_DOMAIN:
        return "; `lfmvl demo` takes commands while it runs: is it still running?"
    return f"; `lfmvl demo` is in domain {DEMO_DOMAIN}: add --domain {DEMO_DOMAIN}"

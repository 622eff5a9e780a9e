# SPDX-License-Identifier: Apache-2.0
"""``lfmvl mcp``: the tools of a running node for agents."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
from importlib import metadata

from lfmvl_ros.cli.flags import whole_number
from lfmvl_ros.cli.node_link import open_link
from lfmvl_ros.core.errors import UserError

HELP = (
    "Offer the tools of a running perception node (docs/commands.md) to an MCP client: over "
    "standard input and output, or with --http on this machine with a token."
)
TOKEN = "LFMVL_MCP_TOKEN"
_INSTALL = "pip install 'mcp>=2' (extra lfmvl_ros[mcp])"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--namespace", default="/lfmvl", help="namespace of the node")
    parser.add_argument(
        "--http",
        type=whole_number(0, 65_535),
        metavar="PORT",
        help="serve http://127.0.0.1:PORT/mcp instead (0: a free port). Clients send the header "
        f"'Authorization: Bearer TOKEN' with the token of the environment variable {TOKEN}; "
        "without that, a random one is generated and printed",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until the client leaves or a signal comes; exit code 0."""
    _check_mcp()
    from lfmvl_ros.agents.serving import serve_http, serve_stdio

    with open_link(args.namespace) as link:
        if args.http is None:
            serve_stdio(link)
            return 0
        token = os.environ.get(TOKEN) or secrets.token_urlsafe(32)
        shown = f"the token of {TOKEN}" if os.environ.get(TOKEN) else f"token {token}"
        asyncio.run(serve_http(link, args.http, token, lambda url: _say(f"{url}, {shown}")))
    return 0


def _say(line: str) -> None:
    print(f"lfmvl mcp: {line}", file=sys.stderr, flush=True)


def _check_mcp() -> None:
    """Raise a :class:`UserError` where the package mcp is missing or too old."""
    try:
        version = metadata.version("mcp")
    except metadata.PackageNotFoundError as error:
        raise UserError(f"this needs the Python package mcp; install it: {_INSTALL}") from error
    if int(version.partition(".")[0]) < 2:
        raise UserError(f"mcp {version} is too old; install a newer one: {_INSTALL}")

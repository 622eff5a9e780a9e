# SPDX-License-Identifier: Apache-2.0
"""The way from a command to a running node, for ``lfmvl say`` and ``lfmvl mcp``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lfmvl_ros.core.errors import UserError

if TYPE_CHECKING:
    from lfmvl_ros.ros.command_link import CommandLink

DEMO_DOMAIN = 77
"""The ROS domain of ``lfmvl demo``, where the user names no other."""


def open_link(namespace: str, domain: int | None = None, client: str = "mcp") -> CommandLink:
    """Return the way to a node.

    Raises:
        UserError: there is no ROS here, it can't start, or no namespace has this name.
    """
    try:
        from lfmvl_ros.ros.command_link import CommandLink
    except ImportError as error:
        raise UserError(
            f"this needs ROS 2, which can't be imported ({error}); source it, or use the "
            "environment of `make setup`"
        ) from error
    return CommandLink(namespace, domain, client)

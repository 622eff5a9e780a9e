# SPDX-License-Identifier: Apache-2.0
"""The heartbeat by which Nav2's lifecycle manager notices that a node has died.

The manager expects one from every node it manages when its own ``bond_timeout`` is above 0. The
protocol is that of the ROS package bondpy, which not every installation has: without it the node
runs as ever, and the manager's ``bond_timeout`` has to be 0.
"""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode

_TOPIC, _PERIOD_S = "bond", 0.1  # as Nav2's own nodes have them


class LifecycleBond:
    """A bond between the manager and this node while it is active."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._bond: Any = None
        self._told = False

    def form(self, timeout_s: float) -> None:
        """Start the heartbeat; nothing where ``timeout_s`` is 0 or bondpy is not installed."""
        self.end()
        if timeout_s <= 0:
            return
        try:
            from bondpy.bondpy import Bond
        except ImportError as error:
            if not self._told:
                self._told = True
                self._node.get_logger().warning(
                    f"bond_timeout is {timeout_s:g} s, but there is no bondpy ({error}); the node "
                    "runs without a bond: install ros-<distro>-bondpy, or set bond_timeout to 0 "
                    "here and at the lifecycle manager"
                )
            return
        bond = Bond(_TOPIC, self._node.get_name(), self._node)
        bond.set_heartbeat_period(_PERIOD_S)
        bond.set_heartbeat_timeout(timeout_s)
        bond.start()
        self._bond = bond

    def end(self) -> None:
        """Tell the manager that the node leaves on purpose."""
        bond, self._bond = self._bond, None
        if bond is not None:
            bond.shutdown()

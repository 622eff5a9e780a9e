# SPDX-License-Identifier: Apache-2.0
"""The heartbeat by which Nav2's lifecycle manager notices that a node has died.

The manager expects one from every node it manages when its own ``bond_timeout`` is above 0. The
protocol is that of the ROS package bondpy, which not every installation has. Without it the node
runs normally, and the manager's ``bond_timeout`` has to be 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.publisher import Publisher

_TOPIC, _PERIOD_S = "bond", 0.1  # as in Nav2's own nodes
_GOODBYE_S = 0.5  # longest wait for the manager to acknowledge


class LifecycleBond:
    """A bond between the manager and this node while it is active."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._bond: Any = None
        self._warned = False

    def form(self, timeout_s: float) -> None:
        """Start the heartbeat, unless ``timeout_s`` is 0 or bondpy is not installed."""
        self.end()
        if timeout_s <= 0:
            return
        try:
            from bondpy.bondpy import Bond
        except ImportError as error:
            if not self._warned:
                self._warned = True
                self._node.get_logger().warning(
                    f"bond_timeout is {timeout_s:g} s, but there is no bondpy ({error}); the node "
                    "runs without a bond: install ros-<distro>-bondpy, or set bond_timeout to 0 "
                    "here and at the lifecycle manager"
                )
            return
        bond = Bond(_TOPIC, self._node.get_name(), _NodeOfBond(self._node))
        bond.set_heartbeat_period(_PERIOD_S)
        bond.set_heartbeat_timeout(timeout_s)
        bond.start()
        self._bond = bond

    def end(self) -> None:
        """Notify the manager that the node ends on purpose."""
        bond, self._bond = self._bond, None
        if bond is not None:
            bond.shutdown()


class _NodeOfBond:
    """The node as given to bondpy: what bondpy destroys is also removed from the node's lists.

    bondpy calls ``destroy`` on its publisher and subscription, which rclpy's documentation advises
    against: an executor raises InvalidHandle if they are still in the node's lists.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    def create_publisher(self, *args: Any) -> _Endpoint:
        return _Endpoint(self._node.create_publisher(*args), self._destroy_publisher)

    def create_subscription(self, *args: Any) -> _Endpoint:
        return _Endpoint(self._node.create_subscription(*args), self._node.destroy_subscription)

    def _destroy_publisher(self, publisher: Publisher) -> bool:
        # The last message is not sent again once the publisher is destroyed.
        publisher.wait_for_all_acked(Duration(seconds=_GOODBYE_S))
        return bool(self._node.destroy_publisher(publisher))


class _Endpoint:
    def __init__(self, endpoint: Any, destroy: Callable[[Any], bool]) -> None:
        self._endpoint, self._destroy = endpoint, destroy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._endpoint, name)

    def destroy(self) -> None:
        self._destroy(self._endpoint)

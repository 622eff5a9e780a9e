# SPDX-License-Identifier: Apache-2.0
"""What clients need of the way to a node; over ROS it is ``lfmvl_ros.ros.command_link``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class AnnotatedImage:
    """An encoded image.

    Attributes:
        data: as received.
        mime_type: of ``data``.
        stamp_ns: ROS time of the camera frame.
    """

    data: bytes
    mime_type: str
    stamp_ns: int


class Link(Protocol):
    """A way to one node. Listeners are called in another thread and must not block."""

    @property
    def namespace(self) -> str:
        """Where the node is."""

    @property
    def domain(self) -> int:
        """The ROS domain that it is in."""

    def namespaces(self) -> frozenset[str]:
        """Return all namespaces of the domain in which something answers commands."""

    def nodes(self) -> frozenset[bytes]:
        """Return what identifies the nodes that take and answer commands; may be empty."""

    def send(self, document: Mapping[str, Any]) -> None:
        """Send a command."""

    def listen(self, id_: str, on_result: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
        """Call ``on_result`` with every result of a command.

        Returns:
            A function that ends this.
        """

    def watch(
        self, camera: str, on_image: Callable[[AnnotatedImage], object]
    ) -> Callable[[], None]:
        """Call ``on_image`` with every annotated frame of a camera.

        Returns:
            A function that ends this.

        Raises:
            UserError: no topic can have this name.
        """

# SPDX-License-Identifier: Apache-2.0
"""Write a bag of ROS 2: a folder with an MCAP file, complete or absent."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lfmvl_ros.bags.reading import Recorded
from lfmvl_ros.bags.types import typestore
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.interrupts import tidied_by
from lfmvl_ros.core.whole_files import make_folder, writing


class BagWriter:
    """Writes messages; see :func:`new_bag`."""

    def __init__(self, writer: Any, store: Any) -> None:
        self._writer, self._store = writer, store
        self._connections: dict[str, Any] = {}
        self.counts: dict[str, int] = {}

    def write(self, topic: str, kind: str, message: Any, time_ns: int) -> None:
        """Append a message of a type.

        Raises:
            UserError: it can't be written.
        """
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._store
            )
        data = self._store.serialize_cdr(message, kind)
        self._append(topic, time_ns, data)

    def copy(self, message: Recorded, types: Any) -> None:
        """Append a message of another bag as it is.

        Args:
            message: from that bag.
            types: of that bag.
        """
        topic = message.topic
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, message.connection.msgtype, typestore=types
            )
        self._append(topic, message.time_ns, message.data)

    def _append(self, topic: str, time_ns: int, data: Any) -> None:
        with writing(self._writer.path):
            self._writer.write(self._connections[topic], time_ns, data)
        self.counts[topic] = self.counts.get(topic, 0) + 1


@contextlib.contextmanager
def new_bag(path: Path) -> Iterator[BagWriter]:
    """Open a new bag; where the block raises, nothing is left of it.

    Raises:
        UserError: there is something at ``path``, or it can't be written.
    """
    store = typestore()
    from rosbags.rosbag2 import StoragePlugin, Writer

    with writing(path):
        there = path.exists()
    if there:
        raise UserError(f"{path} exists already; name a new folder, or remove this one")
    make_folder(path.parent)
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)

    def remove() -> None:
        shutil.rmtree(path, ignore_errors=True)

    with writing(path), tidied_by(remove):
        try:
            with writer:
                yield BagWriter(writer, store)
        except BaseException:
            remove()
            raise

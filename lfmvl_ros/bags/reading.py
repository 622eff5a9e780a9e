# SPDX-License-Identifier: Apache-2.0
"""Read a bag: which topics it has, and their messages in the order in which they were recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lfmvl_ros.bags.types import typestore
from lfmvl_ros.bags.video import VIDEO_TYPES
from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import check_regular, exists, inside, is_directory, read_yaml

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
IMU, TRANSFORMS = "sensor_msgs/msg/Imu", "tf2_msgs/msg/TFMessage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
IMAGE_TYPES = (RAW, COMPRESSED, *VIDEO_TYPES)
_METADATA = "metadata.yaml"
_DEPTH = ("depth", "compressedDepth")


@dataclass(frozen=True)
class Topic:
    """A topic of a bag: name, type, and how many messages it has."""

    name: str
    kind: str
    count: int


@dataclass(frozen=True, eq=False)
class Recorded:
    """A message of a bag.

    Attributes:
        topic: its name.
        time_ns: when it was recorded.
        data: its bytes (CDR).
        connection: as rosbags has it, to copy the message.
    """

    topic: str
    time_ns: int
    data: bytes
    connection: Any


class Bag:
    """An open bag; see :func:`open_bag`."""

    def __init__(self, reader: Any, path: Path) -> None:
        self._reader, self.path = reader, path
        self.typestore = reader.typestore

    @property
    def topics(self) -> list[Topic]:
        """What there is, by name."""
        found: dict[str, Topic] = {}
        for item in self._reader.connections:
            known = found.get(item.topic)
            count = item.msgcount + (known.count if known else 0)
            found[item.topic] = Topic(item.topic, item.msgtype, count)
        return [found[name] for name in sorted(found)]

    def messages(self, topics: Sequence[str]) -> Iterator[Recorded]:
        """Yield the messages of some topics by the time of recording.

        Raises:
            UserError: the file is damaged.
        """
        wanted = [item for item in self._reader.connections if item.topic in topics]
        if not wanted:
            return
        try:
            for connection, time_ns, data in self._reader.messages(connections=wanted):
                yield Recorded(connection.topic, time_ns, bytes(data), connection)
        except Exception as error:  # of rosbags, zlib, sqlite: whatever damaged bytes bring
            raise UserError(f"{self.path} is damaged: {describe(error)}") from error

    def decode(self, message: Recorded) -> Any:
        """Return a message with its fields as attributes.

        Raises:
            ValueError: its bytes are not of its type.
        """
        try:
            return self._reader.deserialize(message.data, message.connection.msgtype)
        except Exception as error:  # struct.error, IndexError, UnicodeDecodeError ...
            raise ValueError(f"a message that can't be decoded ({describe(error)})") from error


@contextlib.contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Open a bag of ROS 2: a folder with metadata.yaml, or a single .mcap or .db3 file.

    Raises:
        UserError: there is none, or it can't be read.
    """
    store = typestore()
    from rosbags.highlevel import AnyReader

    _check_files(path)
    try:
        reader = AnyReader([path], default_typestore=store)
        reader.open()
        _check_connections(reader.connections)
    except Exception as error:  # rosbags raises many kinds on what is not a bag
        raise UserError(
            f"{path} can't be read as a bag of ROS 2: {describe(error)}; give a folder with "
            "metadata.yaml, or a whole .mcap or .db3 file"
        ) from error
    try:
        yield Bag(reader, path)
    finally:
        reader.close()


def _check_connections(connections: Sequence[Any]) -> None:
    """Refuse what rosbags takes from the metadata as it stands there.

    Raises:
        ValueError: a name or type of a topic is not text, or a count is not a number of messages.
    """
    for item in connections:
        for field, value in (("name", item.topic), ("type", item.msgtype)):
            if not isinstance(value, str):
                raise ValueError(f"the {field} of a topic is not a text but {quoted(repr(value))}")
        count = item.msgcount
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ValueError(f"message_count of {quoted(item.topic)} is {quoted(repr(count))}, no "
                             "whole number >= 0")  # fmt: skip


def _check_files(path: Path) -> None:
    """Refuse a bag that would be read without end, or from outside of its folder.

    rosbags takes the last part of each name in metadata.yaml, as old recorders wrote the folder
    before it.

    Raises:
        UserError: there is none; a name in its metadata leads out of its folder, or names what is
            no file.
    """
    if not exists(path):
        raise UserError(f"there is no bag {path}; give a folder with metadata.yaml, or its file")
    if not is_directory(path):
        check_regular(path)
        return
    metadata = path / _METADATA
    if not exists(metadata):
        raise UserError(f"{path} has no {_METADATA}, so it is not a bag of ROS 2; give the whole "
                        "folder, or its .mcap or .db3 file")  # fmt: skip
    document = read_yaml(metadata)
    found = document.get("rosbag2_bagfile_information") if isinstance(document, dict) else None
    names = found.get("relative_file_paths") if isinstance(found, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise UserError(f"{metadata} is damaged: it names no files; `ros2 bag reindex` writes it")
    for name in names:
        inside(path, name, metadata)
        check_regular(inside(path, PurePosixPath(name).name, metadata))


def image_topics(bag: Bag, wanted: Sequence[str]) -> dict[str, str]:
    """Return which topic each camera's images are on, by the name of the camera.

    A camera is named by what stands before ``image_raw`` or the like; the only one has no name.

    Args:
        bag: that is read.
        wanted: topics; empty: the only one that is there, the raw one where both forms are.

    Raises:
        UserError: there is none, or several to choose from.
    """
    known = {topic.name: topic for topic in bag.topics}
    if not wanted:
        return {"": _only_image_topic(bag)}
    for name in wanted:
        topic = known.get(name)
        if topic is None or topic.kind not in IMAGE_TYPES:
            is_what = f"is {topic.kind}" if topic else "is not in the bag"
            raise UserError(f"{name} {is_what}; image topics of {bag.path}: {_listed(bag)}")
    if len(wanted) == 1:
        return {"": wanted[0]}
    cameras = {_camera_of(name): name for name in wanted}
    if len(cameras) < len(wanted):
        raise UserError(f"two of {', '.join(wanted)} are the same camera; name one of each")
    return cameras


def _only_image_topic(bag: Bag) -> str:
    there = [t for t in bag.topics if t.kind in IMAGE_TYPES and t.count and not _is_depth(t.name)]
    raw = [t.name for t in there if t.kind == RAW]
    others = [t.name for t in there if t.name.removesuffix("/compressed") not in raw]
    choice = list(dict.fromkeys([*raw, *others]))
    if len(choice) == 1:
        return choice[0]
    if not choice:
        raise UserError(f"{bag.path} has no colour images; it has {_everything(bag)}")
    raise UserError(f"{bag.path} has several image topics: choose with --topic: {_listed(bag)}")


def _is_depth(name: str) -> bool:
    return any(word in name for word in _DEPTH)


def _camera_of(topic: str) -> str:
    parts = [part for part in topic.split("/") if part and part != "compressed"]
    return "/".join(parts[:-1]) or parts[0]


def _listed(bag: Bag) -> str:
    found = [f"{t.name} ({t.count})" for t in bag.topics if t.kind in IMAGE_TYPES]
    return ", ".join(found) or "none"


def _everything(bag: Bag) -> str:
    return ", ".join(f"{topic.name} ({topic.kind})" for topic in bag.topics) or "nothing"


def camera_info_topic(bag: Bag, images: str) -> str | None:
    """Return the ``camera_info`` beside an image topic, where the bag has it."""
    base = images.removesuffix("/compressed").removesuffix("/compressedDepth")
    name = f"{base.rpartition('/')[0]}/camera_info"
    return next((t.name for t in bag.topics if (t.name, t.kind) == (name, CAMERA_INFO)), None)


def imu_topic(bag: Bag, wanted: str | None = None) -> str:
    """Return the topic of the gyroscope: the one that is wanted, or the only one.

    Raises:
        UserError: there is none, or several to choose from.
    """
    return _only(bag, [t.name for t in bag.topics if t.kind == IMU], wanted, "--imu", IMU)


def depth_topic(bag: Bag, wanted: str | None = None) -> str:
    """Return the topic of the depth images: the one that is wanted, or the only one; raw first.

    Raises:
        UserError: there is none, or several to choose from.
    """
    there = [t for t in bag.topics if t.kind in (RAW, COMPRESSED) and t.count]
    if wanted is not None:
        return _only(bag, [t.name for t in there], wanted, "--depth", RAW)
    found = [t for t in there if _is_depth(t.name)]
    raw = [t.name for t in found if t.kind == RAW]
    return _only(bag, raw or [t.name for t in found], None, "--depth", RAW)


def _only(bag: Bag, there: list[str], wanted: str | None, flag: str, kind: str) -> str:
    if wanted in there:
        return wanted
    if wanted is not None or len(there) != 1:
        what = "several" if there else "none"
        if wanted is not None:
            what = f"no {quoted(wanted)}"
        raise UserError(
            f"{flag} names a topic of {kind}; {bag.path} has {what}: "
            f"{', '.join(there) or 'no such topic'}"
        )
    return there[0]

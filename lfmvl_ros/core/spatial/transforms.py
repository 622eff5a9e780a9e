# SPDX-License-Identifier: Apache-2.0
"""A buffer of transforms between frames, looked up at a stamp: what ``tf2`` does, without ROS.

Behaviour is that of ``tf2::BufferCore`` (ROS 2 Jazzy), so that either can stand behind a node:

* Between two samples of an edge the translation is interpolated linearly, the rotation by slerp.
* Nothing is extrapolated. A stamp outside an edge's samples raises :class:`ExtrapolationError`,
  also if the edge has a single sample with another stamp. Only edges on the path between the two
  frames count.
* A static edge is valid at every stamp. If a child changes between static and not, its earlier
  samples are forgotten.
* Samples are kept for ``keep_s``, counted as below; one that arrives older than that is dropped.
  Samples may arrive out of order; one with an equal stamp replaces the earlier one.
* A child may change its parent: between samples with different parents, the earlier one is used.

Three differences:

* Frames that form a loop are an error for all that is below it. tf2 still finds an ancestor that
  comes before the loop, and takes any path of 1000 frames for one.
* A stamp of 0 means "the latest" in tf2, so that positions of turning cameras come out wrong
  without a warning. Here 0 is a stamp like any other; :meth:`TransformBuffer.latest` is separate.
* ``keep_s`` is counted from the newest sample but one, so that an edge that is sent less often
  than that can be interpolated. tf2 counts from the newest and keeps one sample of such an edge.
"""

from __future__ import annotations

import difflib
import threading
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.spatial.edge import Edge, Sample
from lfmvl_ros.core.spatial.rigid import RigidTransform, as_quaternion, as_translation
from lfmvl_ros.core.timeline import NS_PER_S, check_stamp

KEEP_S = 10.0
# So many frames of a loop are named in a message, and so many that are like an unknown one.
_OF_LOOP, _LIKE_UNKNOWN = 8, 5
# Of longer names, the beginnings are compared: the time grows with the square of the length.
_COMPARED = 80


class TransformError(Exception):
    """No transform between two frames at a stamp; the message names frames and times."""


class UnknownFrameError(TransformError):
    """A frame that no transform has named so far."""


class DisconnectedError(TransformError):
    """Both frames are known, but no chain of transforms connects them."""


class ExtrapolationError(TransformError):
    """The stamp is outside the samples of an edge between the frames.

    Attributes:
        late: the newest sample is older than the stamp, so waiting may help; otherwise the samples
            begin after the stamp, and it won't.
    """

    def __init__(self, message: str, *, late: bool) -> None:
        super().__init__(message)
        self.late = late


class TransformBuffer:
    """Transforms between named frames over the last seconds; safe to use from several threads.

    Args:
        keep_s: how long samples are kept, > 0.

    Raises:
        ValueError: ``keep_s`` is not above 0, or not finite.

    >>> buffer = TransformBuffer()
    >>> buffer.add("map", "camera", 1_000_000_000, [0, 0, 0], [0, 0, 0, 1])
    True
    >>> buffer.add("map", "camera", 2_000_000_000, [4, 0, 0], [0, 0, 0, 1])
    True
    >>> buffer.lookup("map", "camera", 1_500_000_000).translation_m.tolist()
    [2.0, 0.0, 0.0]
    """

    def __init__(self, keep_s: float = KEEP_S) -> None:
        if not keep_s > 0 or not np.isfinite(keep_s):
            raise ValueError(f"keep_s must be a finite number of seconds > 0, got {keep_s!r}")
        self._keep_ns = round(keep_s * NS_PER_S)
        self._edges: dict[str, Edge] = {}
        self._named: set[str] = set()
        self._lock = threading.Lock()

    def add(
        self,
        parent: str,
        child: str,
        stamp_ns: int,
        translation_m: ArrayLike,
        xyzw: ArrayLike,
        *,
        static: bool = False,
    ) -> bool:
        """Keep one transform: the pose of ``child`` in ``parent``.

        Returns:
            False when it was dropped because it is older than what is kept.

        Raises:
            ValueError: a name is empty, both are the same, the translation is not finite or too
                long, the quaternion is not of length 1, or the stamp is no integer. Nothing is kept
                then.
        """
        check_stamp("the stamp of a transform", stamp_ns)
        parent, child = parent.removeprefix("/"), child.removeprefix("/")
        if not parent or not child:
            raise ValueError(
                f"a transform needs two frames, got {quoted(parent)} and {quoted(child)}"
            )
        if parent == child:
            raise ValueError(f"frame {quoted(child)} can't be its own parent")
        try:
            sample = Sample(parent, as_translation(translation_m), as_quaternion(xyzw))
        except ValueError as error:
            way = f"the transform {quoted(child)} in {quoted(parent)}"
            raise ValueError(f"{way} is refused: {error}") from None
        with self._lock:
            edge = self._edges.get(child)
            if edge is None or edge.static is not static:
                edge = self._edges[child] = Edge(static)
            self._named |= {parent, child}
            return edge.insert(stamp_ns, sample, self._keep_ns)

    def clear(self) -> None:
        """Forget all transforms but the static ones, because time has restarted."""
        with self._lock:
            self._edges = {
                name: edge if edge.static else Edge(False) for name, edge in self._edges.items()
            }

    @property
    def frames(self) -> frozenset[str]:
        """All frames named so far."""
        with self._lock:
            return frozenset(self._named)

    def lookup(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        """Return the transform from ``source`` to ``target`` at a stamp.

        From a frame to itself nothing moves, at any stamp, also if nobody has named the frame.

        Raises:
            UnknownFrameError: a frame was never named.
            DisconnectedError: no chain of transforms connects the two.
            ExtrapolationError: the stamp is outside the samples of an edge between them.
            TransformError: the frames form a loop, or are too far from each other.
            ValueError: the stamp is no integer.
        """
        check_stamp("the stamp of a look-up", stamp_ns)
        target, source = target.removeprefix("/"), source.removeprefix("/")
        with self._lock:
            up, down = self._paths(target, source, stamp_ns)
            try:
                return self._chain(down, stamp_ns).inverse() @ self._chain(up, stamp_ns)
            except ValueError as error:  # each edge is sound, all of them together reach too far
                way = f"no transform from {quoted(source)} to {quoted(target)}"
                raise TransformError(f"{way}: {error}") from None

    def latest(self, target: str, source: str) -> int | None:
        """Return the newest stamp at which :meth:`lookup` succeeds, ns.

        None when every edge between the two is static: any stamp will do.

        Raises:
            TransformError: as :meth:`lookup`, except for extrapolation.
        """
        target, source = target.removeprefix("/"), source.removeprefix("/")
        with self._lock:
            up, down = self._paths(target, source, None)
            ends = [edge.stamps_ns[-1] for edge in (*up, *down) if not edge.static]
            return min(ends, default=None)

    def _ancestors(self, frame: str, stamp_ns: int | None) -> tuple[dict[str, int], list[Edge]]:
        """Return a frame and its ancestors, as far as the samples reach, and the edges between.

        Each frame comes with how many edges it is above the first.
        """
        above: dict[str, int] = {frame: 0}
        edges: list[Edge] = []
        while (edge := self._edges.get(frame)) is not None:
            if stamp_ns is None and edge.stamps_ns:
                found = edge.around(edge.stamps_ns[-1])
            else:
                found = edge.around(stamp_ns or 0)
            if found is None:
                break
            frame = found[0].parent
            edges.append(edge)
            if frame in above:
                raise TransformError(_loop_text(list(above)[above[frame] :]))
            above[frame] = len(edges)
        return above, edges

    def _paths(
        self, target: str, source: str, stamp_ns: int | None
    ) -> tuple[list[Edge], list[Edge]]:
        """Return the edges from source and from target up to their first common ancestor."""
        if target == source:
            return [], []
        for name in (target, source):
            if name not in self._named:
                raise UnknownFrameError(_unknown_text(name, tuple(sorted(self._named))))
        above_source, up = self._ancestors(source, stamp_ns)
        above_target, down = self._ancestors(target, stamp_ns)
        for name, j in above_target.items():
            if name in above_source:
                return up[: above_source[name]], down[:j]
        source_end, target_end = next(reversed(above_source)), next(reversed(above_target))
        if stamp_ns is not None:
            self._refuse(source_end, target_end, target, source, stamp_ns)
        raise DisconnectedError(
            f"frames {quoted(target)} and {quoted(source)} are not connected: {quoted(source)} is "
            f"in the tree of {quoted(source_end)}, {quoted(target)} in that of {quoted(target_end)}"
        )

    def _refuse(
        self, source_end: str, target_end: str, target: str, source: str, stamp_ns: int
    ) -> None:
        """Raise the error of the first edge whose samples don't reach ``stamp_ns``, if any does."""
        way = f"no transform from {quoted(source)} to {quoted(target)} at {stamp_text(stamp_ns)}"
        for name in (source_end, target_end):
            edge = self._edges.get(name)
            if edge is None:
                continue
            if not edge.stamps_ns:
                raise ExtrapolationError(
                    f"{way}: none of {quoted(name)} came since time started again", late=True
                )
            first, last = edge.stamps_ns[0], edge.stamps_ns[-1]
            late = stamp_ns > last
            gap_s = (stamp_ns - last if late else first - stamp_ns) / NS_PER_S
            where = "before" if late else "after"
            raise ExtrapolationError(
                f"{way}: {quoted(name)} in {quoted(edge.samples[-1].parent)} "
                f"{'ends' if late else 'begins'} {gap_s:.3f} s {where} that "
                f"({len(edge.stamps_ns)} samples, {stamp_text(first)} to {stamp_text(last)})",
                late=late,
            )

    @staticmethod
    def _chain(edges: list[Edge], stamp_ns: int) -> RigidTransform:
        rotation: FloatArray = np.eye(3)
        translation: FloatArray = np.zeros(3)
        for edge in edges:
            r, t = edge.at(stamp_ns)
            rotation, translation = r @ rotation, r @ translation + t
        return RigidTransform(rotation, translation)


def _loop_text(loop: list[str]) -> str:
    """Return an error of frames each of which is in the next, and the last in the first."""
    named = [quoted(name) for name in loop[:_OF_LOOP]]
    named += ["..."] * (len(loop) > _OF_LOOP) + named[:1]
    return f"{len(loop)} frames form a loop: {' in '.join(named)}"


@lru_cache(maxsize=16)
def _unknown_text(name: str, known: tuple[str, ...]) -> str:
    """Return the error of a frame that is not known, with the names nearest to it.

    An image that waits looks for its frame at each transform that comes, and to compare names takes
    long: so the last answers are kept.
    """
    text = f"frame {quoted(name)} is unknown"
    if not known:
        return f"{text}: no frame is known so far"
    short = {other[:_COMPARED]: other for other in known}
    near = difflib.get_close_matches(name[:_COMPARED], short, _LIKE_UNKNOWN, cutoff=0.0)
    names = ", ".join(quoted(short[other]) for other in near)
    return f"{text}; of {len(known)} frames, the nearest names: {names}"


def stamp_text(stamp_ns: int) -> str:
    """Return a stamp in seconds with all its digits.

    >>> stamp_text(1_500_000_001), stamp_text(-1_500_000_000)
    ('1.500000001 s', '-1.500000000 s')
    """
    seconds, rest_ns = divmod(abs(stamp_ns), NS_PER_S)
    return f"{'-' if stamp_ns < 0 else ''}{seconds}.{rest_ns:09d} s"

# SPDX-License-Identifier: Apache-2.0
"""Counts images and tracks on the way to places, by result. No ROS in here."""

from __future__ import annotations

import threading
from collections import Counter

from lfmvl_ros.core.camera_names import health_name
from lfmvl_ros.core.spatial.places import Place, PlaceSource, Refusal
from lfmvl_ros.ros.diagnostics.health import OK, WARN, Health
from lfmvl_ros.ros.sensors.place_data import Problem

MISSING = ("no_depth", "no_transform")
BROKEN = ("no_intrinsics", "unregistered", "unsupported_encoding", "wrong_unit", "corrupt")


class PlaceCounters:
    """Counters of one camera; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        keys = ["images", "published", "placed", "coasted", "depth_received"]
        keys += [f"images.{reason}" for reason in MISSING + BROKEN]
        keys += [f"refused.{reason.value}" for reason in Refusal]
        self._counts: Counter[str] = Counter(dict.fromkeys(keys, 0))
        self._problem: Problem | None = None

    def add(self, key: str, count: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[key] += count

    def problem(self, problem: Problem) -> None:
        """Count an image that lacks something."""
        with self._lock:
            self._counts[f"images.{problem.reason}"] += 1
            self._problem = problem

    def places(self, placed: list[Place], refused: list[Refusal]) -> None:
        """Count the tracks of one image."""
        coasted = sum(place.source is PlaceSource.COASTED for place in placed)
        with self._lock:
            self._counts["placed"] += len(placed) - coasted
            self._counts["coasted"] += coasted
            for reason in refused:
                self._counts[f"refused.{reason.value}"] += 1

    def snapshot(self) -> tuple[dict[str, int], Problem | None]:
        """Return all counts and the last problem."""
        with self._lock:
            return dict(self._counts), self._problem


class PlaceMonitor:
    """The health of one camera's places: compares each report's counters with the one before.

    Args:
        camera: its name; "" when it is the only one.
        depth_topic: for the message; "" when places need no depth.
    """

    def __init__(self, camera: str = "", depth_topic: str = "") -> None:
        self._part = health_name("places", camera)
        self._depth_topic = depth_topic
        self._before: dict[str, int] = {}

    def report(
        self,
        counters: PlaceCounters,
        *,
        images: int,
        superseded: int,
        transforms: int,
        transforms_dropped: int,
        frame_id: str,
        selected: int | None,
    ) -> Health:
        """Return the health of places.

        Args:
            counters: of the camera.
            images: that came with tracks or without.
            superseded: those a newer one replaced while they waited.
            transforms: received on /tf and /tf_static.
            transforms_dropped: those that were invalid or too old.
            frame_id: that positions are in.
            selected: id of the object that ``pick_pose`` is about; None when there is none.
        """
        counts, problem = counters.snapshot()
        counts |= {"images": images, "images.superseded": superseded}
        fresh = {key: count - self._before.get(key, 0) for key, count in counts.items()}
        self._before = counts
        level, message = self._judge(fresh, problem)
        values: dict[str, object] = {"depth_topic": self._depth_topic, "frame": frame_id}
        values |= {"selected": "" if selected is None else selected}
        values |= {"transforms": transforms, "transforms_dropped": transforms_dropped}
        return Health(level, self._part, message, values | counts)

    def _judge(self, fresh: dict[str, int], problem: Problem | None) -> tuple[int, str]:
        broken = any(fresh[f"images.{reason}"] for reason in BROKEN)
        missing = any(fresh[f"images.{reason}"] for reason in MISSING)
        refused = {
            key.removeprefix("refused."): count
            for key, count in fresh.items()
            if key.startswith("refused.") and count
        }
        named = ", ".join(f"{count} {reason}" for reason, count in refused.items())
        if problem is not None and (broken or (missing and not fresh["placed"])):
            more = f"; of other images no track has a position: {named}" if named else ""
            return WARN, f"no positions ({problem.reason}): {problem.text}{more}"
        if failed := refused.get(Refusal.FAILED.value):
            return WARN, (
                f"an error of this program cost {failed} x a track its position, see the log; "
                f"{fresh['placed']} positions were found"
            )
        if self._depth_topic and fresh["images"] and not fresh["depth_received"]:
            return WARN, f"images come, but no depth image on {self._depth_topic}"
        if named and not fresh["placed"]:
            return WARN, f"no track has a position: {named}"
        return OK, f"{fresh['placed']} positions in {fresh['published']} messages"

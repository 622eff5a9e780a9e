# SPDX-License-Identifier: Apache-2.0
"""How well requests of the picking station were served: poses against the exact depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import iou_matrix
from lfmvl_ros.core.demo_scene import SceneResults
from lfmvl_ros.core.rules import Event
from lfmvl_ros.core.spatial.places import PickPoint, Places
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.tracking import Tracks
from lfmvl_warehouse.scenes import RenderedScene
from lfmvl_warehouse.scenes.rooms import Camera
from lfmvl_warehouse.scenes.staged import StagedVideo

if TYPE_CHECKING:
    from lfmvl_warehouse.demos.picking import PickRequest, Station

RIGHT_M, RIGHT_DEG = 0.03, 15.0
"""A pose is right within these: of the surface at its pixel, and of its normal there."""
_ON_OBJECT_M = 0.03
_SAME_IOU = 0.5
_PATCH_M = 0.05  # around the point: as much as a gripper touches


@dataclass(frozen=True)
class Error:
    """Of one pose.

    Attributes:
        point_m: from the true surface along the ray to the point.
        normal_deg: from the normal of the true surface there; None where that has none.
        on_object: whether the point is on what was asked for.
    """

    point_m: float
    normal_deg: float | None
    on_object: bool

    @property
    def is_right(self) -> bool:
        """Whether an arm could pick with it."""
        straight = self.normal_deg is not None and self.normal_deg <= RIGHT_DEG
        return self.on_object and self.point_m <= RIGHT_M and straight


@dataclass
class _Served:
    """Counts and errors over all requests that ended within the run."""

    cases: Counter[str] = field(default_factory=Counter)
    posed: Counter[str] = field(default_factory=Counter)
    reviewed: Counter[str] = field(default_factory=Counter)
    undecided: int = 0
    labels: int = 0
    labels_wrong: int = 0
    errors: list[Error] = field(default_factory=list)
    pose_s: list[float] = field(default_factory=list)
    review_s: list[float] = field(default_factory=list)


def figures(plan: Station, results: SceneResults) -> dict[str, Any]:
    """Return what became of each request, and how far the poses are off.

    The first event about a request counts: ``ready``, or one that hands it to a person. A review is
    right unless what is asked for stands in reach and in view.
    """
    video = plan.video()
    rate_hz, until_s = video.fps, len(results.tracks) / video.fps
    decisions = results.begun("ready", "doubtful", "not_found")
    served = _Served()
    for asked in plan.requests:
        if asked.end_s > until_s + 1e-6:
            break
        served.cases[asked.case.value] += 1
        index = round(asked.begin_s * rate_hz)
        right, wrong = labels_at(video, index, results.tracks[index])
        served.labels += right + wrong
        served.labels_wrong += wrong
        during = [e for e in decisions if asked.begin_s <= e.stamp_ns / 1e9 < asked.end_s]
        if not during:
            served.undecided += 1
            continue
        first = during[0]
        took_s = first.stamp_ns / 1e9 - asked.begin_s
        if first.rule != "ready":
            served.reviewed[asked.case.value] += 1
            served.review_s.append(took_s)
            continue
        index = round(first.stamp_ns / 1e9 * rate_hz)
        served.posed[asked.case.value] += 1
        served.pose_s.append(took_s)
        served.errors.append(pick_error(video, index, _pick(first, results.places[index]), asked))
    return _summary(served)


def labels_at(video: StagedVideo, index: int, tracks: Tracks) -> tuple[int, int]:
    """Return how many tracks at a frame have the label of what is in their box, and another one.

    Tracks whose box is on nothing visible are left out.
    """
    scene, matched, right = video.frame(index), 0, 0
    if not len(tracks) or not scene.objects:
        return 0, 0
    boxes = np.array([item.visible_xyxy_px for item in scene.objects], dtype=np.float64)
    overlaps = iou_matrix(tracks.xyxy_px, boxes)
    for label, overlap in zip(tracks.labels, overlaps, strict=True):
        if overlap.max() >= _SAME_IOU:
            matched += 1
            right += label in scene.objects[int(overlap.argmax())].names
    return right, matched - right


def _pick(event: Event, places: Places) -> PickPoint:
    found = places.by_id[event.tracks[0].id].pick
    assert found is not None  # the rule asks for its covariance
    return found


def pick_error(video: StagedVideo, index: int, pick: PickPoint, asked: PickRequest) -> Error:
    """Return how far a pick point in a frame is off, by the exact depth of the scene."""
    scene, camera = video.frame(index, relief=True), video.camera_at(index)
    to_camera = camera.pose.inverse()
    seen = to_camera.apply(pick.point_m)
    x, y, z = seen.tolist()
    u, v = map(round, camera.lens.project(seen).tolist())
    if not (0 <= u < scene.wh[0] and 0 <= v < scene.wh[1]):
        return Error(float("inf"), None, False)
    true_m = float(scene.depth_m[v, u])
    point_m = abs(z - true_m) * float(np.linalg.norm([x / z, y / z, 1.0]))
    there = camera.unproject(np.array([u + 0.5]), np.array([v + 0.5]), np.array([true_m]))[0]
    normal = _true_normal(scene.depth_m, camera, u, v)
    off = None if normal is None else _angle_deg(to_camera, pick.normal, normal)
    return Error(point_m, off, _is_on(scene, asked, there))


def _is_on(scene: RenderedScene, asked: PickRequest, point_m: NDArray[Any]) -> bool:
    """Tell whether a point of the surface belongs to what was asked for."""
    for item in scene.objects:
        if item.id == asked.prop and item.solid is not None:
            c, s = np.cos(item.solid.yaw_rad), np.sin(item.solid.yaw_rad)
            off = point_m - item.solid.centre_m
            own = np.array([c * off[0] + s * off[1], c * off[1] - s * off[0], off[2]])
            return bool((np.abs(own) <= item.solid.size_m / 2 + _ON_OBJECT_M).all())
    return False


def _true_normal(depth_m: NDArray[Any], camera: Camera, u: int, v: int) -> NDArray[Any] | None:
    """Return the normal of the exact surface around a pixel, optical frame; None at an edge."""
    lens, middle_m = camera.lens, float(depth_m[v, u])
    reach = int(np.ceil(_PATCH_M / middle_m * lens.fx_px)) + 1
    rows, columns = np.mgrid[v - reach : v + reach + 1, u - reach : u + reach + 1]
    inside = (rows >= 0) & (rows < depth_m.shape[0]) & (columns >= 0)
    inside &= columns < depth_m.shape[1]
    rows, columns = rows[inside], columns[inside]
    z = depth_m[rows, columns].astype(np.float64)
    rays = np.stack([(columns - lens.cx_px) / lens.fx_px, (rows - lens.cy_px) / lens.fy_px], 1)
    points = np.hstack([rays * z[:, None], z[:, None]])
    middle = np.array([(u - lens.cx_px) / lens.fx_px, (v - lens.cy_px) / lens.fy_px, 1.0])
    points = points[np.linalg.norm(points - middle * middle_m, axis=1) < _PATCH_M]
    if len(points) < 20:
        return None
    return np.asarray(np.linalg.svd(points - points.mean(axis=0))[2][2])


def _angle_deg(to_camera: RigidTransform, normal: NDArray[Any], true: NDArray[Any]) -> float:
    cosine = abs(float(to_camera.rotation @ normal @ true))
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


def _summary(served: _Served) -> dict[str, Any]:
    errors = served.errors
    angles = [e.normal_deg for e in errors if e.normal_deg is not None]
    return {
        "requests": dict(served.cases),
        "posed": dict(served.posed),
        "reviewed": dict(served.reviewed),
        "undecided": served.undecided,
        "labels_at_request": served.labels,
        "labels_wrong_at_request": served.labels_wrong,
        "poses_right": sum(error.is_right for error in errors),
        "poses_on_something_else": sum(not error.on_object for error in errors),
        "reviews_right": sum(n for case, n in served.reviewed.items() if case != "plain"),
        "point_error_cm": _spread([100 * error.point_m for error in errors]),
        "normal_error_deg": _spread(angles),
        "ask_to_pose_s": _spread(served.pose_s),
        "ask_to_review_s": _spread(served.review_s),
    }


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "largest": None}
    return {"median": round(float(np.median(values)), 2), "largest": round(max(values), 2)}

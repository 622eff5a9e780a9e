# SPDX-License-Identifier: Apache-2.0
"""Images of the synthetic warehouse for ``camera_node`` and the commands of ``lfmvl_ros``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from lfmvl_ros.core.colour import Pixels
from lfmvl_ros.core.config import CameraSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.video_reader import USUAL_RATE_HZ
from lfmvl_ros.ros.sensors.camera_view import CameraView, TrueObject
from lfmvl_warehouse.demos import assist, picking, shelf
from lfmvl_warehouse.demos.job import SceneJob, ScenePlan
from lfmvl_warehouse.scenes import KINDS, SceneObject, SceneVideo, known_names
from lfmvl_warehouse.scenes.depth_sensor import StereoSensor

# Drawing an object for the first time takes longer than a frame lasts.
_PREPARED_S = 10.0


class SceneImages:
    """The synthetic warehouse: endless, the same for the same seed.

    Its camera also measures depth, and knows where it is (see ``read_view``).
    """

    live = False

    def __init__(self, settings: CameraSettings) -> None:
        self.name = f"synthetic scene {settings.seed}"
        self.rate_hz = settings.rate_hz or USUAL_RATE_HZ
        try:
            self._video = self._made(settings)
            self._video.prepare(0, round(_PREPARED_S * self.rate_hz), relief=True)
        except ValueError as error:
            raise UserError(f"the scene can't be drawn: {error}") from error
        self._next = 0
        self._sensor = StereoSensor()

    def _made(self, settings: CameraSettings) -> SceneVideo:
        return SceneVideo(settings.seed, wh=(settings.width, settings.height), fps=self.rate_hz)

    def read(self) -> Pixels | None:
        """Render the next frame."""
        self._next += 1
        return self._video.frame(self._next - 1).pixels

    def read_view(self, *, depth: bool) -> CameraView | None:
        """Render the next frame with the camera's pose; with depth, the true objects in it, too."""
        index = self._next
        self._next += 1
        scene = self._video.frame(index, relief=depth)
        pose = self._video.camera_at(index).pose
        if not depth:
            return CameraView(scene.pixels, None, pose, ())
        noise = np.random.default_rng((33, self._video.seed, index))
        measured = self._sensor.measure(scene.depth_m, self._video.focal_px, noise)
        return CameraView(scene.pixels, measured, pose, tuple(map(_true_object, scene.objects)))

    def next_ns(self) -> int | None:
        """The rate says when each frame is due."""
        return None

    def skip(self, count: int) -> int:
        """Frames can be rendered in any order: skipping costs nothing."""
        self._next += count
        return count

    def rewind(self) -> None:
        """Go back to the first frame."""
        self._next = 0

    def intrinsics(self, wh: tuple[int, int]) -> Intrinsics:
        """Return the lens of the scene's camera; the same for every frame of its one size."""
        del wh
        return self._video.camera_at(0).lens

    def close(self) -> None:
        """Nothing to free."""


def _true_object(item: SceneObject) -> TrueObject:
    assert item.solid is not None  # of frames with relief
    turn = item.solid.yaw_rad
    return TrueObject(
        item.id,
        item.kind,
        item.visibility,
        item.visible_xyxy_px,
        item.solid.centre_m,
        item.solid.size_m,
        (0.0, 0.0, math.sin(turn / 2), math.cos(turn / 2)),
    )


class PlannedImages(SceneImages):
    """The planned scene of a job; after the plan, nothing changes any more."""

    job: ClassVar[SceneJob]

    def _made(self, settings: CameraSettings) -> SceneVideo:
        plan: ScenePlan = self.job.planned(settings.seed)
        return plan.video(wh=(settings.width, settings.height), fps=self.rate_hz)


class ShelfImages(PlannedImages):
    """The planned scene of docs/shelf.md."""

    job = shelf.JOB


class AssistImages(PlannedImages):
    """The planned scene of docs/assist.md."""

    job = assist.JOB


class PickingImages(PlannedImages):
    """The planned scene of docs/station.md."""

    job = picking.JOB


def sample_images(
    seed: int, wh_px: tuple[int, int], rate_hz: float = USUAL_RATE_HZ
) -> Callable[[int], Pixels]:
    """Return a function that draws the image of an index, ``(H, W, 3)`` uint8 RGB.

    Args:
        seed: of the scene.
        wh_px: (width, height) of the images in pixels.
        rate_hz: images per second, > 0.
    """
    video = SceneVideo(seed, wh=wh_px, fps=rate_hz)
    return lambda index: video.frame(index).pixels


def query_remark(seed: int, labels: Sequence[str]) -> str:
    """Return which labels name warehouse things that a scene does not have; "" where none does."""
    there = SceneVideo(seed).names
    absent = [label for label in labels if label in known_names() - there]
    if not absent:
        return ""
    return (
        f"the scene of --seed {seed} has no {', no '.join(absent)}; it has "
        f"{', '.join(kind for kind in KINDS if kind in there)}"
    )

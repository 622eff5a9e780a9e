# SPDX-License-Identifier: Apache-2.0
"""What the jobs with a planned scene have in common: a plan, its video, rules, figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from lfmvl_ros.core.demo_scene import DemoView, SceneResults
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_warehouse.scenes.depth_sensor import StereoSensor
from lfmvl_warehouse.scenes.staged import StagedVideo

SECONDS = 120.0


class ScenePlan(Protocol):
    """What happens in a scene, made from a seed."""

    def video(self, *, wh: tuple[int, int] = ..., fps: float = ...) -> StagedVideo:
        """Return the scene; after the plan, nothing changes any more."""


@dataclass(frozen=True)
class SceneJob:
    """A job with a planned scene. Called, it gives the scene of ``lfmvl demo``.

    Attributes:
        plan: makes the plan of a seed, for at least so many seconds.
        rate_hz: frames a second.
        rules: returns the text of its rules file.
        figures: compares a run with the plan.
        settings: of the perception node that differ from their defaults, by name.
        select: returns the label that is selected at a time, s; None: none ever is.
        depth: the camera measures depth, too.
    """

    plan: Callable[[int, float], Any]
    rate_hz: float
    rules: Callable[[], str]
    figures: Callable[[Any, SceneResults], dict[str, Any]]
    settings: Mapping[str, object] = field(default_factory=dict)
    select: Callable[[Any, float], str] | None = None
    depth: bool = False

    def __call__(self, seed: int, duration_s: float = 0.0) -> PlannedScene:
        """Return the scene of a seed."""
        return PlannedScene(self, seed, duration_s)

    def planned(self, seed: int, duration_s: float = 0.0) -> Any:
        """Return the plan of a seed, for two minutes, or longer if asked for."""
        return self.plan(seed, max(duration_s, SECONDS))


class PlannedScene:
    """A :class:`~lfmvl_ros.core.demo_scene.DemoScene` of a job."""

    def __init__(self, job: SceneJob, seed: int, duration_s: float) -> None:
        self._job, self._plan = job, job.planned(seed, duration_s)
        self._video: StagedVideo = self._plan.video()
        self._sensor = StereoSensor()
        self.rate_hz, self.usual_s, self.settings = job.rate_hz, self._plan.duration_s, job.settings
        self.rules = job.rules()

    def select(self, time_s: float) -> str:
        """Return the label that is selected at a time; "" for none."""
        return "" if self._job.select is None else self._job.select(self._plan, time_s)

    def view(self, index: int) -> DemoView:
        """Return a frame."""
        if not self._job.depth:
            return DemoView(self._video.frame(index).pixels)
        scene = self._video.frame(index, relief=True)
        noise = np.random.default_rng((33, self._video.seed, index))
        measured = self._sensor.measure(scene.depth_m, self._video.focal_px, noise)
        camera = self._video.camera_at(index)
        depth = DepthImage.from_mm(measured, round(index * 1e9 / self.rate_hz))
        return DemoView(scene.pixels, depth, camera.lens, camera.pose)

    def figures(self, results: SceneResults) -> dict[str, Any]:
        """Compare what was found with what happened."""
        return self._job.figures(self._plan, results)

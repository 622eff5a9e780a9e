# SPDX-License-Identifier: Apache-2.0
"""A planned scene for ``lfmvl demo --scene``: what it shows, and the results of a run.

Implementations are registered under a name (:data:`lfmvl_ros.registry.DEMO_SCENES`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lfmvl_ros.core.colour import Pixels
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.rules.event import Event, EventState
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.tracking import Tracks


@dataclass(frozen=True, eq=False)
class DemoView:
    """What the camera of a planned scene delivers at one frame.

    Attributes:
        pixels: ``(H, W, 3)`` uint8 RGB.
        depth: registered to it; None where the scene has no depth camera, as are the next two.
        lens: of both.
        camera: pose of the optical frame in ``spatial.target_frame``.
    """

    pixels: Pixels
    depth: DepthImage | None = None
    lens: Intrinsics | None = None
    camera: RigidTransform | None = None


@dataclass
class SceneResults:
    """Results of tracker, places and rules in a run, to compare them with what happened.

    Attributes:
        tracks: at each frame.
        places: of them; empty lists where the scene has no depth camera.
        events: in their order.
        answers: of the model.
    """

    tracks: list[Tracks] = field(default_factory=list)
    places: list[Places] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    answers: int = 0

    def begun(self, *rules: str) -> list[Event]:
        """Return the events of some rules as they began, in their order."""
        return [e for e in self.events if e.rule in rules and e.state is EventState.BEGIN]

    def spans_s(self, rule: str) -> list[tuple[float, float]]:
        """Return when each event of a rule began and ended, s; inf for active ones."""
        found: dict[str, tuple[float, float]] = {}
        for event in self.events:
            if event.rule == rule:
                over = event.state is EventState.END
                end_s = event.stamp_ns / 1e9 if over else float("inf")
                found[event.id] = event.begin_ns / 1e9, end_s
        return list(found.values())


class DemoScene(Protocol):
    """A planned scene.

    Attributes:
        rate_hz: frames a second.
        rules: text of the rules file.
        usual_s: how long the plan lasts.
        settings: of the perception node that differ from their defaults, by name.
    """

    rate_hz: float
    rules: str
    usual_s: float
    settings: Mapping[str, object]

    def select(self, time_s: float) -> str:
        """Return the label that is selected at a time; "" for none."""

    def view(self, index: int) -> DemoView:
        """Return a frame."""

    def figures(self, results: SceneResults) -> dict[str, Any]:
        """Compare what was found with what happened."""

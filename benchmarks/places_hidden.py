# SPDX-License-Identifier: Apache-2.0
"""Hidden objects with boxes around all of them, for `places.py`: whose distance do they get?

A tracker goes on predicting the box of an object that something hides, and models draw boxes around
whole objects. Such a box holds the object that is in front.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from places_cases import FAR_M, LEAST_PIXELS, LEAST_SEEN, LEAST_SIDE_PX, NEAR_M
from places_sensor import imprecise, sense, sensor, tight_box
from places_world import LAYOUTS, WH, Scene, Thing, View, cast, look_at, person, scene

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import PlaceSource
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.tracking import Tracks, TrackState

# Of what is hidden more than this, the box is around the whole object.
_WHOLE_BOX = 0.3
_START_NS = 1_700_000_000_000_000_000
_RATE_HZ, _FRAMES = 5, 16
_WALK_M_S = 1.4


@dataclass(frozen=True, eq=False)
class Target:
    """One box of an image: ``(4,)`` px, the true middle in the optical frame, the share seen."""

    id: int
    label: str
    box: FloatArray
    centre_m: FloatArray
    seen: float
    cut: bool


@dataclass(frozen=True)
class Answer:
    """What was published of one box; NaN where nothing was."""

    seen: float
    cut: bool
    share: float
    squared: float
    coasted: bool = False

    @property
    def placed(self) -> bool:
        """Tell whether something was published."""
        return bool(np.isfinite(self.share))


def single_images(seeds: Iterable[int]) -> Iterator[Answer]:
    """Yield each object of some scenes, that nothing is remembered of."""
    for layout in LAYOUTS:
        for seed in seeds:
            place = scene(layout, seed)
            camera = look_at(place.eye_m, place.gaze_m)
            view = cast(place, camera)
            depth = _sensed(place, view, seed, 0)
            targets = _targets(place, view, 0.0, np.random.default_rng((seed, 19)))
            yield from _answers(Placer(PlacerOptions(max_sigma_m=100.0)), place, camera,
                                targets, DepthImage(depth, _START_NS))  # fmt: skip


def walks(seeds: Iterable[int]) -> Iterator[tuple[bool, Answer]]:
    """Yield each object while somebody walks by in front of it, before a still camera.

    With each answer comes whether whoever walks by was a track, too.
    """
    for seed in seeds:
        place = _with_walker(scene("floor", seed), np.random.default_rng((seed, 23)))
        camera = look_at(place.eye_m, place.gaze_m)
        placers = {True: Placer(PlacerOptions(max_sigma_m=100.0)),
                   False: Placer(PlacerOptions(max_sigma_m=100.0))}  # fmt: skip
        for k in range(_FRAMES):
            view = cast(place, camera, k / _RATE_HZ)
            stamp = _START_NS + round(k / _RATE_HZ * 1e9)
            depth = DepthImage(_sensed(place, view, seed, k), stamp)
            rng = np.random.default_rng((seed, 29, k))
            targets = _targets(place, view, k / _RATE_HZ, rng)
            things = [target for target in targets if target.id < len(place.things)]
            for tracked, placer in placers.items():
                asked = targets if tracked else things
                for answer in list(_answers(placer, place, camera, asked, depth)):
                    if k:
                        yield tracked, answer


def _sensed(place: Scene, view: View, seed: int, frame: int) -> np.ndarray:
    eyes = sensor(seed * 7 + LAYOUTS.index(place.layout))
    gloss = np.array([thing.gloss for thing in place.things])
    return sense(view, eyes, gloss, seed * 100 + frame)


def _with_walker(place: Scene, rng: np.random.Generator) -> Scene:
    """Return a scene with somebody who walks from right to left before the things."""
    x = rng.uniform(1.2, 2.0)
    made = person(x, -0.55 * x - 0.4, np.pi / 2, rng)
    walker = replace(made, label="walker", velocity_m_s=np.array([0.0, _WALK_M_S, 0.0]))
    behind = [thing for thing in place.things if thing.pose.translation_m[0] > x + 0.6]
    return replace(place, things=(*behind, walker))


def _targets(place: Scene, view: View, seconds: float, rng: np.random.Generator) -> list[Target]:
    found = []
    for i, thing in enumerate(place.things):
        if view.whole_px[i] < LEAST_PIXELS:
            continue
        mask = view.owner == i
        seen = float(np.count_nonzero(mask)) / float(view.whole_px[i])
        if 1 - seen > _WHOLE_BOX:
            mask = _alone(place, view, thing, seconds)
        if np.count_nonzero(mask) < LEAST_PIXELS:
            continue
        box = tight_box(mask)
        pose = view.camera.inverse() @ thing.moved(seconds).pose
        near = NEAR_M < pose.translation_m[2] < FAR_M
        if near and (box[2:] - box[:2]).min() >= LEAST_SIDE_PX:
            cut = bool((box[:2] <= 0).any() or (box[2:] >= WH).any())
            box = imprecise(box, rng, WH)
            found.append(Target(i + 1, thing.label, box, pose.translation_m, seen, cut))
    return found


def _alone(place: Scene, view: View, thing: Thing, seconds: float) -> np.ndarray:
    """Return ``(H, W)`` where a thing would be seen if nothing else were there."""
    return np.asarray(
        cast(replace(place, things=(thing,), scenery=()), view.camera, seconds).owner == 0
    )


def _answers(
    placer: Placer, place: Scene, camera: RigidTransform, targets: list[Target], depth: DepthImage
) -> Iterator[Answer]:
    got = placer.place(_tracks(targets, depth.stamp_ns), depth, place.lens, camera)
    for target in targets:
        found = got.by_id.get(target.id)
        if found is None:
            yield Answer(target.seen, target.cut, float("nan"), float("nan"))
            continue
        off = found.centre_m - camera.apply(target.centre_m)
        share = float(np.linalg.norm(off) / np.linalg.norm(target.centre_m))
        squared = float(off @ np.linalg.solve(found.covariance, off))
        yield Answer(target.seen, target.cut, share, squared, found.source is PlaceSource.COASTED)


def _tracks(targets: list[Target], stamp_ns: int) -> Tracks:
    """Return tracks; those that are mostly hidden coast, since no model has seen them lately."""
    count = len(targets)
    return Tracks(
        stamp_ns,
        np.array([target.id for target in targets], dtype=np.int64),
        tuple(target.label for target in targets),
        np.ones(count),
        np.array([target.box for target in targets]).reshape(count, 4),
        np.zeros((count, 2)),
        np.tile(np.eye(4), (count, 1, 1)),
        tuple(
            TrackState.COASTING if target.seen < LEAST_SEEN else TrackState.CONFIRMED
            for target in targets
        ),
        np.zeros(count),
        wh=WH,
    )

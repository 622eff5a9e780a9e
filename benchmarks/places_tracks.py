# SPDX-License-Identifier: Apache-2.0
"""Objects over time before a moving camera, for `places.py`: what fusion is worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from places_sensor import sense, sensor, tight_box
from places_world import LAYOUTS, WH, Scene, cast, look_at, scene

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.placer import Placer
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.tracking import Tracks, TrackState

RATE_HZ, LENGTH_S, LAST_S = 5, 3.0, 1.0
FRAMES = int(RATE_HZ * LENGTH_S) + 1
# Of the errors of boxes from one frame to the next: 0.75 over 0.1 s was measured.
_STAYS = 0.75 ** (1 / RATE_HZ / 0.1)
_JITTER = 0.055
_START_NS = 1_700_000_000_000_000_000
_LEAST_PIXELS, _LEAST_SEEN = 100, 0.25


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame of a sequence: what goes in, and the true centres in the world."""

    tracks: Tracks
    depth: DepthImage
    camera: RigidTransform
    truth: dict[int, FloatArray]


def _path(place: Scene, rng: np.random.Generator) -> list[RigidTransform]:
    """Return camera poses: to the side, and a little ahead, with eyes on the same point."""
    away = place.gaze_m - place.eye_m
    length = float(np.linalg.norm(away))
    aside = np.cross(away / length, [0, 0, 1.0])
    if np.linalg.norm(aside) < 0.1:
        aside = np.array([0.0, 1.0, 0.0])
    aside = aside / np.linalg.norm(aside) * rng.uniform(-0.45, 0.45) * length
    ahead = away * rng.uniform(-0.05, 0.2)
    shares = np.linspace(0, 1, FRAMES)
    return [look_at(place.eye_m + s * (aside + ahead), place.gaze_m) for s in shares]


def sequence(layout: str, seed: int) -> tuple[Scene, list[Moment]]:
    """Return a scene and what a camera that moves through it gets, frame by frame."""
    place = scene(layout, seed)
    rng = np.random.default_rng((seed, 31))
    eyes = sensor(seed * 7 + LAYOUTS.index(layout))
    gloss = np.array([thing.gloss for thing in place.things])
    errors = rng.normal(0, _JITTER, (len(place.things), 4))
    moments = []
    for k, camera in enumerate(_path(place, rng)):
        seconds = k / RATE_HZ
        stamp = _START_NS + round(seconds * 1e9)
        view = cast(place, camera, seconds)
        depth = sense(view, eyes, gloss, seed * 100 + k)
        fresh = rng.normal(0, _JITTER, errors.shape)
        errors = _STAYS * errors + np.sqrt(1 - _STAYS**2) * fresh
        boxes, truth = {}, {}
        for i, thing in enumerate(place.things):
            mask = view.owner == i
            pixels = int(np.count_nonzero(mask))
            if pixels < max(_LEAST_PIXELS, _LEAST_SEEN * view.whole_px[i]):
                continue
            box = tight_box(mask)
            sides = np.tile(box[2:] - box[:2], 2)
            box = np.clip(box + errors[i] * sides, 0, [*WH, *WH])
            if (box[2:] - box[:2]).min() >= 6:
                boxes[i + 1] = box
                truth[i + 1] = thing.moved(seconds).pose.translation_m
        labels = tuple(place.things[i - 1].label for i in boxes)
        tracks = _tracks(stamp, boxes, labels)
        moments.append(Moment(tracks, DepthImage(depth, stamp), camera, truth))
    return place, moments


def _tracks(stamp_ns: int, boxes: dict[int, FloatArray], labels: tuple[str, ...]) -> Tracks:
    count = len(boxes)
    return Tracks(
        stamp_ns,
        np.array(list(boxes), dtype=np.int64),
        labels,
        np.ones(count),
        np.array(list(boxes.values())).reshape(count, 4),
        np.zeros((count, 2)),
        np.tile(np.eye(4), (count, 1, 1)),
        (TrackState.CONFIRMED,) * count,
        np.zeros(count),
        wh=WH,
    )


@dataclass(frozen=True)
class Placed:
    """One published place of the last second, against the truth."""

    layout: str
    label: str
    error_m: float
    squared: float
    distance_m: float
    fused: bool


def followed(seeds: Iterable[int], layouts: Iterable[str] = LAYOUTS) -> Iterator[Placed]:
    """Yield the places of the last second of each track, fused over time and of each frame alone.

    Args:
        seeds: of the scenes.
        layouts: of the scenes.
    """
    for layout in layouts:
        for seed in seeds:
            place, moments = sequence(layout, seed)
            for fused in (True, False):
                placer = Placer(PlacerOptions(max_sigma_m=100.0))
                for k, moment in enumerate(moments):
                    if not fused:
                        placer.restart()
                    got = placer.place(moment.tracks, moment.depth, place.lens, moment.camera)
                    if k >= FRAMES - 1 - LAST_S * RATE_HZ:
                        yield from _against_truth(got, moment, place, fused=fused)


def _against_truth(got: Places, moment: Moment, place: Scene, *, fused: bool) -> Iterator[Placed]:
    for track, found in got.by_id.items():
        off = found.centre_m - moment.truth[track]
        thing = place.things[track - 1]
        yield Placed(
            place.layout,
            thing.label,
            float(np.linalg.norm(off)),
            float(off @ np.linalg.solve(found.covariance, off)),
            float(np.linalg.norm(moment.truth[track] - moment.camera.translation_m)),
            fused,
        )

# SPDX-License-Identifier: Apache-2.0
"""Single boxes with truth, for `places.py` and `places_fit.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from places_sensor import imprecise, sense, sensor, tight_box
from places_world import LAYOUTS, WH, View, cast, look_at, scene

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import DepthImage
from lfmvl_ros.core.spatial.failures import Failures
from lfmvl_ros.core.spatial.measure import claim_of
from lfmvl_ros.core.spatial.occlusion import Claim, settle
from lfmvl_ros.core.tracking import Intrinsics

# Seeds below are for tuning (`places_fit.py`), those above for figures.
TUNING_SEEDS = range(1000, 1100)
FIGURE_SEEDS = range(2000, 2050)
LEAST_PIXELS, LEAST_SIDE_PX, LEAST_SEEN = 150, 10, 0.3
NEAR_M, FAR_M = 0.3, 7.0


@dataclass(frozen=True, eq=False)
class Case:
    """One box in one depth image, and what is really there.

    Attributes:
        depth_m: ``(H, W)`` float32 of a sensor, NaN where it has none.
        box: ``(4,)`` imprecise, IoU 0.7 to 0.9 with that of the visible part.
        centre_m, size_m: of the object, in the optical frame and in its own axes.
        known_size_m: the size as somebody measured it, 5 % off either way.
        surface_m: median depth of the visible part.
        seen: share of the object that nothing hides.
        cut: the image ends within the object.
        axes: ``(3, 3)`` axes of the object as columns, in the optical frame.
        view, index: the exact image (None where it was dropped), and which thing of it this is.
    """

    depth_m: np.ndarray
    lens: Intrinsics
    box: FloatArray
    centre_m: FloatArray
    size_m: FloatArray
    known_size_m: FloatArray
    axes: FloatArray
    surface_m: float
    seen: float
    cut: bool
    layout: str
    label: str
    sensor: str
    view: View | None
    index: int

    @property
    def distance_m(self) -> float:
        """Distance of the middle from the camera."""
        return float(np.linalg.norm(self.centre_m))


def cases(seeds: Iterable[int], layouts: Iterable[str] = LAYOUTS) -> Iterator[Case]:
    """Yield every box of some scenes that is large enough and not mostly hidden."""
    for layout in layouts:
        for seed in seeds:
            yield from _cases_of(layout, seed)


def images(seeds: Iterable[int]) -> Iterator[list[Case]]:
    """Yield the boxes of each image together: an estimator may look at its neighbours."""
    for _, group in groupby(cases(seeds), key=lambda case: id(case.depth_m)):
        yield list(group)


def claims_in(image: list[Case], *, sized: bool = False) -> dict[int, Claim]:
    """Return the samples that belong to the object of each box, by index of the case.

    Args:
        image: boxes of one image.
        sized: sizes are known.
    """
    claims = {}
    for case in image:
        known = case.known_size_m if sized else None
        claim = claim_of(DepthImage(case.depth_m, 0), case.lens, case.box, known, None,
                         seen_lately=True)  # fmt: skip
        if isinstance(claim, Claim):
            claims[case.index] = claim
    settled = settle(claims, Failures())
    return {index: claim for index, claim in settled.items() if isinstance(claim, Claim)}


def _cases_of(layout: str, seed: int) -> Iterator[Case]:
    place = scene(layout, seed)
    camera = look_at(place.eye_m, place.gaze_m)
    view = cast(place, camera)
    sensed_by = sensor(seed * 7 + LAYOUTS.index(layout))
    depth = sense(view, sensed_by, np.array([thing.gloss for thing in place.things]), seed)
    rng = np.random.default_rng((seed, 9))
    for i, thing in enumerate(place.things):
        mask = view.owner == i
        pixels = int(np.count_nonzero(mask))
        if pixels < max(LEAST_PIXELS, LEAST_SEEN * view.whole_px[i]):
            continue
        box = tight_box(mask)
        surface = float(np.median(view.depth_m[mask]))
        if (box[2:] - box[:2]).min() < LEAST_SIDE_PX or not NEAR_M < surface < FAR_M:
            continue
        pose = camera.inverse() @ thing.pose
        yield Case(
            depth,
            place.lens,
            imprecise(box, rng, WH),
            pose.translation_m,
            thing.size_m,
            thing.size_m * rng.uniform(0.95, 1.05, 3),
            pose.rotation,
            surface,
            pixels / float(view.whole_px[i]),
            bool(box[0] <= 0 or box[1] <= 0 or box[2] >= WH[0] or box[3] >= WH[1]),
            layout,
            thing.label,
            sensed_by.kind,
            view,
            i,
        )

# SPDX-License-Identifier: Apache-2.0
"""Boxes in three dimensions: drawn over the image, and seen from above."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.viz.lettering import draw_text

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
_CORNERS = np.array(list(product((-0.5, 0.5), repeat=3)))
_EDGES = [(a, b) for a in range(8) for b in range(a) if bin(a ^ b).count("1") == 1]
_NEAR_M = 0.1
_BACKGROUND, _GRID, _TEXT, _TRUTH = (28, 28, 32), (52, 52, 58), (150, 150, 158), (235, 235, 235)
_STEPS_M = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


@dataclass(frozen=True, eq=False)
class Solid:
    """A box to draw.

    Attributes:
        pose: of its middle in the world.
        size_m: ``(3,)`` full extents along its axes.
        colour: RGB.
        text: written beside it in the view from above.
        covariance: ``(3, 3)`` of its middle, m^2; None for none.
        trail_m: ``(N, 3)`` where its middle has been.
    """

    pose: RigidTransform
    size_m: FloatArray
    colour: Colour
    text: str = ""
    covariance: FloatArray | None = None
    trail_m: FloatArray | None = None

    @property
    def corners_m(self) -> FloatArray:
        """``(8, 3)`` in the world."""
        return self.pose.apply(_CORNERS * self.size_m)


def draw_solids(
    pixels: Image, solids: Iterable[Solid], lens: Intrinsics, camera: RigidTransform
) -> Image:
    """Return ``(H, W, 3)`` RGB with the edges of boxes; those behind the camera are left out.

    Args:
        pixels: the camera's image.
        solids: in the world.
        lens: of the image.
        camera: pose of the optical frame in the world.
    """
    canvas, back = pixels.copy(), camera.inverse()
    for solid in solids:
        seen = back.apply(solid.corners_m)
        if seen[:, 2].min() < _NEAR_M:
            continue
        at = np.clip(np.rint(lens.project(seen)), -(2**14), 2**14).astype(int).tolist()
        far = int(seen[:, 2].argmax())
        for a, b in _EDGES:
            thick = 1 if far in (a, b) else 2
            cv2.line(canvas, at[a], at[b], solid.colour, thick, cv2.LINE_AA)
    return canvas


class TopView:
    """The world from above: x to the right, y up.

    Args:
        wh: size of the image, px.
        low_m, high_m: ``(2,)`` corners of what is shown at least.
    """

    def __init__(self, wh: tuple[int, int], low_m: FloatArray, high_m: FloatArray) -> None:
        self._wh = wh
        span = np.maximum(high_m - low_m, 0.1)
        self._scale = float((np.array(wh) / span).min())
        self._middle = (low_m + high_m) / 2

    def _at(self, points_m: FloatArray) -> NDArray[np.int32]:
        """Return ``(N, 2)`` px of points ``(N, 2 or more)``."""
        off = (np.asarray(points_m)[:, :2] - self._middle) * self._scale * [1, -1]
        return np.rint(off + np.array(self._wh) / 2).clip(-(2**14), 2**14).astype(np.int32)

    def draw(
        self, solids: Iterable[Solid], truth: Iterable[Solid], camera: RigidTransform
    ) -> Image:
        """Return ``(H, W, 3)`` RGB.

        Boxes with their trail and 90 % region, the true ones in white, the camera and its axis.
        """
        canvas = np.full((self._wh[1], self._wh[0], 3), _BACKGROUND, np.uint8)
        self._grid(canvas)
        for item in truth:
            cv2.polylines(canvas, [self._outline(item)], True, _TRUTH, 1, cv2.LINE_AA)
        for item in solids:
            if item.trail_m is not None and len(item.trail_m) > 1:
                cv2.polylines(canvas, [self._at(item.trail_m)], False, item.colour, 1, cv2.LINE_AA)
            cv2.polylines(canvas, [self._outline(item)], True, item.colour, 2, cv2.LINE_AA)
            if item.covariance is not None:
                self._region(canvas, item)
            x, y = self._at(item.pose.translation_m[None])[0].tolist()
            draw_text(canvas, item.text, x + 6, y - 6, 0.4, item.colour)
        self._camera(canvas, camera)
        return canvas

    def _grid(self, canvas: Image) -> None:
        step = next((s for s in _STEPS_M if s * self._scale >= 50), _STEPS_M[-1])
        half = np.array(self._wh) / self._scale / 2
        for axis in (0, 1):
            first, last = (self._middle[axis] - half[axis], self._middle[axis] + half[axis])
            for k in range(int(np.ceil(first / step)), int(np.floor(last / step)) + 1):
                ends = np.tile(self._middle, (2, 1))
                ends[:, axis] = k * step
                ends[:, 1 - axis] += [-half[1 - axis], half[1 - axis]]
                a, b = self._at(ends).tolist()
                cv2.line(canvas, a, b, _GRID, 1)
        draw_text(canvas, f"grid {step:g} m", 8, self._wh[1] - 8, 0.4, _TEXT)

    def _outline(self, item: Solid) -> NDArray[np.int32]:
        return np.asarray(cv2.convexHull(self._at(item.corners_m)), dtype=np.int32)

    def _region(self, canvas: Image, item: Solid) -> None:
        assert item.covariance is not None
        values, vectors = np.linalg.eigh(item.covariance[:2, :2])
        radii = np.sqrt(4.605 * np.maximum(values, 0)) * self._scale  # chi-square, 2 degrees, 90 %
        turn = -float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
        middle = self._at(item.pose.translation_m[None])[0].tolist()
        size = (max(int(radii[1]), 1), max(int(radii[0]), 1))
        cv2.ellipse(canvas, middle, size, turn, 0, 360, item.colour, 1, cv2.LINE_AA)

    def _camera(self, canvas: Image, camera: RigidTransform) -> None:
        ends = np.stack([camera.translation_m, camera.apply(np.array([0, 0, 25 / self._scale]))])
        a, b = self._at(ends).tolist()
        cv2.circle(canvas, a, 4, _TEXT, -1, cv2.LINE_AA)
        cv2.arrowedLine(canvas, a, b, _TEXT, 1, cv2.LINE_AA, tipLength=0.3)

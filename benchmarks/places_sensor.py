# SPDX-License-Identifier: Apache-2.0
"""What sensors make of exact depth, and models of exact boxes, for `places.py`.

Stereo: noise and steps of disparity (constant in px, so quadratic in depth), foreground fattening
by the matching window, half-occlusion beside near things. Time of flight: noise that grows with
distance, flying pixels between surfaces, lost returns. Both: holes on glossy things, a shift from
imperfect registration, the grid that registration leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from places_world import View

from lfmvl_ros.core.boxes import as_xyxy, iou_matrix

SENSORS = ("stereo", "tof")


@dataclass(frozen=True)
class Sensor:
    """Qualities of one sensor, drawn once a scene: they do not average away over time.

    Attributes:
        baseline_m, step_px, window_px: of stereo.
        sigma: of disparity in px (stereo) or the factor of the noise (time of flight).
        scale: of all depths, from calibration.
        shift_px: of the depth image against the colour image.
        grid: every n-th row and column is missing; 0 for none.
        dropout: share of single pixels without depth.
    """

    kind: str
    baseline_m: float
    step_px: float
    window_px: int
    sigma: float
    scale: float
    shift_px: tuple[float, float]
    grid: int
    dropout: float


def sensor(seed: int) -> Sensor:
    """Return a sensor, as good or bad as cheap ones are."""
    rng = np.random.default_rng((seed, 77))
    kind = SENSORS[int(rng.integers(2))]
    sigma = rng.uniform(0.05, 0.2) if kind == "stereo" else rng.uniform(0.5, 1.5)
    return Sensor(
        kind,
        baseline_m=rng.uniform(0.05, 0.1),
        step_px=float(rng.choice([1 / 32, 1 / 16, 1 / 8])),
        window_px=int(rng.choice([3, 5, 7])),
        sigma=float(sigma),
        scale=float(1 + rng.normal(0, 0.004)),
        shift_px=(float(rng.normal(0, 0.8)), float(rng.normal(0, 0.8))),
        grid=int(rng.choice([0, 0, 0, 0, 0, 0, 3, 5])),
        dropout=float(rng.choice([0.0, 0.0, 0.02, 0.05, 0.3])),
    )


def _smooth(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Return noise of unit variance, correlated over ``sigma`` px."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape, dtype=np.float32), (0, 0), sigma)
    return noise / max(float(noise.std()), 1e-6)


def _stereo(depth: np.ndarray, s: Sensor, focal: float, rng: np.random.Generator) -> np.ndarray:
    valid = np.isfinite(depth)
    disparity = np.where(valid, focal * s.baseline_m / np.where(valid, depth, 1.0), 0.0)
    disparity = disparity.astype(np.float32)
    # What stands left of something nearer is not seen by the right camera.
    right = np.arange(depth.shape[1]) - disparity
    nearest = np.minimum.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros_like(valid)
    hidden[:, :-1] = right[:, :-1] > nearest[:, 1:] + 0.5
    fat = cv2.dilate(disparity, np.ones((s.window_px, s.window_px), np.uint8))
    spread = (fat > 1.04 * disparity) & (_smooth(rng, depth.shape, 2.0) > 0.0)
    disparity = np.where(spread, fat, disparity)
    hidden &= ~spread
    noise = 0.8 * _smooth(rng, depth.shape, 1.5) + 0.6 * rng.standard_normal(depth.shape)
    disparity = np.round((disparity + s.sigma * noise) / s.step_px) * s.step_px
    out = np.full(depth.shape, np.nan, np.float32)
    good = valid & ~hidden & (disparity > 1.0)
    out[good] = focal * s.baseline_m / disparity[good]
    return out


def _tof(depth: np.ndarray, s: Sensor, rng: np.random.Generator) -> np.ndarray:
    filled = np.where(np.isfinite(depth), depth, 12.0).astype(np.float32)
    mixed = cv2.blur(filled, (3, 3))
    edge = (
        cv2.dilate(filled, np.ones((3, 3))) - cv2.erode(filled, np.ones((3, 3)))
    ) > 0.06 * filled
    flying = edge & (rng.random(depth.shape) < 0.6)
    out = np.where(flying, mixed, filled)
    out = out + s.sigma * (0.002 + 0.0015 * out**2) * rng.standard_normal(depth.shape)
    lost = rng.random(depth.shape) < np.clip((out - 5.0) / 6.0, 0, 0.9)
    out[lost | ~np.isfinite(depth) | (out > 9.0)] = np.nan
    return out.astype(np.float32)


def sense(view: View, s: Sensor, gloss: np.ndarray, seed: int) -> np.ndarray:
    """Return the depth image of a sensor, ``(H, W)`` float32 in m with NaN.

    Args:
        view: what is really there.
        s: the sensor.
        gloss: of each thing.
        seed: of the noise of this frame.
    """
    rng = np.random.default_rng((seed, 5))
    depth = view.depth_m
    focal = view.lens.fx_px
    out = _stereo(depth, s, focal, rng) if s.kind == "stereo" else _tof(depth, s, rng)
    for i in np.flatnonzero(gloss > 0):
        ys, xs = np.nonzero(view.owner == i)
        if len(ys):
            size = max(2.0, 0.12 * float(np.sqrt(len(ys))))
            y0, x0 = ys.min(), xs.min()
            field = _smooth(rng, (int(np.ptp(ys)) + 1, int(np.ptp(xs)) + 1), size)
            cut = np.quantile(field, gloss[i])
            lost = field[ys - y0, xs - x0] < cut
            out[ys[lost], xs[lost]] = np.nan
    if s.dropout:
        out[rng.random(out.shape) < s.dropout] = np.nan
    move = np.array([[1, 0, s.shift_px[0]], [0, 1, s.shift_px[1]]])
    out = cv2.warpAffine(
        out, move, out.shape[::-1], flags=cv2.INTER_NEAREST, borderValue=float("nan")
    )
    if s.grid:
        out[:: s.grid] = np.nan
        out[:, :: s.grid] = np.nan
    return out * np.float32(s.scale)


def tight_box(mask: np.ndarray) -> np.ndarray:
    """Return x1, y1, x2, y2 around a mask."""
    ys, xs = np.nonzero(mask)
    return np.array([xs.min(), ys.min(), xs.max() + 1.0, ys.max() + 1.0])


def imprecise(box: np.ndarray, rng: np.random.Generator, wh: tuple[int, int]) -> np.ndarray:
    """Return a box whose IoU with ``box`` is 0.7 to 0.9, within the image."""
    w, h = box[2] - box[0], box[3] - box[1]
    spread = 0.06
    for _ in range(400):
        moved = box + rng.normal(0, spread, 4) * [w, h, w, h]
        moved = np.clip(moved, 0, [*wh, *wh])
        if moved[2] - moved[0] < 4 or moved[3] - moved[1] < 4:
            continue
        iou = float(iou_matrix(as_xyxy([box]), as_xyxy([moved]))[0, 0])
        if 0.7 <= iou <= 0.9:
            return moved
        spread *= 1.02 if iou > 0.9 else 0.98
    return box

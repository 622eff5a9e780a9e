# SPDX-License-Identifier: Apache-2.0
"""Warehouse halls: a textured room (floor, two rack rows, two end walls, ceiling) and its camera.

World: x right, y along the hall, z up, metres; the floor is z = 0. The camera looks horizontally;
its image is shifted, not tilted, so verticals stay vertical and the horizon is one row.
Every plane's 1/depth is affine in the image, and the largest wins, which gives depth and the
outline of every plane exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_warehouse.scenes import surfaces


@dataclass(frozen=True)
class Camera:
    """Pinhole camera: focal length, horizon row, centre column in px.

    position: (x,y,z) in metres; yaw in radians, 0 looks along +y, positive turns towards +x.
    """

    focal_px: float
    centre_px: float
    horizon_px: float
    position: tuple[float, float, float]
    yaw: float = 0.0

    def project(self, x: float, y: float, z: float = 0.0) -> tuple[float, float, float]:
        """Image column, row and depth (m) of a world point; depth <= 0 is behind the camera."""
        dx, dy = x - self.position[0], y - self.position[1]
        s, c = np.sin(self.yaw), np.cos(self.yaw)
        depth = float(dx * s + dy * c)
        k = self.focal_px / max(depth, 1e-6)
        return (
            self.centre_px + float(dx * c - dy * s) * k,
            self.horizon_px + (self.position[2] - z) * k,
            depth,
        )

    def unproject(self, u: NDArray[Any], v: NDArray[Any], depth_m: NDArray[Any]) -> NDArray[Any]:
        """World points (N,3) of image columns, rows and depths (N,)."""
        s, c = np.sin(self.yaw), np.cos(self.yaw)
        right = (u - self.centre_px) / self.focal_px * depth_m
        up = (self.horizon_px - v) / self.focal_px * depth_m
        x, y, z = self.position
        return np.stack([x + right * c + depth_m * s, y - right * s + depth_m * c, z + up], axis=1)

    @property
    def pose(self) -> RigidTransform:
        """Pose of the optical frame (x right, y down, z ahead) in the hall."""
        s, c = math.sin(self.yaw), math.cos(self.yaw)
        rotation = np.array([[c, 0.0, s], [-s, 0.0, c], [0.0, -1.0, 0.0]])
        return RigidTransform(rotation, np.array(self.position, dtype=np.float64))

    @property
    def lens(self) -> Intrinsics:
        """The lens as ``camera_info`` has it: the middle of a pixel is a whole number."""
        middle_px = (self.centre_px - 0.5, self.horizon_px - 0.5)
        return Intrinsics(self.focal_px, self.focal_px, *middle_px)


class Room:
    """One hall, drawn from a seed; `render` shows it from a camera inside."""

    def __init__(
        self, seed: int, width_m: float = 12.0, length_m: float = 32.0, height_m: float = 7.0
    ) -> None:
        rng = np.random.default_rng((5, seed))
        self.width_m, self.length_m, self.height_m = width_m, length_m, height_m
        w, d, h = width_m, length_m, height_m
        wall = surfaces.wall_paint(rng)
        left = _wall(rng, d, h, wall, racks=0.8)
        right = _wall(rng, d, h, wall, racks=0.8)
        end = _wall(rng, w, h, wall, racks=0.35)
        flats = surfaces.floor(rng, w, d), surfaces.ceiling(rng, w, d)
        back = surfaces.plain_wall(rng, w, h, wall)
        rightward, leftward = np.array([1.0, 0, 0]), np.array([-1.0, 0, 0])
        away, near, down = np.array([0.0, 1, 0]), np.array([0.0, -1, 0]), np.array([0.0, 0, -1])
        flat_ppm, wall_ppm = surfaces.FLOOR_PPM, surfaces.WALL_PPM
        # Name, texture, its upper left corner in the hall, where its columns and rows go.
        self._planes = (
            ("floor", flats[0], np.array([0.0, d, 0]), rightward, near, flat_ppm),
            ("ceiling", flats[1], np.array([0.0, d, h]), rightward, near, flat_ppm // 2),
            ("left", left, np.array([0.0, 0, h]), away, down, wall_ppm),
            ("right", right, np.array([w, d, h]), near, down, wall_ppm),
            ("end", end, np.array([0.0, d, h]), rightward, down, wall_ppm),
            ("back", back, np.array([w, 0.0, h]), leftward, down, wall_ppm),
        )

    def inverse_depth(
        self, camera: Camera, wh: tuple[int, int]
    ) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
        """1/depth of each plane and of the room (H,W).

        A plane's is 1-D: over columns for walls, over rows for floor and ceiling.
        """
        u = (np.arange(wh[0], dtype=np.float32) + 0.5 - camera.centre_px) / camera.focal_px
        v = (np.arange(wh[1], dtype=np.float32) + 0.5 - camera.horizon_px) / camera.focal_px
        s, c = np.float32(np.sin(camera.yaw)), np.float32(np.cos(camera.yaw))
        x, y, z = (np.float32(k) for k in camera.position)
        dx, dy = s + c * u, c - s * u
        parts = {
            "floor": v / z,
            "ceiling": -v / (np.float32(self.height_m) - z),
            "left": -dx / x,
            "right": dx / (np.float32(self.width_m) - x),
            "end": dy / (np.float32(self.length_m) - y),
            "back": -dy / y,
        }
        walls = np.maximum.reduce([parts[k] for k in ("left", "right", "end", "back")])
        flats = np.maximum(parts["floor"], parts["ceiling"])
        return parts, np.maximum(walls[None], flats[:, None])

    def render(self, camera: Camera, wh: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Pixels (H,W,3) uint8 RGB and depth in metres (H,W) float32."""
        parts, nearest = self.inverse_depth(camera, wh)
        pixels = np.zeros((wh[1], wh[0], 3), np.uint8)
        s, c = np.sin(camera.yaw), np.cos(camera.yaw)
        turn = np.array([[c, -s, 0], [0, 0, -1], [s, c, 0]])
        lens = np.array(
            [
                [camera.focal_px, 0, camera.centre_px - 0.5],
                [0, camera.focal_px, camera.horizon_px - 0.5],
                [0, 0, 1],
            ]
        )
        for name, texture, origin, e1, e2, ppm in self._planes:
            line = parts[name]
            grid = line[:, None] if name in ("floor", "ceiling") else line[None]
            mask = (grid >= nearest).view(np.uint8)
            x, y, w, h = cv2.boundingRect(mask)
            if w == 0:
                continue
            matrix = (
                lens
                @ turn
                @ np.column_stack([e1 / ppm, e2 / ppm, origin - np.asarray(camera.position)])
            )
            matrix = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]]) @ matrix
            view = cv2.warpPerspective(
                texture, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            target = pixels[y : y + h, x : x + w]
            pixels[y : y + h, x : x + w] = cv2.copyTo(
                view, np.ascontiguousarray(mask[y : y + h, x : x + w]), np.ascontiguousarray(target)
            )
        return pixels, 1.0 / nearest


def _wall(
    rng: np.random.Generator, length_m: float, height_m: float, tone: NDArray[Any], *, racks: float
) -> NDArray[Any]:
    """The texture of a wall; ``racks`` is how likely it is that racks stand before it."""
    draw = surfaces.rack_wall if rng.random() < racks else surfaces.plain_wall
    return draw(rng, length_m, height_m, tone)

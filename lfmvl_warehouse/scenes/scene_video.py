# SPDX-License-Identifier: Apache-2.0
"""Warehouse video: one hall, a moving camera, goods, people and vehicles, any frame on request."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_warehouse.scenes import sprites
from lfmvl_warehouse.scenes.cast import LENGTH_M, WIDTH_M, Actor, cast
from lfmvl_warehouse.scenes.drawn import Drawn, solid_box, surface_depth, truth_of
from lfmvl_warehouse.scenes.mesh import Mesh
from lfmvl_warehouse.scenes.options import VIDEO, SceneOptions
from lfmvl_warehouse.scenes.rooms import Camera, Room
from lfmvl_warehouse.scenes.scene import RenderedScene
from lfmvl_warehouse.scenes.sensor import apply_sensor, sample_sensor
from lfmvl_warehouse.scenes.sprites import Sprite
from lfmvl_warehouse.scenes.vocabulary import (
    object_names,
)
from lfmvl_warehouse.scenes.walks import Pose

CAMERA_MOTIONS = ("static", "pan", "drive")
_STRIDE_M = 1.45  # one full cycle of both legs
_PHASES = 8
_NEAR_M = 0.9
_SPRITES_KEPT = 1500


class SceneVideo:
    """A deterministic warehouse video, infinitely long; frames may be asked for in any order.

    seed: which hall, goods and motions. wh: image size, 64..4096 px. fps: frames per second.
    options: kinds, number of objects, light, noise (size, occlusion and truncation follow from the
    motion and are not limited). camera: "static", "pan", "drive" or "auto" (by seed). Ids run from
    1 and belong to an object for the whole video, also when it leaves the image and comes back.
    Objects whose silhouette meets the image are listed, hidden ones with visibility 0. Raises
    ValueError for arguments out of range.
    """

    def __init__(
        self,
        seed: int,
        *,
        wh: tuple[int, int] = (640, 480),
        fps: float = 30.0,
        options: SceneOptions = VIDEO,
        camera: str = "auto",
    ) -> None:
        if not (64 <= wh[0] <= 4096 and 64 <= wh[1] <= 4096):
            raise ValueError(f"wh must be within 64..4096 px each, got {wh}")
        if not 0.1 <= fps <= 1000:
            raise ValueError(f"fps must be within 0.1..1000, got {fps}")
        if camera not in ("auto", *CAMERA_MOTIONS):
            raise ValueError(f"camera must be auto, {', '.join(CAMERA_MOTIONS)}; got {camera!r}")
        rng = np.random.default_rng((31, seed))
        self.seed, self.wh, self.fps, self.options = seed, wh, fps, options
        pick = CAMERA_MOTIONS[int(rng.integers(len(CAMERA_MOTIONS)))]
        self.camera = pick if camera == "auto" else camera
        self.focal_px = 0.95 * float(np.sqrt(wh[0] * wh[1]))
        self._height_m = float(rng.uniform(1.5, 2.1))
        self._room = Room(int(rng.integers(1000)), WIDTH_M, LENGTH_M, 6.5)
        self._actors = cast(rng, options)
        self._sensor = sample_sensor(rng, options)
        self._lean = float(rng.uniform(-1, 1))
        self._meshes: dict[tuple[int, int], Mesh] = {}
        self._sprites: OrderedDict[tuple[int, ...], Sprite] = OrderedDict()
        self._still: tuple[NDArray[Any], NDArray[Any]] | None = None

    @property
    def names(self) -> frozenset[str]:
        """Every name a query may use for an object of this world, in the image or not."""
        return frozenset(
            name
            for actor in self._actors
            for name in object_names(actor.kind, actor.colour, actor.attributes)
        )

    def camera_at(self, index: int) -> Camera:
        """Where the camera is at a frame, and its lens."""
        t = index / self.fps
        x, y, yaw = WIDTH_M / 2, 1.2, 0.0
        if self.camera == "pan":
            yaw = 0.22 * float(np.sin(2 * np.pi * t / 16))
        elif self.camera == "drive":
            y += 1.6 * (1 - float(np.cos(2 * np.pi * t / 24)))
            x += 0.5 * float(np.sin(2 * np.pi * t / 17))
            yaw = 0.06 * float(np.sin(2 * np.pi * t / 11))
        centre, horizon = self.wh[0] / 2, 0.34 * self.wh[1]
        return Camera(self.focal_px, centre, horizon, (x, y, self._height_m), yaw)

    def frame(self, index: int, *, relief: bool = False) -> RenderedScene:
        """The image and truth of a frame; index from 0. Raises ValueError for a negative one.

        relief: depth of each object's surface, and its box in the world. The pixels are the same
        with and without.
        """
        if index < 0:
            raise ValueError(f"frame index must be 0 or more, got {index}")
        camera = self.camera_at(index)
        pixels, depth = self._background(camera)
        drawn = self._visible(index / self.fps, camera, relief=relief)
        if self.options.shadows:
            for item in reversed(drawn):
                slope = (item.foot_y - camera.horizon_px) / camera.focal_px
                sprites.cast_shadow(pixels, item.patch, slope, 0.5, self._lean)
        for item in reversed(drawn):
            sprites.blend(pixels, item.patch)
        for item in drawn:
            seen = item.visible > 0
            surface = surface_depth(item, camera)[seen] if relief else item.depth_m
            depth[item.window[0], item.window[1]][seen] = surface
        objects = tuple(
            truth_of(item, solid_box(item, camera) if relief else None) for item in drawn
        )
        noise = np.random.default_rng((32, self.seed, index))
        stamp_ns = round(index * 1_000_000_000 / self.fps)
        return RenderedScene(apply_sensor(pixels, self._sensor, noise), objects, depth, stamp_ns)

    def _background(self, camera: Camera) -> tuple[NDArray[Any], NDArray[Any]]:
        if self.camera != "static":
            return self._room.render(camera, self.wh)
        if self._still is None:
            self._still = self._room.render(camera, self.wh)
        return self._still[0].copy(), self._still[1].copy()

    def prepare(self, first: int, last: int, *, relief: bool = False) -> None:
        """Draws the sprites that frames first..last need, so that none of these frames waits.

        A new view of a person costs about as much as three frames; drawn before the start, a
        camera keeps its rate. The pixels are the same with and without.
        """
        for index in range(first, last + 1):
            camera = self.camera_at(index)
            for depth, _, _, actor, pose in self._in_view(index / self.fps, camera):
                self._sprite(actor, pose, camera, depth, relief=relief)

    def _in_view(
        self, time_s: float, camera: Camera
    ) -> list[tuple[float, float, float, Actor, Pose]]:
        """Depth (m), floor point (px), actor and pose of what may be seen, nearest first."""
        placed = []
        for actor in self._actors:
            pose = actor.schedule.at(time_s)
            u, v, depth = camera.project(pose.x, pose.y)
            reach = 1.6 * camera.focal_px / max(depth, _NEAR_M)
            if depth >= _NEAR_M and -reach <= u <= self.wh[0] + reach:
                placed.append((depth, u, v, actor, pose))
        return sorted(placed, key=lambda p: p[0])

    def _visible(self, time_s: float, camera: Camera, *, relief: bool = False) -> list[Drawn]:
        """What meets the image, nearest first, each with its visible pixels."""
        taken = np.zeros((self.wh[1], self.wh[0]), np.uint8)
        drawn = []
        for depth, u, v, actor, pose in self._in_view(time_s, camera):
            sprite, yaw = self._sprite(actor, pose, camera, depth, relief=relief)
            patch = sprites.warp(sprite, camera.focal_px / depth / sprite.px_per_m, (u, v))
            window = None if patch is None else sprites.clip_window(patch, self.wh)
            if patch is None or window is None:
                continue
            rows, columns, patch_rows, patch_columns = window
            mask = patch.mask[patch_rows, patch_columns]
            if not mask.any():
                continue
            visible = cv2.bitwise_and(mask, cv2.bitwise_not(taken[rows, columns]))
            taken[rows, columns] |= mask
            drawn.append(Drawn(actor, sprite, patch, yaw, depth, u, v, window, visible))
        return drawn

    def _sprite(
        self, actor: Actor, pose: Pose, camera: Camera, depth: float, *, relief: bool
    ) -> tuple[Sprite, float]:
        """The actor's view from here, drawn once per direction (and step of the walk), and its yaw.

        One that was drawn without relief is drawn again where that is asked for.
        """
        heading = pose.heading if actor.moves else actor.heading
        ray = np.arctan2(pose.x - camera.position[0], pose.y - camera.position[1])
        yaw = np.pi - (heading - ray)  # 0: it faces the camera
        step = np.radians(12.0 if actor.kind == "person" else 5.0)
        turn = int(np.round(yaw / step)) % round(2 * np.pi / float(step))
        tilt = int(np.round(np.degrees(np.arctan2(camera.position[2], depth)) / 4.0))
        phase = 0
        if actor.kind == "person" and pose.speed_m_s > 0.15:
            phase = 1 + int(pose.walked_m / _STRIDE_M * _PHASES) % _PHASES
        size = 256 if max(self.wh) <= 800 else 448
        key = (actor.id, turn, tilt, phase)
        kept = self._sprites.get(key)
        if kept is not None and (kept.relief is not None or not relief):
            self._sprites.move_to_end(key)
            return kept, turn * float(step)
        mesh = self._mesh(actor, phase)
        sprite = sprites.make_sprite(
            mesh,
            actor.kind,
            actor.colour,
            actor.attributes,
            yaw=turn * step,
            pitch=float(np.radians(4.0 * tilt)),
            size_px=size,
            relief=relief,
        )
        self._sprites[key] = sprite
        if len(self._sprites) > _SPRITES_KEPT:
            self._sprites.popitem(last=False)
        return sprite, turn * float(step)

    def _mesh(self, actor: Actor, phase: int) -> Mesh:
        key = (actor.id, phase)
        if key not in self._meshes:
            swing = (phase - 0.5) / _PHASES * 2 * np.pi if phase else 0.0
            self._meshes[key] = sprites.build_mesh(
                actor.kind, actor.colour, actor.attributes, actor.seed, float(swing)
            )
        return self._meshes[key]

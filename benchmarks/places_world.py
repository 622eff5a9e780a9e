# SPDX-License-Identifier: Apache-2.0
"""Ray-cast scenes with exact 3D truth, for `places.py`: boxes, cylinders, balls and people.

World axes: x ahead, y left, z up. Camera axes are those of a ROS optical frame. A scene is solids
(box, cylinder, ball) at known poses on a floor, on shelves, on a table or in a bin, seen by a VGA
camera. Depth is exact here; `places_sensor.py` makes it that of a sensor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.tracking import Intrinsics

WH = (640, 480)
LAYOUTS = ("floor", "shelf", "table", "bin")
FAR_M = 30.0
SCENERY = -1
NOTHING = -2


@dataclass(frozen=True, eq=False)
class Solid:
    """One convex body: ``kind`` is box, cylinder (along its z) or ball (an ellipsoid)."""

    kind: str
    pose: RigidTransform
    size_m: np.ndarray


@dataclass(frozen=True, eq=False)
class Thing:
    """An object: its parts, and the box around them in its own axes.

    Attributes:
        pose: of the middle of the box, in the world.
        size_m: ``(3,)`` full extents.
        velocity_m_s: ``(3,)`` in the world.
        gloss: 0 to 1, how much of it a depth sensor misses.
    """

    label: str
    pose: RigidTransform
    size_m: np.ndarray
    parts: tuple[Solid, ...]
    gloss: float
    velocity_m_s: np.ndarray

    def moved(self, seconds: float) -> Thing:
        """Return it after a time."""
        if not self.velocity_m_s.any():
            return self
        shift = RigidTransform(np.eye(3), self.velocity_m_s * seconds)
        parts = tuple(Solid(p.kind, shift @ p.pose, p.size_m) for p in self.parts)
        return Thing(
            self.label, shift @ self.pose, self.size_m, parts, self.gloss, self.velocity_m_s
        )


@dataclass(frozen=True, eq=False)
class Scene:
    """Things among scenery, and where the camera starts and looks."""

    layout: str
    things: tuple[Thing, ...]
    scenery: tuple[Solid, ...]
    eye_m: np.ndarray
    gaze_m: np.ndarray
    lens: Intrinsics


@dataclass(frozen=True, eq=False)
class View:
    """What an ideal camera sees.

    Attributes:
        depth_m: ``(H, W)`` float32, NaN where nothing is.
        owner: ``(H, W)`` index of the thing, SCENERY, or NOTHING.
        whole_px: pixels each thing would cover if it stood alone and the image had no border
            within the window of the cast.
        camera: pose of the camera in the world.
    """

    depth_m: np.ndarray
    owner: np.ndarray
    whole_px: np.ndarray
    camera: RigidTransform
    lens: Intrinsics


def look_at(eye: np.ndarray, gaze: np.ndarray) -> RigidTransform:
    """Return the pose of a level camera at ``eye`` that looks at ``gaze``."""
    ahead = (gaze - eye) / np.linalg.norm(gaze - eye)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    if np.linalg.norm(right) < 1e-3:
        right = np.array([0.0, -1.0, 0.0])
    right /= np.linalg.norm(right)
    return RigidTransform(np.stack([right, np.cross(ahead, right), ahead], axis=1), eye)


def upright(x: float, y: float, z: float, yaw: float) -> RigidTransform:
    """Return a pose turned about the vertical."""
    c, s = np.cos(yaw), np.sin(yaw)
    return RigidTransform(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]), np.array([x, y, z]))


def _hits(solid: Solid, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return for each ray ``(..., 3)`` the depth of its first hit, inf without one."""
    half = solid.size_m / 2
    o, d = origin / half, rays / half  # the solid becomes a unit one
    with np.errstate(divide="ignore", invalid="ignore"):
        if solid.kind == "box":
            a, b = (-1 - o) / d, (1 - o) / d
            near, far = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
        else:
            k = 3 if solid.kind == "ball" else 2
            aa = (d[..., :k] ** 2).sum(-1)
            bb = (d[..., :k] * o[:k]).sum(-1)
            root = np.sqrt(bb * bb - aa * ((o[:k] ** 2).sum() - 1))
            near, far = (-bb - root) / aa, (-bb + root) / aa
            if k == 2:
                a, b = (-1 - o[2]) / d[..., 2], (1 - o[2]) / d[..., 2]
                near = np.maximum(near, np.minimum(a, b))
                far = np.minimum(far, np.maximum(a, b))
    return np.where((near <= far) & (near > 0.02), near, np.inf)


def _window(solid: Solid, camera: RigidTransform, lens: Intrinsics) -> tuple[int, int, int, int]:
    corners = np.array(np.meshgrid(*([-0.5, 0.5],) * 3)).reshape(3, -1).T * solid.size_m
    seen = camera.inverse().apply(solid.pose.apply(corners))
    if (seen[:, 2] < 0.05).any():
        return (0, 0, *WH) if (seen[:, 2] > 0.05).any() else (0, 0, 0, 0)
    u, v = lens.project(seen).T
    x0, x1 = np.clip([u.min() - 1, u.max() + 2], 0, WH[0]).astype(int)
    y0, y1 = np.clip([v.min() - 1, v.max() + 2], 0, WH[1]).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def cast(scene: Scene, camera: RigidTransform, seconds: float = 0.0) -> View:
    """Return the exact view from a pose, after a time."""
    lens = scene.lens
    depth = np.full(WH[::-1], np.inf)
    owner = np.full(WH[::-1], NOTHING, np.int16)
    alone = np.zeros(len(scene.things), np.int64)
    u = (np.arange(WH[0]) - lens.cx_px) / lens.fx_px
    v = (np.arange(WH[1]) - lens.cy_px) / lens.fy_px
    groups = [(SCENERY, scene.scenery)]
    groups += [(i, thing.moved(seconds).parts) for i, thing in enumerate(scene.things)]
    for name, parts in groups:
        covered = np.zeros(WH[::-1], bool) if name >= 0 else None
        for part in parts:
            x0, y0, x1, y1 = _window(part, camera, lens)
            if x1 <= x0 or y1 <= y0:
                continue
            local = part.pose.inverse() @ camera
            rays = np.empty((y1 - y0, x1 - x0, 3))
            rays[..., 0], rays[..., 1], rays[..., 2] = u[None, x0:x1], v[y0:y1, None], 1.0
            hit = _hits(part, local.translation_m, rays @ local.rotation.T)
            window = depth[y0:y1, x0:x1]
            nearer = hit < window
            window[nearer] = hit[nearer]
            owner[y0:y1, x0:x1][nearer] = name
            if covered is not None:
                covered[y0:y1, x0:x1] |= np.isfinite(hit)
        if covered is not None:
            alone[name] = covered.sum()
    depth[depth > FAR_M] = np.nan
    return View(depth.astype(np.float32), owner, alone, camera, lens)


def _simple(
    kind: str, label: str, size: np.ndarray, pose: RigidTransform, rng: np.random.Generator
) -> Thing:
    gloss = float(rng.choice([0.0, 0.0, 0.1, 0.3, 0.6]))
    return Thing(label, pose, size, (Solid(kind, pose, size),), gloss, np.zeros(3))


def person(x: float, y: float, yaw: float, rng: np.random.Generator) -> Thing:
    """Return someone standing or walking, made of seven parts."""
    height = rng.uniform(1.5, 1.95)
    s = height / 1.75
    wide, deep = 0.44 * s * rng.uniform(0.9, 1.1), 0.26 * s
    stride = rng.uniform(0, 0.25) * s
    walks = stride > 0.1 * s
    base = upright(x, y, 0.0, yaw)

    def part(kind: str, at: tuple[float, float, float], size: tuple[float, ...]) -> Solid:
        return Solid(kind, base @ upright(*(s * a for a in at), 0.0), s * np.array(size))

    parts = (
        Solid("ball", base @ upright(0, 0, 1.62 * s, 0), np.array([0.2, 0.17, 0.26]) * s),
        Solid(
            "cylinder", base @ upright(0, 0, 1.15 * s, 0), np.array([deep, wide * 0.8, 0.62 * s])
        ),
        part("cylinder", (0.0, 0.24, 1.1), (0.1, 0.1, 0.62)),
        part("cylinder", (0.0, -0.24, 1.1), (0.1, 0.1, 0.62)),
        part("cylinder", (stride / s / 2, 0.1, 0.42), (0.15, 0.15, 0.84)),
        part("cylinder", (-stride / s / 2, -0.1, 0.42), (0.15, 0.15, 0.84)),
        part("ball", (0.02, 0.0, 0.88), (0.26, 0.36, 0.3)),
    )
    size = np.array([max(deep, stride + 0.15 * s), 0.58 * s, height])
    ahead = base.rotation[:, 0] * (rng.uniform(0.4, 1.3) if walks else 0.0)
    return Thing("person", base @ upright(0, 0, height / 2, 0), size, parts, 0.05, ahead)


def _standing(
    rng: np.random.Generator, x: float, y: float, z: float, low: float, high: float
) -> Thing:
    """Return a box, cylinder or ball of ``low`` to ``high`` m that stands at a point."""
    kind = str(rng.choice(["box", "box", "cylinder", "ball"], p=[0.3, 0.3, 0.3, 0.1]))
    if kind == "box":
        size = np.exp(rng.uniform(np.log(low), np.log(high), 3))
    elif kind == "cylinder":
        across = np.exp(rng.uniform(np.log(low), np.log(high * 0.7)))
        size = np.array([across, across, across * rng.uniform(0.8, 2.5)])
    else:
        size = np.full(3, np.exp(rng.uniform(np.log(low), np.log(high * 0.7))))
    pose = upright(x, y, z + size[2] / 2, rng.uniform(0, np.pi))
    return _simple(kind, kind, size, pose, rng)


def _is_free(thing: Thing, others: list[Thing]) -> bool:
    """Say whether its footprint and those of others are apart (or they are above each other)."""

    def reach(t: Thing) -> float:
        return float(np.linalg.norm((np.abs(t.pose.rotation) @ t.size_m)[:2])) / 2

    for other in others:
        apart = thing.pose.translation_m - other.pose.translation_m
        rise = (np.abs(thing.pose.rotation[2]) @ thing.size_m) / 2
        rise += (np.abs(other.pose.rotation[2]) @ other.size_m) / 2
        near = np.hypot(*apart[:2]) < 0.75 * (reach(thing) + reach(other))
        if near and abs(apart[2]) < rise:
            return False
    return True


def _top(thing: Thing) -> float:
    return float(thing.pose.translation_m[2] + np.abs(thing.pose.rotation[2]) @ thing.size_m / 2)


def _board(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> Solid:
    middle = np.array([x0 + x1, y0 + y1, z0 + z1]) / 2
    size = np.maximum(np.array([x1 - x0, y1 - y0, z1 - z0]), 1e-3)
    return Solid("box", RigidTransform(np.eye(3), middle), size)


def _lens(rng: np.random.Generator) -> Intrinsics:
    f = rng.uniform(460, 620)
    return Intrinsics(f, f, 320 + rng.uniform(-8, 8), 240 + rng.uniform(-8, 8))


def _floor(rng: np.random.Generator) -> Scene:
    wall = rng.uniform(4.5, 10)
    scenery = [_board(-5, 30, -20, 20, -0.1, 0), _board(wall, wall + 0.1, -20, 20, 0, 5)]
    eye = np.array([0.0, 0.0, rng.uniform(0.35, 1.7)])
    things = []
    for _ in range(int(rng.integers(6, 13))):
        x = rng.uniform(1.0, min(6.5, wall - 0.6))
        y = rng.uniform(-0.5, 0.5) * x
        if rng.random() < 0.35:
            thing = person(x, y, rng.uniform(0, 2 * np.pi), rng)
        else:
            thing = _standing(rng, x, y, 0.0, 0.25, 1.3)
        if _is_free(thing, things):
            things.append(thing)
    gaze = np.array([3.0, 0.0, rng.uniform(0.2, 0.9)])
    return Scene("floor", tuple(things), tuple(scenery), eye, gaze, _lens(rng))


def _shelf(rng: np.random.Generator) -> Scene:
    front, deep = rng.uniform(0.8, 4.5), rng.uniform(0.4, 1.1)
    gap = rng.uniform(0.35, 0.9)
    scenery = [
        _board(-5, 30, -20, 20, -0.1, 0),
        _board(front + deep, front + deep + 0.02, -3, 3, 0, 3),
    ]
    things = []
    for k in range(4):
        z = 0.1 + k * gap
        scenery.append(_board(front, front + deep, -3, 3, z - 0.03, z))
        for _ in range(int(rng.integers(2, 5))):
            thing = _standing(rng, 0, 0, 0, 0.1, min(gap * 0.8, deep * 0.9))
            if thing.size_m[2] > gap - 0.06:
                continue
            reach = float(np.hypot(*thing.size_m[:2])) / 2
            x = front + rng.uniform(min(reach, deep / 2), max(deep - reach, deep / 2))
            y = rng.uniform(-0.55, 0.55) * front
            shift = RigidTransform(np.eye(3), np.array([x, y, z]))
            parts = tuple(Solid(p.kind, shift @ p.pose, p.size_m) for p in thing.parts)
            pose = shift @ thing.pose
            placed = Thing(thing.label, pose, thing.size_m, parts, thing.gloss, np.zeros(3))
            if _is_free(placed, things):
                things.append(placed)
    for y in (-3.0, -1.0, 1.0, 3.0):
        scenery.append(_board(front, front + 0.05, y - 0.03, y + 0.03, 0, 3))
    eye = np.array([0.0, rng.uniform(-0.4, 0.4), rng.uniform(0.5, 1.6)])
    gaze = np.array([front, 0.0, rng.uniform(0.4, 1.4)])
    return Scene("shelf", tuple(things), tuple(scenery), eye, gaze, _lens(rng))


def _table(rng: np.random.Generator) -> Scene:
    top, start = rng.uniform(0.6, 0.9), rng.uniform(0.3, 0.8)
    scenery = [
        _board(-5, 30, -20, 20, -0.1, 0),
        _board(4, 4.1, -20, 20, 0, 4),
        _board(start, start + 1.0, -0.9, 0.9, top - 0.04, top),
    ]
    things = []
    for _ in range(int(rng.integers(3, 8))):
        x, y = start + rng.uniform(0.1, 0.9), rng.uniform(-0.4, 0.4)
        thing = _standing(rng, x, y, top, 0.04, 0.3)
        if _is_free(thing, things):
            things.append(thing)
    eye = np.array([0.0, 0.0, top + rng.uniform(0.15, 0.7)])
    gaze = np.array([start + 0.45, 0.0, top])
    return Scene("table", tuple(things), tuple(scenery), eye, gaze, _lens(rng))


def _bin(rng: np.random.Generator) -> Scene:
    a, b, high = rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.45), rng.uniform(0.12, 0.3)
    scenery = [_board(-3, 3, -3, 3, -0.8, -0.7), _board(-a / 2, a / 2, -b / 2, b / 2, -0.01, 0)]
    for s in (-1, 1):
        scenery.append(_board(s * a / 2 - 0.005, s * a / 2 + 0.005, -b / 2, b / 2, 0, high))
        scenery.append(_board(-a / 2, a / 2, s * b / 2 - 0.005, s * b / 2 + 0.005, 0, high))
    things = []
    for _ in range(int(rng.integers(3, 9))):
        kind = str(rng.choice(["box", "cylinder", "ball"], p=[0.6, 0.3, 0.1]))
        if kind == "box":
            size = np.exp(rng.uniform(np.log(0.035), np.log(0.22), 3))
        elif kind == "cylinder":
            across = rng.uniform(0.03, 0.1)
            size = np.array([across, across, across * rng.uniform(0.8, 3.0)])
        else:
            size = np.full(3, rng.uniform(0.04, 0.1))
        tilt = rng.normal(0, 0.25, 2) if rng.random() < 0.6 else np.zeros(2)
        turn = upright(0, 0, 0, rng.uniform(0, np.pi)).rotation @ _tilted(tilt)
        if rng.random() < 0.5:  # lying down
            turn = turn @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
        rise = float(np.abs(turn[2]) @ size) / 2
        x, y = rng.uniform(-0.35, 0.35) * a, rng.uniform(-0.35, 0.35) * b
        pose = RigidTransform(turn, np.array([x, y, rise]))
        thing = _simple(kind, kind, size, pose, rng)
        below = [_top(other) for other in things if not _is_free(thing, [other])]
        if below:  # it lies on what is there already
            if max(below) > high:
                continue
            pose = RigidTransform(turn, np.array([x, y, max(below) + rise]))
            thing = _simple(kind, kind, size, pose, rng)
        things.append(thing)
    slant = rng.uniform(0, 0.6)
    away = rng.uniform(0.45, 1.2)
    eye = np.array([-np.sin(slant) * away, rng.uniform(-0.1, 0.1), np.cos(slant) * away + 0.1])
    return Scene("bin", tuple(things), tuple(scenery), eye, np.array([0.0, 0, 0.05]), _lens(rng))


def _tilted(angles: np.ndarray) -> np.ndarray:
    (ca, cb), (sa, sb) = np.cos(angles), np.sin(angles)
    return np.array([[1.0, 0, 0], [0, ca, -sa], [0, sa, ca]]) @ np.array(
        [[cb, 0, sb], [0, 1.0, 0], [-sb, 0, cb]]
    )


_MAKERS = {"floor": _floor, "shelf": _shelf, "table": _table, "bin": _bin}


def scene(layout: str, seed: int) -> Scene:
    """Return one of endlessly many scenes of a layout."""
    rng = np.random.default_rng((seed, LAYOUTS.index(layout)))
    return _MAKERS[layout](rng)

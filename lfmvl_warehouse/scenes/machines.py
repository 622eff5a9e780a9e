# SPDX-License-Identifier: Apache-2.0
"""Builders of forklift, robot and hand truck; each returns one object's mesh."""

from __future__ import annotations

import numpy as np

from lfmvl_warehouse.scenes import textures
from lfmvl_warehouse.scenes.mesh import Mesh, Vec, circle, front_quad
from lfmvl_warehouse.scenes.vocabulary import paint

Rng = np.random.Generator
_RUBBER = np.array([38.0, 38, 40])
_STEEL = np.array([120.0, 124, 130])


def _wheel(mesh: Mesh, x: float, y: float, r: float, width: float, hub: Vec | None = None) -> None:
    """A wheel rolling along y, axle along x."""
    mesh.tube((x - width / 2, y, r), (x + width / 2, y, r), r, r, _RUBBER, sides=18)
    rim = _STEEL * 1.3 if hub is None else hub
    for s in (-1, 1):
        mesh.tube(
            (x + s * width / 2, y, r),
            (x + s * (width / 2 + 0.006), y, r),
            r * 0.55,
            r * 0.5,
            rim,
            sides=12,
        )


def forklift(rng: Rng, colour: str) -> Mesh:
    """Forks point to -y (towards the viewer at yaw 0)."""
    mesh = Mesh()
    c = paint(rng, colour)
    dark = np.array([52.0, 54, 58])
    tex = textures.plastic(int(rng.integers(8)))
    w = rng.uniform(1.0, 1.15)
    _body(mesh, w, c, dark, tex)
    roof = rng.uniform(1.95, 2.1)
    for sx in (-1, 1):
        mesh.tube(
            (sx * w * 0.44, -0.42, 0.6), (sx * w * 0.4, -0.25, roof), 0.035, 0.035, dark, sides=6
        )
        mesh.tube(
            (sx * w * 0.44, 0.95, 0.9), (sx * w * 0.4, 0.72, roof), 0.035, 0.035, dark, sides=6
        )
        _wheel(mesh, sx * w * 0.46, -0.3, 0.29, 0.2, c * 0.9)
        _wheel(mesh, sx * w * 0.44, 0.85, 0.23, 0.18, c * 0.9)
    mesh.cuboid(0, 0.24, roof, w * 0.9, 1.08, 0.05, dark * 1.15)
    amber = np.array([240.0, 140, 30])
    mesh.tube((0.2, 0.6, roof + 0.05), (0.2, 0.6, roof + 0.17), 0.05, 0.045, amber, sides=8)
    _lifting_gear(mesh, rng, dark)
    return mesh


def _body(mesh: Mesh, w: float, c: Vec, dark: Vec, texture: Vec) -> None:
    """A forklift's chassis, counterweight, seat and steering wheel."""
    mesh.cuboid(0, 0.25, 0.18, w, 1.5, 0.42, c, texture)  # chassis
    mesh.cuboid(0, 0.78, 0.3, w * 0.98, 0.6, 0.68, c, texture, taper=1.04)  # counterweight, bonnet
    mesh.cuboid(0, 0.93, 0.98, w * 0.8, 0.28, 0.06, dark)
    mesh.cuboid(0, 0.38, 0.6, 0.5, 0.42, 0.22, dark)  # seat
    mesh.cuboid(0, 0.6, 0.8, 0.48, 0.1, 0.45, dark)
    mesh.decal(
        [
            [-w * 0.45, 1.085, 0.4],
            [-w * 0.45, 1.085, 0.52],
            [w * 0.45, 1.085, 0.52],
            [w * 0.45, 1.085, 0.4],
        ],
        c,
        textures.hazard(0),
    )
    mesh.tube((0, -0.12, 0.72), (0, -0.3, 0.95), 0.03, 0.03, dark, sides=6)
    mesh.tube((0, -0.1, 0.94), (0, -0.07, 0.98), 0.15, 0.15, dark, sides=12)  # steering wheel


def _lifting_gear(mesh: Mesh, rng: Rng, dark: Vec) -> None:
    """A forklift's mast, and its forks raised or down."""
    mast = rng.uniform(1.95, 2.25)
    for sx in (-1, 1):
        mesh.cuboid(sx * 0.33, -0.62, 0.08, 0.09, 0.13, mast, dark)
        mesh.cuboid(sx * 0.23, -0.64, 0.08, 0.05, 0.1, mast * 0.95, _STEEL)
    for z in (0.5, mast * 0.62, mast):
        mesh.cuboid(0, -0.62, z, 0.7, 0.09, 0.08, dark)
    lift = float(rng.uniform(0.0, 0.5)) if rng.random() < 0.7 else 0.02
    for z in (0.12, 0.42):
        mesh.cuboid(0, -0.72, z + lift, 0.95, 0.05, 0.09, dark * 1.1)
    for sx in (-1, 1):
        mesh.cuboid(sx * 0.28, -0.77, 0.06 + lift, 0.11, 0.05, 0.5, _STEEL * 0.8)
        mesh.cuboid(sx * 0.28, -1.27, 0.05 + lift, 0.11, 1.05, 0.045, _STEEL * 0.9)


def hand_truck(rng: Rng, colour: str) -> Mesh:
    """A two-wheeled sack barrow."""
    mesh = Mesh()
    c = paint(rng, colour)
    h, w, lean = rng.uniform(1.1, 1.35), rng.uniform(0.2, 0.24), rng.uniform(0.1, 0.3)
    t = 0.022
    for s in (-1, 1):
        mesh.tube((s * w, 0, 0.06), (s * w, lean, h), t, t, c, sides=8)
        mesh.tube((s * w, lean, h), (s * w * 0.9, lean + 0.14, h + 0.03), t, t, c, sides=8)
        mesh.tube(
            (s * w * 0.9, lean + 0.14, h + 0.03),
            (s * w * 0.5, lean + 0.15, h + 0.03),
            t * 1.2,
            t * 1.2,
            _RUBBER,
            sides=8,
        )
        _wheel(mesh, s * (w + 0.06), 0.14, 0.13, 0.07)
        mesh.tube((s * w, 0.02, 0.25), (s * w, 0.14, 0.13), 0.018, 0.018, c * 0.8, sides=6)
    mesh.tube((-w, lean + 0.14, h + 0.03), (w, lean + 0.14, h + 0.03), t * 0.9, t * 0.9, c, sides=8)
    for f in (0.18, 0.42, 0.66, 0.88):
        y, z = lean * f, 0.06 + (h - 0.06) * f
        mesh.tube((-w, y, z), (w, y, z), 0.018, 0.018, c * 0.92, sides=6)
    mesh.tube((0, lean * 0.18, 0.25), (0, lean * 0.88, h * 0.88), 0.014, 0.014, c * 0.92, sides=6)
    mesh.cuboid(0, -0.13, 0.02, w * 2.1, 0.27, 0.018, _STEEL * 1.1)
    mesh.tube((-w - 0.06, 0.14, 0.13), (w + 0.06, 0.14, 0.13), 0.015, 0.015, _STEEL, sides=6)
    return mesh


def robot(rng: Rng, colour: str) -> Mesh:
    """A mobile robot: rounded base, light strip, lidar; some carry a mast with a screen."""
    mesh = Mesh()
    c = paint(rng, colour)
    w, d, h = rng.uniform(0.6, 0.8), rng.uniform(0.75, 1.0), rng.uniform(0.28, 0.42)
    dark = np.array([46.0, 48, 52])

    def outline(scale: float) -> Vec:
        return _rounded(w / 2 * scale, d / 2 * scale, 0.16)

    mesh.prism(outline(0.94), outline(0.96), 0.05, h * 0.42, dark)
    glow = (
        np.array([(60, 210, 255), (70, 240, 120), (255, 190, 60)][int(rng.integers(3))], float)
        * 1.1
    )
    mesh.prism(outline(0.97), outline(0.97), h * 0.42, h * 0.52, glow, skip="tb")
    mesh.prism(outline(1.0), outline(0.95), h * 0.52, h, c)
    mesh.polygon(np.column_stack([outline(0.8), np.full(8, h)]), c * 0.72, bias=0.004)
    for sx in (-1, 1):
        _wheel(mesh, sx * w * 0.42, 0, 0.1, 0.08)
        mesh.decal(
            [
                [sx * 0.16 - 0.05, -d / 2 - 0.004, h * 0.62],
                [sx * 0.16 + 0.05, -d / 2 - 0.004, h * 0.62],
                [sx * 0.16 + 0.05, -d / 2, h * 0.86],
                [sx * 0.16 - 0.05, -d / 2, h * 0.86],
            ],
            np.array([30.0, 34, 40]),
            bias=0.012,
        )
    _lidar(mesh, -d * 0.3, h)
    if rng.random() < 0.4:
        _screen(mesh, d * 0.3, h, h + rng.uniform(0.45, 0.8), dark)
    return mesh


def _rounded(a: float, b: float, cut: float) -> Vec:
    """Outline ``(8, 2)`` of a rectangle with half sides ``a``, ``b`` and its corners cut off."""
    return np.array(
        [
            [-a + cut, -b],
            [a - cut, -b],
            [a, -b + cut],
            [a, b - cut],
            [a - cut, b],
            [-a + cut, b],
            [-a, b - cut],
            [-a, -b + cut],
        ]
    )


def _lidar(mesh: Mesh, y: float, z: float) -> None:
    """A lidar that stands on a robot at height ``z``: a steel foot and a dark drum."""
    foot, drum = circle(0, y, 0.075, 16), circle(0, y, 0.07, 16)
    mesh.prism(foot, foot, z, z + 0.035, _STEEL)
    mesh.prism(drum, drum, z + 0.035, z + 0.1, np.array([24.0, 24, 28]))


def _screen(mesh: Mesh, y: float, low: float, z: float, dark: Vec) -> None:
    """A screen at height ``z`` on a mast that stands at height ``low``."""
    mesh.tube((0, y, low), (0, y, z), 0.03, 0.03, _STEEL, sides=8)
    mesh.cuboid(0, y, z, 0.34, 0.04, 0.24, dark)
    mesh.decal(front_quad(-0.15, 0.15, z + 0.02, z + 0.22, y - 0.021), np.array([120.0, 190, 230]))

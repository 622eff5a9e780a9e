# SPDX-License-Identifier: Apache-2.0
"""Builders of traffic cone and fire extinguisher, and of look-alikes without a kind."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lfmvl_warehouse.scenes import textures
from lfmvl_warehouse.scenes.mesh import Mesh, Vec, circle
from lfmvl_warehouse.scenes.vocabulary import paint

Rng = np.random.Generator
_RUBBER = np.array([38.0, 38, 40])
_STEEL = np.array([120.0, 124, 130])


def traffic_cone(rng: Rng, colour: str) -> Mesh:
    """A cone on a square foot with one or two reflective bands."""
    mesh = Mesh()
    c = paint(rng, colour)
    h, r = rng.uniform(0.48, 0.8), rng.uniform(0.13, 0.17)
    base = c * 0.85 if rng.random() < 0.6 else np.array([44.0, 44, 46])
    mesh.cuboid(0, 0, 0, r * 2.6, r * 2.6, 0.04, base)
    white = np.array([236.0, 236, 232])
    cuts = [0.0, 0.3, 0.48, 0.62, 0.78, 1.0] if rng.random() < 0.6 else [0.0, 0.42, 0.68, 1.0]
    n = 20
    for i, (a, b) in enumerate(pairwise(cuts)):
        ra, rb = r * (1 - a) + 0.028 * a, r * (1 - b) + 0.028 * b
        mesh.prism(
            circle(0, 0, ra, n),
            circle(0, 0, rb, n),
            0.04 + a * (h - 0.04),
            0.04 + b * (h - 0.04),
            white if i % 2 else c,
            skip="tb",
        )
    mesh.polygon(np.column_stack([circle(0, 0, 0.028, n), np.full(n, h)]), c * 0.4)
    return mesh


def fire_extinguisher(rng: Rng, colour: str) -> Mesh:
    """A red cylinder with valve, levers, hose and label."""
    mesh = Mesh()
    c = paint(rng, colour) * 1.05
    r, h = rng.uniform(0.075, 0.095), rng.uniform(0.4, 0.5)
    n = 20
    mesh.prism(circle(0, 0, r, n), circle(0, 0, r, n), 0.015, h, c, skip="t")
    mesh.prism(circle(0, 0, r * 1.04, n), circle(0, 0, r * 1.04, n), 0, 0.025, _RUBBER, skip="t")
    mesh.ellipsoid((0, 0, h), (r, r, r * 0.8), c, sides=n, stacks=6, lowest=0.0)
    z = h + r * 0.75
    mesh.tube((0, 0, z - 0.02), (0, 0, z + 0.045), 0.026, 0.026, _STEEL * 1.2, sides=10)
    mesh.cuboid(0.055, 0, z + 0.045, 0.15, 0.025, 0.018, _RUBBER)
    mesh.tube((-0.02, 0, z + 0.05), (0.125, 0, z + 0.1), 0.012, 0.012, _RUBBER * 1.3, sides=6)
    mesh.tube(
        (0, -0.03, z + 0.02),
        (0, -0.045, z + 0.02),
        0.02,
        0.02,
        np.array([240.0, 240, 235]),
        sides=10,
    )
    path = [
        (-0.02, 0, z + 0.03),
        (-r * 1.3, -0.02, z),
        (-r * 1.35, -0.03, h * 0.6),
        (-r * 1.12, -0.05, h * 0.2),
    ]
    for a, b in pairwise(path):
        mesh.tube(a, b, 0.013, 0.013, _RUBBER, sides=8)
    mesh.tube(path[-1], (-r * 1.1, -0.05, h * 0.2 - 0.07), 0.016, 0.026, _RUBBER, sides=8)
    mesh.prism(
        circle(0, 0, r * 1.01, n),
        circle(0, 0, r * 1.01, n),
        h * 0.42,
        h * 0.75,
        np.array([228.0, 226, 216]),
        skip="tb",
    )
    mesh.prism(
        circle(0, 0, r * 1.015, n),
        circle(0, 0, r * 1.015, n),
        h * 0.62,
        h * 0.68,
        np.array([60.0, 60, 64]),
        skip="tb",
    )
    return mesh


def distractor(rng: Rng) -> Mesh:
    """Something that shares a shape or colour with a kind but is none."""
    mesh = Mesh()
    grey = np.array([rng.uniform(80, 190)] * 3) + rng.normal(0, 12, 3)
    look_alikes = (_bollard, _tyre, _step_ladder, _planks, _gas_cylinder, _sign)
    look_alikes[int(rng.integers(6))](mesh, rng, grey)
    return mesh


def _bollard(mesh: Mesh, rng: Rng, _: Vec) -> None:
    c = paint(rng, str(rng.choice(["yellow", "grey", "white"])))
    for z0, z1, tint in ((0, 0.5, c), (0.5, 0.62, _RUBBER), (0.62, 0.9, c)):
        mesh.tube((0, 0, z0), (0, 0, z1), 0.08, 0.08, tint, sides=16)


def _tyre(mesh: Mesh, _: Rng, __: Vec) -> None:
    mesh.tube((0, -0.12, 0.32), (0, 0.12, 0.32), 0.32, 0.32, _RUBBER, sides=24)
    mesh.tube((0, -0.14, 0.32), (0, 0.14, 0.32), 0.17, 0.17, _STEEL, sides=20)


def _step_ladder(mesh: Mesh, _: Rng, grey: Vec) -> None:
    for s in (-1, 1):
        mesh.tube((s * 0.28, 0, 0), (s * 0.2, 0.3, 1.6), 0.022, 0.022, grey, sides=6)
        mesh.tube((s * 0.28, 0.6, 0), (s * 0.2, 0.3, 1.6), 0.016, 0.016, grey, sides=6)
    for f in np.linspace(0.12, 0.9, 6):
        mesh.cuboid(0, 0.3 * f - 0.03, 1.6 * f, 0.54 - 0.14 * f, 0.09, 0.025, grey * 1.1)


def _planks(mesh: Mesh, rng: Rng, _: Vec) -> None:
    for k in range(int(rng.integers(2, 5))):
        tone = np.array([184.0, 146, 98]) * rng.uniform(0.75, 1.05)
        mesh.cuboid(
            rng.normal(0, 0.06),
            rng.normal(0, 0.05),
            0.05 * k,
            1.5,
            0.24,
            0.045,
            tone,
            textures.wood(int(rng.integers(16))),
        )


def _gas_cylinder(mesh: Mesh, rng: Rng, grey: Vec) -> None:
    c = paint(rng, str(rng.choice(["grey", "green", "black"])))
    mesh.tube((0, 0, 0), (0, 0, 1.2), 0.12, 0.12, c, sides=16)
    mesh.ellipsoid((0, 0, 1.2), (0.12, 0.12, 0.14), grey, sides=16, stacks=5, lowest=0.0)
    mesh.tube((0, 0, 1.32), (0, 0, 1.42), 0.035, 0.035, _STEEL, sides=8)


def _sign(mesh: Mesh, rng: Rng, _: Vec) -> None:
    """A sign on a stand."""
    mesh.cuboid(0, 0, 0, 0.4, 0.4, 0.03, _RUBBER)
    mesh.tube((0, 0, 0.03), (0, 0, 1.0), 0.02, 0.02, _STEEL, sides=8)
    face = paint(rng, str(rng.choice(["white", "blue", "yellow"])))
    mesh.cuboid(0, -0.03, 0.85, 0.42, 0.02, 0.42, face)

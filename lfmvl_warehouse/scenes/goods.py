# SPDX-License-Identifier: Apache-2.0
"""Builders of barrel, bag, tape roll and shelf; each returns one object's mesh."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lfmvl_warehouse.scenes import textures
from lfmvl_warehouse.scenes.mesh import Mesh, Vec, circle, front_quad
from lfmvl_warehouse.scenes.vocabulary import paint

Rng = np.random.Generator


def barrel(rng: Rng, colour: str) -> Mesh:
    """A steel drum with rolled hoops, sunk lid and bung."""
    mesh = Mesh()
    r, h = rng.uniform(0.27, 0.31), rng.uniform(0.8, 0.95)
    c = paint(rng, colour)
    tex = textures.plastic(int(rng.integers(8)))
    n = 26
    levels = [
        (0, r),
        (h * 0.02, r * 1.03),
        (h * 0.05, r),
        (h * 0.33, r),
        (h * 0.35, r * 1.045),
        (h * 0.37, r),
        (h * 0.64, r),
        (h * 0.66, r * 1.045),
        (h * 0.68, r),
        (h * 0.96, r),
        (h * 0.98, r * 1.03),
        (h, r * 1.0),
    ]
    for (z0, r0), (z1, r1) in pairwise(levels):
        band = c * (1.0 if z1 - z0 > h * 0.1 else 0.93)
        mesh.prism(circle(0, 0, r0, n), circle(0, 0, r1, n), z0, z1, band, None, skip="tb")
    _lid(mesh, r, h, n, c)
    if rng.random() < 0.6:
        _drum_print(mesh, rng, r, h, tex)
    return mesh


def _lid(mesh: Mesh, r: float, h: float, n: int, c: Vec) -> None:
    """The sunk lid of a drum, with its edge and bung."""
    mesh.polygon(np.column_stack([circle(0, 0, r * 0.95, n), np.full(n, h - 0.02)]), c * 0.86)
    mesh.prism(
        circle(0, 0, r, n),
        circle(0, 0, r * 0.95, n),
        h - 0.001,
        h - 0.02,
        c * 0.7,
        skip="tb",
        inside=True,
    )
    mesh.prism(
        circle(r * 0.55, 0, 0.045, 10),
        circle(r * 0.55, 0, 0.045, 10),
        h - 0.02,
        h + 0.005,
        np.array([190, 190, 190]),
    )


def _drum_print(mesh: Mesh, rng: Rng, r: float, h: float, texture: Vec) -> None:
    """A shipping label or hazard stripes on a drum's front."""
    t = 0.16
    y = -np.sqrt(r * r - t * t) - 0.02
    printed = (
        textures.shipping_label(int(rng.integers(12))) if rng.random() < 0.6 else textures.hazard(0)
    )
    front = front_quad(-t, t, h * 0.4, h * 0.6, float(y))
    mesh.decal(front, texture.mean() * np.ones(3), printed, bias=0.02)


def bag(rng: Rng, colour: str) -> Mesh:
    """A tied bag standing, or a sewn sack lying."""
    mesh = Mesh()
    c = paint(rng, colour)
    sides, stacks = 20, 11
    lumps = 1 + 0.09 * np.repeat(rng.normal(0, 1, (6, 10)), 2, 0)[:12].repeat(2, 1)
    lumps = (lumps + np.roll(lumps, 1, 1) + np.roll(lumps, -1, 1)) / 3
    if rng.random() < 0.55:  # tied bag, standing
        w, h = rng.uniform(0.26, 0.34), rng.uniform(0.3, 0.4)
        mesh.ellipsoid(
            (0, 0, h * 0.6),
            (w, w * 0.85, h),
            c,
            sides=sides,
            stacks=stacks,
            lowest=-0.6,
            lumps=lumps,
        )
        z = h * 1.55
        mesh.tube((0, 0, z - 0.02), (0, 0, z + 0.05), 0.05, 0.03, c * 0.85, sides=8)
        mesh.tube((0, 0, z + 0.05), (0.03, 0, z + 0.15), 0.03, 0.1, c * 0.95, sides=8)
    else:  # filled sack, lying, sewn at both ends
        w, d, h = rng.uniform(0.34, 0.42), rng.uniform(0.24, 0.3), rng.uniform(0.15, 0.2)
        t = np.arange(24) * (2 * np.pi / 24)
        plan = np.column_stack(
            [
                w * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.5,
                d * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.5,
            ]
        )
        plan *= 1 + 0.02 * rng.normal(0, 1, 24)[:, None]
        rings = [(0.0, 0.82), (0.12, 0.95), (0.42, 1.0), (0.72, 0.92), (0.9, 0.72), (1.0, 0.4)]
        for (z0, k0), (z1, k1) in pairwise(rings):
            mesh.prism(plan * k0, plan * k1, 2 * h * z0, 2 * h * z1, c, skip="b")
        for s in (-1, 1):
            seam = [
                [s * w * 0.96, -d * 0.85, h * 0.7],
                [s * w * 1.13, -d * 0.9, h * 0.8],
                [s * w * 1.13, d * 0.9, h * 0.8],
                [s * w * 0.96, d * 0.85, h * 0.7],
            ]
            mesh.polygon(seam, c * 0.9, two_sided=True)
        band = paint(rng, str(rng.choice(["red", "blue", "green"])))
        mesh.prism(plan * (0.35, 0.9), plan * (0.35, 0.72), 1.5 * h, 1.86 * h, band, skip="tb")
        mesh.decal(np.column_stack([plan * (0.3, 0.42), np.full(24, 2 * h)]), band)
    return mesh


def tape_roll(rng: Rng, colour: str) -> Mesh:
    """A roll of tape on its cardboard core, lying or standing."""
    mesh = Mesh()
    c = paint(rng, colour)
    r, hole, t = rng.uniform(0.065, 0.09), rng.uniform(0.034, 0.042), rng.uniform(0.045, 0.07)
    core = np.array([196, 160, 112.0])
    n = 28
    standing = rng.random() < 0.5
    rings = ((r, hole + 0.008, c * 0.95), (hole + 0.008, hole, core))

    def at(radius: float, k: float, side: float) -> list[float]:
        a, b = radius * np.cos(k * 2 * np.pi / n), radius * np.sin(k * 2 * np.pi / n)
        return [a, side * t / 2, b + r] if standing else [a, b, t / 2 + side * t / 2]

    sign = -1 if standing else 1
    for k in range(n):
        outer = [at(r, k, -1), at(r, k + 1, -1), at(r, k + 1, 1), at(r, k, 1)]
        radial = np.array([np.subtract(at(1, i, 0), at(0, i, 0)) for i in (k, k + 1, k + 1, k)])
        mesh.polygon(outer, c, two_sided=True, normals=radial)
        inner = [at(hole, k, -1), at(hole, k + 1, -1), at(hole, k + 1, 1), at(hole, k, 1)]
        mesh.polygon(inner, core * 0.8, two_sided=True, normals=-radial)
        for big, small, tint in rings:
            for side in (sign, -sign):
                mesh.polygon(
                    [
                        at(small, k, side),
                        at(big, k, side),
                        at(big, k + 1, side),
                        at(small, k + 1, side),
                    ],
                    tint,
                    two_sided=True,
                )
    return mesh


def shelf(rng: Rng, colour: str) -> Mesh:
    """A free-standing shelf with braces and small parts on its boards."""
    mesh = Mesh()
    w, d, h = rng.uniform(0.9, 1.4), rng.uniform(0.4, 0.5), rng.uniform(1.6, 2.1)
    c = paint(rng, colour)
    levels = int(rng.integers(4, 6))
    for sx in (-1, 1):
        for sy in (-1, 1):
            mesh.cuboid(sx * w / 2, sy * d / 2, 0, 0.05, 0.05, h, c)
        for k in range(3):  # cross braces on the ends
            z0, z1 = h * k / 3, h * (k + 1) / 3
            mesh.tube(
                (sx * w / 2, -d / 2, z0),
                (sx * w / 2, d / 2, z1),
                0.012,
                0.012,
                c * 0.8,
                sides=5,
                caps=False,
            )
    board = np.array([176, 150, 116.0]) if rng.random() < 0.4 else c * 1.05
    for k in range(levels):
        z = 0.1 + (h - 0.15) * k / (levels - 1)
        mesh.cuboid(0, 0, z, w, d, 0.05, board, textures.plastic(int(rng.integers(8))))
        if k == levels - 1:
            continue
        x = -w / 2 + 0.06
        while x < w / 2 - 0.2:  # ring binders and small parts, too small to be objects of their own
            bw = rng.uniform(0.05, 0.11)
            if rng.random() < 0.55:
                tone = rng.uniform(70, 200) * np.ones(3) + rng.normal(0, 10, 3)
                mesh.cuboid(
                    x + bw / 2,
                    rng.uniform(-0.06, 0.06),
                    z + 0.05,
                    bw * 0.9,
                    d * 0.6,
                    rng.uniform(0.08, 0.26),
                    tone,
                )
            x += bw
    return mesh

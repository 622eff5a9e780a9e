# SPDX-License-Identifier: Apache-2.0
"""Builders for goods and containers: each returns the mesh of one object of its kind."""

from __future__ import annotations

import numpy as np

from lfmvl_ros.scenes import textures
from lfmvl_ros.scenes.solids import Mesh, circle
from lfmvl_ros.scenes.vocabulary import paint

Rng = np.random.Generator
Vec = np.ndarray


def _front(x0: float, x1: float, z0: float, z1: float, y: float) -> list[list[float]]:
    return [[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]]


def _back(x0: float, x1: float, z0: float, z1: float, y: float) -> list[list[float]]:
    return [[x1, y, z0], [x0, y, z0], [x0, y, z1], [x1, y, z1]]


def _side(y0: float, y1: float, z0: float, z1: float, x: float) -> list[list[float]]:
    """Seen from +x when y0 < y1, from -x when y0 > y1."""
    return [[x, y0, z0], [x, y1, z0], [x, y1, z1], [x, y0, z1]]


def _top(x0: float, x1: float, y0: float, y1: float, z: float) -> list[list[float]]:
    return [[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]]


def cardboard_box(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
    mesh = Mesh()
    w, d, h = rng.uniform(0.32, 0.7), rng.uniform(0.3, 0.5), rng.uniform(0.2, 0.52)
    c = paint(rng, colour)
    tex = textures.cardboard(int(rng.integers(8)))
    if "open" in attributes:
        mesh.cuboid(0, 0, 0, w, d, h, c, tex, skip="tb", inside=True)
        mesh.polygon(_top(-w / 2, w / 2, -d / 2, d / 2, 0.01), c * 0.4, two_sided=True)
        f, drop = 0.45 * d, rng.uniform(-0.35, 0.55, 4) * 0.4 * d
        inner = np.minimum(c * 1.1, 250)
        mesh.polygon(
            [
                [-w / 2, -d / 2, h],
                [w / 2, -d / 2, h],
                [w / 2, -d / 2 - f, h + drop[0]],
                [-w / 2, -d / 2 - f, h + drop[0]],
            ],
            inner,
            tex,
            two_sided=True,
        )
        mesh.polygon(
            [
                [-w / 2, d / 2, h],
                [w / 2, d / 2, h],
                [w / 2, d / 2 + f, h + abs(drop[1]) + 0.1 * d],
                [-w / 2, d / 2 + f, h + abs(drop[1]) + 0.1 * d],
            ],
            inner,
            tex,
            two_sided=True,
        )
        mesh.polygon(
            [
                [-w / 2, -d / 2, h],
                [-w / 2, d / 2, h],
                [-w / 2 - f, d / 2, h + drop[2]],
                [-w / 2 - f, -d / 2, h + drop[2]],
            ],
            inner,
            tex,
            two_sided=True,
        )
        mesh.polygon(
            [
                [w / 2, -d / 2, h],
                [w / 2, d / 2, h],
                [w / 2 + f, d / 2, h + drop[3]],
                [w / 2 + f, -d / 2, h + drop[3]],
            ],
            inner,
            tex,
            two_sided=True,
        )
    else:
        mesh.cuboid(0, 0, 0, w, d, h, c, tex)
        tape = np.array([205, 178, 132]) if rng.random() < 0.7 else np.array([225, 222, 214])
        t = 0.05 * w + 0.02
        mesh.decal(_top(-t, t, -d / 2, d / 2, h), tape)
        mesh.decal(_front(-t, t, h * 0.68, h, -d / 2), tape)
        mesh.decal(_back(-t, t, h * 0.68, h, d / 2), tape)
    label = textures.shipping_label(int(rng.integers(12)))
    if rng.random() < 0.75:
        mesh.decal(_front(w * 0.12, w * 0.42, h * 0.12, h * 0.5, -d / 2), c, label)
    if rng.random() < 0.5:
        mesh.decal(_side(-d * 0.35, -d * 0.05, h * 0.3, h * 0.7, w / 2), c, label)
    if rng.random() < 0.6:
        up = textures.arrows(0)
        mesh.decal(_front(-w * 0.42, -w * 0.2, h * 0.1, h * 0.55, -d / 2), c, up)
        mesh.decal(_side(d * 0.4, d * 0.1, h * 0.15, h * 0.65, -w / 2), c, up)
        mesh.decal(_back(-w * 0.42, -w * 0.2, h * 0.1, h * 0.55, d / 2), c, up)
    return mesh


def tote(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
    mesh = Mesh()
    w, d, h = rng.uniform(0.55, 0.75), rng.uniform(0.36, 0.5), rng.uniform(0.2, 0.42)
    c = paint(rng, colour)
    tex = textures.plastic(int(rng.integers(8)))
    taper = rng.uniform(0.82, 0.93)
    mesh.cuboid(0, 0, 0, w, d, h, c, tex, taper=taper, skip="tb", inside=True)
    mesh.polygon(_top(-w * taper / 2, w * taper / 2, -d * taper / 2, d * taper / 2, 0.02), c * 0.45)
    rim, lip = 0.035, 0.05
    for sx in (-1, 1):
        mesh.cuboid(sx * w / 2, 0, h - lip, rim, d + rim, lip, c * 1.06, tex)
        mesh.cuboid(0, sx * d / 2, h - lip, w + rim, rim, lip, c * 1.06, tex)
    for x in np.linspace(-0.36, 0.36, int(rng.integers(3, 6))):
        for sy in (-1, 1):
            mesh.cuboid(
                x * w,
                sy * d * (taper + 0.5 * (1 - taper)) / 2,
                h * 0.12,
                0.018,
                0.03,
                h * 0.7,
                c * 0.9,
            )
    dark = c * 0.22
    yo, xo = d / 2 + 0.002, w / 2 + 0.002
    mesh.decal(_front(-w * 0.13, w * 0.13, h * 0.58, h * 0.78, -yo), dark)
    mesh.decal(_back(-w * 0.13, w * 0.13, h * 0.58, h * 0.78, yo), dark)
    mesh.decal(_side(-d * 0.2, d * 0.2, h * 0.55, h * 0.78, xo), dark)
    mesh.decal(_side(d * 0.2, -d * 0.2, h * 0.55, h * 0.78, -xo), dark)
    if rng.random() < 0.3:
        mesh.decal(
            _front(-w * 0.4, -w * 0.2, h * 0.2, h * 0.5, -yo),
            c,
            textures.shipping_label(int(rng.integers(12))),
        )
    return mesh


def pallet(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
    mesh = Mesh()
    w, d = 1.2, rng.uniform(0.8, 1.0)
    c = paint(rng, colour)
    boards = int(rng.integers(5, 8))
    for k in range(boards):
        y = -d / 2 + d * (k + 0.5) / boards
        mesh.cuboid(
            0,
            y,
            0.122,
            w,
            0.7 * d / boards,
            0.024,
            c * rng.uniform(0.88, 1.1),
            textures.wood(int(rng.integers(16))),
        )
    for x in (-0.53, 0, 0.53):
        mesh.cuboid(x, 0, 0.1, 0.12, d, 0.022, c * 0.9, textures.wood(int(rng.integers(16))))
        mesh.cuboid(x, 0, 0, 0.12, d, 0.022, c * 0.9, textures.wood(int(rng.integers(16))))
        for y in (-d / 2 + 0.07, 0, d / 2 - 0.07):
            mesh.cuboid(
                x,
                y,
                0.022,
                0.13,
                0.13,
                0.078,
                c * rng.uniform(0.82, 0.98),
                textures.wood(int(rng.integers(16))),
            )
    if "loaded" in attributes:
        h = rng.uniform(0.45, 1.1)
        tint = [
            np.array([196, 203, 210]),
            np.array([170, 182, 196]),
            np.array([206, 204, 196]),
            np.array([96, 102, 108]),
        ]
        load = tint[int(rng.integers(4))] * rng.uniform(0.9, 1.1)
        mesh.cuboid(0, 0, 0.146, w * 0.97, d * 0.97, h, load, textures.film(int(rng.integers(12))))
        if rng.random() < 0.6:
            mesh.decal(
                _front(w * 0.1, w * 0.3, h * 0.5, h * 0.72, -d * 0.485),
                c,
                textures.shipping_label(int(rng.integers(12))),
            )
    return mesh


def crate(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
    mesh = Mesh()
    w, d, h = rng.uniform(0.6, 0.95), rng.uniform(0.5, 0.7), rng.uniform(0.42, 0.75)
    c = paint(rng, colour)
    wood = lambda: textures.wood(int(rng.integers(16)))  # noqa: E731
    mesh.cuboid(0, 0, 0.02, w - 0.06, d - 0.06, h - 0.05, c * 0.26, skip="b")
    slats = int(rng.integers(4, 6))
    for k in range(slats):
        z = h * k / slats
        hh = h / slats * 0.76
        shade = c * rng.uniform(0.9, 1.1)
        for s in (-1, 1):
            mesh.cuboid(0, s * (d / 2 - 0.015), z, w, 0.03, hh, shade, wood())
            mesh.cuboid(s * (w / 2 - 0.015), 0, z, 0.03, d, hh, shade, wood())
    for sx in (-1, 1):
        for sy in (-1, 1):
            mesh.cuboid(
                sx * (w / 2 - 0.035), sy * (d / 2 + 0.008), 0, 0.09, 0.02, h, c * 1.06, wood()
            )
            mesh.cuboid(
                sx * (w / 2 + 0.008), sy * (d / 2 - 0.035), 0, 0.02, 0.09, h, c * 1.06, wood()
            )
    if rng.random() < 0.6:
        for k in range(5):
            y = -d / 2 + d * (k + 0.5) / 5
            mesh.cuboid(0, y, h - 0.02, w, d / 5 * 0.82, 0.025, c * rng.uniform(0.92, 1.1), wood())
    if rng.random() < 0.5:  # diagonal brace on the long sides
        for y, pick in ((-d / 2 - 0.012, _front), (d / 2 + 0.012, _back)):
            a, b = (-w * 0.42, w * 0.42) if pick is _front else (w * 0.42, -w * 0.42)
            mesh.decal(
                [[a, y, 0.04], [a * 0.8, y, 0.02], [b, y, h - 0.04], [b * 0.8, y, h - 0.02]],
                c * 0.98,
                wood(),
            )
    return mesh


def barrel(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
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
    for (z0, r0), (z1, r1) in zip(levels, levels[1:]):
        band = c * (1.0 if z1 - z0 > h * 0.1 else 0.93)
        mesh.prism(circle(0, 0, r0, n), circle(0, 0, r1, n), z0, z1, band, None, skip="tb")
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
    if rng.random() < 0.6:
        t = 0.16
        y = -np.sqrt(r * r - t * t) - 0.02
        print_ = (
            textures.shipping_label(int(rng.integers(12)))
            if rng.random() < 0.6
            else textures.hazard(0)
        )
        mesh.decal(
            _front(-t, t, h * 0.4, h * 0.6, float(y)), tex.mean() * np.ones(3), print_, bias=0.02
        )
    return mesh


def bag(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
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
        for (z0, k0), (z1, k1) in zip(rings, rings[1:]):
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


def tape_roll(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
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


def shelf(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
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

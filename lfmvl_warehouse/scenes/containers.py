# SPDX-License-Identifier: Apache-2.0
"""Builders of what goods come in: carton, tote, pallet, crate; each returns one object's mesh."""

from __future__ import annotations

import numpy as np

from lfmvl_warehouse.scenes import textures
from lfmvl_warehouse.scenes.mesh import Mesh, Vec, back_quad, front_quad, side_quad, top_quad
from lfmvl_warehouse.scenes.vocabulary import paint

Rng = np.random.Generator


def cardboard_box(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
    """A carton: closed and taped, or open with four flaps."""
    mesh = Mesh()
    w, d, h = rng.uniform(0.32, 0.7), rng.uniform(0.3, 0.5), rng.uniform(0.2, 0.52)
    c = paint(rng, colour)
    tex = textures.cardboard(int(rng.integers(8)))
    if "open" in attributes:
        mesh.cuboid(0, 0, 0, w, d, h, c, tex, skip="tb", inside=True)
        mesh.polygon(top_quad(-w / 2, w / 2, -d / 2, d / 2, 0.01), c * 0.4, two_sided=True)
        _flaps(mesh, rng, w, d, h, np.minimum(c * 1.1, 250), tex)
    else:
        mesh.cuboid(0, 0, 0, w, d, h, c, tex)
        tape = np.array([205, 178, 132]) if rng.random() < 0.7 else np.array([225, 222, 214])
        t = 0.05 * w + 0.02
        mesh.decal(top_quad(-t, t, -d / 2, d / 2, h), tape)
        mesh.decal(front_quad(-t, t, h * 0.68, h, -d / 2), tape)
        mesh.decal(back_quad(-t, t, h * 0.68, h, d / 2), tape)
    _carton_prints(mesh, rng, w, d, h, c)
    return mesh


def _flaps(mesh: Mesh, rng: Rng, w: float, d: float, h: float, colour: Vec, texture: Vec) -> None:
    """The four flaps of an open carton, front, back, left and right, each folded differently."""
    f, drop = 0.45 * d, rng.uniform(-0.35, 0.55, 4) * 0.4 * d
    x, y = w / 2, d / 2
    back_z = h + abs(drop[1]) + 0.1 * d
    for a, b, outer_b, outer_a in (
        ((-x, -y), (x, -y), (x, -y - f, h + drop[0]), (-x, -y - f, h + drop[0])),
        ((-x, y), (x, y), (x, y + f, back_z), (-x, y + f, back_z)),
        ((-x, -y), (-x, y), (-x - f, y, h + drop[2]), (-x - f, -y, h + drop[2])),
        ((x, -y), (x, y), (x + f, y, h + drop[3]), (x + f, -y, h + drop[3])),
    ):
        mesh.polygon([[*a, h], [*b, h], outer_b, outer_a], colour, texture, two_sided=True)


def _carton_prints(mesh: Mesh, rng: Rng, w: float, d: float, h: float, colour: Vec) -> None:
    """Shipping labels, and arrows that say which side is up."""
    label = textures.shipping_label(int(rng.integers(12)))
    if rng.random() < 0.75:
        mesh.decal(front_quad(w * 0.12, w * 0.42, h * 0.12, h * 0.5, -d / 2), colour, label)
    if rng.random() < 0.5:
        mesh.decal(side_quad(-d * 0.35, -d * 0.05, h * 0.3, h * 0.7, w / 2), colour, label)
    if rng.random() < 0.6:
        up = textures.arrows(0)
        mesh.decal(front_quad(-w * 0.42, -w * 0.2, h * 0.1, h * 0.55, -d / 2), colour, up)
        mesh.decal(side_quad(d * 0.4, d * 0.1, h * 0.15, h * 0.65, -w / 2), colour, up)
        mesh.decal(back_quad(-w * 0.42, -w * 0.2, h * 0.1, h * 0.55, d / 2), colour, up)


def tote(rng: Rng, colour: str) -> Mesh:
    """A stackable plastic container: tapered, with rim, ribs and grips, open on top."""
    mesh = Mesh()
    w, d, h = rng.uniform(0.55, 0.75), rng.uniform(0.36, 0.5), rng.uniform(0.2, 0.42)
    c = paint(rng, colour)
    tex = textures.plastic(int(rng.integers(8)))
    taper = rng.uniform(0.82, 0.93)
    mesh.cuboid(0, 0, 0, w, d, h, c, tex, taper=taper, skip="tb", inside=True)
    mesh.polygon(
        top_quad(-w * taper / 2, w * taper / 2, -d * taper / 2, d * taper / 2, 0.02), c * 0.45
    )
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
    mesh.decal(front_quad(-w * 0.13, w * 0.13, h * 0.58, h * 0.78, -yo), dark)
    mesh.decal(back_quad(-w * 0.13, w * 0.13, h * 0.58, h * 0.78, yo), dark)
    mesh.decal(side_quad(-d * 0.2, d * 0.2, h * 0.55, h * 0.78, xo), dark)
    mesh.decal(side_quad(d * 0.2, -d * 0.2, h * 0.55, h * 0.78, -xo), dark)
    if rng.random() < 0.3:
        mesh.decal(
            front_quad(-w * 0.4, -w * 0.2, h * 0.2, h * 0.5, -yo),
            c,
            textures.shipping_label(int(rng.integers(12))),
        )
    return mesh


def pallet(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
    """A wooden pallet; loaded: with a film-wrapped block on it."""
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
        _wrapped_load(mesh, rng, w, d, c)
    return mesh


def _wrapped_load(mesh: Mesh, rng: Rng, w: float, d: float, colour: Vec) -> None:
    """A block of goods in film on a pallet, most with a shipping label."""
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
            front_quad(w * 0.1, w * 0.3, h * 0.5, h * 0.72, -d * 0.485),
            colour,
            textures.shipping_label(int(rng.integers(12))),
        )


def crate(rng: Rng, colour: str) -> Mesh:
    """A slatted wooden box with corner posts, some with a lid."""
    mesh = Mesh()
    w, d, h = rng.uniform(0.6, 0.95), rng.uniform(0.5, 0.7), rng.uniform(0.42, 0.75)
    c = paint(rng, colour)

    def wood() -> Vec:
        return textures.wood(int(rng.integers(16)))

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
        for y, pick in ((-d / 2 - 0.012, front_quad), (d / 2 + 0.012, back_quad)):
            a, b = (-w * 0.42, w * 0.42) if pick is front_quad else (w * 0.42, -w * 0.42)
            mesh.decal(
                [[a, y, 0.04], [a * 0.8, y, 0.02], [b, y, h - 0.04], [b * 0.8, y, h - 0.02]],
                c * 0.98,
                wood(),
            )
    return mesh

# SPDX-License-Identifier: Apache-2.0
"""Builders for people, vehicles and equipment, and for look-alikes that are no kind at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lfmvl_ros.scenes import textures
from lfmvl_ros.scenes.solids import Mesh, circle
from lfmvl_ros.scenes.vocabulary import PALETTE, paint

Rng = np.random.Generator
Vec = np.ndarray
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


def person(rng: Rng, colour: str, attributes: tuple[str, ...], phase: float = 0.0) -> Mesh:
    """phase in radians swings arms and legs; 0 stands still with the feet together."""
    mesh = Mesh()
    k = rng.uniform(0.93, 1.06)
    stout = rng.uniform(0.9, 1.18)
    vest = "wearing a vest" in attributes
    main = paint(rng, colour)
    under = np.array(
        PALETTE[str(rng.choice(["grey", "blue", "black", "white"]))], float
    ) * rng.uniform(0.75, 1.0)
    sleeve = under if vest else main
    legs = np.array(
        [(52, 58, 84), (64, 64, 68), (92, 84, 70), (36, 38, 46)][int(rng.integers(4))]
    ) * rng.uniform(0.85, 1.2)
    skin = np.array(
        [(236, 196, 168), (208, 158, 122), (150, 104, 76), (98, 66, 50)][int(rng.integers(4))]
    ) * rng.uniform(0.93, 1.05)
    swing = 0.34 * np.sin(phase)
    hip, shoulder = 0.92 * k, 1.43 * k
    for s in (-1, 1):
        sw = s * swing
        lift = max(0.0, -sw) * 0.25
        foot = np.array([s * 0.11, -sw * 0.8, 0.07 + lift])
        knee = np.array([s * 0.105, -sw * 0.45 - 0.04 * abs(sw), 0.5 * k])
        mesh.tube(foot, knee, 0.06 * stout, 0.075 * stout, legs, sides=10, caps=False)
        mesh.tube(
            knee, (s * 0.095, 0, hip), 0.078 * stout, 0.098 * stout, legs, sides=10, caps=False
        )
        mesh.ellipsoid(
            (foot[0], foot[1] - 0.05, foot[2] - 0.02),
            (0.055, 0.13, 0.055),
            _RUBBER,
            sides=8,
            stacks=3,
            lowest=-0.8,
        )
        bend = float(rng.uniform(0.0, 0.22))  # drawn always, or the head would change with the step
        bend = bend if phase == 0.0 else 0.08
        hand = np.array([s * (0.26 * stout), sw * 0.85 - bend, (0.83 + 0.3 * bend) * k])
        elbow = np.array([s * (0.265 * stout), sw * 0.3 + 0.02, 1.1 * k])
        joint = (s * 0.2 * stout, 0.0, shoulder - 0.045)
        mesh.tube(joint, elbow, 0.068 * stout, 0.052, sleeve, sides=10, caps=False)
        mesh.ellipsoid(
            joint, (0.072 * stout, 0.072 * stout, 0.075), sleeve, sides=8, stacks=3, lowest=-0.3
        )
        mesh.ellipsoid(elbow, (0.053, 0.053, 0.053), sleeve, sides=6, stacks=3)
        mesh.tube(elbow, hand, 0.052, 0.04, sleeve if vest or colour != "white" else skin, sides=10)
        mesh.ellipsoid(hand, (0.045, 0.045, 0.06), skin, sides=6, stacks=3)
    pelvis = np.array([1.0, 0.72])
    mesh.prism(
        circle(0, 0, 0.15 * stout, 16) * pelvis,
        circle(0, 0, 0.168 * stout, 16) * pelvis,
        hip - 0.12,
        hip + 0.1,
        legs,
    )
    _torso(mesh, rng, main, vest, hip, shoulder, stout)
    _head(mesh, rng, skin, k)
    return mesh


def _torso(
    mesh: Mesh, rng: Rng, colour: Vec, vest: bool, hip: float, shoulder: float, stout: float
) -> None:
    rings = [
        (hip - 0.01, 0.178),
        (hip + 0.1, 0.172),
        (hip + 0.3, 0.185),
        (shoulder - 0.06, 0.215),
        (shoulder + 0.01, 0.19),
        (shoulder + 0.05, 0.09),
    ]
    n = 16
    flat = np.array([1.0, 0.7])
    for (z0, r0), (z1, r1) in zip(rings, rings[1:]):
        mesh.prism(
            circle(0, 0, r0 * stout, n) * flat,
            circle(0, 0, r1 * stout, n) * flat,
            z0,
            z1,
            colour,
            skip="b",
        )
    if not vest:
        return
    silver = np.array([222.0, 226, 224])
    for z in (hip + 0.1, hip + 0.25):
        r = (0.188 if z < hip + 0.2 else 0.198) * stout
        mesh.prism(
            circle(0, 0, r, n) * flat, circle(0, 0, r, n) * flat, z, z + 0.055, silver, skip="tb"
        )
    for sx in (-1, 1):
        for sy in (-1, 1):
            x0, x1, y = sx * 0.09 * stout, sx * 0.14 * stout, sy * 0.152 * stout
            lo, hi = hip + 0.3, shoulder
            quad = [[x0, y, lo], [x1, y * 0.93, lo], [x1, y * 0.9, hi], [x0, y * 0.95, hi]]
            mesh.polygon(quad, silver, two_sided=True, bias=0.004)


def _head(mesh: Mesh, rng: Rng, skin: Vec, k: float) -> None:
    z = 1.62 * k
    mesh.tube((0, 0, 1.44 * k), (0, -0.01, z - 0.05), 0.055, 0.055, skin, sides=8)
    mesh.ellipsoid((0, -0.005, z), (0.085, 0.1, 0.125), skin, sides=12, stacks=6)
    style = rng.random()
    if style < 0.6:
        hat = paint(rng, str(rng.choice(["white", "yellow", "blue", "red", "orange"])))
        mesh.ellipsoid(
            (0, 0, z + 0.035), (0.115, 0.135, 0.125), hat, sides=14, stacks=5, lowest=0.0
        )
        mesh.prism(
            circle(0, -0.03, 0.125, 14) * (1, 1.2),
            circle(0, -0.03, 0.12, 14) * (1, 1.2),
            z + 0.03,
            z + 0.045,
            hat * 0.9,
        )
    else:
        hair = np.array(
            [(40, 30, 24), (88, 60, 38), (150, 120, 80), (120, 118, 116)][int(rng.integers(4))],
            float,
        )
        mesh.ellipsoid(
            (0, 0.018, z + 0.025), (0.096, 0.108, 0.125), hair, sides=12, stacks=5, lowest=-0.05
        )


def forklift(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
    """Forks point to -y (towards the viewer at yaw 0)."""
    mesh = Mesh()
    c = paint(rng, colour)
    dark = np.array([52.0, 54, 58])
    tex = textures.plastic(int(rng.integers(8)))
    w = rng.uniform(1.0, 1.15)
    mesh.cuboid(0, 0.25, 0.18, w, 1.5, 0.42, c, tex)  # chassis
    mesh.cuboid(0, 0.78, 0.3, w * 0.98, 0.6, 0.68, c, tex, taper=1.04)  # counterweight, bonnet
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
    mesh.tube(
        (0.2, 0.6, roof + 0.05),
        (0.2, 0.6, roof + 0.17),
        0.05,
        0.045,
        np.array([240.0, 140, 30]),
        sides=8,
    )
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
    return mesh


def traffic_cone(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
    mesh = Mesh()
    c = paint(rng, colour)
    h, r = rng.uniform(0.48, 0.8), rng.uniform(0.13, 0.17)
    base = c * 0.85 if rng.random() < 0.6 else np.array([44.0, 44, 46])
    mesh.cuboid(0, 0, 0, r * 2.6, r * 2.6, 0.04, base)
    white = np.array([236.0, 236, 232])
    cuts = [0.0, 0.3, 0.48, 0.62, 0.78, 1.0] if rng.random() < 0.6 else [0.0, 0.42, 0.68, 1.0]
    n = 20
    for i, (a, b) in enumerate(zip(cuts, cuts[1:])):
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


def hand_truck(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
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


def fire_extinguisher(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
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
    for a, b in zip(path, path[1:]):
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


def robot(rng: Rng, colour: str, attributes: tuple[str, ...]) -> Mesh:
    """A mobile robot: rounded base, light strip, lidar; some carry a mast with a screen."""
    mesh = Mesh()
    c = paint(rng, colour)
    w, d, h = rng.uniform(0.6, 0.8), rng.uniform(0.75, 1.0), rng.uniform(0.28, 0.42)
    dark = np.array([46.0, 48, 52])
    k = 0.16

    def outline(s: float) -> Vec:
        a, b = w / 2 * s, d / 2 * s
        return np.array(
            [
                [-a + k, -b],
                [a - k, -b],
                [a, -b + k],
                [a, b - k],
                [a - k, b],
                [-a + k, b],
                [-a, b - k],
                [-a, -b + k],
            ]
        )

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
    mesh.prism(circle(0, -d * 0.3, 0.075, 16), circle(0, -d * 0.3, 0.075, 16), h, h + 0.035, _STEEL)
    mesh.prism(
        circle(0, -d * 0.3, 0.07, 16),
        circle(0, -d * 0.3, 0.07, 16),
        h + 0.035,
        h + 0.1,
        np.array([24.0, 24, 28]),
    )
    if rng.random() < 0.4:
        z = h + rng.uniform(0.45, 0.8)
        mesh.tube((0, d * 0.3, h), (0, d * 0.3, z), 0.03, 0.03, _STEEL, sides=8)
        mesh.cuboid(0, d * 0.3, z, 0.34, 0.04, 0.24, dark)
        mesh.decal(
            [
                [-0.15, d * 0.3 - 0.021, z + 0.02],
                [0.15, d * 0.3 - 0.021, z + 0.02],
                [0.15, d * 0.3 - 0.021, z + 0.22],
                [-0.15, d * 0.3 - 0.021, z + 0.22],
            ],
            np.array([120.0, 190, 230]),
        )
    return mesh


def distractor(rng: Rng) -> Mesh:
    """Something that shares a shape or colour with a kind but is none."""
    mesh = Mesh()
    grey = np.array([rng.uniform(80, 190)] * 3) + rng.normal(0, 12, 3)
    pick = int(rng.integers(6))
    if pick == 0:  # bollard
        c = paint(rng, str(rng.choice(["yellow", "grey", "white"])))
        for z0, z1, tint in ((0, 0.5, c), (0.5, 0.62, _RUBBER), (0.62, 0.9, c)):
            mesh.tube((0, 0, z0), (0, 0, z1), 0.08, 0.08, tint, sides=16)
    elif pick == 1:  # tyre
        mesh.tube((0, -0.12, 0.32), (0, 0.12, 0.32), 0.32, 0.32, _RUBBER, sides=24)
        mesh.tube((0, -0.14, 0.32), (0, 0.14, 0.32), 0.17, 0.17, _STEEL, sides=20)
    elif pick == 2:  # step ladder
        for s in (-1, 1):
            mesh.tube((s * 0.28, 0, 0), (s * 0.2, 0.3, 1.6), 0.022, 0.022, grey, sides=6)
            mesh.tube((s * 0.28, 0.6, 0), (s * 0.2, 0.3, 1.6), 0.016, 0.016, grey, sides=6)
        for f in np.linspace(0.12, 0.9, 6):
            mesh.cuboid(0, 0.3 * f - 0.03, 1.6 * f, 0.54 - 0.14 * f, 0.09, 0.025, grey * 1.1)
    elif pick == 3:  # planks
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
    elif pick == 4:  # gas cylinder
        c = paint(rng, str(rng.choice(["grey", "green", "black"])))
        mesh.tube((0, 0, 0), (0, 0, 1.2), 0.12, 0.12, c, sides=16)
        mesh.ellipsoid((0, 0, 1.2), (0.12, 0.12, 0.14), grey, sides=16, stacks=5, lowest=0.0)
        mesh.tube((0, 0, 1.32), (0, 0, 1.42), 0.035, 0.035, _STEEL, sides=8)
    else:  # sign on a stand
        mesh.cuboid(0, 0, 0, 0.4, 0.4, 0.03, _RUBBER)
        mesh.tube((0, 0, 0.03), (0, 0, 1.0), 0.02, 0.02, _STEEL, sides=8)
        mesh.cuboid(
            0,
            -0.03,
            0.85,
            0.42,
            0.02,
            0.42,
            paint(rng, str(rng.choice(["white", "blue", "yellow"]))),
        )
    return mesh


BUILDERS: dict[str, Callable[..., Mesh]] = {
    "person": person,
    "forklift": forklift,
    "traffic cone": traffic_cone,
    "hand truck": hand_truck,
    "fire extinguisher": fire_extinguisher,
    "robot": robot,
}

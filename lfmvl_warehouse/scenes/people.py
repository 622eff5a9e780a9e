# SPDX-License-Identifier: Apache-2.0
"""The builder of a person: limbs swing with the step, a vest has reflective bands."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lfmvl_warehouse.scenes.mesh import Mesh, Vec, circle
from lfmvl_warehouse.scenes.vocabulary import PALETTE, paint

Rng = np.random.Generator
_RUBBER = np.array([38.0, 38, 40])


def person(rng: Rng, colour: str, attributes: tuple[str, ...], phase: float = 0.0) -> Mesh:
    """A person facing -y; phase (radians) swings arms and legs, 0 stands still."""
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
    for side in (-1, 1):
        _leg(mesh, side, side * swing, k, stout, legs)
        bend = float(rng.uniform(0.0, 0.22))  # drawn always, or the head would change with the step
        bend = bend if phase == 0.0 else 0.08
        bare = skin if colour == "white" and not vest else sleeve
        _arm(mesh, side, side * swing, bend, k, stout, (sleeve, bare, skin))
    pelvis = np.array([1.0, 0.72])
    mesh.prism(
        circle(0, 0, 0.15 * stout, 16) * pelvis,
        circle(0, 0, 0.168 * stout, 16) * pelvis,
        hip - 0.12,
        hip + 0.1,
        legs,
    )
    _torso(mesh, main, vest, hip, shoulder, stout)
    _head(mesh, rng, skin, k)
    return mesh


def _leg(mesh: Mesh, side: int, swing: float, k: float, stout: float, colour: Vec) -> None:
    """A leg and its shoe; ``swing`` is how far it is ahead of the hip, ``k`` scales its height."""
    lift = max(0.0, -swing) * 0.25
    foot = np.array([side * 0.11, -swing * 0.8, 0.07 + lift])
    knee = np.array([side * 0.105, -swing * 0.45 - 0.04 * abs(swing), 0.5 * k])
    hip = (side * 0.095, 0, 0.92 * k)
    mesh.tube(foot, knee, 0.06 * stout, 0.075 * stout, colour, sides=10, caps=False)
    mesh.tube(knee, hip, 0.078 * stout, 0.098 * stout, colour, sides=10, caps=False)
    mesh.ellipsoid(
        (foot[0], foot[1] - 0.05, foot[2] - 0.02),
        (0.055, 0.13, 0.055),
        _RUBBER,
        sides=8,
        stacks=3,
        lowest=-0.8,
    )


def _arm(
    mesh: Mesh,
    side: int,
    swing: float,
    bend: float,
    k: float,
    stout: float,
    colours: tuple[Vec, Vec, Vec],
) -> None:
    """An arm, swinging against its leg; colours of the sleeve, the forearm and the hand."""
    sleeve, forearm, skin = colours
    hand = np.array([side * (0.26 * stout), swing * 0.85 - bend, (0.83 + 0.3 * bend) * k])
    elbow = np.array([side * (0.265 * stout), swing * 0.3 + 0.02, 1.1 * k])
    joint = (side * 0.2 * stout, 0.0, 1.43 * k - 0.045)
    mesh.tube(joint, elbow, 0.068 * stout, 0.052, sleeve, sides=10, caps=False)
    mesh.ellipsoid(
        joint, (0.072 * stout, 0.072 * stout, 0.075), sleeve, sides=8, stacks=3, lowest=-0.3
    )
    mesh.ellipsoid(elbow, (0.053, 0.053, 0.053), sleeve, sides=6, stacks=3)
    mesh.tube(elbow, hand, 0.052, 0.04, forearm, sides=10)
    mesh.ellipsoid(hand, (0.045, 0.045, 0.06), skin, sides=6, stacks=3)


def _torso(mesh: Mesh, colour: Vec, vest: bool, hip: float, shoulder: float, stout: float) -> None:
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
    for (z0, r0), (z1, r1) in pairwise(rings):
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

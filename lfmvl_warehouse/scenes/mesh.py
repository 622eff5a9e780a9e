# SPDX-License-Identifier: Apache-2.0
"""Solids built from flat faces, with helpers for the shapes warehouse things are made of.

Object frame: x right, y away from the viewer, z up, metres, origin on the floor under the
object's middle. Faces are convex polygons, counter-clockwise seen from outside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vec = NDArray[Any]


@dataclass
class Face:
    """One convex polygon and how it looks."""

    corners: Vec  # (K,3)
    colour: Vec  # (3,) 0..255
    texture: Vec | None  # (h,w) multiplier, 128 = 1; or (h,w,3) RGB printed on a quad
    two_sided: bool
    normals: Vec | None  # (K,3) at the corners, for smoothly shaded curved surfaces
    bias: float  # pulled towards the viewer by this share of its distance (decals)


@dataclass
class Mesh:
    """Faces of one object, with helpers for the shapes warehouse things are made of."""

    faces: list[Face] = field(default_factory=list)

    def polygon(
        self,
        corners: object,
        colour: Vec,
        texture: Vec | None = None,
        *,
        two_sided: bool = False,
        bias: float = 0.0,
        normals: Vec | None = None,
    ) -> None:
        """One convex face; corners counter-clockwise seen from outside."""
        points = np.asarray(corners, float)
        self.faces.append(
            Face(points, np.asarray(colour, float), texture, two_sided, normals, bias)
        )

    def cuboid(
        self,
        x: float,
        y: float,
        z: float,
        w: float,
        d: float,
        h: float,
        colour: Vec,
        texture: Vec | None = None,
        *,
        taper: float = 1.0,
        skip: str = "",
        inside: bool = False,
    ) -> None:
        """A box with its bottom's middle at (x,y,z); taper scales the bottom.

        skip: faces left out: t(op) b(ottom) f(ront) l(eft) r(ight) k (back).
        """
        self.prism(
            _rect(x, y, w * taper, d * taper),
            _rect(x, y, w, d),
            z,
            z + h,
            colour,
            texture,
            skip=skip,
            inside=inside,
        )

    def prism(
        self,
        low: Vec,
        high: Vec,
        z0: float,
        z1: float,
        colour: Vec,
        texture: Vec | None = None,
        *,
        skip: str = "",
        inside: bool = False,
    ) -> None:
        """Side walls between two outlines (K,2), counter-clockwise from above, with caps (t, b)."""
        n = len(low)
        names = "frkl" if n == 4 else "s" * n
        bottom = np.column_stack([low, np.full(n, z0)])
        top = np.column_stack([high, np.full(n, z1)])
        smooth = _outward(low, high, z1 - z0) if n >= 10 else None
        for i in range(n):
            if names[i] not in skip:
                j = (i + 1) % n
                normals = None if smooth is None else smooth[[i, j, j, i]]
                self.polygon(
                    [bottom[i], bottom[j], top[j], top[i]],
                    colour,
                    texture,
                    two_sided=inside,
                    normals=normals,
                )
        if "t" not in skip:
            self.polygon(top, colour, texture if n == 4 else None, two_sided=inside)
        if "b" not in skip:
            self.polygon(bottom[::-1], colour, two_sided=inside)

    def tube(
        self,
        a: object,
        b: object,
        ra: float,
        rb: float,
        colour: Vec,
        *,
        sides: int = 12,
        squash: float = 1.0,
        caps: bool = True,
        texture: Vec | None = None,
        inside: bool = False,
    ) -> None:
        """A (tapered) cylinder from point a to b; squash narrows it along its second axis."""
        pa, pb = np.asarray(a, float), np.asarray(b, float)
        axis = (pb - pa) / (np.linalg.norm(pb - pa) + 1e-9)
        helper = np.array([1.0, 0, 0]) if abs(axis[0]) < 0.9 else np.array([0, 1.0, 0])
        v = np.cross(axis, helper)
        v /= np.linalg.norm(v)
        u = np.cross(v, axis)
        t = np.arange(sides) * (2 * np.pi / sides)
        ring = np.cos(t)[:, None] * u + np.sin(t)[:, None] * v * squash
        low, high = pa + ra * ring, pb + rb * ring
        for i in range(sides):
            j = (i + 1) % sides
            self.polygon(
                [low[i], low[j], high[j], high[i]],
                colour,
                texture,
                two_sided=inside,
                normals=ring[[i, j, j, i]] if sides >= 8 else None,
            )
        if caps:
            self.polygon(low[::-1], colour)
            self.polygon(high, colour)

    def ellipsoid(
        self,
        centre: object,
        radii: object,
        colour: Vec,
        *,
        sides: int = 12,
        stacks: int = 7,
        lowest: float = -1.0,
        lumps: Vec | None = None,
    ) -> None:
        """An ellipsoid from `lowest` (-1..1 of its height) up.

        lumps (stacks+1, sides) scale its radius.
        """
        c, r = np.asarray(centre, float), np.asarray(radii, float)
        phi = np.linspace(np.arcsin(max(lowest, -1.0)), np.pi / 2, stacks + 1)
        t = np.arange(sides) * (2 * np.pi / sides)
        k = np.ones((stacks + 1, sides)) if lumps is None else lumps
        grid = (
            np.stack(
                [
                    np.cos(phi)[:, None] * np.cos(t) * k,
                    np.cos(phi)[:, None] * np.sin(t) * k,
                    np.sin(phi)[:, None] * np.ones(sides),
                ],
                -1,
            )
            * r
            + c
        )
        normals = (grid - c) / r**2 if lumps is None else _grid_normals(grid)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
        for s in range(stacks):
            for i in range(sides):
                j = (i + 1) % sides
                quad = ((s, i), (s, j), (s + 1, j), (s + 1, i))
                self.polygon(
                    [grid[q] for q in quad], colour, normals=np.array([normals[q] for q in quad])
                )

    def decal(
        self, corners: object, colour: Vec, texture: Vec | None = None, bias: float = 0.006
    ) -> None:
        """A patch lying on another face, drawn over it."""
        self.polygon(corners, colour, texture, bias=bias)


def _rect(x: float, y: float, w: float, d: float) -> Vec:
    return np.array(
        [
            [x - w / 2, y - d / 2],
            [x + w / 2, y - d / 2],
            [x + w / 2, y + d / 2],
            [x - w / 2, y + d / 2],
        ]
    )


def _outward(low: Vec, high: Vec, height: float) -> Vec:
    """Normals (K,3) around a prism's outline, smoothed over neighbours."""
    middle = (low + high) / 2
    tangent = np.roll(middle, -1, 0) - np.roll(middle, 1, 0)
    out = np.column_stack([tangent[:, 1], -tangent[:, 0]])
    out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-9
    slope = ((low - high) * out).sum(1) / (abs(height) + 1e-9)
    normals = np.column_stack([out, slope])
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def _grid_normals(grid: Vec) -> Vec:
    """Normals (S,K,3) of a closed surface given as rings of points."""
    around = np.roll(grid, -1, 1) - np.roll(grid, 1, 1)
    upward = np.gradient(grid, axis=0)
    normals: Vec = np.cross(around, upward)
    normals[-1] = (0, 0, 1)
    return normals


def circle(x: float, y: float, r: float, n: int = 20) -> Vec:
    """Outline (n,2) of a circle, counter-clockwise from above, for `Mesh.prism`."""
    t = np.arange(n) * (2 * np.pi / n)
    return np.column_stack([x + r * np.cos(t), y + r * np.sin(t)])


def front_quad(x0: float, x1: float, z0: float, z1: float, y: float) -> list[list[float]]:
    """A rectangle facing -y, towards the viewer."""
    return [[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]]


def back_quad(x0: float, x1: float, z0: float, z1: float, y: float) -> list[list[float]]:
    """A rectangle facing +y."""
    return [[x1, y, z0], [x0, y, z0], [x0, y, z1], [x1, y, z1]]


def side_quad(y0: float, y1: float, z0: float, z1: float, x: float) -> list[list[float]]:
    """Seen from +x when y0 < y1, from -x when y0 > y1."""
    return [[x, y0, z0], [x, y1, z0], [x, y1, z1], [x, y0, z1]]


def top_quad(x0: float, x1: float, y0: float, y1: float, z: float) -> list[list[float]]:
    """A rectangle facing up."""
    return [[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]]

# SPDX-License-Identifier: Apache-2.0
"""A small z-buffer renderer: solids built from flat faces, drawn once into an RGBA sprite.

Object frame: x right, y away from the viewer, z up, metres, origin on the floor under the
object's middle. Faces are convex polygons; depth is compared per pixel as 1/z, which is affine
in the image, so intersecting parts come out right without sorting.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lfmvl_warehouse.scenes.mesh import Face, Mesh, Vec

_LIGHT = np.array([-0.42, -0.62, 0.66])  # towards the light, in the viewer's frame
_LIGHT /= np.linalg.norm(_LIGHT)
_SUPERSAMPLE = 2


@dataclass(frozen=True)
class Relief:
    """How far parts of a drawn object are behind its floor point, along the floor, in metres.

    away_m (h,w) float16: of the surface, at half the size of the image; what is outside the
    silhouette continues its neighbours. corner_px (N,2) and corner_away_m (N,): of the corners of
    all faces, also those that are not seen.
    """

    away_m: Vec
    corner_px: Vec
    corner_away_m: Vec


@dataclass(frozen=True)
class Render:
    """A drawn object: premultiplied RGBA (H,W,4) uint8, its scale, and its floor point (x,y).

    relief: where it was asked for.
    """

    rgba: Vec
    px_per_m: float
    foot_px: tuple[float, float]
    relief: Relief | None = None


def draw(mesh: Mesh, *, yaw: float, pitch: float, size_px: int, relief: bool = False) -> Render:
    """Draws a mesh seen from `pitch` radians above the floor, turned by `yaw`.

    The longer side of the result is about size_px. Anti-aliased by two-fold supersampling.
    """
    counts = [len(f.corners) for f in mesh.faces]
    points = np.concatenate([f.corners for f in mesh.faces])
    c, s = np.cos(yaw), np.sin(yaw)
    points = np.column_stack(
        [points[:, 0] * c - points[:, 1] * s, points[:, 0] * s + points[:, 1] * c, points[:, 2]]
    )
    distance = 5.0 * float(np.ptp(points, axis=0).max()) + 0.2
    cp, sp = np.cos(pitch), np.sin(pitch)
    depth = distance + points[:, 1] * cp - points[:, 2] * sp
    flat = (
        np.column_stack([points[:, 0], -(points[:, 1] * sp + points[:, 2] * cp)]) / depth[:, None]
    )
    low, high = flat.min(0), flat.max(0)
    scale = _SUPERSAMPLE * size_px / float((high - low).max())
    pad = 2 * _SUPERSAMPLE
    pixels = (flat - low) * scale + pad
    wh = np.ceil((high - low) * scale).astype(int) + 2 * pad
    wh += wh % _SUPERSAMPLE
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
    canvas, nearest = _rasterise(
        mesh.faces, counts, points, pixels, distance / depth, wh, (cp, sp, distance), turn
    )
    small = cv2.resize(
        canvas,
        (int(wh[0]) // _SUPERSAMPLE, int(wh[1]) // _SUPERSAMPLE),
        interpolation=cv2.INTER_AREA,
    )
    foot = (-low * scale + pad) / _SUPERSAMPLE
    shape = None
    if relief:
        rows = (np.arange(wh[1], dtype=np.float32)[:, None] + 0.5 - pad) / scale + low[1]
        away = _away(nearest, rows.astype(np.float32), (cp, sp, distance))
        shape = Relief(away, (pixels / _SUPERSAMPLE).astype(np.float32), points[:, 1].copy())
    return Render(small, scale / distance / _SUPERSAMPLE, (float(foot[0]), float(foot[1])), shape)


def _away(nearest: Vec, rows: Vec, view: tuple[float, float, float]) -> Vec:
    """Returns `Relief.away_m` of a z-buffer (H,W) of distance / depth, 0 where nothing is drawn.

    rows (H,1): the image plane's downward coordinate of each row. Depth along the tilted axis is
    distance + y cos - z sin, and -row * depth is y sin + z cos.
    """
    cp, sp, distance = view
    seen = nearest > 0
    depth = distance / np.where(seen, nearest, 1.0)
    away = np.where(seen, (depth - distance) * cp - rows * depth * sp, 0.0).astype(np.float32)
    step = 2 * _SUPERSAMPLE
    wh = (away.shape[1] // step, away.shape[0] // step)
    share = cv2.resize(seen.astype(np.float32), wh, interpolation=cv2.INTER_AREA)
    small = cv2.resize(away, wh, interpolation=cv2.INTER_AREA)
    near, far = cv2.blur(share, (9, 9)), cv2.blur(small, (9, 9))
    known = share > 0.3
    beside = np.where(near > 0, far / np.maximum(near, 1e-6), 0.0)
    return np.where(known, small / np.maximum(share, 1e-6), beside).astype(np.float16)


@dataclass(frozen=True)
class _Fits:
    """Per face: visible or not, and affine maps over the image (F,3) of 1/depth and of light."""

    visible: Vec
    depth: Vec
    light: Vec
    light_range: Vec  # (F,2)


def _fit_faces(
    faces: list[Face], counts: Vec, points: Vec, pixels: Vec, inv: Vec, eye: Vec, turn: Vec
) -> _Fits:
    """Culls and shades all faces, batched by corner count."""
    n = len(faces)
    fits = _Fits(np.zeros(n, bool), np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((n, 2)))
    starts = np.cumsum(counts) - counts
    both = np.array([f.two_sided for f in faces])
    for k in np.unique(counts):
        rows = np.flatnonzero(counts == k)
        at = starts[rows][:, None] + np.arange(k)
        world, px = points[at], pixels[at]
        centred = world - world.mean(1, keepdims=True)
        normals = np.cross(centred, np.roll(centred, -1, 1)).sum(1)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        normals = normals / np.maximum(length, 1e-15)
        facing = ((eye - world[:, 0]) * normals).sum(1) > 0
        fits.visible[rows] = (length[:, 0] > 1e-12) & (facing | both[rows])
        normals = np.where(facing[:, None], normals, -normals)
        corner_normals = np.repeat(normals[:, None], k, 1)
        for i, row in enumerate(rows):
            own = faces[row].normals
            if own is not None:
                corner_normals[i] = own @ turn
        light = _shade(corner_normals)
        fits.light_range[rows] = np.column_stack([light.min(1), light.max(1)])
        fits.depth[rows], fits.light[rows] = _affine_fit(px, inv[at]), _affine_fit(px, light)
    return fits


def _affine_fit(px: Vec, values: Vec) -> Vec:
    """Least squares (F,3) of values (F,K) as a*x + b*y + c over (F,K,2); damped on slivers."""
    middle = px.mean(1)
    x, y = (px - middle[:, None]).transpose(2, 0, 1)
    mean = values.mean(1)
    v = values - mean[:, None]
    xx, xy, yy, xv, yv = (
        (x * x).sum(1),
        (x * y).sum(1),
        (y * y).sum(1),
        (x * v).sum(1),
        (y * v).sum(1),
    )
    det = xx * yy - xy * xy + 1e-7 * (xx + yy) ** 2 + 1e-12
    a, b = (yy * xv - xy * yv) / det, (xx * yv - xy * xv) / det
    return np.column_stack([a, b, mean - a * middle[:, 0] - b * middle[:, 1]])


def _rasterise(
    faces: list[Face],
    counts: list[int],
    points: Vec,
    pixels: Vec,
    inv: Vec,
    wh: Vec,
    view: tuple[float, float, float],
    turn: Vec,
) -> tuple[Vec, Vec]:
    canvas = np.zeros((int(wh[1]), int(wh[0]), 4), np.uint8)
    nearest = np.zeros(canvas.shape[:2], np.float32)
    cp, sp, distance = view
    eye = np.array([0.0, -distance * cp, distance * sp])
    sizes = np.array(counts)
    fits = _fit_faces(faces, sizes, points, pixels, inv, eye, turn)
    ends = np.cumsum(sizes)
    fixed = np.round(pixels * 16).astype(np.int32)
    grid = (np.arange(wh[0], dtype=np.float32), np.arange(wh[1], dtype=np.float32)[:, None])
    for i in np.flatnonzero(fits.visible):
        _fill(canvas, nearest, faces[i], fixed[ends[i] - sizes[i] : ends[i]], fits, int(i), grid)
    return canvas, nearest


def _shade(normals: Vec) -> Vec:
    """Light (...,) on surfaces with these normals (...,3): sky, one lamp, darker from below."""
    return np.asarray(
        0.60 + 0.47 * np.maximum(0.0, normals @ _LIGHT) - 0.10 * np.maximum(0.0, -normals[..., 2])
    )


def _fill(
    canvas: Vec, nearest: Vec, face: Face, px16: Vec, fits: _Fits, i: int, grid: tuple[Vec, Vec]
) -> None:
    """Draws one face where it is nearer than what is there; px16: corners in 1/16 px."""
    x, y, w, h = cv2.boundingRect(px16)
    x0, y0, w, h = x >> 4, y >> 4, (w >> 4) + 2, (h >> 4) + 2
    region = nearest[y0 : y0 + h, x0 : x0 + w]
    mask = np.zeros(region.shape, np.uint8)
    local16 = px16 - np.array((x0 * 16, y0 * 16), np.int32)
    cv2.fillConvexPoly(mask, local16, 1, shift=4)
    columns, rows = grid[0][x0 : x0 + w], grid[1][y0 : y0 + h]
    a, b, c = (fits.depth[i] * (1.0 + face.bias)).astype(np.float32)
    depth = columns * a + (rows * b + c)
    wins = (depth > region) & mask.view(bool)
    low, high = fits.light_range[i]
    plain = face.texture is None or len(px16) != 4
    target = canvas[y0 : y0 + h, x0 : x0 + w]
    np.copyto(region, depth, where=wins)
    if high - low < 0.012 and plain:
        rgb = np.minimum(face.colour * (0.5 * (low + high)), 255)
        target[wins] = (int(rgb[0]), int(rgb[1]), int(rgb[2]), 255)
        return
    a, b, c = fits.light[i].astype(np.float32)
    light = np.clip((columns * a + (rows * b + c))[wins], low, high)[:, None]
    if plain:
        colour = face.colour.astype(np.float32) * light
    else:
        colour = (
            _textured(np.asarray(face.texture), face.colour, local16 / 16.0, mask.shape)[wins]
            * light
        )
    rgba = np.full((len(colour), 4), 255, np.uint8)
    rgba[:, :3] = np.minimum(colour, 255)
    target[wins] = rgba


def _textured(texture: Vec, colour: Vec, local: Vec, shape: tuple[int, ...]) -> Vec:
    h, w = texture.shape[:2]
    source = np.array([[0, h], [w, h], [w, 0], [0, 0]], np.float32)  # first edge is the bottom
    matrix = cv2.getPerspectiveTransform(source, local.astype(np.float32))
    warped = cv2.warpPerspective(
        texture,
        matrix,
        (shape[1], shape[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    return warped if texture.ndim == 3 else warped[..., None] * (colour / 128.0).astype(np.float32)

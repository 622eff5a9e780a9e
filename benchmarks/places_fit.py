# SPDX-License-Identifier: Apache-2.0
"""Fit the weights of `core/spatial/weights.py` to ray-cast scenes.

    python benchmarks/places_fit.py [--scenes N] [--write]    # 60 scenes: 15 minutes

Means by least absolute deviations, with errors measured against the square root of the object's
size, so that small and large things count alike. Variances by maximum likelihood under a Student t
with 8 degrees of freedom, then scaled so that the 90 % regions of the tuning scenes hold 90 % of
what is seen whole, of what may reach further back, of what is partly hidden, and of what the
image's border cuts. The seeds are not
those of `places.py`. Without --write the weights are printed only.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    from places_cases import TUNING_SEEDS, Case, claims_in, images
    from places_world import WH
    from scipy.optimize import minimize
    from scipy.stats import chi2

    from lfmvl_ros.core.boxes import FloatArray
    from lfmvl_ros.core.errors import UserError
    from lfmvl_ros.core.spatial.extent import Extent, measure_extent
    from lfmvl_ros.core.spatial.foreground import Foreground
    from lfmvl_ros.core.spatial.shape import middle_ray
    from lfmvl_ros.core.spatial.sizes import paired_sizes
    from lfmvl_ros.core.spatial.terms import (
        centre_terms,
        depth_variance_terms,
        lateral_variance_terms,
        room_behind,
        shift_terms,
        sized_terms,
        surface_variance_terms,
    )

NO_SHIFT = np.zeros((2, 4))
WEIGHTS = Path(__file__).parents[1] / "lfmvl_ros" / "core" / "spatial" / "weights.py"
DEGREES = 8.0
REGION = float(chi2.ppf(0.9, 3))
# A side of which a larger share than this is hidden counts as hidden.
HIDDEN = 0.1
# An object has room behind it from this share of its side on.
ROOM = 0.15
# Nothing tells how much is hidden: for 90 % of these, regions of the others would be far too wide.
MOSTLY_HELD = 0.85


@dataclass(frozen=True, eq=False)
class Seen:
    """A case with what was found of it; the depth image is not kept."""

    case: Case
    fore: Foreground
    extent: Extent


def observe(scenes: int) -> list[Seen]:
    """Return what is found of the objects of some scenes, each beside the others of its image."""
    seen = []
    for image in images(TUNING_SEEDS[:scenes]):
        claims = claims_in(image)
        for full in image:
            if full.index in claims:
                fore = claims[full.index].fore
                case = replace(full, depth_m=full.depth_m[:0], view=None)  # images are not kept
                seen.append(Seen(case, fore, measure_extent(fore, case.lens, WH)))
    return seen


def least_deviations(terms: FloatArray, target: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the weights of a median regression, by iteratively reweighted least squares."""
    base, weight = 1 / scale, 1 / scale
    for _ in range(40):
        scaled = terms * weight[:, None]
        normal = scaled.T @ scaled + 1e-3 * np.eye(terms.shape[1])
        fit = np.linalg.solve(normal, scaled.T @ (target * weight))
        weight = base / np.sqrt(np.maximum(np.abs(target - terms @ fit) / scale, 0.1))
    return fit


def variance_weights(error: FloatArray, terms: FloatArray) -> FloatArray:
    """Return weights >= 0 that make ``terms @ weights`` the squared scale of the errors."""
    unit = terms.mean(axis=0) + 1e-12
    scaled = terms / unit

    def loss(log: FloatArray) -> tuple[float, FloatArray]:
        weight = np.exp(log)
        variance = scaled @ weight + 1e-8
        ratio = error**2 / variance
        value = 0.5 * np.log(variance) + (DEGREES + 1) / 2 * np.log1p(ratio / DEGREES)
        slope = (0.5 - (DEGREES + 1) / 2 * ratio / (DEGREES + ratio)) / variance
        return float(value.mean()), (scaled * slope[:, None]).mean(axis=0) * weight

    starts = [np.full(terms.shape[1], start) for start in (-3.0, -6.0)]
    bounds = [(-18.0, 4.0)] * terms.shape[1]
    fits = [minimize(loss, s, jac=True, method="L-BFGS-B", bounds=bounds) for s in starts]
    return np.exp(min(fits, key=lambda fit: fit.fun).x) / unit


def fit_shift(seen: list[Seen]) -> FloatArray:
    """Return ``(2, 4)`` how far the middle lies towards a hidden end, across and down."""
    terms = np.array([shift_terms(s.extent) for s in seen])
    depth = np.array([s.extent.median_m for s in seen])
    truth = np.array([s.case.centre_m[:2] / s.case.centre_m[2] for s in seen])
    outline = np.array([middle_ray(s.extent, s.case.lens, None, NO_SHIFT)[:2] for s in seen])
    off = (truth - outline) * depth[:, None]
    scale = np.sqrt(np.array([s.extent.side_m for s in seen]))
    return np.stack([least_deviations(terms[:, k], off[:, k], scale) for k in (0, 1)])


def fit_centre(seen: list[Seen], *, sized: bool, shift: FloatArray) -> dict[str, FloatArray]:
    sizes = [paired_sizes(s.case.known_size_m, s.extent) if sized else None for s in seen]
    terms = np.array(
        [
            centre_terms(s.extent) if size is None else sized_terms(s.extent, size)
            for s, size in zip(seen, sizes, strict=True)
        ]
    )
    near = np.array([s.extent.near_m for s in seen])
    scale = np.array([s.extent.side_m for s in seen])
    truth = np.array([s.case.centre_m for s in seen])
    centre = least_deviations(terms, truth[:, 2] - near, np.sqrt(scale))
    rays = np.array(
        [middle_ray(s.extent, s.case.lens, k, shift) for s, k in zip(seen, sizes, strict=True)]
    )
    depth = near + np.maximum(terms @ centre, 0)
    error = rays * depth[:, None] - truth
    aside = error[:, :2] - rays[:, :2] * error[:, 2:]
    if sized:
        scale = np.array([s.case.known_size_m.mean() for s in seen])
    along = np.array(
        [
            depth_variance_terms(surface_variance_terms(s.fore, s.extent), s.extent, k)
            for s, k in zip(seen, scale, strict=True)
        ]
    )
    across = [
        np.array([lateral_variance_terms(s.fore, s.extent, s.case.lens.fx_px, k) for s in seen])
        for k in (0, 1)
    ]
    depth_w = variance_weights(error[:, 2], along)
    lateral_w = np.stack([variance_weights(aside[:, k], across[k]) for k in (0, 1)])
    depth_w, lateral_w = hold_in_each_group(seen, error, aside, (along, across), depth_w, lateral_w)
    fitted = {"centre": centre, "depth_variance": depth_w, "lateral_variance": lateral_w}
    if not sized:
        beside = sum(aside[:, k] ** 2 / (across[k] @ lateral_w[k]) for k in (0, 1))
        squared = np.stack([error[:, 2] ** 2, beside])
        fitted["room"] = fit_room(seen, depth - near, squared, along @ depth_w)
    return fitted


def hold_in_each_group(
    seen: list[Seen],
    error: FloatArray,
    aside: FloatArray,
    terms: tuple[FloatArray, list[FloatArray]],
    depth_w: FloatArray,
    lateral_w: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return variance weights whose 90 % regions hold 90 % of those seen whole, hidden and cut.

    All weights are scaled for what is seen whole; then those of hidden and of cut ends for the
    objects that have them.

    Raises:
        UserError: no scale in reach makes a group hold, or a group is empty.
    """
    along, across = terms
    ends = np.array([max(s.extent.hidden) for s in seen])

    def apart(depth_w: FloatArray, lateral_w: FloatArray) -> FloatArray:
        squared = error[:, 2] ** 2 / (along @ depth_w)
        squared += sum(aside[:, k] ** 2 / (across[k] @ lateral_w[k]) for k in (0, 1))
        return np.asarray(squared)

    factor = np.quantile(apart(depth_w, lateral_w)[ends < HIDDEN], 0.9) / REGION
    depth_w, lateral_w = depth_w * factor, lateral_w * factor
    mostly = np.array([s.case.seen <= 0.6 and not s.case.cut for s in seen])
    for name, group, of_depth, of_lateral in (
        ("hidden", (ends >= HIDDEN) & (ends < 1), [6], [5, 6]),
        ("cut", ends >= 1, [7], [4]),
    ):
        if not group.any():
            raise UserError(f"no object has {name} ends: take more --scenes")
        least_d, least_l = 0.01 * depth_w[5], 0.01 * lateral_w[:, :1]
        start_d = np.maximum(depth_w[of_depth], least_d)
        start_l = np.maximum(lateral_w[:, of_lateral], least_l)
        for scale in np.exp(np.linspace(-3, 6, 91)):
            depth_w[of_depth], lateral_w[:, of_lateral] = scale * start_d, scale * start_l
            held = apart(depth_w, lateral_w) < REGION
            worst = held[group & mostly]
            if np.mean(held[group]) >= 0.9 and (not worst.any() or np.mean(worst) >= MOSTLY_HELD):
                break
        else:
            raise UserError(
                f"no scale of the variances up to {scale:.0f} makes the 90 % regions of objects "
                f"with {name} ends hold enough: {np.mean(held[group]):.3f} of 0.9, "
                f"{np.mean(worst) if len(worst) else 1.0:.3f} of {MOSTLY_HELD} where most is "
                "hidden; look at the terms of the variances in core/spatial/shape.py"
            )
    return depth_w, lateral_w


def fit_room(
    seen: list[Seen], behind_m: FloatArray, squared: FloatArray, along: FloatArray
) -> FloatArray:
    """Return the weight of the squared room behind with which 90 % of what has room holds.

    Args:
        seen: the objects.
        behind_m: ``(N,)`` how far each middle is taken to be behind the near side.
        squared: ``(2, N)`` squared error along the ray, and what the errors across and down add to
            the squared distance.
        along: ``(N,)`` the variance along the ray without this term.

    Raises:
        UserError: no weight makes them hold, or nothing has room behind it.
    """
    room = np.array([room_behind(s.extent, b) for s, b in zip(seen, behind_m, strict=True)])
    side = np.array([s.extent.side_m for s in seen])
    ends = np.array([max(s.extent.hidden) for s in seen])
    roomy = (room > ROOM * side) & (ends < HIDDEN)
    for weight in np.arange(0.0, 4.0, 0.05):
        held = squared[0] / (along + weight * room**2) + squared[1] < REGION
        if roomy.any() and np.mean(held[roomy]) >= 0.9:
            return np.array(weight)
    raise UserError(
        f"no weight of the room behind makes the 90 % regions of the {np.count_nonzero(roomy)} "
        "objects hold that have it: take more --scenes"
    )


def fit_surface(seen: list[Seen]) -> FloatArray:
    terms = np.array([surface_variance_terms(s.fore, s.extent) for s in seen])
    error = np.array([s.fore.median_m - s.case.surface_m for s in seen])
    weight = variance_weights(error, terms)
    return weight * np.quantile(error**2 / (terms @ weight), 0.9) / chi2.ppf(0.9, 1)


HEAD = '''# SPDX-License-Identifier: Apache-2.0
"""Weights of :mod:`lfmvl_ros.core.spatial.shape`. Written by ``benchmarks/places_fit.py --write``.

Fitted to {count} boxes of ray-cast scenes; no figure is reported on their seeds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """Weights of one way to find the middle of an object.

    Attributes:
        centre: of ``centre_terms`` or ``sized_terms``.
        depth_variance: of the terms of this name, >= 0.
        lateral_variance: of the terms of this name, across and down, >= 0.
        room: of the squared ``room_behind``, >= 0; a known size leaves none.
    """

    centre: tuple[float, ...]
    depth_variance: tuple[float, ...]
    lateral_variance: tuple[tuple[float, ...], tuple[float, ...]]
    room: float = 0.0

'''


def text_of(values: FloatArray) -> str:
    """Return an array as Python."""
    rows = [", ".join(f"{value:.4g}" for value in row) for row in np.atleast_2d(values)]
    if values.ndim == 0:
        return rows[0]
    inner = rows[0] if values.ndim == 1 else ", ".join(f"({row})" for row in rows)
    return f"({inner})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--scenes", type=int, default=len(TUNING_SEEDS), help="of each layout; 60 take 15 minutes"
    )
    parser.add_argument("--write", action="store_true", help=f"write {WEIGHTS.name}")
    arguments = parser.parse_args()
    write(observe(arguments.scenes), keep=arguments.write)


def write(seen: list[Seen], *, keep: bool) -> None:
    """Fit weights and print them, or keep them in the package."""
    text = HEAD.format(count=len(seen))
    shift = fit_shift(seen)
    for name, sized in (("PLAIN", False), ("SIZED", True)):
        fitted = fit_centre(seen, sized=sized, shift=shift)
        rows = "".join(f"    {key}={text_of(value)},\n" for key, value in fitted.items())
        text += f"\n{name} = Weights(\n{rows})\n"
    text += f"SURFACE_VARIANCE = {text_of(fit_surface(seen))}\n"
    text += f"# Of the middle against the outline, across and down.\nSHIFT = {text_of(shift)}\n"
    if keep:
        WEIGHTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run_command(main)

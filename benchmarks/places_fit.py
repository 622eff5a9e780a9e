# SPDX-License-Identifier: Apache-2.0
"""Fit the weights of `core/spatial/weights.py` to ray-cast scenes.

    python benchmarks/places_fit.py [--scenes N] [--write]    # 60 scenes: 15 minutes

Means by least absolute deviations, with errors measured against the square root of the object's
size, so that small and large things count alike. Variances by maximum likelihood under a Student t
with 8 degrees of freedom, then scaled so that the 90 % regions of the tuning scenes hold 90 %. The
seeds are not those of `places.py`. Without --write the weights are printed only.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    from places_cases import TUNING_SEEDS, Case, cases
    from places_world import WH
    from scipy.optimize import minimize
    from scipy.stats import chi2

    from lfmvl_ros.core.boxes import FloatArray
    from lfmvl_ros.core.spatial.depth import sample_patch
    from lfmvl_ros.core.spatial.extent import Extent, measure_extent
    from lfmvl_ros.core.spatial.foreground import Foreground, find_foreground
    from lfmvl_ros.core.spatial.shape import (
        centre_terms,
        depth_variance_terms,
        lateral_variance_terms,
        middle_ray,
        paired_sizes,
        sized_terms,
        surface_variance_terms,
    )

WEIGHTS = Path(__file__).parents[1] / "lfmvl_ros" / "core" / "spatial" / "weights.py"
DEGREES = 8.0


@dataclass(frozen=True, eq=False)
class Seen:
    """A case with what was found of it; the depth image is not kept."""

    case: Case
    fore: Foreground
    extent: Extent


def observe(scenes: int) -> list[Seen]:
    seen = []
    for full in cases(TUNING_SEEDS[:scenes]):
        patch = sample_patch(full.depth_m, full.box)
        fore = find_foreground(patch, full.lens.fx_px, None) if patch else None
        if fore is not None:
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


def fit_centre(seen: list[Seen], *, sized: bool) -> dict[str, FloatArray]:
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
        [middle_ray(s.extent, s.case.lens, k) for s, k in zip(seen, sizes, strict=True)]
    )
    depth = near + np.maximum(terms @ centre, 0)
    error = rays * depth[:, None] - truth
    aside = error[:, :2] - rays[:, :2] * error[:, 2:]
    if sized:
        scale = np.array([s.case.known_size_m.mean() for s in seen])
    along = np.array(
        [depth_variance_terms(s.fore, s.extent, k) for s, k in zip(seen, scale, strict=True)]
    )
    across = [
        np.array([lateral_variance_terms(s.fore, s.extent, s.case.lens.fx_px, k) for s in seen])
        for k in (0, 1)
    ]
    depth_w = variance_weights(error[:, 2], along)
    lateral_w = variance_weights(aside.T.ravel(), np.concatenate(across))
    squared = error[:, 2] ** 2 / (along @ depth_w)
    squared += sum(aside[:, k] ** 2 / (across[k] @ lateral_w) for k in (0, 1))
    factor = np.quantile(squared, 0.9) / chi2.ppf(0.9, 3)
    return {
        "centre": centre,
        "depth_variance": depth_w * factor,
        "lateral_variance": lateral_w * factor,
    }


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

import numpy as np

from lfmvl_ros.core.boxes import FloatArray


@dataclass(frozen=True, eq=False)
class Weights:
    """Of one way to find the middle of an object.

    Attributes:
        centre: of ``centre_terms`` or ``sized_terms``.
        depth_variance, lateral_variance: of the terms of these names, >= 0.
    """

    centre: FloatArray
    depth_variance: FloatArray
    lateral_variance: FloatArray

'''


def text_of(values: FloatArray) -> str:
    return "np.array([" + ", ".join(f"{value:.4g}" for value in values) + "])"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--scenes", type=int, default=len(TUNING_SEEDS), help="of each layout; 60 take 15 minutes"
    )
    parser.add_argument("--write", action="store_true", help=f"write {WEIGHTS.name}")
    arguments = parser.parse_args()
    seen = observe(arguments.scenes)
    text = HEAD.format(count=len(seen))
    for name, sized in (("PLAIN", False), ("SIZED", True)):
        fitted = fit_centre(seen, sized=sized)
        rows = "".join(f"    {key}={text_of(value)},\n" for key, value in fitted.items())
        text += f"\n{name} = Weights(\n{rows})\n"
    text += f"SURFACE_VARIANCE = {text_of(fit_surface(seen))}\n"
    if arguments.write:
        WEIGHTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run_command(main)

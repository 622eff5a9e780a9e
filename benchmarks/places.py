# SPDX-License-Identifier: Apache-2.0
"""Score positions from boxes and depth against exact truth, beside the field's estimators.

    python benchmarks/places.py            # 10 minutes on a quiet core
    python benchmarks/places.py --quick    # a tenth of the scenes, a minute
    python benchmarks/places.py --only hidden    # or images, time: one part of it

Ray-cast boxes, cylinders, balls and people on floors, shelves, tables and in bins, VGA, 0.3 to 7 m,
stereo and time-of-flight noise, boxes of IoU 0.7 to 0.9 with the visible part; then with the whole
object, where 30 % of it or more are hidden. Weights were fitted on other seeds (`places_fit.py`).
Errors are median / 90th percentile. *surface*: depth of the middle of the visible surface; *holds*:
how often the stated 90 % region contains the true middle. CPU is that of this thread, per box. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    import places_hidden
    from places_cases import FIGURE_SEEDS, Case, claims_in, images
    from places_peers import PEERS
    from places_tracks import followed
    from places_world import LAYOUTS, WH
    from scipy.stats import chi2

    from lfmvl_ros.core.spatial.extent import measure_extent, ray
    from lfmvl_ros.core.spatial.foreground import Foreground
    from lfmvl_ros.core.spatial.pick import find_pick_point
    from lfmvl_ros.core.spatial.places import PickPoint
    from lfmvl_ros.core.spatial.shape import locate

REGION = float(chi2.ppf(0.9, 3))
OURS, SIZED = "ours", "ours, known size"


@dataclass(frozen=True)
class Result:
    """One box of one estimator; ``squared`` is the Mahalanobis distance, NaN without one."""

    case: Case
    error_m: float
    surface_m: float
    squared: float
    cpu_s: float
    normal_deg: float = float("nan")

    @property
    def share(self) -> float:
        """Error in shares of the distance."""
        return self.error_m / self.case.distance_m


def ours(image: list[Case], *, sized: bool) -> list[Result]:
    """Return the results for the boxes of one image; CPU of what they share is shared evenly."""
    start = time.thread_time()
    claims = claims_in(image, sized=sized)
    shared_s = (time.thread_time() - start) / len(image)
    return [
        _located(case, claims[case.index].fore, shared_s, sized=sized)
        for case in image
        if case.index in claims
    ]


def _located(case: Case, fore: Foreground, shared_s: float, *, sized: bool) -> Result:
    start = time.thread_time()
    extent = measure_extent(fore, case.lens, WH)
    found = locate(fore, extent, case.lens, case.known_size_m if sized else None)
    cpu_s = time.thread_time() - start + shared_s
    off = found.centre_m - case.centre_m
    pick = find_pick_point(fore, extent, case.lens, found.surface_covariance)
    return Result(
        case,
        float(np.linalg.norm(off)),
        abs(float(found.surface_m[2]) - case.surface_m),
        float(off @ np.linalg.solve(found.centre_covariance, off)),
        cpu_s,
        normal_error_deg(case, pick),
    )


def normal_error_deg(case: Case, pick: PickPoint | None) -> float:
    """Return the angle to the true face of a box below 1.5 m, 90 off the object, else NaN."""
    if case.label != "box" or case.surface_m > 1.5 or pick is None or case.view is None:
        return float("nan")
    u, v = map(round, case.lens.project(pick.point_m).tolist())
    owner, depth = case.view.owner, case.view.depth_m
    if not (1 < u < WH[0] - 2 and 1 < v < WH[1] - 2) or owner[v, u] != case.index:
        return 90.0
    beside = [ray(case.lens, a + 0.5, b + 0.5) * float(depth[b, a])
              for a, b in ((u + 1, v), (u - 1, v), (u, v + 1), (u, v - 1))]  # fmt: skip
    across = np.cross(beside[0] - beside[1], beside[2] - beside[3])
    face = case.axes[:, int(np.abs(case.axes.T @ across).argmax())]
    return float(np.degrees(np.arccos(min(abs(float(face @ pick.normal)), 1.0))))


def peer(case: Case, name: str) -> Result | None:
    start = time.thread_time()
    depth = PEERS[name](case.depth_m, case.box, case.lens)
    cpu_s = time.thread_time() - start
    if depth is None:
        return None
    x0, y0, x1, y1 = case.box
    off = ray(case.lens, (x0 + x1) / 2, (y0 + y1) / 2) * depth - case.centre_m
    return Result(
        case, float(np.linalg.norm(off)), abs(depth - case.surface_m), float("nan"), cpu_s
    )


def pair(values: Sequence[float], factor: float = 100.0) -> str:
    """Return median / 90th percentile."""
    finite = [value for value in values if np.isfinite(value)]
    if not finite:
        return "-"
    low, high = np.percentile(finite, [50, 90]) * factor
    return f"{low:.1f} / {high:.1f}"


def holds(squared: Sequence[float]) -> float:
    """Return the share of stated 90 % regions that contain the truth."""
    return float(np.mean(np.array(squared) < REGION))


def row(name: str, results: list[Result], asked: int) -> str:
    off = 100 * float(np.mean([r.share > 0.2 for r in results]))
    stated = [r.squared for r in results if np.isfinite(r.squared)]
    cells = [
        name,
        str(asked),
        str(asked - len(results)),
        pair([r.surface_m for r in results]),
        pair([r.error_m for r in results]),
        pair([r.share for r in results]),
        f"{off:.1f}",
        f"{100 * holds(stated):.0f}" if stated else "-",
        pair([r.cpu_s for r in results], 1e3),
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| | boxes | refused | surface, cm | middle, cm | middle, % of distance | off by 20 %, % "
    "| holds, % | CPU, ms |\n" + "|---" * 9 + "|"
)
SPLITS: dict[str, Callable[[Case], bool]] = {
    **{f"layout {name}": (lambda c, n=name: c.layout == n) for name in LAYOUTS},
    "below 1 m": lambda c: c.distance_m < 1,
    "1 to 2.5 m": lambda c: 1 <= c.distance_m < 2.5,
    "2.5 to 7 m": lambda c: c.distance_m >= 2.5,
    "seen whole": lambda c: c.seen > 0.9 and not c.cut,
    "10 to 40 % hidden": lambda c: 0.6 < c.seen <= 0.9 and not c.cut,
    "40 to 70 % hidden": lambda c: c.seen <= 0.6 and not c.cut,
    "cut by the image's border": lambda c: c.cut,
    "within the image": lambda c: not c.cut,
    "stereo": lambda c: c.sensor == "stereo",
    "time of flight": lambda c: c.sensor == "tof",
}


def single_images(seeds: range) -> dict[str, object]:
    """Print the tables of single images and return the figures that have bars."""
    found: dict[str, list[Result]] = {}
    chosen = list(SPLITS)
    everything: list[Case] = []
    for image in images(seeds):
        light = {case.index: replace(case, depth_m=case.depth_m[:0], view=None) for case in image}
        everything += light.values()
        got = {name: list(filter(None, (peer(case, name) for case in image))) for name in PEERS}
        got |= {name: ours(image, sized=sized) for name, sized in ((OURS, False), (SIZED, True))}
        for name, results in got.items():  # kept without their images
            found.setdefault(name, []).extend(
                replace(result, case=light[result.case.index]) for result in results
            )
    print(HEAD)
    for name, results in found.items():
        print(row(name, results, len(everything)))
    print(f"\nOurs, by what is seen\n\n{HEAD}")
    for name in chosen:
        asked = sum(SPLITS[name](case) for case in everything)
        results = [r for r in found[OURS] if SPLITS[name](r.case)]
        if results:
            print(row(name, results, asked))
    mine, sized = found[OURS], found[SIZED]
    normals = [r.normal_deg for r in mine]
    print(f"\nnormal of boxes below 1.5 m, degrees: {pair(normals, 1.0)}")
    return {
        "surface_cm": pair([r.surface_m for r in mine]),
        "middle_cm": pair([r.error_m for r in mine]),
        "middle_percent": pair([r.share for r in mine]),
        "sized_cm": pair([r.error_m for r in sized]),
        "off_by_20_percent": round(100 * float(np.mean([r.share > 0.2 for r in mine])), 2),
        "holds": {
            name: round(holds([r.squared for r in mine if r.case.layout == name]), 3)
            for name in LAYOUTS
        },
        "normal_deg": pair(normals, 1.0),
        "cpu_ms": pair([r.cpu_s for r in mine], 1e3),
    }


def over_time(seeds: range) -> dict[str, object]:
    """Print the last second of tracks, fused and not, and return the figures."""
    figures: dict[str, object] = {}
    print("\n| last second of a track | places | middle, cm | holds, % | by layout, % |")
    print("|---" * 5 + "|")
    both = list(followed(seeds))
    for name, fused in (("each image alone", False), ("fused", True)):
        placed = [one for one in both if one.fused is fused]
        by = {n: holds([p.squared for p in placed if p.layout == n]) for n in LAYOUTS}
        error = pair([p.error_m for p in placed])
        whole = holds([p.squared for p in placed])
        text = ", ".join(f"{n} {100 * share:.0f}" for n, share in by.items())
        print(f"| {name} | {len(placed)} | {error} | {100 * whole:.0f} | {text} |")
        figures[name] = {"middle_cm": error, "holds": round(whole, 3)}
    return figures


BY_HIDDEN: dict[str, Callable[[places_hidden.Answer], bool]] = {
    "less than 30 % hidden": lambda a: a.seen > 0.7,
    "30 to 70 % hidden": lambda a: 0.3 < a.seen <= 0.7,
    "70 to 95 % hidden": lambda a: 0.05 < a.seen <= 0.3,
    "95 to 100 % hidden": lambda a: a.seen <= 0.05,
}


def hidden_objects(seeds: range) -> dict[str, object]:
    """Print what is published of hidden objects, and return the share that is false."""
    figures: dict[str, object] = {}
    print(
        "\n| boxes around whole objects | boxes | measured | coasted | off by 20 %, % | holds, % |"
    )
    print("|---" * 6 + "|")
    walks = list(places_hidden.walks(seeds))
    for name, answers in (
        ("single images", list(places_hidden.single_images(seeds))),
        ("somebody walks by, tracked", [answer for tracked, answer in walks if tracked]),
        ("somebody walks by, no track", [answer for tracked, answer in walks if not tracked]),
    ):
        for part, belongs in BY_HIDDEN.items():
            asked = [a for a in answers if belongs(a) and not a.cut]
            placed = [a for a in asked if a.placed]
            coasted = sum(a.coasted for a in placed)
            off = 100 * float(np.mean([a.share > 0.2 for a in placed])) if placed else 0.0
            held = f"{100 * holds([a.squared for a in placed]):.0f}" if placed else "-"
            cells = [f"{name}, {part}", len(asked), len(placed) - coasted, coasted]
            print("| " + " | ".join(map(str, cells)) + f" | {off:.1f} | {held} |")
            figures[f"{name}, {part}"] = {"off_by_20_percent": round(off, 1), "holds": held}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the scenes, a minute")
    parser.add_argument("--only", choices=("images", "time", "hidden"), help="measure one part")
    arguments = parser.parse_args()
    seeds = FIGURE_SEEDS[:4] if arguments.quick else FIGURE_SEEDS[:36]
    figures: dict[str, object] = {}
    if arguments.only in (None, "images"):
        figures |= single_images(seeds)
    if arguments.only in (None, "time"):
        figures["over_time"] = over_time(seeds[:1] if arguments.quick else seeds[:6])
    if arguments.only in (None, "hidden"):
        figures["hidden"] = hidden_objects(seeds[:1] if arguments.quick else seeds[:4])
    print(json.dumps(figures))


if __name__ == "__main__":
    run_command(main)

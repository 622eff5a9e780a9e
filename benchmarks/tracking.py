# SPDX-License-Identifier: Apache-2.0
"""Score the tracker behind a slow, late model, with and without looking at the pixels.

    python benchmarks/tracking.py [--quick] [--only-cost] [--out DIR] [--mot15 DIR]

Regime B: rendered warehouse scenes at 25 frames a second; a simulated model takes the newest frame
when it is free and answers 250 ms late (with jitter), with the defects of a small model: boxes
rounded to 0.01, 8 % misses, jitter, false boxes, wrong labels, repetitions. Everybody gets the same
answers and is scored, causally, at every frame. Regime A: every frame is answered at once.

Peers choose the best of their settings and modes on the tuning scenes; ours were tuned there, too.
Figures are of other seeds and also of kinds of scene that nobody was tuned on. MOTA, IDF1, HOTA by
`trackeval`. The last line is one JSON object. `make bench-setup` installs what is needed beyond the
package; a peer that is not installed is left out, and a line says so. Images and scores of peers
are kept under --out; remove cache/scores there after a change of peers or scoring.

``--only-cost`` measures only the CPU time of answers and frames (``update_ms`` and the bridge).
"""

from __future__ import annotations

import argparse
import json
import pickle
from dataclasses import dataclass
from pathlib import Path

from needs import needed_packages, optional, require, run_command

with needed_packages():
    import cv2
    import numpy as np
    from tracking_cost import bridge_ms, update_ms
    from tracking_followers import Follow, held, last_two_true, ours, true_motion
    from tracking_peers import behind, peers
    from tracking_score import Score, pooled, score
    from tracking_world import (
        SCENES,
        Answer,
        World,
        delayed,
        mot15_from_environment,
        prompt_answers,
        rendered,
        slow_answers,
        tud_campus,
    )

    from lfmvl_ros.core.config import TrackerSettings

PEERS_TUNED = (("static", 0), ("crowd", 0), ("pan", 0), ("turn", 0))
REPORTED_SEEDS = (10, 11)
START_S = 1.0
LATE_DRAWS = 5
# Every point is followed, so that a busy machine gives the same figures.
OURS = TrackerSettings(bridge_budget_ms=100.0)

Scenes = list[tuple[World, list[Answer]]]


def scored(
    follow: Follow, scenes: Scenes, start_s: float, keep: Path | None = None
) -> dict[str, list[Score]]:
    """Scores by kind of scene; read from files ``keep-*`` if they are there, else written."""
    found: dict[str, list[Score]] = {}
    for world, answers in scenes:
        file = (
            None if keep is None else keep.with_name(f"{keep.name}-{world.name}-{len(world)}.pkl")
        )
        if file is not None and file.exists():
            told = pickle.loads(file.read_bytes())
        else:
            told = score(world, follow(world, answers), skip_s=start_s)
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(pickle.dumps(told))
        found.setdefault(world.name.split("-")[0], []).append(told)
    return found


def figures(by_kind: dict[str, list[Score]]) -> dict[str, float]:
    """All kinds of scene pooled."""
    return pooled([item for kind in by_kind.values() for item in kind])


@dataclass(frozen=True)
class Peer:
    """A peer at its best: what it is called, its mode and settings, and where scores are kept."""

    name: str
    mode: str
    text: str
    follow: Follow
    keep: Path

    @property
    def title(self) -> str:
        """The name, and that our code extrapolates where it does."""
        return f"{self.name} + our extrapolation" if self.mode == "extrapolated" else self.name


def best_peers(tuning: Scenes, cache: Path, *, slow: bool) -> dict[str, Peer]:
    """Each peer's best settings on the tuning scenes by HOTA: as published, and with our glue."""
    best: dict[str, tuple[float, Peer]] = {}
    for name, mode, text, make in peers(slow=slow):
        said = f"{'B' if slow else 'A'}-{name}-{mode}-{text}".replace(" ", "_")
        peer = Peer(name, mode, text, behind(make, mode), cache / "scores" / said)
        hota = figures(scored(peer.follow, tuning, START_S, peer.keep))["hota"]
        if peer.title not in best or hota > best[peer.title][0]:
            best[peer.title] = (hota, peer)
    return {title: peer for title, (_, peer) in best.items()}


def regime_b(cache: Path, seconds: float, seeds: tuple[int, ...]) -> tuple[dict, dict]:
    """Figures of everybody, and the HOTA of everybody by kind of scene."""
    tuning = [_slow(kind, seed, 6.0, cache) for kind, seed in PEERS_TUNED]
    everybody: dict[str, tuple[Follow, Path | None]] = {
        "ours_predict": (ours(OURS, "predict"), None),
        "ours_predict_gyro": (ours(OURS, "predict", gyro=True), None),
        "ours_bridge": (ours(OURS, "flow"), None),
        "oracle_last_two": (last_two_true, None),
        "oracle_true_motion": (true_motion, None),
        "answer_held_true_ids": (held, None),
    }
    chosen = best_peers(tuning, cache, slow=True)
    everybody |= {title: (peer.follow, peer.keep) for title, peer in chosen.items()}
    scenes = [_slow(kind, seed, seconds, cache) for seed in seeds for kind in SCENES]
    result, by_scene = {}, {}
    for name, (follow, keep) in everybody.items():
        parts = scored(follow, scenes, START_S, keep)
        result[name] = figures(parts)
        by_scene[name] = {kind: pooled(each)["hota"] for kind, each in parts.items()}
        print(f"B {name:22}", result[name], by_scene[name], flush=True)
    return _with_best_peer(result, chosen), by_scene


def regime_a(cache: Path, seconds: float, seeds: tuple[int, ...], mot15: Path | None) -> dict:
    """Every frame answered at once: rendered scenes, and TUD-Campus with public detections."""
    tuning = [_prompt(k, seed, 6.0, cache) for k, seed in PEERS_TUNED if k in ("crowd", "turn")]
    everybody: dict[str, tuple[Follow, Path | None]] = {
        "ours_predict": (ours(OURS, "predict"), None),
        "ours_bridge": (ours(OURS, "flow"), None),
    }
    chosen = best_peers(tuning, cache, slow=False)
    everybody |= {title: (peer.follow, peer.keep) for title, peer in chosen.items()}
    scenes = [_prompt(kind, seed, seconds, cache) for seed in seeds for kind in SCENES]
    result = {}
    for name, (follow, keep) in everybody.items():
        result[name] = figures(scored(follow, scenes, START_S, keep))
        print(f"A {name:22}", result[name], flush=True)
    found = {"rendered": _with_best_peer(result, chosen)}
    campus = tud_campus(mot15)
    if campus is not None:
        result = {}
        for name, (follow, _) in everybody.items():
            if name != "ours_bridge":  # the images are not there
                result[name] = figures(scored(follow, [campus], 0.0))
                print(f"A TUD-Campus {name:11}", result[name], flush=True)
        found["tud_campus"] = _with_best_peer(result, chosen)
        world, prompt = campus
        late = [(world, delayed(world, prompt, seed)) for seed in range(LATE_DRAWS)]
        found["tud_campus_late"] = figures(scored(ours(OURS, "predict"), late, 0.0))
        print("B TUD-Campus ours_predict", found["tud_campus_late"], flush=True)
    return found


def _slow(kind: str, seed: int, seconds: float, cache: Path) -> tuple[World, list[Answer]]:
    world = rendered(kind, seed, seconds, cache)
    return world, slow_answers(world, seed)


def _prompt(kind: str, seed: int, seconds: float, cache: Path) -> tuple[World, list[Answer]]:
    world = rendered(kind, seed, seconds, cache)
    return world, prompt_answers(world, seed)


def _with_best_peer(result: dict, chosen: dict[str, Peer]) -> dict:
    """Split peers from the rest; name the best as published, and the best with our glue."""
    told = {name: value for name, value in result.items() if name not in chosen}
    told["peers"] = {
        title: {**result[title], "settings": f"{peer.mode}, {peer.text}"}
        for title, peer in chosen.items()
    }
    for key, glued in (("best_peer", False), ("best_peer_with_our_extrapolation", True)):
        titles = [t for t, peer in chosen.items() if (peer.mode == "extrapolated") is glued]
        if titles:
            best = max(titles, key=lambda title: result[title]["hota"])
            told[key] = {"name": best, **told["peers"][best]}
    return told


def plot(result: dict, by_scene: dict, file: Path) -> None:
    """HOTA by kind of scene as grouped bars."""
    if optional("matplotlib", f"the plot {file}") is None:
        return
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    bars = {
        "ours_predict": ("prediction only", "#b9d5ea"),
        "ours_predict_gyro": ("prediction and a gyroscope", "#7fb3d5"),
        "ours_bridge": ("with the visual bridge", "#1f6fb2"),
        "oracle_last_two": ("oracle: last two true boxes", "#e8c468"),
        "oracle_true_motion": ("oracle: true image motion", "#c98b2b"),
    }
    if "best_peer" in result:
        best = result["best_peer"]["name"]
        bars = {best: (f"best public tracker ({best})", "#9aa0a6"), **bars}
    kinds, width = list(by_scene["ours_bridge"]), 0.8 / len(bars)
    figure, axes = plt.subplots(figsize=(8, 3.2), dpi=110)
    for i, (name, (label, colour)) in enumerate(bars.items()):
        place = np.arange(len(kinds)) + (i - (len(bars) - 1) / 2) * width
        heights = [by_scene[name][kind] for kind in kinds]
        axes.bar(place, heights, 0.94 * width, label=label, color=colour)
    axes.set_xticks(np.arange(len(kinds)), kinds)
    axes.set_ylabel("HOTA, 4 answers/s, 250 ms late")
    axes.set_ylim(0, 100)
    axes.legend(fontsize=7, ncol=3, loc="upper center", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    print("wrote", file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed of each kind of scene")
    parser.add_argument("--only-cost", action="store_true", help="no scores, only CPU time")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a scene")
    parser.add_argument("--out", type=Path, default=Path("out/tracking"), help="plot, frame cache")
    parser.add_argument(
        "--mot15",
        type=Path,
        default=mot15_from_environment(),
        help="folder of MOT15, for TUD-Campus; default: $LFMVL_MOT15",
    )
    args = parser.parse_args()
    cv2.setNumThreads(1)
    cache = args.out / "cache"
    result: dict = {}
    if not args.only_cost:
        require("trackeval")
        seeds = REPORTED_SEEDS[:1] if args.quick else REPORTED_SEEDS
        slow, by_scene = regime_b(cache, args.seconds, seeds)
        prompt = regime_a(cache, args.seconds, seeds[:1], args.mot15)
        plot(slow, by_scene, args.out / "tracking.png")
        result = {"regime_a": prompt, "regime_b": {**slow, "by_scene": by_scene}}
    world = rendered(*PEERS_TUNED[0], 6.0, cache)
    result["update_ms"] = {str(n): update_ms(world, n) for n in (10, 50, 200)}
    print(json.dumps({**result, **bridge_ms()}))


if __name__ == "__main__":
    run_command(main)

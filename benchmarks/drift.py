# SPDX-License-Identifier: Apache-2.0
"""How soon drift is found and how soon it is over, on simulated answers.

    python benchmarks/drift.py            # 8 sites; two minutes of CPU time
    python benchmarks/drift.py --quick    # one site

Each simulated site has 2,000 answers to learn from. Then, for each planted change of
`drift_site.py`, 2,000 answers with the change and 2,000 without it.

    found_within        answers until the figure that must show the change does, 50th and 90th
                        percentile and maximum
    ended_within        answers without the change until an event about it has ended; only those
                        counted that have its figure (three of four have no confidence[forklift])
    ends_while_changed  events that ended while the change lasted, of those that must show it
    begins_again        events that began in the answers without the change, by chance
    false_alarms        events in stationary answers, and how many answers those were

Consecutive answers are correlated with 0.5; --alike changes it. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np
    from drift_site import PLANTED, Site
    from tqdm import tqdm

    from lfmvl_ros.core.drift import BLOCK, DriftMonitor

LEARN, CHANGED, AFTER, STATIONARY = 2000, 2000, 2000, 10_000


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sites", type=int, default=8, help="how many")
    parser.add_argument("--alike", type=float, default=0.5, help="correlation, 0 to below 1")
    parser.add_argument("--quick", action="store_true", help="one site")
    args = parser.parse_args(argv)
    sites = 1 if args.quick else args.sites
    runs, alarms = [], 0
    for seed in tqdm(range(sites), desc="sites"):
        site = Site(seed, args.alike)
        learnt = DriftMonitor(None, LEARN)
        told(learnt, site.answers(LEARN))
        runs += [run(deepcopy(site), deepcopy(learnt), seed, *each) for each in PLANTED]
        alarms += sum(map(len, told(learnt, site.answers(STATIONARY))[0]))
    report(runs, alarms, sites * STATIONARY, args.alike)


def told(
    watch: DriftMonitor, answers: Sequence[dict[str, float]]
) -> tuple[list[list[str]], list[str]]:
    """Return the figures whose changes begin with each answer, and those whose changes end."""
    begun, ended = [], []
    for answer in answers:
        begun.append([change.feature for change in watch.add(answer, "query", "model")])
        ended += [change.feature for change in watch.cleared]
    return begun, ended


def run(
    site: Site, watch: DriftMonitor, seed: int, name: str, planted: dict[str, float], figure: str
) -> dict[str, Any]:
    # The change comes and goes anywhere in a block of 20 answers.
    begun, ended = told(watch, site.answers(CHANGED + seed * 7 % BLOCK, **planted))
    found = next((i + 1 for i, figures in enumerate(begun) if figure in figures), None)
    lasting, again = {change.feature: 0 for change in watch.changes}, 0
    open_ones = set(lasting)
    for answer in site.answers(AFTER):
        for each in open_ones & set(answer):
            lasting[each] += 1
        again += len(watch.add(answer, "query", "model"))
        open_ones -= {change.feature for change in watch.cleared}
    ends = [None if each in open_ones else count for each, count in lasting.items()]
    flaps = ended.count(figure)
    return {"planted": name, "found": found, "flaps": flaps, "ended": ends, "again": again}


def report(runs: list[dict[str, Any]], alarms: int, stationary: int, alike: float) -> None:
    print(f"{'':18} {'found within':>20} {'ended within':>20} {'ends while changed':>19}")
    for name in dict.fromkeys(each["planted"] for each in runs):
        rows = [each for each in runs if each["planted"] == name]
        cells = [text(quantiles(rows, key)) for key in ("found", "ended")]
        print(f"{name:18} {cells[0]:>20} {cells[1]:>20} {sum(r['flaps'] for r in rows):>19}")
    print(json.dumps({
        "correlation": alike,
        "found_within": quantiles(runs, "found"),
        "ended_within": quantiles(runs, "ended"),
        "ends_while_changed": sum(each["flaps"] for each in runs),
        "begins_again": sum(each["again"] for each in runs),
        "false_alarms": alarms,
        "stationary_answers": stationary,
    }))  # fmt: skip


def quantiles(runs: list[dict[str, Any]], key: str) -> list[int] | None:
    """Return median, 90th percentile and maximum; None if one never came."""
    values = [v for each in runs for v in (each[key] if key == "ended" else [each[key]])]
    if not values or None in values:
        return None
    return [int(v) for v in np.quantile(values, [0.5, 0.9, 1.0], method="higher")]


def text(values: list[int] | None) -> str:
    return "not in all" if values is None else " / ".join(map(str, values))


if __name__ == "__main__":
    run_command(main)

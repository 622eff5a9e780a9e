# SPDX-License-Identifier: Apache-2.0
"""How long answers take while other programs want the same cores, with and without our policy.

    python benchmarks/busy_cores.py            # about two minutes; on a machine without other load

Runs ``lfmvl track`` with the bundled checkpoint on a rendered video of 3 s (12 answers), beside no,
one and two programs that loop, with the thread policy of ``lfmvl_ros/threads.py`` and as OpenMP is
without it: a thread for each core, spinning while it waits. Prints a table and a JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from needs import run_command

# What libgomp does by itself: a thread for each core, which spins 300,000 rounds.
WITHOUT = {"OMP_NUM_THREADS": str(os.cpu_count()), "GOMP_SPINCOUNT": "300000"}
QUERY = "person, forklift, crate, traffic cone"
LOOP = [sys.executable, "-c", "while True: pass"]
LFMVL = [sys.executable, "-m", "lfmvl_ros.cli.main"]


def answer_ms(video: Path, loops: int, environment: dict[str, str], limit_s: float) -> list[float]:
    """Return p50 and p95 of the answers' times, ms; infinite where the run is not done in time."""
    command = [*LFMVL, "track", str(video), "--query", QUERY, "--model", "bundled", "--no-video"]
    busy = [subprocess.Popen(LOOP) for _ in range(loops)]
    try:
        time.sleep(0.5)
        done = subprocess.run(
            [*command, "--out", str(video.parent)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        return [float("inf")] * 2
    finally:
        for process in busy:
            process.kill()
            process.wait()
    times = json.loads(done.stdout.splitlines()[-1])["answer_ms"]
    return [times["p50"], times["p95"]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--limit-s", type=float, default=120.0, help="of a run (%(default)s)")
    args = parser.parse_args()
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    result: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "scene.mp4"
        draw = ["scenes", "--video", str(video), "--no-boxes", "--seed", "7"]
        subprocess.run(
            [*LFMVL, *draw, "--seconds", "3", "--fps", "10"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        print("| looping programs | p50, p95 without | with the policy |\n|---|---|---|")
        for loops in (0, 1, 2):
            cells = {}
            for name, extra in (("without", WITHOUT), ("with", {})):
                cells[name] = answer_ms(video, loops, {**clean, **extra}, args.limit_s)
            row = " | ".join(f"{p50:.0f}, {p95:.0f} ms" for p50, p95 in cells.values())
            print(f"| {loops} | {row} |", flush=True)
            result[str(loops)] = cells
    print(json.dumps({"cores": os.cpu_count(), "answer_ms": result}))


if __name__ == "__main__":
    run_command(main)

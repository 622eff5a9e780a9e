# SPDX-License-Identifier: Apache-2.0
"""Images between processes: how many arrive, how late, and what it costs.

    python benchmarks/transport.py [--seconds 5] [--quick] [--profile both]
    python benchmarks/transport.py --segments-mib 0.5,1,2,4,8,16 --subscribers 3 --sizes VGA,1080p

One process publishes VGA, then 720p images at 30 Hz, as a camera driver does; others subscribe. All
are plain rclpy programs, so this measures the ROS 2 and the RMW that are installed, without and
with the DDS profile of this package. Latency runs from the stamp, taken before the message is
filled, to the subscriber's callback. CPU is that of the whole process in percent of one core,
between the first and the last image measured; a second of images before is not counted. With
several subscribers the one that got least is reported. Takes a minute, with --quick half of one.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import measuring_ros
from measuring import Bar, machine, on_this_machine_alone, percentile
from needs import run_command
from tqdm import tqdm
from transport_processes import DEPTH, RATE_HZ, TIMEOUT_S, Load

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.transport import middleware

SIZES = {"VGA": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}
RELIABILITIES = ("best_effort", "reliable")
P95_BARS_MS = {"VGA": 10.0, "720p": 20.0}  # with the shipped profile, on two quiet cores


def measure(load: Load, profile: str, progress: tqdm) -> dict[str, object]:
    """Run all processes with a DDS profile; return the figures of one combination."""
    environment = measuring_ros.environment(profile)

    def start(role: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            load.command(role), env=environment, stdout=subprocess.PIPE, text=True
        )

    receivers = [start("receive") for _ in range(load.subscribers)]
    sender = start("send")
    try:
        for line in receivers[0].stdout or ():
            result = json.loads(line)
            if "arrived" in result:
                progress.update(result["arrived"] - progress.n % load.count)
        results = [result, *(_last_line(process) for process in receivers[1:])]
        sent = _last_line(sender)
    finally:
        for process in (*receivers, sender):
            process.kill()
            process.communicate()
    worst = min(results, key=lambda item: len(item.get("latency_ms", ())))
    latency_ms = worst.get("latency_ms", [])
    return {
        "reliability": load.reliability,
        "sent": load.count,
        "arrived": len(latency_ms),
        "damaged": worst.get("damaged"),
        "latency_p50_ms": percentile(latency_ms, 50),
        "latency_p95_ms": percentile(latency_ms, 95),
        "sender_core_percent": _percent(sent.get("cpu")),
        "receiver_core_percent": _percent(worst.get("cpu")),
    }


def _last_line(process: subprocess.Popen[str]) -> dict[str, object]:
    lines = process.communicate(timeout=TIMEOUT_S)[0].splitlines()
    return json.loads(lines[-1]) if lines else {}


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def bars(run: dict[str, object]) -> list[Bar]:
    """Return the figures of a combination; with the shipped profile they have bars."""
    limit_ms = P95_BARS_MS.get(run["size"]) if run["judged"] else None
    name = f"{run['profile']}, {run['size']} {run['reliability']}"
    return [
        Bar(f"{name}: arrived", run["arrived"], low=run["sent"] if limit_ms else None),
        Bar(f"of {run['sent']}, latency p50", run["latency_p50_ms"], "ms"),
        Bar("p95", run["latency_p95_ms"], "ms", high=limit_ms),
        Bar("of a core: sender", run["sender_core_percent"], "%"),
        Bar("receiver", run["receiver_core_percent"], "%"),
    ]


def profiles(wanted: argparse.Namespace, folder: Path) -> dict[str, str]:
    """Return what is compared: its name -> ``none``, ``shipped`` or the path of a profile."""
    if wanted.segments_mib:
        if not middleware.is_fast_dds(measuring_ros.ros()["rmw"]):
            raise UserError("--segments-mib is about Fast DDS, which is not the RMW in use")
        sizes = [round(float(text) * 2**20) for text in wanted.segments_mib.split(",")]
        return {
            f"segment {size / 2**20:g} MiB": str(measuring_ros.with_segment(size, folder))
            for size in sizes
        }
    if wanted.profile == "both":
        return {"no profile": "none", "shipped profile": "shipped"}
    if wanted.profile not in ("none", "shipped") and not Path(wanted.profile).is_file():
        raise UserError(f"--profile is both, none, shipped or a file; got {wanted.profile!r}")
    return {f"{wanted.profile} profile": wanted.profile}


def sizes(text: str) -> dict[str, tuple[int, int]]:
    """Return name -> (width, height) of ``--sizes``."""
    try:
        return {n: SIZES.get(n) or tuple(map(int, n.split("x", 1))) for n in text.split(",")}
    except ValueError as error:
        raise UserError(f"--sizes are {', '.join(SIZES)} or WIDTHxHEIGHT, got {text!r}") from error


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each combination (5)")
    parser.add_argument("--quick", action="store_true", help="2 seconds of each combination")
    parser.add_argument("--sizes", default="VGA,720p", help="also 1080p, 4K or WIDTHxHEIGHT")
    parser.add_argument("--subscribers", type=int, default=1, help="processes that receive (1)")
    parser.add_argument("--profile", default="both", help="both (default), none, shipped or a file")
    parser.add_argument("--segments-mib", help="shared-memory segments to compare, such as 1,4,16")
    return parser.parse_args()


def run(wanted: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """Measure every combination; print each as it is done."""
    count = round(RATE_HZ * (2.0 if wanted.quick else wanted.seconds))
    combinations = [
        (profile, size, Load(*wh, reliability, count, wanted.subscribers))
        for profile in profiles(wanted, folder).items()
        for size, wh in sizes(wanted.sizes).items()
        for reliability in RELIABILITIES
    ]
    runs = []
    with tqdm(total=len(combinations) * count, unit="images", disable=None) as progress:
        for index, ((name, profile), size, load) in enumerate(combinations, start=1):
            progress.set_description(f"{name}, {size} {load.reliability}")
            judged = profile == "shipped" and load.subscribers == 1
            figures = measure(load, profile, progress)
            runs.append({"profile": name, "size": size, "judged": judged, **figures})
            progress.update(index * count - progress.n)
            progress.write("  ".join(map(str, bars(runs[-1]))), file=sys.stderr)
    return runs


def main() -> None:
    wanted = parse_arguments()
    on_this_machine_alone(domain=72)
    document: dict[str, object] = {
        **measuring_ros.ros(), "rate_hz": RATE_HZ, "depth": DEPTH, **machine(),
        "subscribers": wanted.subscribers,
    }  # fmt: skip
    print(f"ROS 2 {document['ros_distribution']}, {document['rmw']}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        runs = run(wanted, Path(folder))
    document |= {"runs": runs, "within_bars": all(bar.kept for r in runs for bar in bars(r))}
    print(json.dumps(document))


if __name__ == "__main__":
    run_command(main)

# SPDX-License-Identifier: Apache-2.0
"""Damaged files, values and messages, thousands of them, to commands that read them, and the nodes.

All kinds of input share the time, two kinds at a time, each on one core: 9.5 minutes (--minutes) by
default. --seconds gives each of them a time of its own, without an end for the whole; --quick is a
few seconds each. A case that still runs half a minute after the time of its input, or when the
whole time is over, is ended, and counted as such. Prints a table; exit code 1 when anything did not
survive: a traceback, a defect (exit code 3), a refusal without a word, a crash, a hang, memory
without end, half a file left, NaN in printed JSON, or exit code 0 with nothing produced. Cases that
fail are kept and can be run again:

    python benchmarks/faults.py --quick
    python benchmarks/faults.py --only "rules files" --seed 7
    python benchmarks/faults.py --case out/faults/rules_files-12/case.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    from faults_child import child, make_case, run_case, target_named
    from faults_files import write_all
    from faults_mutations import fresh_copy
    from faults_servers import SERVERS, try_server
    from faults_targets import TARGETS
    from faults_time import Budget, Share, left_behind
    from faults_watch import HEADER, Tally, Watched
    from measuring import on_this_machine_alone

    from lfmvl_ros.cli.main import main as lfmvl

MINUTES, QUICK_S, PROCESSES = 9.5, 4.0, 2
NODES = ("recorder node", "perception node")
STARTS = ("parameter files", "files that parameters name")
_SLOW = ("fine-tunings, resumed", "trainings, resumed", "checkpoints, examined",
         "cameras of the demo")  # fmt: skip
"""They come first, so that the end does not wait for one of them."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help=f"{QUICK_S:g} s for each kind of input")
    add("--minutes", type=float, default=MINUTES, help="for all (default %(default)s)")
    add("--seconds", type=float, help="for each kind of input, instead")
    add("--seed", type=int, default=1, help="of every case (default 1)")
    add("--only", action="append", metavar="INPUT", help="a row of the table; again for more")
    add("--keep", type=Path, default=Path("out/faults"), help="folder for cases that fail")
    add("--case", type=Path, help="run one case that was kept, and print all that it prints")
    for name in (
        "child",
        "first",
        "whole",
        "work",
        "until",
    ):  # of the processes that this one starts
        add(f"--{name}", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run; exit code 1 when anything did not survive."""
    args = _arguments()
    seconds = args.seconds or (QUICK_S if args.quick else None)
    if args.child:
        until_s = float(args.until) if args.until else None
        return child(
            args.child, Path(args.whole), Path(args.work), args.seed, int(args.first),
            seconds or 0.0, until_s,
        )  # fmt: skip
    on_this_machine_alone(73)
    names = [*_SLOW, *NODES, *STARTS, *SERVERS]
    names += [target.name for target in TARGETS if target.name not in names]
    wanted = args.only or names
    if unknown := set(wanted) - set(names):
        raise OSError(f"there is no input {', '.join(sorted(unknown))}; there is {names}")
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        whole = Path(name) / "whole"
        if args.case is not None:
            kept = args.case.parent.absolute() / "files"
            return _again(json.loads(args.case.read_text()), kept, whole, Path(name) / "work")
        began_s = time.monotonic()
        end_s = began_s + 60 * args.minutes
        _write_whole(whole, wanted)
        left_s = max(0.0, end_s - time.monotonic())
        budget = Budget(len(wanted), PROCESSES, total_s=left_s, each_s=seconds)
        tallies = _all(wanted, whole, Path(name), args.keep.absolute(), args.seed, budget)
    each = f"{seconds:g} s for each input" if seconds else f"{args.minutes:g} minutes for all"
    load = os.getloadavg()[1]
    took_s = time.monotonic() - began_s
    print(f"seed {args.seed}, {each}, {took_s:.0f} s, load {load:.1f}")
    print("\n".join([HEADER, *(tally.row() for tally in tallies)]))
    for tally in tallies:
        for failure in tally.failures[:20]:
            print(f"{tally.name}: {failure}", file=sys.stderr)
    figures = [{**vars(tally), "failures": len(tally.failures)} for tally in tallies]
    print(json.dumps({"seed": args.seed, "targets": figures}))
    return 0 if all(tally.survived for tally in tallies) else 1


def _write_whole(whole: Path, wanted: list[str]) -> None:
    chosen = [target for target in TARGETS if target.name in wanted]
    kinds = [kind for target in chosen for kind in (*target.needs, target.kind) if kind]
    kinds += ["checkpoint"] * (STARTS[1] in wanted)
    (whole / "empty").mkdir(parents=True)
    write_all(whole, list(dict.fromkeys(kinds)))


def _all(
    wanted: list[str], whole: Path, work: Path, keep: Path, seed: int, budget: Budget
) -> list[Tally]:
    """Try all inputs, two at a time."""

    def one(number: int) -> Tally:
        name, place, share = wanted[number], work / f"w{number}", budget.share()
        try:
            return _one(name, whole, place, keep, seed, share)
        finally:
            left_behind(place)

    tallies = []
    with ThreadPoolExecutor(PROCESSES) as pool:
        for tally in pool.map(one, range(len(wanted))):
            word = "survived" if tally.survived else f"{len(tally.failures)} FAILED"
            word = word if tally.cases or tally.failures else "too little time for any"
            word += f", {tally.cut} ended by the clock" if tally.cut else ""
            print(f"{tally.name}: {tally.cases} cases, {word}", file=sys.stderr)
            tallies.append(tally)
    return tallies


def _one(name: str, whole: Path, work: Path, keep: Path, seed: int, share: Share) -> Tally:
    if name in SERVERS:
        return try_server(name, work, keep, seed, share)
    if name in NODES:
        from faults_nodes import try_node

        return try_node(name, work, keep, seed, share)
    if name in STARTS:
        from faults_starts import try_start

        return try_start(name, whole, work, keep, seed, share)
    return Watched(name, whole, work, keep, seed, share).run()


def _again(case: dict[str, object], kept: Path, whole: Path, work: Path) -> int:
    """Make a case again and run it on the files that were kept; exit code 1 where it still fails.

    A pipe can't be kept: such a case is made from its seed, with whole files of today.
    """
    target = target_named(str(case["target"]))
    _write_whole(whole, [target.name])
    seed = f"{case['seed']}/{target.name}/{case['number']}"
    work.mkdir(parents=True)
    call, done = make_case(target, whole, work, seed)
    if kept.is_dir() and "pipe" not in done:
        fresh_copy(kept, work / "files")
    print(f"{done}\nlfmvl {' '.join(call.words)}", file=sys.stderr)
    found = run_case(call, work / "out")
    if found.problem:
        lfmvl((*call.words, "--debug"))  # prints the traceback
    print(json.dumps(vars(found)))
    return 1 if found.problem else 0


if __name__ == "__main__":
    run_command(main)

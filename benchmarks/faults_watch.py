# SPDX-License-Identifier: Apache-2.0
"""Watches a process that runs damaged cases: its life, its memory, and how long a case takes."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults_time import Share, left_behind, marked, running
from measuring import cpu_s, rss_mb

LONGEST_S = 60.0
"""Processor time of a case beyond which it hangs; twenty seconds without any is a wait."""
MOST_GROWTH_MB = 1000.0
SCRIPT = Path(__file__).with_name("faults.py")
_WAIT_S, _LONGEST_WAIT_S, _TICK_S = 240.0, 20.0, 0.2


@dataclass
class Tally:
    """What became of a target's cases.

    Attributes:
        name: of the target.
        cases: that were tried.
        used: cases that were not refused: the damage was not seen, or did not matter.
        failures: what went wrong, in words.
        start_mb, most_mb: resident memory when warm, and at its highest.
        slowest_s: longest case.
        cut: cases that still ran when the time was over, and were ended.
    """

    name: str
    cases: int = 0
    used: int = 0
    failures: list[str] = field(default_factory=list)
    start_mb: float = 0.0
    most_mb: float = 0.0
    slowest_s: float = 0.0
    cut: int = 0

    @property
    def survived(self) -> bool:
        """Whether there were cases, and nothing failed."""
        return self.cases > 0 and not self.failures

    def row(self) -> str:
        """Return a line of the table."""
        grown = max(0.0, self.most_mb - self.start_mb)
        return (
            f"| {self.name} | {self.cases} | {self.used} | {self.cases - len(self.failures)} | "
            f"{self.slowest_s:.1f} s | {self.start_mb:.0f} + {grown:.0f} MB |"
        )


HEADER = "| input | cases | not refused | survived | slowest | memory |\n|---|---|---|---|---|---|"


class Watched:
    """Runs the child of one target until its time is over; starts it again where it dies.

    Args:
        name: of the target.
        whole: folder of undamaged files.
        work: folder that cases are made in.
        keep: folder that failures are kept in.
        seed: of all cases.
        share: how long.
    """

    def __init__(
        self, name: str, whole: Path, work: Path, keep: Path, seed: int, share: Share
    ) -> None:
        self.tally = Tally(name)
        self._whole, self._work, self._keep = whole, work, keep
        self._seed, self._share = seed, share
        self._number = 0  # of the case that runs, or else of the next one
        self._case: dict[str, Any] = {}
        self._running = self._warm = False
        self._since_s = self._cpu_s = 0.0

    def run(self) -> Tally:
        """Return the tally once the time is over."""
        while True:
            self._warm = False
            self._one_process()
            if self._share.left_s == 0.0:
                break
            if not self._warm:
                self.tally.failures.append("the process ended before its first case")
                break
        return self.tally

    def _one_process(self) -> None:
        self._work.mkdir(parents=True, exist_ok=True)
        log = self._work.parent / f"{self._work.name}.log"
        words = [sys.executable, str(SCRIPT), "--child",
                 self.tally.name, "--seed", str(self._seed), "--first", str(self._number),
                 "--seconds", str(self._share.left_s), *self._until(), "--whole",
                 str(self._whole), "--work", str(self._work)]  # fmt: skip
        with log.open("w") as errors:
            process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=errors, cwd=self._work, text=True,
                env=marked(self._work), start_new_session=True,
            )  # fmt: skip
        self._running, self._since_s = False, time.monotonic()
        try:
            stopped, problem = self._follow(process)
        finally:
            code = _ended(process)
            left = left_behind(self._work)
        if left and code == 0:
            self.tally.failures.append(f"processes were left behind: {left[:5]}")
        if problem:
            self._failed(problem)
        elif stopped:
            pass
        elif self._running:  # in the middle of a case
            self._failed(f"the process died: {code}")
        elif code != 0:
            self.tally.failures.append(f"the process ended with {code}: {log.read_text()[-300:]}")

    def _until(self) -> list[str]:
        counts = self._share.each_s is None  # the start of the process as well
        return ["--until", str(self._share.end_s)] if counts else []

    def _follow(self, process: subprocess.Popen[str]) -> tuple[bool, str]:
        """Read what the child says until it ends, or is stopped.

        Returns:
            Whether it was stopped, and what is wrong: a case that hangs or takes too much memory.
            A case that is stopped by the clock is counted, and nothing is wrong with it.
        """
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        selector, pending = selectors.DefaultSelector(), ""
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(_TICK_S):
                piece = os.read(process.stdout.fileno(), 1 << 16).decode()
                if not piece:
                    return False, ""
                *lines, pending = (pending + piece).split("\n")
                for line in lines:
                    self._heard(line, process.pid)
            problem = self._overdue(process.pid)
            counts = self._warm or self._share.each_s is None
            if problem or (counts and time.monotonic() > self._share.cut_s):
                process.kill()
                process.wait()
                if not problem and self._running:
                    self.tally.cut += 1
                    self._over()
                return True, problem

    def _heard(self, line: str, pid: int) -> None:
        """Take a line of the child: that it is warm, or that a case begins or ends."""
        event, number, facts = line.split(" ", 2)
        told: dict[str, Any] = json.loads(facts)
        self._since_s, self._cpu_s = time.monotonic(), _cpu_s(pid)
        if event == "warm":
            if not self.tally.cases:
                self._share = self._share.begun()
            self._warm = True
            self.tally.start_mb = self.tally.start_mb or _rss_mb(pid)
        elif event == "begin":
            self._number, self._case, self._running = int(number), told, True
            self.tally.cases += 1
        elif event == "end":
            self.tally.used += told["code"] in (0, 1)
            self.tally.slowest_s = max(self.tally.slowest_s, told["seconds"])
            if told["problem"]:
                self._failed(told["problem"])
            else:
                self._over()
        else:
            raise ValueError(f"the child of {self.tally.name} says {line[:100]!r}")

    def _overdue(self, pid: int) -> str:
        """Return what is wrong with a case that runs; "" where nothing is."""
        here_mb = _rss_mb(pid)
        if self._warm and self.tally.start_mb:
            self.tally.most_mb = max(self.tally.most_mb, here_mb)
            if here_mb > self.tally.start_mb + MOST_GROWTH_MB:
                return f"memory grew from {self.tally.start_mb:.0f} to {here_mb:.0f} MB"
        waited_s, used_s = time.monotonic() - self._since_s, _cpu_s(pid) - self._cpu_s
        if self._running and (used_s > LONGEST_S or waited_s > _WAIT_S):
            return f"no end after {used_s:.0f} s of processor time, {waited_s:.0f} s"
        if self._running and waited_s > _LONGEST_WAIT_S and used_s + self._children_s(pid) < 0.2:
            return f"it has waited for {waited_s:.0f} s"
        return ""

    def _children_s(self, pid: int) -> float:
        """Processor time of what a case has started and not waited for, seconds."""
        return sum(_cpu_s(child) for child, _ in running(self._work) if child != pid)

    def _failed(self, problem: str) -> None:
        """Note that the case which runs has failed, and keep it for repeating."""
        case = self._keep / f"{self.tally.name.replace(' ', '_').replace(',', '')}-{self._number}"
        case.mkdir(parents=True, exist_ok=True)
        document = {"target": self.tally.name, "seed": self._seed, "number": self._number,
                    "problem": problem, **self._case}  # fmt: skip
        (case / "case.json").write_text(json.dumps(document, indent=1))
        moved = self._work / f"failed-{self._number}"
        source = moved if moved.is_dir() else self._work / "files"
        if source.is_dir():
            keep_copy(source, case / "files")
        self.tally.failures.append(f"{problem} [{case / 'case.json'}]")
        self._over()

    def _over(self) -> None:
        """The case that ran is over: the next one has the next number."""
        self._running = False
        self._number += 1


def keep_copy(source: Path, target: Path) -> None:
    """Copy a folder over what is at ``target``, without pipes and devices."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(
        source, target, symlinks=True,
        ignore=lambda folder, names: [n for n in names if _is_special(Path(folder, n))],
    )  # fmt: skip


def _is_special(path: Path) -> bool:
    return not (path.is_symlink() or path.is_file() or path.is_dir())


def _ended(process: subprocess.Popen[str]) -> int:
    """End the process and its children; return its exit code."""
    try:
        code = process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it has started and not ended
    return code


def _rss_mb(pid: int) -> float:
    try:
        return rss_mb(pid)
    except (OSError, IndexError, ValueError):  # it has just ended
        return 0.0


def _cpu_s(pid: int) -> float:
    try:
        return cpu_s(pid, waited_for=True)
    except (OSError, IndexError, ValueError):  # it has just ended
        return 0.0

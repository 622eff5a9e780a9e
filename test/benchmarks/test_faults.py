# SPDX-License-Identifier: Apache-2.0
"""The benchmark of faults sees each kind of failure, keeps its case, and goes on."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from lfmvl_ros.cli import config

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (FOLDER / f"{name}.py").exists():
            del sys.modules[name]


def nan(_args: object) -> int:
    print('{"value": NaN}')
    return 0


def silent(_args: object) -> int:
    return 0


def wordless(_args: object) -> int:
    return 2


def defect(_args: object) -> int:
    raise ZeroDivisionError


def traceback_printed(_args: object) -> int:
    print("Traceback (most recent call last):", file=sys.stderr)
    return 1


def fine(_args: object) -> int:
    print('{"value": 1}')
    return 0


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (nan, "NaN in printed JSON"), (silent, "nothing was printed"),
        (wordless, "exit code 2 without a word"), (defect, "exit code 3: lfmvl config: a defect"),
        (traceback_printed, "a traceback was printed"), (fine, ""),
    ],
)  # fmt: skip
def test_each_kind_of_failure_is_seen(
    benchmark: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    run: Callable[[object], int], says: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(config, "run", run)
    child, cases = benchmark("faults_child"), benchmark("faults_case")
    (tmp_path / "out").mkdir()
    found = child.run_case(cases.Call(("config",)), tmp_path / "out")
    assert says in found.problem
    assert bool(found.problem) == bool(says)
    missing = cases.Call(("config",), (tmp_path / "none.json",))
    if run is fine:
        assert "is not there" in child.run_case(missing, tmp_path / "out").problem


SCRIPT = """
import json, os, sys, time
print("warm 0 {}", flush=True)
first = int(sys.argv[sys.argv.index("--first") + 1])
for number in range(first, 3):
    print(f"begin {number}", json.dumps({"words": ["x"], "done": "y"}), flush=True)
    os.makedirs("files", exist_ok=True)
    open("files/a.txt", "w").write(str(number))
    if number == 1:
        CALAMITY
    print(f"end {number}", json.dumps({"code": 0, "problem": "", "seconds": 0.1}), flush=True)
"""


class Until:
    """The time of an input, which is over once something has happened; what runs then is ended."""

    each_s, end_s = None, 0.0

    def __init__(self, is_over: Callable[[Any], bool], *, cut: bool = False) -> None:
        self._is_over, self._cut, self.watched = is_over, cut, None

    @property
    def left_s(self) -> float:
        return 0.0 if self._is_over(self.watched) else 600.0

    @property
    def cut_s(self) -> float:
        return 0.0 if self._cut and self._is_over(self.watched) else math.inf

    def begun(self) -> Until:
        return self


Watch = Callable[[str, Until], Any]


@pytest.fixture
def watched(
    benchmark: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Watch:
    """Run a script as the child of "rules files" for a share of the time.

    The child works in ``tmp_path / "work"``, failures are kept in ``tmp_path / "keep"``.
    """
    watch = benchmark("faults_watch")

    def run(text: str, share: Until) -> Any:
        script = tmp_path / "script.py"
        script.write_text(text)
        monkeypatch.setattr(watch, "SCRIPT", script)
        work, keep = tmp_path / "work", tmp_path / "keep"
        share.watched = watch.Watched("rules files", tmp_path, work, keep, 7, share)
        return share.watched.run()

    return run


@pytest.mark.parametrize(
    ("calamity", "says"),
    [
        ("os.abort()", "the process died: -6"),
        ("time.sleep(60)", "it has waited for"),
        ("[0 for _ in iter(int, 1)]", "no end after|memory grew"),
        ("_ = [bytearray(1 << 20) for _ in range(200)]; time.sleep(60)", "memory grew from"),
    ],
)
def test_a_crash_a_hang_and_memory_without_end(
    benchmark: Callable[[str], ModuleType], watched: Watch, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path, calamity: str, says: str,
) -> None:  # fmt: skip
    for name, value in (("LONGEST_S", 1.5), ("_LONGEST_WAIT_S", 5.0), ("MOST_GROWTH_MB", 100.0)):
        monkeypatch.setattr(benchmark("faults_watch"), name, value)
    keep = tmp_path / "keep"
    tally = watched(SCRIPT.replace("CALAMITY", calamity), Until(lambda w: w.tally.cases == 3))
    assert tally.cases == 3  # it goes on with the next one
    assert not tally.survived
    assert len(tally.failures) == 1
    assert any(part in tally.failures[0] for part in says.split("|"))
    kept = json.loads((keep / "rules_files-1" / "case.json").read_text())
    assert (kept["seed"], kept["number"], kept["target"]) == (7, 1, "rules files")
    assert (keep / "rules_files-1" / "files" / "a.txt").read_text() == "1"


def test_damage_can_be_made_again(benchmark: Callable[[str], ModuleType], tmp_path: Path) -> None:
    mutations = benchmark("faults_mutations")
    content = {"a": [1, 2.5, "x"], "b": {"c": None}}
    seen = set()
    for number in range(100):
        made = []
        for folder in (tmp_path / "1", tmp_path / "2"):
            folder.mkdir(exist_ok=True)
            for path in folder.iterdir():
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            (folder / "a.json").write_text(json.dumps(content))
            done = mutations.damage(folder, Random(number))
            file = folder / "a.json"
            made.append((done, file.read_bytes() if file.is_file() else b""))
        assert made[0] == made[1]
        seen.add(made[0][1])
    assert len(seen) > 60


@pytest.mark.parametrize(
    ("calamity", "failed", "says"),
    [
        ("problem = 'it wrote nothing'", "rules_files-1", "it wrote nothing"),
        ("after = lambda: os.kill(os.getpid(), 9)", "", "the process ended with -9"),
    ],
)
def test_what_a_case_reports_and_an_end_between_cases(
    watched: Watch, tmp_path: Path, calamity: str, failed: str, says: str
) -> None:
    text = SCRIPT.replace("CALAMITY", calamity).replace('"problem": ""', '"problem": problem')
    text = text.replace("import json", "problem, after = '', lambda: None\nimport json")
    text = text.replace("    if number == 1:", "    problem = ''\n    if number == 1:")
    tally = watched(f"{text}\nafter()\n", Until(lambda w: w.tally.cases == 3))
    assert tally.cases == 3
    assert len(tally.failures) == 1
    assert says in tally.failures[0]
    assert [path.name for path in (tmp_path / "keep").glob("*")] == ([failed] if failed else [])


SLOW = """
import json, subprocess, sys, time
print("warm 0 {}", flush=True)
print("begin 0", json.dumps({"words": ["x"], "done": "y"}), flush=True)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
time.sleep(600)
"""


def test_a_case_that_still_runs_at_the_end_is_ended_with_its_processes_and_counted(
    benchmark: Callable[[str], ModuleType], watched: Watch, tmp_path: Path
) -> None:
    tally = watched(SLOW, Until(lambda w: w.tally.cases == 1, cut=True))
    assert (tally.cases, tally.cut, tally.failures) == (1, 1, [])
    assert not list(benchmark("faults_time").running(tmp_path / "work"))


LEAVING = (
    SLOW.replace("\ntime.sleep(600)\n", "\n").replace("start_new", "stdout=-3, start_new")
    + """
print("end 0", json.dumps({"code": 0, "problem": "", "seconds": 0.1}), flush=True)
"""
)


def test_what_a_command_leaves_behind_is_a_failure(
    benchmark: Callable[[str], ModuleType], watched: Watch, tmp_path: Path
) -> None:
    tally = watched(LEAVING, Until(lambda w: w.tally.cases == 1))
    assert len(tally.failures) == 1
    assert "processes were left behind" in tally.failures[0]
    assert not list(benchmark("faults_time").running(tmp_path / "work"))


@pytest.mark.parametrize("inputs", [1, 2, 3, 26])
def test_shares_end_with_the_whole_time_and_leave_some_for_each(
    benchmark: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, inputs: int
) -> None:
    times, now = benchmark("faults_time"), [100.0]
    monkeypatch.setattr(times.time, "monotonic", lambda: now[0])
    budget = times.Budget(inputs, 2, total_s=540.0)
    free_s, lengths = [100.0, 100.0], []
    for number in range(inputs):
        now[0] = min(free_s)
        share = budget.share()
        lengths.append(share.end_s - now[0])
        # Every third takes as long as it may, cases that do not end included.
        ended_s = share.cut_s if number % 3 == 0 else share.end_s
        free_s[free_s.index(now[0])] = ended_s
        assert now[0] < share.end_s <= share.cut_s <= 640.0
    assert min(lengths) > 540.0 * 2 / inputs / 5


def test_each_input_gets_its_own_seconds_once_it_has_begun(
    benchmark: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    times, now = benchmark("faults_time"), [100.0]
    monkeypatch.setattr(times.time, "monotonic", lambda: now[0])
    share = times.Budget(3, 2, each_s=60.0).share()
    now[0] = 150.0
    assert share.left_s == 10.0
    assert share.begun().left_s == 60.0

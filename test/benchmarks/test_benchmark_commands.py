"""Every benchmark explains itself, and what it lacks takes one line, not a traceback."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
# needs.py lists what is installed, the other is started by transport.py: neither measures.
COMMANDS = sorted(
    file.name
    for file in FOLDER.glob("*.py")
    if 'if __name__ == "__main__"' in file.read_text()
    and file.name not in ("needs.py", "transport_processes.py")
)
LACKING_FILES = {
    ("decoding_plot.py", "none.jsonl", "x.png"): "decoding_identity.py --out none.jsonl",
    ("decoding_identity.py", "--checkpoint", "none", "--out", "x"): "none",
    ("checkpoint.py", "--checkpoint", "none", "--quick"): "none",
    ("latency_budget.py", "--checkpoint", "none"): "none",
}
# One process for all: importing torch once is most of the time.
IN_TURN = """
import contextlib, io, json, runpy, sys
sys.path.insert(0, {folder!r})
for argv in {commands!r}:
    told, errors, code = io.StringIO(), io.StringIO(), None
    sys.argv = list(argv)
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(errors):
        try:
            runpy.run_path(f"{folder}/{{argv[0]}}", run_name="__main__")
        except SystemExit as end:
            code = end.code
    print("RAN", json.dumps([argv, code, told.getvalue(), errors.getvalue()]))
"""
HIDDEN = """
import runpy, sys
for package in {packages!r}:
    sys.modules[package] = None
sys.path.insert(0, {folder!r})
sys.argv = {argv!r}
runpy.run_path({folder!r} + "/" + sys.argv[0], run_name="__main__")
"""


def run(source, cwd=None):
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent), "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=500, check=False,
        env=environment, cwd=cwd,
    )  # fmt: skip


def without(packages, *argv, cwd=None):
    """Run a benchmark as if ``packages`` were not installed."""
    return run(HIDDEN.format(packages=packages, folder=str(FOLDER), argv=list(argv)), cwd)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Exit code, output and error output of commands, by their arguments."""
    commands = [(name, "--help") for name in COMMANDS] + [*LACKING_FILES]
    source = IN_TURN.format(folder=str(FOLDER), commands=commands)
    done = run(source, tmp_path_factory.mktemp("empty"))
    assert done.returncode == 0, done.stderr
    lines = [line[4:] for line in done.stdout.splitlines() if line.startswith("RAN ")]
    return {tuple(argv): rest for argv, *rest in map(json.loads, lines)}


@pytest.fixture
def benchmark(monkeypatch):
    """Import a module of benchmarks/; the folder's modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (FOLDER / f"{name}.py").exists():
            del sys.modules[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_is_measured_and_how_long_it_takes(ran, name):
    code, text, _ = ran[name, "--help"]
    assert code == 0, text
    summary = (FOLDER / name).read_text().split('"""')[1].splitlines()[0]
    assert summary in " ".join(text.split())
    assert any(word in text for word in ("minute", "second", " s;", " s.")), text


# These two are about ROS itself and import rclpy at once.
@pytest.mark.parametrize(
    "name", [n for n in COMMANDS if n not in ("transport.py", "node_overhead.py")]
)
def test_a_missing_package_takes_one_line_and_exit_code_2(name):
    done = without(["cv2", "numpy", "torch", "lfmvl_ros"], name)  # whichever it imports first
    assert done.returncode == 2
    assert re.fullmatch(
        rf"{name}: needs (cv2|numpy|torch|lfmvl_ros), which is not installed: `make setup`, or "
        r"`pip install .*`.*\n",
        done.stderr,
    )


@pytest.mark.parametrize("name", ["tracking.py", "tracking_bundled.py"])
def test_without_the_scores_package_nothing_is_rendered_first(tmp_path, name):
    done = without(["trackeval"], name, "--quick", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}: needs trackeval, which is not installed: `make setup`")
    assert not list(tmp_path.iterdir())


def test_parsing_goes_on_without_what_it_compares_with():
    done = without(["supervision"], "parsing.py", "--repeat", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("left out: the parsers of supervision (needs supervision")
    assert done.stderr.count("\n") == 1
    assert list(json.loads(done.stdout.splitlines()[-1])) != []


@pytest.mark.parametrize(("argv", "reason"), LACKING_FILES.items())
def test_missing_files_take_one_line_too(ran, argv, reason):
    code, _, errors = ran[argv]
    assert code == 2, errors
    line = errors.splitlines()[-1]
    assert line.startswith(f"{argv[0]}: ")
    assert reason in line
    assert "Traceback" not in errors


def test_peers_that_are_not_installed_are_left_out_in_one_line_each(benchmark, monkeypatch, capsys):
    for name in ("trackers", "norfair"):
        monkeypatch.setitem(sys.modules, name, None)
    peers = benchmark("tracking_peers").peers
    assert list(peers(slow=True)) == list(peers(slow=False)) == []
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "left out: trackers of Roboflow: SORT, ByteTrack, OC-SORT, C-BIoU",
        "left out: the tracker norfair",
    ]
    assert all("make bench-setup" in line for line in lines)


@pytest.mark.parametrize("layout", ["TUD-Campus/{0}.txt", "train/TUD-Campus/{0}/{0}.txt"])
def test_mot15_is_found_as_its_archive_has_it_and_flat(benchmark, tmp_path, layout):
    rows = {"gt": [[1, 7, 10, 20, 30, 40, 1], [2, 7, 12, 20, 30, 40, 1]],
            "det": [[1, -1, 11, 21, 30, 40, 0.5], [2, -1, 13, 21, 30, 40, 0.75]]}  # fmt: skip
    for kind, content in rows.items():
        file = tmp_path / layout.format(kind)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(file, content, delimiter=",")
    world, answers = benchmark("tracking_world").tud_campus(tmp_path)
    assert [ids.tolist() for ids in world.ids] == [[7], [7]]
    assert world.xyxy_px[1].tolist() == [[12, 20, 42, 60]]
    assert [a.grounding.detections.scores.tolist() for a in answers] == [[0.5], [0.75]]


def test_without_mot15_one_line_says_what_is_left_out(benchmark, tmp_path, capsys):
    tud_campus = benchmark("tracking_world").tud_campus
    assert tud_campus(None) is tud_campus(tmp_path) is None
    first, second = capsys.readouterr().out.splitlines()
    assert "--mot15" in first
    assert str(tmp_path) in second


def test_an_import_that_fails_for_another_reason_is_told_too(benchmark, tmp_path, capsys):
    (tmp_path / "broken.py").write_text("from numpy import nothing_of_this_name")
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(SystemExit) as end:
            benchmark("needs").require("broken")
    finally:
        sys.path.remove(str(tmp_path))
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert "nothing_of_this_name" in told
    assert told.count("\n") == 1


def test_other_errors_are_not_hidden(benchmark):
    with pytest.raises(ZeroDivisionError), benchmark("needs").needed_packages():
        _ = 1 / 0

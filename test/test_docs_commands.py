# SPDX-License-Identifier: Apache-2.0
"""Every command that a page prints ends as the page says, in a copy of the repository."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lfmvl_ros.cli.main import commands as command_modules

from .docs_command_rules import RULES, Rule
from .docs_commands import ROOT, Command, all_commands, commands, rule_for, stable
from .domains import next_domain

COMMANDS = all_commands()
RUN = [command for command in COMMANDS if not rule_for(command).why_not]
ALIKE = r"python benchmarks/|make demo SCENE="
"""Commands that don't depend on what was run before on their page."""
TOOLS = {
    "python": "",
    "lfmvl": "-m lfmvl_ros.cli.main",
    "ruff": "-m ruff",
    "mypy": "-m mypy",
}


class Workplace:
    """A copy of the repository for one page, and an environment to run its commands in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        copy_repository(folder)
        tools = folder / ".tools" / "bin"
        tools.mkdir(parents=True)
        for name, module in TOOLS.items():
            (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
            (tools / name).chmod(0o755)
        (folder / ".tools" / ".ready").touch()  # make: nothing to install
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
        paths = [str(folder), *kept.get("PYTHONPATH", "").split(os.pathsep)]
        self.environment = kept | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "VENV": ".tools",
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_DOMAIN_ID": next_domain(),
            "HF_HUB_OFFLINE": "1",
        }
        self.made: set[str] = set()

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        process = subprocess.Popen(
            ["bash", "-c", text],
            cwd=self.folder, env=self.environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = process.communicate()
        finally:  # also when the test's time is over: with all that the command started
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(text, process.returncode, out, err)

    def prepare(self, text: str) -> None:
        if text and text not in self.made:
            done = self.run(text)
            assert done.returncode == 0, f"{text}\n{done.stderr[-2000:]}"
            self.made.add(text)

    @contextlib.contextmanager
    def camera(self, topic: str) -> Iterator[None]:
        """Publish a rendered scene on ``topic`` meanwhile."""
        if not topic:
            yield
            return
        # Small and slow enough for a default Fast DDS on a busy machine: doctor reports losses.
        options = ("width:=320", "height:=240", "rate_hz:=5.0")
        names = ["--ros-args", "-r", f"image_raw:={topic}"]
        names += [word for option in options for word in ("-p", option)]
        process = subprocess.Popen(
            [sys.executable, "-m", "lfmvl_ros.ros.camera_node", *names],
            cwd=self.folder,
            env=self.environment,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def copy_repository(target: Path) -> None:
    """Copy what a clone would have: no environments, builds or results."""
    skipped = shutil.ignore_patterns(
        ".git", ".venv*", ".hypothesis", ".*_cache", "__pycache__", "*.egg-info",
        "build", "install", "log", "out", "runs", "shared",
    )  # fmt: skip
    shutil.copytree(ROOT, target, ignore=skipped)


@pytest.fixture(scope="module")
def workplaces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workplace]:
    """One for each page, made when it is first needed: its commands build on each other."""

    class Made(dict[str, Workplace]):
        def __missing__(self, page: str) -> Workplace:
            name = page.replace("/", "_")
            self[page] = Workplace(tmp_path_factory.mktemp(name) / "lfmvl_ros")
            return self[page]

    return Made()


def as_run(command: Command) -> str:
    """Return a command with what its rule changes."""
    text = command.text
    for pattern, replacement in rule_for(command).change:
        text = re.sub(pattern, replacement, text, count=1)
    return text


def try_out(command: Command, place: Workplace) -> None:
    rule = rule_for(command)
    for module in rule.needs:
        pytest.importorskip(module, reason="make bench-setup installs it")
    text = as_run(command)
    place.prepare(rule.first)
    with place.camera(rule.camera):
        done = place.run(text)
    told = f"{command}\nrun as: {text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, told
    assert "Traceback (most recent call last)" not in done.stderr, told
    assert re.search(rule.prints, done.stdout), told
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    for line in command.output:
        assert any(re.fullmatch(stable(line), seen) for seen in lines), f"{line!r}\n{told}"
    for name in rule.leaves:
        assert (place.folder / name).exists(), f"{name} is missing\n{told}"


def once_each(commands: list[Command]) -> list[Command]:
    """Leave out what was printed before: on any page, or on the same one if order matters."""
    first: dict[object, Command] = {}
    for command in commands:
        page = "" if re.match(ALIKE, command.text) else command.page
        first.setdefault((page, as_run(command), command.output), command)
    return list(first.values())


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in RUN if rule_for(c).quick], ids=str)
def test_quick_commands(command: Command, workplaces: dict[str, Workplace]) -> None:
    try_out(command, workplaces[command.page])


@pytest.mark.slow
@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", once_each([c for c in RUN if not rule_for(c).quick]), ids=str)
def test_other_commands(command: Command, workplaces: dict[str, Workplace]) -> None:
    try_out(command, workplaces[command.page])


def test_the_commands_of_a_page_share_a_process(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    used = request.config.hook.pytest_xdist_make_scheduler.get_hookimpls()
    assert any(hook.function.__module__.endswith("page_scheduling") for hook in used)
    shutil.copy(Path(__file__).with_name("page_scheduling.py"), tmp_path / "conftest.py")
    (tmp_path / "test_pages.py").write_text(
        "import os, pytest\n"
        "pages = [f'{page}.md:{line} command' for line in range(8) for page in 'ab']\n"
        "@pytest.mark.parametrize('command', pages)\n"
        "def test_command(command):\n"
        "    with open(command.split('.')[0], 'a') as file:\n"
        "        file.write(f'{os.getpid()}\\n')\n"
    )
    words = ["-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", "--rootdir", "."]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "test_pages.py"],
        check=False, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    processes = [set((tmp_path / page).read_text().split()) for page in "ab"]
    assert [len(found) for found in processes] == [1, 1]
    assert processes[0] != processes[1]


def called(text: str) -> Iterator[list[str]]:
    """Yield the words of each call of ``lfmvl`` in a line for the shell, up to a redirection."""
    words: list[str] = []
    split = shlex.shlex(text, posix=True, punctuation_chars=";&|<>()")
    split.whitespace_split = True
    for word in [*split, ";"]:
        if set(word) <= set(";&|<>()"):
            if words[:1] == ["lfmvl"]:
                yield words[1:]
            words = []
        else:
            words.append(word)


@pytest.mark.parametrize("command", [c for c in RUN if "lfmvl " in c.text], ids=str)
def test_flags_of_every_command_are_known(command: Command) -> None:
    """Those that take minutes to run, too; a mention of a command must not look like a call."""
    text = as_run(command)
    known = command_modules()
    for name, *words in called(text):
        parser = argparse.ArgumentParser(prog=f"lfmvl {name}")
        importlib.import_module(known[name].module).configure(parser)
        parser.add_argument("--debug", action="store_true")
        if "--help" not in words:
            parser.parse_args(words)


def test_calls_are_found_in_a_line() -> None:
    line = """rm -f x; lfmvl ground a.jpg --query "a; b" | head && lfmvl models"""
    assert list(called(line)) == [["ground", "a.jpg", "--query", "a; b"], ["models"]]


@pytest.mark.parametrize("rule", [r for r in RULES if not r.why_not], ids=lambda r: r.pattern)
def test_every_rule_is_needed(rule: Rule) -> None:
    assert any(rule_for(command) is rule for command in COMMANDS)


def test_commands_are_found() -> None:
    page = """
Say `lfmvl train` or `make demo QUERY="a b"`, not `python`.
```
# a comment
lfmvl scenes --video a.mp4 \\
    --seed 7    # which
```
```text
not a command
```
```console
$ lfmvl tokens 64x64
64x64: 12 tokens
```
"""
    found = list(commands("x.md", page))
    assert [c.text for c in found] == [
        'make demo QUERY="a b"',
        "lfmvl scenes --video a.mp4 --seed 7",
        "lfmvl tokens 64x64",
    ]
    assert found[-1].output == ("64x64: 12 tokens",)
    assert re.fullmatch(stable(found[-1].output[0]), "64x64: 9 tokens")
    assert not re.fullmatch(stable(found[-1].output[0]), "64x64: 9 tiles")
    assert len(COMMANDS) > 30


def test_a_command_that_fails_is_noticed(workplaces: dict[str, Workplace]) -> None:
    place = workplaces["README.md"]
    with pytest.raises(AssertionError, match="no-such-command"):
        try_out(Command("x.md", 1, "lfmvl no-such-command"), place)
    with pytest.raises(AssertionError, match="'72 tiles'"):
        try_out(Command("x.md", 1, "echo 5 tokens", ("72 tiles",)), place)

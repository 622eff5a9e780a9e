# SPDX-License-Identifier: Apache-2.0
"""Nodes that are started with a damaged parameter file, or with a damaged file that it names."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import yaml
from faults_files import write_recording, write_rules
from faults_mutations import damage, fresh_copy, mutated
from faults_nodes import Answers, Node, begin
from faults_runs import write_memory
from faults_time import Share, left_behind, marked
from faults_watch import Tally, keep_copy

from lfmvl_ros.core.config import PerceptionSettings, RecorderSettings
from lfmvl_ros.core.drift.reference import BLOCK, SCHEMA

STARTS = ("parameter files", "files that parameters name")
_STARTED_S, _LEAST_STARTS, _PATIENCE_S = 8.0, 2, 60.0
_NAMED = ("profile", "rules", "memory", "calibration", "follower", "public key")
_TINY_NETS = Path(__file__).parents[1] / "test/core/tracking/tiny_nets.py"


def try_start(name: str, whole: Path, work: Path, keep: Path, seed: int, share: Share) -> Tally:
    """Start nodes for a while; return what became of them."""
    work.mkdir(parents=True, exist_ok=True)
    tally, rng = Tally(name), Random(f"{seed}/{name}")
    if name == STARTS[0]:
        _parameter_files(tally, work, keep, rng, share)
    else:
        _named_files(tally, whole, work, keep, rng, share)
    return tally


class _WithoutAliases(yaml.SafeDumper):
    """Writes equal lists in full: ROS's reader of parameter files knows no aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  (of PyYAML)
        return True


def _parameter_file(settings: PerceptionSettings | RecorderSettings) -> str:
    document = {"/**": {"ros__parameters": settings.flat()}}
    return yaml.dump(document, Dumper=_WithoutAliases)


# -- parameter files ------------------------------------------------------------------------------


def _parameter_files(tally: Tally, folder: Path, keep: Path, rng: Random, share: Share) -> None:
    """Start a node with a damaged parameter file: it says what is wrong, or works."""
    model = str(write_recording(folder / "replies.jsonl"))
    settings = {
        "perception_node": PerceptionSettings().updated({"model": model, "query": "red tote"}),
        "recorder_node": RecorderSettings().updated({"out": str(folder / "out")}),
    }
    while share.left_s > 0 or tally.cases < _LEAST_STARTS:
        module = rng.choice(list(settings))
        text = _parameter_file(settings[module])
        content, how = mutated(text.encode(), ".yaml", rng)
        file = folder / "params.yaml"
        file.write_bytes(content)
        tally.cases += 1
        problem = _started_with(module, file, tally)
        if left := left_behind(folder):
            problem = problem or f"processes were left behind: {left[:5]}"
        if problem:
            keep.mkdir(parents=True, exist_ok=True)
            kept = keep / f"parameters-{tally.cases}.yaml"
            kept.write_bytes(content)
            tally.failures.append(f"{module}: {how}: {problem} [{kept}]")


def _started_with(module: str, file: Path, tally: Tally) -> str:
    """Start a node with a parameter file, end it if it works; return what is wrong."""
    begun_s = time.monotonic()
    start = f"from lfmvl_ros.ros.start import {module}; {module}()"  # as the entry point does
    words = ["--ros-args", "--params-file", str(file)]
    if module == "recorder_node":
        words += ["-p", "start_timeout_s:=1.0"]
    process = subprocess.Popen(
        [sys.executable, "-c", start, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", env=marked(file.parent),
    )  # fmt: skip
    try:
        told, _ = process.communicate(timeout=_STARTED_S)
    except subprocess.TimeoutExpired:
        tally.used += 1
        process.send_signal(signal.SIGINT)
        try:
            told, _ = process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return "it did not end within a minute of SIGINT"
    tally.slowest_s = max(tally.slowest_s, time.monotonic() - begun_s)
    if "Traceback" in told:
        return f"a traceback: {told[told.index('Traceback') :][-700:]}"
    if process.returncode not in (0, 1, 2):
        return f"exit code {process.returncode}: {told[-300:]}"
    return "" if told.strip() or process.returncode == 0 else "it ended without a word"


# -- files that parameters name -------------------------------------------------------------------


def _named_files(
    tally: Tally, whole: Path, work: Path, keep: Path, rng: Random, share: Share
) -> None:
    """Start a node with whole parameters and one damaged file: it says so and ends, or answers.

    The first one has nothing damaged, and must answer.
    """
    begin()
    files, key = work / "whole", _write_named(work / "whole", whole)
    while share.left_s > 0 or tally.cases < _LEAST_STARTS:
        number, before = tally.cases, len(tally.failures)
        folder = work / f"s{number}"
        fresh_copy(files, folder)
        kind = rng.choice(_NAMED) if number else ""
        told = {"whole": ""}
        if kind == "public key":
            key_here, how = mutated(key.encode(), ".txt", rng)
            told = {"public key": how}
        else:
            key_here = key.encode()
            if kind == "calibration":  # beside a model that is whole
                told = _damaged_calibration(folder / kind / "calibration.json", rng)
            elif kind:
                told = damage(folder / kind, rng)
        words = _words(folder, kind, key_here.decode("utf-8", "replace").replace("\0", " "))
        tally.cases += 1
        _one_start(tally, folder, words, kind, rng, share)
        if len(tally.failures) > before:
            kept = keep / f"files_that_parameters_name-{number}"
            keep_copy(folder, kept)
            tally.failures[-1] += f" ({kind}: {told}) [{kept}]"


def _damaged_calibration(path: Path, rng: Random) -> dict[str, str]:
    content, how = mutated(path.read_bytes(), ".json", rng)
    path.write_bytes(content)
    return {path.name: how}


def _one_start(
    tally: Tally, folder: Path, words: list[str], kind: str, rng: Random, share: Share
) -> None:
    begun_s = time.monotonic()
    node = Node(tally, folder, "perception_node", words)
    answers = Answers(node, status="")
    works = answers.come(patience_s=share.patience_s)
    if works and kind == "rules" and rng.random() < 0.7:  # they are read again when they change
        damage(folder / "rules", rng, pipes=False)
        for _ in range(3):
            works = works and answers.come(patience_s=share.patience_s)
    node.sample()
    refused = node.process.poll() is not None
    if not refused and not works and share.is_over:
        tally.cut += 1
        node.kill()
        return
    if refused and not kind:
        tally.failures.append(f"nothing was damaged, and it has ended: {node.log[-500:]}")
    elif refused and "failed" not in node.log:
        tally.failures.append(f"it has ended without saying why: {node.log[-300:]}")
    elif not refused and not works:
        tally.failures.append(f"it neither answers nor ends: {node.log[-300:]}")
    tally.used += works
    node.end(2 if refused else 0)
    tally.slowest_s = max(tally.slowest_s, time.monotonic() - begun_s)


def _words(folder: Path, kind: str, key: str) -> list[str]:
    replies = folder / "replies.jsonl"
    settings = PerceptionSettings().updated({
        "model": str(folder / "calibration" if kind == "calibration" else replies),
        "query": "red tote", "device": "cpu", "generation.max_new_tokens": 8,
        "rules_file": str(folder / "rules/rules.yaml"), "drift.watch": True,
        "drift.profile": str(folder / "profile/profile.json"),
        "memory.file": str(folder / "memory/memory.db"), "memory.period_s": 0.1,
        "tracker.follower": str(folder / "follower"), "tracker.bridge_budget_ms": 20.0,
        "collect.folder": str(folder / "collected"), "collect.public_key": key,
        "collect.below_confidence": 1.0,
    })  # fmt: skip
    file = folder / "params.yaml"
    file.write_text(_parameter_file(settings))
    return ["--params-file", str(file)]


def _write_named(folder: Path, whole: Path) -> str:
    """Write all files that parameters name, each kind in its folder; return a public key."""
    import pyrage

    for name in ("rules", "memory", "profile"):
        (folder / name).mkdir(parents=True)
    write_recording(folder / "replies.jsonl")
    write_rules(folder / "rules")
    write_memory(folder / "memory")
    feature = {"mean": 0.5, "sigma": 0.1, "blocks": 20}
    profile = {"schema": SCHEMA, "query": "red tote", "model": "replies.jsonl", "block": BLOCK,
               "features": {"boxes": feature, "brightness": feature}}  # fmt: skip
    (folder / "profile/profile.json").write_text(json.dumps(profile))
    spec = importlib.util.spec_from_file_location("tiny_nets", _TINY_NETS)
    assert spec is not None
    assert spec.loader is not None
    nets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nets)
    nets.write_tiny_nets(folder / "follower")
    fresh_copy(whole / "checkpoint", folder / "calibration")
    return str(pyrage.x25519.Identity.generate().to_public())

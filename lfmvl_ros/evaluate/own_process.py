# SPDX-License-Identifier: Apache-2.0
"""Evaluates a model in a process of its own: memory is measured alone, a crash ends only it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lfmvl_ros.child_processes import interrupts_kept_from_children, worker_processes
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.interrupts import signal_on_parent_exit
from lfmvl_ros.core.model import VisionLanguageModel, precision_of
from lfmvl_ros.evaluate.answers import Watch, answer_all
from lfmvl_ros.evaluate.data import EvaluationSet
from lfmvl_ros.evaluate.questions import ImageQuestion
from lfmvl_ros.evaluate.scorecard import ModelRun
from lfmvl_ros.models.load import load_model


def answered(
    model: VisionLanguageModel, settings: PerceptionSettings, changed: dict[str, Any],
    data: EvaluationSet, questions: Sequence[ImageQuestion], *,
    watch: Watch = lambda _answer, _pixels: None,
) -> ModelRun:  # fmt: skip
    """Ask a loaded model all questions, after one that is not counted.

    Args:
        model: that is asked.
        settings: how; ``settings.model`` names it.
        changed: the settings that differ from the defaults, for the scorecard.
        data: the images.
        questions: what it is asked.
        watch: called with each answer that counts, and the pixels that it is about.

    Raises:
        UserError: an image can't be read any more.
    """
    if not settings.model.endswith(".jsonl"):  # the first answer is slower; no recording has one
        answer_all(model, settings, data, questions[:1], title="warm-up")
    begun_s = time.perf_counter()
    judged = answer_all(model, settings, data, questions, title=model.name, watch=watch)
    wall_s = time.perf_counter() - begun_s
    return ModelRun(settings.model, model.name, changed, judged, wall_s,
                    images=len(data.images), precision=precision_of(model))  # fmt: skip


def answered_alone(
    settings: PerceptionSettings, changed: dict[str, Any], data: EvaluationSet,
    questions: Sequence[ImageQuestion],
) -> ModelRun:  # fmt: skip
    """Load a model in a new process, ask it there, and measure time and memory.

    Raises:
        UserError: it can't be loaded, or its process was killed.
    """
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    receiver, sender = context.Pipe(duplex=False)
    work = (sender, settings, changed, data, questions)
    process = context.Process(target=_child, args=work, name=settings.model)
    with worker_processes(), receiver:
        with interrupts_kept_from_children():
            process.start()
        sender.close()
        try:
            found = receiver.recv()
        except EOFError:
            found = None
        process.join()
    if isinstance(found, ModelRun):
        return found
    if isinstance(found, Exception):
        raise found
    raise UserError(
        f"the process of {settings.model} ended without a result (exit code {process.exitcode}); "
        "-9 means that the system killed it, mostly because memory ran out"
    )


def _child(
    sender: Connection, settings: PerceptionSettings, changed: dict[str, Any],
    data: EvaluationSet, questions: Sequence[ImageQuestion],
) -> None:  # fmt: skip
    signal_on_parent_exit(signal.SIGTERM)()
    try:
        begun_s = time.perf_counter()
        model = load_model(settings)
        load_s = time.perf_counter() - begun_s
        try:
            run = answered(model, settings, changed, data, questions)
            cost = {"load_s": round(load_s, 2), **peak_memory()}
        finally:
            model.close()
        sender.send(replace(run, cost=cost))
    except Exception as error:  # raised again by the one who asked
        sender.send(error)


def peak_memory() -> dict[str, float | None]:
    """Return the most memory that this process, and those that it started, have held, MiB.

    Pages of files that are mapped count, too, such as weights. None where there is no such process,
    or the system does not say (not Linux).
    """
    servers = [found for pid in _descendants(os.getpid()) if (found := _peak_mb(pid)) is not None]
    return {
        "process_mb": _peak_mb(os.getpid()),
        "server_mb": round(sum(servers), 1) if servers else None,
    }


def _descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it may just have ended
            # The name in brackets may hold anything; behind it: state, parent.
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:  # grows on the way
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def _peak_mb(pid: int) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        found = next((line for line in lines if line.startswith("VmHWM:")), None)
        return None if found is None else round(int(found.split()[1]) / 1024, 1)
    except (OSError, ValueError):
        return None

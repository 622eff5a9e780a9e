# SPDX-License-Identifier: Apache-2.0
"""The scorecard: everything that was measured, as the JSON document ``lfmvl/scorecard/1``."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lfmvl_ros import __version__
from lfmvl_ros.core.calibration.reliability import (
    error_interval,
    expected_calibration_error,
    ranking,
    reliability,
)
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import read_json_object
from lfmvl_ros.evaluate.answers import JudgedAnswer
from lfmvl_ros.evaluate.average_precision import average_precision, is_installed
from lfmvl_ros.evaluate.data import EvaluationSet
from lfmvl_ros.evaluate.figures import LEAST_IMAGES, figure, sums_of
from lfmvl_ros.evaluate.referring import referred_boxes, referring_entry, with_expressions
from lfmvl_ros.evaluate.slices import labels_of, not_asked, slices_of
from lfmvl_ros.evaluate.table import AnswerTable, outcomes, table_of
from lfmvl_ros.evaluate.timing import latency_figures, latency_of

SCHEMA = "lfmvl/scorecard/1"
_FAMILY, _OF_FILM = "lfmvl/scorecard/", "lfmvl/tracking_scorecard/1"


@dataclass(frozen=True, eq=False)
class ModelRun:
    """The results of one model.

    Attributes:
        model: as it was named.
        name: as it names itself.
        settings: that differ from the defaults.
        judged: its answers, at least one.
        wall_s: how long they took together, with decoding and judging.
        robustness: entries of :mod:`lfmvl_ros.evaluate.robustness`; empty where not measured.
        sustained: of :func:`lfmvl_ros.evaluate.timing.sustained`; None where not measured.
        images: how many images the set has.
        cost: of :mod:`lfmvl_ros.evaluate.own_process`; None where it shared a process.
        precision: of the weights that answered; "" where the model does not say.
    """

    model: str
    name: str
    settings: dict[str, Any]
    judged: Sequence[JudgedAnswer]
    wall_s: float
    robustness: Sequence[dict[str, Any]] = ()
    sustained: dict[str, Any] | None = None
    table: AnswerTable = field(init=False)
    images: int = 0
    cost: dict[str, Any] | None = None
    precision: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", table_of(self.judged, self.images))


def scorecard(
    data: EvaluationSet,
    asked: dict[str, Any],
    runs: Sequence[ModelRun],
    comparisons: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the document.

    Args:
        data: what was evaluated on.
        asked: how the questions were made.
        runs: one for each model.
        comparisons: of :func:`lfmvl_ros.evaluate.comparison.compare`.
    """
    return {
        "schema": SCHEMA,
        "version": __version__,
        "data": data.facts(),
        "asked": asked,
        "machine": machine_facts(),
        "models": [model_entry(data, run) for run in runs],
        "comparisons": list(comparisons),
    }


def machine_facts() -> dict[str, Any]:
    """Return the facts that latencies depend on: processor, cores, memory, system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    except (OSError, ValueError):
        pass
    return platform.processor() or "unknown"


def model_entry(data: EvaluationSet, run: ModelRun) -> dict[str, Any]:
    """Return the part of the document that is about one model."""
    table, names = run.table, [image.name for image in data.images]
    referred = referred_boxes(run.judged, data)
    sums = with_expressions(sums_of(table, answers=table.headline), referred)
    precision: dict[str, Any] = {"ap": None, "ap50": None, "ap_parts": []}
    if is_installed():
        precision = average_precision(table, data.labels, names)
    parts = precision.pop("ap_parts")
    total_ms = np.array([item.total_s for item in run.judged]) * 1e3
    calibration, ece = _calibration(table)
    return {
        "model": run.model,
        "name": run.name,
        "precision": run.precision,
        "settings": run.settings,
        "answers": len(run.judged),
        "figures": {**sums.figures(), **precision, "ece": ece, **latency_figures(total_ms)},
        "outcomes": outcomes(run.judged),
        "labels_not_asked": not_asked(table),
        "slices": slices_of(table),
        "labels": labels_of(table, data.labels, names),
        "referring": referring_entry(referred, names),
        "calibration": calibration,
        "robustness": list(run.robustness),
        "latency_ms": latency_of(run.judged),
        "throughput": {
            "answers": len(run.judged),
            "seconds": round(run.wall_s, 2),
            "answers_hz": round(len(run.judged) / run.wall_s, 3) if run.wall_s > 0 else None,
        },
        "sustained": run.sustained,
        "cost": run.cost,
        "ap_parts": parts,
        "images": _images(data, run, sums.rows.tolist()),
    }


def _images(
    data: EvaluationSet, run: ModelRun, rows: Sequence[Sequence[float]]
) -> list[dict[str, Any]]:
    """Return the sums of each image: what a comparison draws from."""
    light = {item.question.image: item.light for item in run.judged}
    return [
        {"name": image.name, "light": round(light.get(i, 0.0), 3),
         "sums": [round(value, 4) for value in rows[i]]}
        for i, image in enumerate(data.images)
    ]  # fmt: skip


def _calibration(table: AnswerTable) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the reliability of the confidences, and the calibration error as a figure.

    Nothing where a model gives none (``constant``): a placeholder can't be wrong.
    """
    kinds = sorted({item.confidence_kind for item in table.judged if len(item.xyxy)})
    used = table.headline[table.boxes.answer]
    if not used.any() or "constant" in kinds:
        return None, None
    scores, right = table.boxes.score[used], table.boxes.iou[used] > 0
    groups = table.boxes.image[used]
    enough = len(np.unique(groups)) >= LEAST_IMAGES
    interval = error_interval(scores, right, groups, share=0.95) if enough else None
    entry = {
        "kind": "/".join(kinds),
        "boxes": len(scores),
        "ranking": round(ranking(scores, right), 4),
        "bins": reliability(scores, right),
    }
    return entry, figure(expected_calibration_error(scores, right), interval, len(scores))


def read_scorecard(path: Path) -> dict[str, Any]:
    """Read a scorecard that an earlier run has written.

    Raises:
        UserError: it can't be read, or is something else.
    """
    document = read_json_object(path)
    schema = document.get("schema")
    if schema == SCHEMA and document.get("models"):
        return document
    if isinstance(schema, str) and schema.startswith(_FAMILY) and schema != SCHEMA:
        raise UserError(
            f"{path} is a scorecard of another version of lfmvl_ros ({quoted(schema)}; this one "
            f"reads {SCHEMA}); evaluate the earlier model again with this one"
        )
    what = " but one of a film, which can't be compared" if schema == _OF_FILM else ""
    raise UserError(
        f"{path} is not a scorecard of images ({SCHEMA}){what}; give a scorecard.json that "
        "`lfmvl evaluate` has written about a folder of images"
    )

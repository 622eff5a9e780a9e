# SPDX-License-Identifier: Apache-2.0
"""What ``lfmvl compare`` prints and plots of its document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lfmvl_ros.viz.comparison_plot import PlotGroup, Share

_SHARES = {"recall": "recall", "precision": "precision", "mean_iou": "mean IoU"}
_FIGURES = {**_SHARES, "ece": "calibration error"}
_AGREEMENT = {
    "equal": "equal answers",
    "same_objects": "same objects",
    "box_iou": "IoU of their boxes",
    "score_difference": "difference of confidences",
    "score_shift": "shift of confidences",
}
_STAGES = ("preprocess", "vision", "prefill", "decode", "overhead")
_VERDICTS = {"better": " better", "worse": " worse", "open": ""}

Entry = Mapping[str, Any]


def table_lines(document: Entry) -> list[str]:
    """Return tables in Markdown: accuracy, agreement with the first model, time and memory."""
    models: Sequence[Entry] = document["models"]
    lines = _rows(["model", "weights", *_FIGURES.values()], [
        [entry["model"], entry["precision"] or "-",
         *(_interval(entry["figures"][name]) for name in _FIGURES)]
        for entry in models
    ])  # fmt: skip
    lines += _rows(["beside " + models[0]["model"], *_AGREEMENT.values()], [
        [entry["other"], *(_interval(entry[name]) for name in _AGREEMENT)]
        for entry in document["agreements"]
    ])  # fmt: skip
    lines += _rows(["minus " + models[0]["model"], *_SHARES.values()], [
        [entry["after"], *_differences(entry)] for entry in document["comparisons"]
    ])  # fmt: skip
    lines += _rows(
        ["model", *(f"{stage}, ms" for stage in (*_STAGES, "total")), "p95, ms", "load, s",
         "process, MiB", "server, MiB"],
        [[entry["model"], *_times(entry), *_cost(entry)] for entry in models],
    )  # fmt: skip
    told = "In brackets: 95 % intervals, where there are enough images."
    return [*lines, f"{told} Times are medians; p95 is of the whole answer."]


def plot_groups(document: Entry) -> list[PlotGroup]:
    """Return what the plot shows."""
    models: Sequence[Entry] = document["models"]
    figures = [
        PlotGroup(title, {entry["model"]: share for entry in models
                      if (share := _share(entry["figures"][name])) is not None})
        for name, title in _FIGURES.items()
    ]  # fmt: skip
    alike = [
        PlotGroup(f"{_AGREEMENT[name]}, beside {models[0]['model']}",
              {entry["other"]: share for entry in document["agreements"]
               if (share := _share(entry[name])) is not None})
        for name in ("equal", "same_objects", "box_iou")
    ]  # fmt: skip
    times = {entry["model"]: [(stage, entry["latency_ms"][stage]["p50"]) for stage in _STAGES]
             for entry in models}  # fmt: skip
    memory = {
        entry["model"]: [(part, entry["cost"][f"{part}_mb"]) for part in ("process", "server")
                         if entry["cost"][f"{part}_mb"] is not None]
        for entry in models if entry["cost"] and entry["cost"]["process_mb"] is not None
    }  # fmt: skip
    return [*figures, *alike, PlotGroup("time by stage, medians", times, "ms"),
            PlotGroup("most memory", memory, "MiB")]  # fmt: skip


def _share(figure: Entry | None) -> Share | None:
    if figure is None or figure["value"] is None:
        return None
    if figure["low"] is None:  # too few images for an interval: drawn as a dot
        return Share(figure["value"], figure["value"], figure["value"])
    return Share(figure["value"], figure["low"], figure["high"])


def _differences(entry: Entry) -> list[str]:
    found = {each["figure"]: each for each in entry["figures"]}
    return [
        "-" if (each := found.get(name)) is None else
        f"{each['difference']:+.3f}{_ends(each, '+.3f')}"
        f"{_VERDICTS[each['verdict']]}"
        for name in _SHARES
    ]  # fmt: skip


def _times(entry: Entry) -> list[str]:
    latency = entry["latency_ms"]
    medians = [f"{latency[stage]['p50']:.0f}" for stage in (*_STAGES, "total")]
    return [*medians, f"{latency['total']['p95']:.0f}"]


def _cost(entry: Entry) -> list[str]:
    cost = entry["cost"] or {}
    return [
        "-" if cost.get(name) is None else f"{cost[name]:.{digits}f}"
        for name, digits in (("load_s", 1), ("process_mb", 0), ("server_mb", 0))
    ]


def _interval(figure: Entry | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    return f"{figure['value']:.3f}{_ends(figure, '.3f')}"


def _ends(entry: Entry, form: str) -> str:
    """Return the interval with a space before it; nothing where there are too few images."""
    if entry["low"] is None:
        return ""
    return f" [{entry['low']:{form}}, {entry['high']:{form}}]"


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruled = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(row) + " |" for row in ruled), ""]

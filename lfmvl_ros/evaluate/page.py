# SPDX-License-Identifier: Apache-2.0
"""The scorecard as one HTML page: no script, and nothing that is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lfmvl_ros.evaluate.data import EvaluationSet
from lfmvl_ros.evaluate.page_charts import interval_chart, reliability_chart, time_chart
from lfmvl_ros.evaluate.page_heading import unusable_part, what_is_asked
from lfmvl_ros.evaluate.page_images import images_part
from lfmvl_ros.evaluate.page_style import STYLE
from lfmvl_ros.evaluate.page_tables import (
    digits,
    interval,
    no_interval,
    referring_part,
    table,
    with_interval,
)
from lfmvl_ros.evaluate.scorecard import ModelRun
from lfmvl_ros.evaluate.wording import counted

NAMES = {
    "recall": "recall", "precision": "precision", "f1": "F1", "mean_iou": "mean IoU", "ap": "AP",
    "ap50": "AP at IoU 0.5", "absent_empty": "[] for absent labels", "count_error": "count error",
    "referring": "expressions with the right box", "ece": "calibration error",
    "latency_p50_ms": "latency p50, ms", "latency_p95_ms": "latency p95, ms",
}  # fmt: skip
"""Figures in the order of the page."""
_BY = {
    "size": "Size of the object", "occlusion": "How much is hidden", "light": "Light",
    "aspect": "Width to height of the image", "language": "Language of the question",
}  # fmt: skip

Entry = Mapping[str, Any]


def page(document: Entry, data: EvaluationSet, runs: Sequence[ModelRun]) -> str:
    """Return the page of a scorecard.

    Args:
        document: the scorecard, without NaN.
        data: its images.
        runs: with the answers, in the order of ``document["models"]``.
    """
    facts = document["data"]
    title = f"{facts['name']}: {', '.join(entry['name'] for entry in document['models'])}"
    body = [
        f"<h1>{escape(facts['name'])}</h1>",
        f'<p class="soft">{counted(facts["images"], "image")} ({escape(facts["split"])}), '
        f"{counted(facts['boxes'], 'labelled box', 'labelled boxes')}, "
        f"{counted(len(facts['boxes_by_label']), 'label')}; "
        f"{escape(what_is_asked(document['asked'], data, runs))}. "
        "Square brackets and bands: 95 % intervals.</p>",
        _failures(document),
        *(_comparison(entry) for entry in document["comparisons"]),
    ]
    for entry, run in zip(document["models"], runs, strict=True):
        body += _model(entry, run, data)
    body.append(_notes(document))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        '<input class="toggle" type="checkbox" id="truth" checked>'
        '<input class="toggle" type="checkbox" id="answer" checked>'
        f"<main>{''.join(body)}</main></body></html>\n"
    )


def _failures(document: Entry) -> str:
    found = document["failures"]
    rows = "".join(f"<li>{escape(sentence)}</li>" for sentence in found)
    return f'<section><h2 class="failed">Failed</h2><ul>{rows}</ul></section>' if found else ""


def _model(entry: Entry, run: ModelRun, data: EvaluationSet) -> list[str]:
    settings = ", ".join(f"{key}: {value}" for key, value in entry["settings"].items())
    outcomes = ", ".join(f"{name} {count}" for name, count in entry["outcomes"].items())
    not_asked = entry["labels_not_asked"]
    return [
        f"<h2>{escape(entry['name'])}</h2>",
        unusable_part(entry),
        _cards(entry["figures"]),
        f'<p class="soft">{counted(entry["answers"], "answer")}: {escape(outcomes)}. '
        + (
            f"{counted(not_asked, 'box', 'boxes')} with a label that was not asked for, or that "
            "nobody annotated. "
            if not_asked
            else ""
        )
        + (f"Weights in {escape(entry['precision'])}. " if entry["precision"] else "")
        + (f"Settings: {escape(settings)}." if settings else "")
        + "</p>",
        _slices(entry),
        _labels(entry),
        referring_part(entry.get("referring")),
        images_part(run.judged, data),
        '<div class="pairs">',
        _calibration(entry),
        _robustness(entry),
        "</div>",
        _latency(entry),
    ]


def _cards(figures: Entry) -> str:
    cards = []
    for name, words in NAMES.items():
        found = figures.get(name)
        if name == "referring" and (found is None or found["value"] is None):
            continue  # most data have none
        if found is None or found["value"] is None:
            cards.append(f'<div class="card">{words}<b>–</b><span class="soft">nothing to '
                         "measure it on</span></div>")  # fmt: skip
            continue
        between = interval(found) or no_interval(name, found["n"])
        cards.append(
            f'<div class="card">{words}<b>{digits(found["value"])}</b>'
            f'<span class="soft">{between}<br>n = {found["n"]}</span></div>'
        )
    return f'<div class="cards">{"".join(cards)}</div>'


def _slices(entry: Entry) -> str:
    parts = []
    for by, title in _BY.items():
        rows = [
            (item["slice"], item["recall"], f"({item['objects']})")
            for item in entry["slices"]
            if item["by"] == by
        ]
        if len(rows) > 1 or (by == "light" and rows):
            chart = interval_chart(rows, f"recall by {by}")
            parts.append(f"<div><h3>{title}</h3>{chart}</div>")
    whole = [
        [f"{item['by']}: {item['slice']}",
         *(with_interval(item.get(key)) for key in ("recall", "precision")),
         *(str(item[key]) for key in ("objects", "boxes")),
         *(with_interval(item.get(key)) for key in ("mean_iou", "absent_empty"))]
        for item in entry["slices"]
    ]  # fmt: skip
    head = ("slice", "recall", "precision", "objects", "boxes", "mean IoU", "[] for absent")
    return (
        f'<h3>Recall by slice</h3><div class="pairs">{"".join(parts)}</div>'
        f"<details><summary>All figures of the slices</summary>{table(head, whole)}</details>"
    )


def _labels(entry: Entry) -> str:
    rows = [
        [item["label"], with_interval(item["recall"]), with_interval(item["precision"]),
         *(str(item[key]) for key in ("objects", "false_negatives", "false_positives")),
         digits(item["mean_iou"]["value"])]
        for item in entry["labels"]
    ]  # fmt: skip
    head = ("label", "recall", "precision", "objects", "missed", "wrong boxes", "mean IoU")
    where = "".join(
        f"<p><b>{escape(item['label'])}</b>: "
        f"missed in {escape(', '.join(item['missed_in']) or '–')}; "
        f"wrong in {escape(', '.join(item['false_in']) or '–')}</p>"
        for item in entry["labels"]
        if item["missed_in"] or item["false_in"]
    )
    return f"<h3>By label</h3>{table(head, rows)}" + (
        f"<details><summary>Images with errors, by label</summary>{where}</details>"
        if where
        else ""
    )


def _calibration(entry: Entry) -> str:
    found = entry["calibration"]
    if found is None:
        return "<div><h3>Confidence</h3><p>The backend gives none: nothing to judge.</p></div>"
    chart = reliability_chart(found["bins"], "share of right boxes by confidence")
    return (
        f"<div><h3>Confidence ({escape(found['kind'])})</h3>{chart}"
        f'<p class="soft">{counted(found["boxes"], "box", "boxes")}; on the dashed line, a '
        f"confidence means what it says. A right box has more confidence than a wrong one "
        f"{found['ranking']:.0%} of the time.</p></div>"
    )


def _robustness(entry: Entry) -> str:
    rows = [(_degraded(item), item["recall"], "") for item in entry["robustness"]]
    if not rows:
        return (
            "<div><h3>Worse images</h3><p>Not measured; <code>--robustness 50</code> does it.</p>"
            "</div>"
        )
    chart = interval_chart(rows, "recall on worse images")
    answers = entry["robustness"][0]["answers"]
    return (
        f"<div><h3>Worse images</h3>{chart}"
        f'<p class="soft">Recall; {counted(answers, "answer")} a row.</p></div>'
    )


def _degraded(item: Entry) -> str:
    if item["level"] is None:
        return str(item["degradation"])
    return f"{item['degradation']} {item['level']:g} {item['unit']}"


def _latency(entry: Entry) -> str:
    rows = [
        [stage, *(f"{value:.1f}" for value in found.values())]
        for stage, found in entry["latency_ms"].items()
        if any(found.values())  # recorded replies and servers have no times of stages
    ]
    rate = entry["throughput"]["answers_hz"]
    parts = [
        "<h3>Time of an answer, ms</h3>", table(("stage", "p50", "p95", "p99"), rows),
        f'<p class="soft">{digits(rate)} answers a second over the whole run.</p>',
    ]  # fmt: skip
    steady = entry["sustained"]
    if steady:
        parts.append(
            f"<h3>Without a pause for {steady['seconds']:.0f} s</h3><p>{steady['answers_hz']:.2f} "
            f"answers a second; the last quarter at {digits(steady['last_to_first'])} of the first."
            '</p><div class="pairs">'
        )
        for key, unit in (("answers_hz", "answers a second"), ("temperature_c", "°C, hottest"),
                          ("clock_mhz", "MHz, mean of the cores"), ("power_w", "W"),
                          ("memory_mb", "MB resident")):  # fmt: skip
            points = [(b["at_s"], b[key]) for b in steady["blocks"] if key in b]
            parts.append(f"<div>{time_chart(points, unit, unit)}</div>" if len(points) > 1 else "")
        parts.append("</div>")
    return "".join(parts)


def _comparison(entry: Entry) -> str:
    rows = [
        f"<tr><td>{escape(NAMES.get(item['figure'], item['figure']))}</td>"
        f"<td>{digits(item['before'])}</td><td>{digits(item['after'])}</td><td>{item['difference']:+.3g}</td>"
        f"<td>{_of_difference(item)}</td>"
        f'<td class="{item["verdict"]}">{item["verdict"]}</td></tr>'
        for item in entry["figures"]
    ]
    how = (
        "the same images, compared pairwise"
        if entry["same_images"]
        else "other images or questions"
    )
    head = "".join(f"<th>{cell}</th>" for cell in ("figure", "before", "after", "difference",
                                                   "95 % interval", "verdict"))  # fmt: skip
    return (
        f"<h2>{escape(entry['after'])} against {escape(entry['before'])}</h2>"
        f'<p class="soft">{how}; open: the interval contains 0, or there are too few images '
        "for a verdict, so it may be chance.</p>"
        f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
    )


def _of_difference(item: Entry) -> str:
    if item["low"] is None:
        return "too few images"
    return f"[{item['low']:+.3g}, {item['high']:+.3g}]"


def _notes(document: Entry) -> str:
    machine = document["machine"]
    lines = [
        f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}; lfmvl_ros {document['version']}.",
        "A box is right if it has the label of an object and an IoU of at least 0.5 with it; each "
        "object makes one box right. Every labelled object counts, also small and hidden ones; "
        "a box on a crowd (iscrowd) of its label counts neither way.",
        "Intervals: 1,000 bootstrap draws of whole images; of AP a jackknife over ten parts.",
    ]
    for key, title in (("left_out", "Left out of the data"), ("changed", "Changed in the data")):
        if counts := document["data"].get(key):
            told = ", ".join(f"{count} {reason}" for reason, count in counts.items())
            lines.append(f"{title}: {told}.")
    return "<h2>Notes</h2>" + "".join(f'<p class="soft">{escape(line)}</p>' for line in lines)

# SPDX-License-Identifier: Apache-2.0
"""Which differences of two scorecards are real, and which may be chance.

On the same images, whole images are drawn again for both models together (a paired bootstrap): an
image that is hard for one model is usually hard for the other, which cancels out. On different
images, each is drawn by itself. The interval of AP comes from its jackknife, part by part.

Few images may all tell the same by chance, and then no draw differs. So on the same images nothing
is taken as real where the models differ on fewer than :data:`LEAST_DIFFERENT` of them. Differences
on other images, and of figures that are not proportions, need
:data:`~lfmvl_ros.evaluate.figures.LEAST_IMAGES` images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.evaluate.average_precision import STUDENT, jackknife_error
from lfmvl_ros.evaluate.figures import COLUMNS, LEAST_IMAGES, LEVEL, QUOTIENTS, draw_weights

LEAST_DIFFERENT = 6
"""Images on which two models differ: if all of them favour one, a sign test gives 2 / 2**6 = 3 %;
five give 6 %, which is no 95 %."""
_FEWEST_COLUMNS = 9  # of the first version
_OF_BOXES = ("found", "boxes", "right", "iou_sum", "score_sum")
MORE_IS_BETTER: Mapping[str, bool] = {
    "precision": True, "recall": True, "f1": True, "mean_iou": True, "absent_empty": True,
    "count_error": False, "referring": True, "ap": True, "latency_p50_ms": False,
    "latency_p95_ms": False,
}  # fmt: skip


def compare(
    before: Mapping[str, Any], after: Mapping[str, Any], *, same_data: bool
) -> dict[str, Any]:
    """Compare two entries of ``models``.

    Args:
        before: the entry to compare with.
        after: the entry that is judged.
        same_data: both were asked the same about the same images.

    Returns:
        Names, and for each figure both values, the difference with its 95 % interval (None where
        there are too few images), and a verdict: ``better``, ``worse`` or ``open``.

    Raises:
        UserError: an entry lacks what a scorecard has.
    """
    try:
        rows = [_rows(entry) for entry in (before, after)]
        figures = [_quotient(name, *rows, paired=same_data) for name in QUOTIENTS]
        few = same_data and _answers_differ(*rows) < LEAST_DIFFERENT
        figures.append(_of_ap(before, after, paired=same_data, few=few))
        figures += [_of_latency(before, after, name) for name in ("latency_p50_ms",
                                                                  "latency_p95_ms")]  # fmt: skip
        names = before["model"], after["model"]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(
            f"the scorecards can't be compared: one lacks what it should have ({error!r}); "
            "evaluate again"
        ) from error
    return {
        "before": names[0],
        "after": names[1],
        "same_images": same_data,
        "figures": [entry for entry in figures if entry is not None],
    }


def _rows(entry: Mapping[str, Any]) -> FloatArray:
    rows = np.array([image["sums"] for image in entry["images"]], np.float64)
    if rows.ndim != 2 or not _FEWEST_COLUMNS <= rows.shape[1] <= len(COLUMNS):
        raise ValueError(f"images have sums of {len(COLUMNS)} numbers")
    return rows


def _answers_differ(before: FloatArray, after: FloatArray) -> int:
    """Return on how many images the boxes or confidences of two models differ."""
    both = min(before.shape[1], after.shape[1])
    columns = [COLUMNS.index(name) for name in _OF_BOXES if COLUMNS.index(name) < both]
    return int((before[:, columns] != after[:, columns]).any(axis=1).sum())


def _quotient(
    name: str, before: FloatArray, after: FloatArray, *, paired: bool
) -> dict[str, Any] | None:
    above, below, is_share = QUOTIENTS[name]
    first = draw_weights(len(before))
    second = first if paired else draw_weights(len(after), seed=1)
    values, drawn, sums = [], [], []
    for rows, draws in ((before, first), (after, second)):
        upper, lower = _weighted(rows, above), _weighted(rows, below)
        if lower.sum() <= 0:
            return None
        sums.append(np.stack([upper, lower]))
        values.append(float(upper.sum() / lower.sum()))
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn.append((draws @ upper) / (draws @ lower))
    if not _enough(*sums, paired=paired, is_share=is_share):
        return _entry(name, values[0], values[1], None)
    differences = drawn[1] - drawn[0]
    ends = np.nanquantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return _entry(name, values[0], values[1], (float(ends[0]), float(ends[1])))


def _enough(before: FloatArray, after: FloatArray, *, paired: bool, is_share: bool) -> bool:
    """Tell whether there are enough images; sums above and below of each, ``(2, I)``."""
    if paired and int((before != after).any(axis=0).sum()) < LEAST_DIFFERENT:
        return False
    counted = min(int((sums[1] > 0).sum()) for sums in (before, after))
    return (paired and is_share) or counted >= LEAST_IMAGES


def _weighted(rows: FloatArray, weights: Mapping[str, float]) -> FloatArray:
    columns = [(COLUMNS.index(name), weight) for name, weight in weights.items()]
    if any(column >= rows.shape[1] for column, _ in columns):
        return np.zeros(len(rows))  # of an earlier version, which did not measure it
    return np.asarray(sum(weight * rows[:, column] for column, weight in columns))


def _of_ap(
    before: Mapping[str, Any], after: Mapping[str, Any], *, paired: bool, few: bool
) -> dict[str, Any] | None:
    """Compare AP.

    Args:
        before: an entry of ``models``.
        after: likewise.
        paired: both are about the same images.
        few: the answers differ on too few of these. The jackknife can't see this: from four images
            on, its interval may leave out 0 although each of the four may be chance.
    """
    figures = [entry["figures"].get("ap") or {} for entry in (before, after)]
    one, other = (each.get("value") for each in figures)
    parts = [np.array(entry["ap_parts"], np.float64) for entry in (before, after)]
    if one is None or other is None or min(map(len, parts)) < 2:
        return None
    if few or min(each["n"] for each in figures) < LEAST_IMAGES:
        return _entry("ap", one, other, None)
    if paired and len(parts[0]) == len(parts[1]):
        error = jackknife_error(parts[1] - parts[0])
    else:
        error = math.hypot(*(jackknife_error(part) for part in parts))
    difference, half = other - one, STUDENT * error
    return _entry("ap", one, other, (difference - half, difference + half))


def _of_latency(
    before: Mapping[str, Any], after: Mapping[str, Any], name: str
) -> dict[str, Any] | None:
    """Compare times by their own intervals, taken as normal and independent."""
    one, other = (entry["figures"][name] for entry in (before, after))
    if one["value"] is None or other["value"] is None:
        return None
    if one["low"] is None or other["low"] is None:
        return _entry(name, one["value"], other["value"], None)
    half = math.hypot(*((each["high"] - each["low"]) / 2 for each in (one, other)))
    difference = other["value"] - one["value"]
    return _entry(name, one["value"], other["value"], (difference - half, difference + half))


def _entry(
    name: str, before: float, after: float, ends: tuple[float, float] | None
) -> dict[str, Any]:
    low, high = ends or (None, None)
    verdict = "open"
    if low is not None and high is not None and (low > 0 or high < 0):
        verdict = "better" if (low > 0) == MORE_IS_BETTER[name] else "worse"
    return {
        "figure": name,
        "before": round(before, 4),
        "after": round(after, 4),
        "difference": round(after - before, 4),
        "low": None if low is None else round(low, 4),
        "high": None if high is None else round(high, 4),
        "verdict": verdict,
    }


def check_earlier(old: Mapping[str, Any], path: Path) -> None:
    """Refuse an earlier scorecard that can't be compared, before a model takes its time.

    Raises:
        UserError: it lacks what a scorecard has.
    """
    try:
        for key in ("data", "asked"):
            if not isinstance(old.get(key), Mapping):
                raise UserError(f"it has no {key}")
        for entry in old["models"]:
            compare(entry, entry, same_data=True)
    except (UserError, TypeError) as error:
        reason = error if error.__cause__ is None else repr(error.__cause__)
        raise UserError(
            f"--against {path} is a damaged scorecard ({reason}); evaluate the earlier model again"
        ) from error


def what_differs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what two scorecards asked otherwise, or about other images; empty: they can be paired.

    Args:
        old: an earlier scorecard.
        new: the present one.
    """
    found = []
    data, now = old.get("data", {}), new["data"]
    if data.get("fingerprint") != now["fingerprint"]:
        told = [f"{each.get('images')} images of {each.get('name')!r} (split {each.get('split')})"
                for each in (data, now)]  # fmt: skip
        other = "with other files, boxes or labels"
        found.append(f"{told[0]}, now {told[1] if told[0] != told[1] else other}")
        labels = [", ".join(each.get("boxes_by_label", ())) for each in (data, now)]
        if labels[0] != labels[1]:
            found.append(f"labels {quoted(labels[0])}, now {quoted(labels[1])}")
    asked, now = old.get("asked", {}), new["asked"]
    if asked.get("query") != now["query"]:
        words = [repr(each) if each else "none" for each in (asked.get("query"), now["query"])]
        found.append(f"query {words[0]}, now {words[1]}")
    if asked.get("ask") != now["ask"]:
        found.append(f"--ask {asked.get('ask')}, now {now['ask']}")
    return found


def comparisons(document: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Compare each model with the old scorecard's of that name, and later models with the first.

    If the old scorecard has no model of that name, its first one is used.
    """
    models: Sequence[Mapping[str, Any]] = document["models"]
    found = [compare(models[0], later, same_data=True) for later in models[1:]]
    if old is not None:
        known = {entry.get("model"): entry for entry in old["models"]}
        paired = not what_differs(old, document)
        for entry in models:
            earlier = known.get(entry["model"], old["models"][0])
            result = compare(earlier, entry, same_data=paired)
            found.append({**result, "before": f"{result['before']} (earlier)"})
    return found


def verdict_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return comparisons as a few lines of text: what is better, worse or open.

    Args:
        found: of :func:`comparisons`.
    """
    lines = []
    for each in found:
        how = "the same images" if each["same_images"] else "other images or questions"
        lines.append(f"{each['after']} against {each['before']} ({how})")
        for verdict in ("worse", "better", "open"):
            told = [_told(entry) for entry in each["figures"] if entry["verdict"] == verdict]
            lines += [f"  {verdict}: {', '.join(told)}"] if told else []
    return lines


def _told(entry: Mapping[str, Any]) -> str:
    return f"{entry['figure']} {entry['before']:.4g} -> {entry['after']:.4g}"

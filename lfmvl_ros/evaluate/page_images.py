# SPDX-License-Identifier: Apache-2.0
"""The best and the worst images of an evaluation, with the boxes of truth and answer over them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.encoded_images import encode_jpeg
from lfmvl_ros.evaluate.answers import JudgedAnswer
from lfmvl_ros.evaluate.data import EvaluationSet

SHOWN = 6
"""Images of each sort."""
_LONGEST_PX, _QUALITY = 640, 82


def best_and_worst(judged: Sequence[JudgedAnswer]) -> tuple[list[int], list[int]]:
    """Return numbers of images, the best and the worst first; none is in both.

    An image is as good as twice its summed IoU over objects and boxes together: F1 weighed with the
    overlap. Of equally good ones, those with more on them come first, in either list. The worst
    have something missed or wrong, and the best something found.
    """
    flawed: set[int] = set()
    sums: dict[int, list[float]] = {}
    for item in judged:
        if item.question.headline:
            entry = sums.setdefault(item.question.image, [0.0, 0.0])
            entry[0] += 2 * float(item.truth_iou.sum())
            if item.wrong.any() or (item.truth_iou == 0).any():
                flawed.add(item.question.image)
            entry[1] += len(item.truth_iou) + int((~item.on_crowd).sum())
    scores = {image: (top / whole, whole) for image, (top, whole) in sums.items() if whole}
    best = sorted(scores, key=lambda image: (-scores[image][0], -scores[image][1], image))
    worst = sorted(scores, key=lambda image: (scores[image][0], -scores[image][1], image))
    count = min(SHOWN, (len(scores) + 1) // 2)
    chosen = [image for image in worst if image in flawed][:count]
    found = [image for image in best if image not in chosen and scores[image][0] > 0]
    return found[:count], chosen


def images_part(judged: Sequence[JudgedAnswer], data: EvaluationSet) -> str:
    """Return the worst and the best images as HTML, with what their colours mean."""
    best, worst = best_and_worst(judged)
    keys = (
        '<div class="keys"><label for="truth">truth</label><label for="answer">answer</label>'
        '<span><i class="swatch" style="color:#34d058"></i>found</span>'
        '<span><i class="swatch" style="color:#ffd33d;border-top-style:dashed"></i>missed</span>'
        '<span><i class="swatch" style="color:#58a6ff"></i>right box</span>'
        '<span><i class="swatch" style="color:#ff5c5c"></i>wrong box</span>'
        '<span><i class="swatch" style="color:#d0d7de;border-top-style:dotted"></i>not counted'
        "</span></div>"
    )
    nothing = "<p>None: every object was found, and no box is wrong.</p>"
    parts = [f"<h3>Worst images</h3>{keys}{_shots(worst, judged, data) if worst else nothing}"]
    if best:
        parts.append(f"<h3>Best images</h3>{_shots(best, judged, data)}")
    return "".join(parts)


def _shots(images: Sequence[int], judged: Sequence[JudgedAnswer], data: EvaluationSet) -> str:
    shots = "".join(figure_of(data, judged, image) for image in images)
    return f'<div class="shots">{shots}</div>'


def figure_of(data: EvaluationSet, judged: Sequence[JudgedAnswer], image: int) -> str:
    """Return an image with its boxes as HTML: boxes are SVG, so that they can be switched off."""
    items = [j for j in judged if j.question.image == image and j.question.headline]
    pixels = data.pixels(image)
    wh = (pixels.shape[1], pixels.shape[0])
    size, names = max(wh) / 42, [each[0] for each in data.names]
    parts = [f'<image href="{_data_url(pixels)}" width="{wh[0]}" height="{wh[1]}"/>']
    for item in items:
        parts += _truth(item, names, wh, size)
        parts += _answer(item, names, wh, size)
    missed = sum(int((item.truth_iou == 0).sum()) for item in items)
    wrong = sum(int(item.wrong.sum()) for item in items)
    found = sum(int((item.truth_iou > 0).sum()) for item in items)
    told = f"{found} found, {missed} missed, {wrong} wrong"
    ended = sorted({item.outcome.value for item in items} - {"ok", "empty"})
    asked = ", ".join(dict.fromkeys(label for item in items for label in item.question.labels))
    name = data.images[image].name
    return (
        f'<figure><svg viewBox="0 0 {wh[0]} {wh[1]}" role="img" '
        f'aria-label="{escape(name)}: {told}">{"".join(parts)}</svg>'
        f"<figcaption><b>{escape(name)}</b><br>{told}{escape(', '.join(['', *ended]))}"
        f'<br><span class="soft">asked: {escape(asked)}</span></figcaption></figure>'
    )


def _truth(
    item: JudgedAnswer, labels: Sequence[str], wh: tuple[int, int], size: float
) -> list[str]:
    return [
        _rectangle(xyxy, wh, "found" if iou > 0 else "missed", "truth",
                   "" if iou > 0 else f"missed: {labels[kind]}", size)
        for xyxy, kind, iou in zip(item.truth.xyxy, item.truth.kinds, item.truth_iou, strict=True)
    ] + [
        _rectangle(xyxy, wh, "uncounted", "truth", f"{_uncounted(xyxy)}: {labels[kind]}", size)
        for xyxy, kind in zip(item.truth.crowd_xyxy, item.truth.crowd_kinds, strict=True)
    ]  # fmt: skip


def _uncounted(xyxy: FloatArray) -> str:
    """Return why boxes in an area are not counted; only labels not searched for have it all."""
    return "not all labelled" if (xyxy == [0, 0, 1, 1]).all() else "crowd"


def _answer(
    item: JudgedAnswer, labels: Sequence[str], wh: tuple[int, int], size: float
) -> list[str]:
    named = [
        labels[kind] if kind >= 0 else f"{label}, not {'annotated' if asked else 'asked for'}"
        for kind, label, asked in zip(item.kinds.tolist(), item.labels, item.asked, strict=True)
    ]
    kinds = np.where(item.on_crowd, "uncounted", np.where(item.wrong, "wrong", "right")).tolist()
    # Without a confidence the score is the same for all boxes, and says nothing.
    said = item.confidence_kind != "constant"
    return [
        _rectangle(xyxy, wh, kind, "answer", f"{name} {score:.2f}" if said else name, size)
        for xyxy, name, score, kind in zip(item.xyxy, named, item.scores, kinds, strict=True)
    ]


def _rectangle(
    xyxy: FloatArray, wh: tuple[int, int], kind: str, group: str, text: str, size: float
) -> str:
    x1, y1, x2, y2 = (xyxy * np.array([*wh, *wh])).tolist()
    # Text of the truth stands at the lower edge, that of the answer at the upper one.
    below = group == "truth"
    y = min(max(y2 - size * 0.3 if below else y1 + size, size), wh[1] - 2)
    x = min(max(x1 + size * 0.2, 2.0), max(2.0, wh[0] - size * 0.55 * len(text)))
    words = (
        f'<text class="tag" x="{x:.1f}" y="{y:.1f}" style="font-size:{size:.1f}px;'
        f'stroke-width:{size / 6:.1f}px">{escape(text)}</text>'
        if text
        else ""
    )
    return (
        f'<g class="{group}"><rect class="box {kind}" x="{x1:.1f}" y="{y1:.1f}" '
        f'width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"/>{words}</g>'
    )


def _data_url(pixels: NDArray[np.uint8]) -> str:
    height, width = pixels.shape[:2]
    scale = min(1.0, _LONGEST_PX / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    data = encode_jpeg(np.asarray(small, np.uint8), _QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")

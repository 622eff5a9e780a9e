# SPDX-License-Identifier: Apache-2.0
"""Compare our parser with those of `supervision` on the odd replies of the test corpus.

    python benchmarks/parsing.py [--repeat 20]

Each text goes through every parser that might suit it. `supervision` is helped: keys are renamed to
the one a parser knows, and "best of them" takes, for each reply, whichever parser found most of
what is there. The corpus was written for our parser, so its own figure says no more than that it
passes its tests; the others' say what users of small models have to expect.

Columns: replies that raised; boxes that are no boxes (outside the image, empty, not finite);
objects found of those expected (label equal, IoU 0.9); boxes that are not there; CPU microseconds a
reply, median and most. The last line is one JSON object. Takes a few seconds.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from needs import needed_packages, optional, run_command

with needed_packages():
    import numpy as np

    from lfmvl_ros.core.boxes import iou_matrix
    from lfmvl_ros.core.config import ParsingSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.parsing import parse_reply
    from lfmvl_ros.core.prompt import Prompt
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.core.reply import FinishReason, Reply

FOLDER = Path(__file__).parents[1] / "test" / "data" / "replies"
Boxes = list[tuple[str, list[float]]]
Parser = Callable[[dict[str, Any]], Boxes]
_WH = (640, 480)
_KEY = re.compile(r"""(["'])(?:bbox|box|bounding_box|box_2d|bbox_2d)\1""")


def size_of(case: dict[str, Any]) -> tuple[int, int]:
    width, height = case.get("wh", _WH)
    return int(width), int(height)


def ours(case: dict[str, Any]) -> Boxes:
    wh = size_of(case)
    frame = Frame(np.zeros((wh[1], wh[0], 3), np.uint8), 0)
    query = Query.parse(case.get("query", "person, red tote"))
    prompt = Prompt("find", query, case.get("decimals", 2))
    reply = Reply(case["text"], finish=FinishReason(case.get("finish", "stop")))
    settings = ParsingSettings(unknown_labels=case.get("unknown_labels", "keep"))
    found = parse_reply(reply, frame=frame, prompt=prompt, settings=settings).detections
    return list(zip(found.labels, found.xyxy_px.tolist(), strict=True))


def peers() -> dict[str, Parser]:
    """Return the parsers of supervision that read JSON; none where it is not installed."""
    supervision = optional("supervision", "the parsers of supervision")
    if supervision is None:
        return {}
    from supervision.detection import vlm

    def qwen(unit: tuple[int, int] | None) -> Parser:
        def parse(case: dict[str, Any]) -> Boxes:
            text, wh = _KEY.sub('"bbox_2d"', case["text"]), size_of(case)
            xyxy, _, names = vlm.from_qwen_2_5_vl(text, unit or wh, wh)
            return _boxes(xyxy, names)

        return parse

    version = supervision.__version__
    return {
        f"supervision {version} qwen, 0-1": qwen((1, 1)),
        f"supervision {version} qwen, 0-1000": qwen((1000, 1000)),
        f"supervision {version} qwen, pixels": qwen(None),
    }


def _boxes(xyxy: Any, names: Any) -> Boxes:
    rows = np.asarray(xyxy, dtype=float).reshape(-1, 4).tolist()
    labels = ["" if names is None else str(name) for name in (names if names is not None else [])]
    return list(zip(labels, rows, strict=True))


def score(found: Boxes, case: dict[str, Any]) -> dict[str, int]:
    """Count what is found, missing and wrong in one reply."""
    wh = size_of(case)
    scale = np.array([*wh, *wh])
    expected = [(row[0], np.array(row[1:]) * scale) for row in case.get("objects", [])]
    sound = [(label, np.array(box)) for label, box in found if _is_box(box, wh)]
    hits, left = 0, list(expected)
    for label, box in sound:
        for index, (name, truth) in enumerate(left):
            same = label.casefold().strip() == name.casefold()
            if same and iou_matrix(box[None], truth[None])[0, 0] >= 0.9:
                hits += 1
                del left[index]
                break
    return {"hits": hits, "wrong": len(sound) - hits, "invalid": len(found) - len(sound)}


def _is_box(box: list[float], wh: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = box
    slack = 1e-6
    inside = -slack <= x1 < x2 <= wh[0] + slack and -slack <= y1 < y2 <= wh[1] + slack
    return bool(np.isfinite(box).all() and inside)


def run(parser: Parser, cases: list[dict[str, Any]], repeat: int) -> list[dict[str, int]]:
    """Return the score of each reply, with its time in microseconds."""
    scores = []
    for case in cases:
        raised, found = 0, []
        start = time.process_time()
        for _ in range(repeat):
            try:
                found = parser(case)
            except Exception:
                raised, found = 1, []
        microseconds = (time.process_time() - start) / repeat * 1e6
        scores.append({**score(found, case), "raised": raised, "us": microseconds})
    return scores


def total(scores: list[dict[str, int]], objects: int) -> dict[str, float]:
    sums = {
        key: sum(item[key] for item in scores) for key in ("raised", "invalid", "hits", "wrong")
    }
    times = [item["us"] for item in scores]
    return {
        **sums,
        "objects": objects,
        "us_median": round(float(np.median(times)), 1),
        "us_max": round(max(times), 1),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    arguments.add_argument("--repeat", type=int, default=20, help="times each reply is parsed")
    repeat = arguments.parse_args().repeat
    lines = (FOLDER / "odd_replies.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if "count" not in case]
    objects = sum(len(case.get("objects", [])) for case in cases)
    found = {"lfmvl_ros": run(ours, cases, repeat)}
    others = {name: run(parser, cases, repeat) for name, parser in peers().items()}
    found.update(others)
    if others:
        best = [
            max(column, key=lambda item: (item["hits"], -item["wrong"] - item["invalid"]))
            for column in zip(*others.values(), strict=True)
        ]
        found["supervision, best of them"] = best
    table = {name: total(scores, objects) for name, scores in found.items()}
    print(f"{len(cases)} replies, {objects} objects in them\n")
    print(
        f"{'parser':<36}{'raised':>8}{'no boxes':>10}{'found':>10}{'wrong':>8}{'us':>9}{'most':>9}"
    )
    for name, row in table.items():
        share = f"{row['hits']}/{objects}"
        print(
            f"{name:<36}{row['raised']:>8}{row['invalid']:>10}{share:>10}{row['wrong']:>8}"
            f"{row['us_median']:>9}{row['us_max']:>9}"
        )
    print(json.dumps({"replies": len(cases), "objects": objects, "parsers": table}))


if __name__ == "__main__":
    run_command(main)

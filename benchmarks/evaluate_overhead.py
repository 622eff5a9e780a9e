# SPDX-License-Identifier: Apache-2.0
"""What `lfmvl evaluate` costs an image beside the model and beside reading the images.

    python benchmarks/evaluate_overhead.py [--images 500] [--repeat 5] [--data FOLDER]

Recorded replies stand in for the model: each names nine of ten labelled objects, its box moved a
little. CPU time of the whole command (AP, intervals, scorecard and page with it), less that of
reading each image twice, as the command does (once to check the folder, once to ask about it), and
less that of asking: the prompt, and reading the reply, as `lfmvl_ros.ask` and the node do for any
image. All are measured in this process, in turn; the smallest of each counts, because other
processes on the machine only ever add. Imports are left out. The last line is one JSON object; exit
code 1 when what is added is above 2 ms. Takes three minutes: most of it renders the images, unless
a folder is given.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import numpy as np

    import lfmvl_ros
    import lfmvl_ros.evaluate.average_precision as precision
    from lfmvl_ros.cli.main import main as lfmvl
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.query import Query
    from lfmvl_ros.datasets.image_sizes import check_images
    from lfmvl_ros.evaluate.data import EvaluationSet, evaluation_set
    from lfmvl_ros.evaluate.questions import questions_for

TARGET_MS = 2.0


def record(path: Path, data: EvaluationSet) -> int:
    """Write a reply to each question; return how many there are."""
    rng = np.random.default_rng(0)
    lines = []
    for item in questions_for(data):
        image = data.images[item.image]
        found = [
            {"label": item.labels[item.kinds.index(kind)],
             "bbox": np.clip(box + rng.normal(0, 0.01, 4), 0, 1).round(3).tolist()}
            for kind, box in zip(image.kinds.tolist(), image.xyxy, strict=True)
            if kind in item.kinds and rng.random() < 0.9
        ]  # fmt: skip
        lines.append(json.dumps({"text": json.dumps(found), "stamp_ns": item.number}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return len(lines)


def evaluate(data: Path, replies: Path, out: Path) -> None:
    words = ["evaluate", str(data), "--model", str(replies), "--out", str(out)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert lfmvl(words) == 0


def read_twice(data: EvaluationSet) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        check_images([(image.path, [image.wh_px]) for image in data.images])
    for index in range(len(data.images)):
        data.pixels(index)


def ask_all(data: EvaluationSet, replies: Path) -> None:
    """Ask the same questions of the same replies, and do nothing with the answers."""
    model = lfmvl_ros.load_model(str(replies))
    pixels = {image.wh_px: np.zeros((*image.wh_px[::-1], 3), np.uint8) for image in data.images}
    for item in questions_for(data):
        frame = Frame(pixels[data.images[item.image].wh_px], item.number)
        lfmvl_ros.ask(model, [frame], Query(item.labels))
    model.close()


def cpu_s(work: Callable[[], None]) -> float:
    begun_s = time.process_time()
    work()
    return time.process_time() - begun_s


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog="Takes three minutes, most of them to render.",
    )
    parser.add_argument("--images", type=int, default=500, help="to render, without --data")
    parser.add_argument("--data", type=Path, help="a labelled folder, in place of rendered images")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, replies, out = args.data, Path(place, "replies.jsonl"), Path(place, "out")
        if folder is None:
            folder = Path(place, "images")
            words = ["scenes", "--labelled", str(folder), "--count", str(args.images)]
            with contextlib.redirect_stdout(io.StringIO()):
                lfmvl([*words, "--seed", "7"])
        data = evaluation_set(folder)
        asked = record(replies, data)
        evaluate(folder, replies, out)  # imports, and fills the page cache
        whole, reading, asking = [], [], []
        for _ in range(args.repeat):
            whole.append(cpu_s(lambda: evaluate(folder, replies, out)))
            reading.append(cpu_s(lambda: read_twice(data)))
            asking.append(cpu_s(lambda: ask_all(data, replies)))
    images = len(data.images)
    added_ms = (min(whole) - min(reading) - min(asking)) / images * 1e3
    result = {
        "images": images,
        "questions": asked,
        "ap": precision.is_installed(),
        "whole_ms": round(min(whole) / images * 1e3, 2),
        "reading_ms": round(min(reading) / images * 1e3, 2),
        "asking_ms": round(min(asking) / images * 1e3, 2),
        "added_ms": round(added_ms, 2),
        "target_ms": TARGET_MS,
    }
    print("\n".join(f"{name:12} {value}" for name, value in result.items()))
    print(json.dumps(result))
    return int(added_ms > TARGET_MS)


if __name__ == "__main__":
    run_command(main)

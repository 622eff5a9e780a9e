# SPDX-License-Identifier: Apache-2.0
"""Text on tracked objects: how much of it is read, and how often a certain reading is wrong.

    python benchmarks/readings.py [--labels 64] [--peers 16] [--heights 8,12,16,24,32]

Labels with known text (codes, lots, dates, words; five fonts, five inks) are rendered on boxes:
turned by 0, 90, 180 and 270 degrees or slanted by up to 25, in perspective, with blur, noise and
JPEG. Each is a track of 16 frames, 0.1 s apart, that goes through the node's own planner, reader
and vote. In every second one, camera and object stand still and only the noise changes. The height
is that of capital letters in the image. Hyphens and spaces do not count when texts are compared.

Codes have no letters O and I, as is usual; ``look-alikes`` are lots that have them beside 0 and 1.
"as is" is rapidocr once on the first crop of the first tracks, with its default settings.

Columns: tracks; share whose text is right; share right and at a confidence of 0.9 or more; texts
that are wrong at 0.9 or more; crops read of a track, and CPU milliseconds for each. The last line
is one JSON object. Takes about 10 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from needs import needed_packages, run_command

with needed_packages():
    import cv2
    import numpy as np
    from readings_labels import SLANTS, TURNS, Printed, Seen, printed, seen, view

    from lfmvl_ros.core.config_reading import ReadingSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.readings.planner import ReadingPlanner
    from lfmvl_ros.core.readings.reading import text_key
    from lfmvl_ros.core.tracking import Tracks, TrackState
    from lfmvl_ros.models.text_reader import RapidTextReader

FRAMES, INTERVAL_S, CERTAIN = 16, 0.1, 0.9


@dataclass
class Row:
    """Counts of one height and kind."""

    tracks: int = 0
    right: int = 0
    certain: int = 0
    wrong: int = 0
    crops: int = 0
    cpu_s: float = 0.0
    errors: list[tuple[str, str, float]] = field(default_factory=list)

    def add(self, truth: str, text: str, confidence: float) -> None:
        """Count the text of a track."""
        is_right = text_key(text) == text_key(truth)
        self.tracks += 1
        self.right += is_right
        self.certain += is_right and confidence >= CERTAIN
        self.wrong += not is_right and confidence >= CERTAIN
        if not is_right:
            self.errors.append((truth, text, round(confidence, 3)))

    def figures(self) -> dict[str, Any]:
        """Return the columns."""
        tracks, crops = max(self.tracks, 1), max(self.crops, 1)
        return {
            "tracks": self.tracks,
            "right": round(self.right / tracks, 3),
            "right_at_0.9": round(self.certain / tracks, 3),
            "wrong_at_0.9": self.wrong,
            "crops": round(self.crops / tracks, 1),
            "cpu_ms": round(1000 * self.cpu_s / crops, 1),
        }


def film(
    label: Printed, cap_px: float, still: bool, rng: np.random.Generator
) -> Iterator[tuple[Frame, Tracks]]:
    """Yield the frames of a track, each with a little of its surroundings."""
    how = seen(rng, cap_px)
    for number in range(FRAMES):
        once: Seen = how if still else replace(seen(rng, cap_px), blur=float(rng.uniform(0.3, 1.6)))
        crop = view(label, once, rng)
        pixels = cv2.copyMakeBorder(crop, 8, 8, 8, 8, cv2.BORDER_CONSTANT, value=(90, 96, 102))
        height, width = pixels.shape[:2]
        box = np.array([[8.0, 8.0, width - 8.0, height - 8.0]])
        stamp_ns = round(number * INTERVAL_S * 1e9)
        yield Frame(np.asarray(pixels, np.uint8), stamp_ns), Tracks(
            stamp_ns, np.array([1]), ("box",), np.array([0.9]), box, np.zeros((1, 2)),
            np.eye(4)[None], (TrackState.CONFIRMED,), np.array([1.0]), wh=(width, height),
        )  # fmt: skip


def read_track(reader: RapidTextReader, row: Row, label: Printed, frames: Iterator[Any]) -> None:
    """Read a track as the node does, and count the result."""
    planner = ReadingPlanner(lambda: ReadingSettings(labels=("box",), rate_hz=100.0))
    for number, (frame, tracks) in enumerate(frames):
        planner.consider(frame, tracks, number * INTERVAL_S)
        crop = planner.next(number * INTERVAL_S)
        if crop is not None:
            began_s = time.process_time()
            lines = reader.read(crop.pixels, crop.attempt)
            row.cpu_s += time.process_time() - began_s
            row.crops += 1
            planner.take(crop, lines, number * INTERVAL_S)
    found = planner.texts().get(1)
    row.add(label.text, found.text if found else "", found.confidence if found else 0.0)


def read_as_is(peer: Any, row: Row, label: Printed, frame: Frame) -> None:
    """Read the first crop with rapidocr's defaults, and count the result."""
    began_s = time.process_time()
    found = peer(np.ascontiguousarray(frame.pixels[8:-8, 8:-8, ::-1]))
    row.cpu_s += time.process_time() - began_s
    row.crops += 1
    row.add(label.text, " ".join(found.txts or ()), min(found.scores or (0.0,)))


def as_is() -> Any:
    """Return rapidocr with its defaults, but on one core, as ours."""
    import rapidocr

    folder = Path(str(rapidocr.__file__)).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.model_path": str(folder / "PP-OCRv6_det_small.onnx"),
            "Cls.model_path": str(folder / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
            "Rec.model_path": str(folder / "PP-OCRv6_rec_small.onnx"),
        }
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_HELP)
    parser.add_argument("--labels", type=int, default=64, help="tracks of each height")
    parser.add_argument("--peers", type=int, default=16, help="of them for rapidocr as is")
    parser.add_argument("--heights", default="8,12,16,24,32", help="of capital letters, px")
    parser.add_argument("--preview", type=Path, help="write a sheet of labels instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--errors", action="store_true", help="list what was read wrong")
    return parser.parse_args()


def preview(path: Path, seed: int) -> None:
    """Write a sheet of eight labels, one of each direction."""
    rng = np.random.default_rng(seed)
    sheet = np.full((450, 4 * 230, 3), (90, 96, 102), np.uint8)
    for number, angle in enumerate((*TURNS, *SLANTS)):
        image = view(printed(rng, angle), seen(rng, float(rng.integers(12, 18))), rng)[:220, :220]
        top, left = number // 4 * 225 + 5, number % 4 * 230 + 5
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(sheet[..., ::-1]))


_HELP = argparse.RawDescriptionHelpFormatter


def show(title: str, row: Row, *, errors: bool) -> None:
    """Print a row."""
    values = "".join(f"{value:>8}" for value in row.figures().values())
    print(f"{title:24}{values}", flush=True)
    for truth, text, confidence in row.errors if errors else ():
        print(f"    {truth!r} was read as {text!r}, {confidence}")


def main() -> None:
    args = parsed()
    cv2.setNumThreads(1)
    if args.preview is not None:
        preview(args.preview, args.seed)
        return
    reader, peer = RapidTextReader(), as_is() if args.peers else None
    rows: dict[str, Row] = {}
    angles = (*TURNS, *SLANTS)
    print(f"{'':24}{'tracks':>8}{'right':>8}{'>= 0.9':>8}{'wrong':>8}{'crops':>8}{'ms':>8}")
    for cap_px in map(float, args.heights.split(",")):
        for kind in ("", "lookalike"):
            name = f"{cap_px:g} px{', look-alikes' if kind else ''}"
            row, other = Row(), Row()
            rng = np.random.default_rng([args.seed, round(cap_px), len(kind)])
            for number in range(math.ceil(args.labels / 4) if kind else args.labels):
                label = printed(rng, angles[number % len(angles)], kind)
                frames = list(film(label, cap_px, number // len(angles) % 2 == 1, rng))
                read_track(reader, row, label, iter(frames))
                if peer is not None and not kind and number < args.peers:
                    read_as_is(peer, other, label, frames[0][0])
            for title, counted in ((name, row), (f"{name}, as is", other)):
                if counted.tracks:
                    rows[title] = counted
                    show(title, counted, errors=args.errors)
    print(json.dumps({name: row.figures() for name, row in rows.items()}))


if __name__ == "__main__":
    run_command(main)

# SPDX-License-Identifier: Apache-2.0
"""Real videos with one object each, and the answers of a simulated slow detector about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tracking_followers import Said
from tracking_world import Answer, late_times

from lfmvl_ros.core.boxes import clip
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply, StageTimes

LABEL = "object"
# Defects of the simulated detector, as of a small language model.
MISSES = 0.08
CENTRE_SIGMA, SIZE_SIGMA = 0.04, 0.08
FALSE_PER_ANSWER = 0.15
DECIMALS = 2
HEADER = re.compile(r"#.*?([\d.]+) frames/s; (\d+)x(\d+)")


@dataclass(frozen=True, eq=False)
class Sequence:
    """T frames ``(T, H, W, 3)`` RGB and the box ``(T, 4)`` xyxy, px, of one object in each."""

    name: str
    pixels: np.ndarray
    xyxy_px: np.ndarray
    fps: float

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def wh(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.pixels.shape[2], self.pixels.shape[1]

    def stamp_ns(self, index: int) -> int:
        """Capture time of a frame."""
        return round(index * 1e9 / self.fps)

    def frame(self, index: int) -> Frame:
        """The frame as a tracker gets it."""
        return Frame(self.pixels[index], self.stamp_ns(index))


def read_sequence(folder: Path) -> Sequence:
    """Read ``NNNN.jpg`` and ``boxes.csv`` of a sequence.

    Raises:
        ValueError: the header of ``boxes.csv`` does not give the frame rate, or there is not one
            box for every image.
    """
    file = folder / "boxes.csv"
    header = HEADER.match(file.read_text().splitlines()[0])
    if header is None:
        raise ValueError(f"{file}: expected a first line '# ...; 25.0 frames/s; 640x360'")
    boxes = np.loadtxt(file, delimiter=",", comments="#")
    images = sorted(folder.glob("*.jpg"))
    if len(images) != len(boxes):
        raise ValueError(f"{file}: {len(boxes)} boxes for {len(images)} images")
    pixels = [cv2.cvtColor(cv2.imread(str(image)), cv2.COLOR_BGR2RGB) for image in images]
    return Sequence(folder.name, np.stack(pixels), boxes, float(header[1]))


def read_sequences(folder: Path) -> list[Sequence]:
    """Read every sequence in ``folder``; an empty list, with a line that says so, without one."""
    found = sorted(file.parent for file in folder.glob("*/boxes.csv"))
    if not found:
        print(f"real sequences are left out: no NAME/boxes.csv in {folder} (see --real)")
    return [read_sequence(each) for each in found]


def late_answers(sequence: Sequence, seed: int, latency_s: float) -> list[Answer]:
    """The detector takes the newest frame when it is free and answers about ``latency_s`` late."""
    rng = np.random.default_rng((11, seed))
    return [
        Answer(index, arrives_s, _answer(sequence, index, rng, took_s))
        for index, took_s, arrives_s in late_times(len(sequence), sequence.fps, rng, latency_s)
    ]


def _answer(sequence: Sequence, index: int, rng: np.random.Generator, took_s: float) -> Grounding:
    wh = np.array([*sequence.wh, *sequence.wh], float)
    boxes = []
    # The first answer of a sequence always names its object, so that every seed has one to carry.
    if rng.random() >= MISSES or index == 0:
        box = sequence.xyxy_px[index]
        size = box[2:] - box[:2]
        centre = (box[:2] + box[2:]) / 2 + rng.normal(size=2) * CENTRE_SIGMA * size
        half = size * np.exp(rng.normal(size=2) * SIZE_SIGMA) / 2
        boxes.append([*(centre - half), *(centre + half)])
    for _ in range(rng.poisson(FALSE_PER_ANSWER) if index else 0):
        size = rng.uniform(0.05, 0.3, 2) * sequence.wh
        corner = rng.uniform(0, 1, 2) * (np.array(sequence.wh) - size)
        boxes.append([*corner, *(corner + size)])
    step = 10.0**-DECIMALS
    unit = np.clip(np.array(boxes).reshape(-1, 4) / wh, 0, 1)
    xyxy = clip(np.round(unit / step) * step * wh, sequence.wh)
    xyxy = xyxy[(xyxy[:, :2] < xyxy[:, 2:]).all(axis=1)]
    sigma = np.broadcast_to(wh * step / np.sqrt(12), xyxy.shape).copy()
    found = Detections(xyxy, (LABEL,) * len(xyxy), np.ones(len(xyxy)), sigma)
    return Grounding(
        outcome=Outcome.OK if len(found) else Outcome.EMPTY,
        detections=found,
        stamp_ns=sequence.stamp_ns(index),
        frame_id="camera",
        camera="",
        wh=sequence.wh,
        query=Query((LABEL,)),
        reply=Reply("", times=StageTimes(decode_s=took_s)),
    )


def overlap(sequence: Sequence, said: Said) -> np.ndarray:
    """IoU ``(T,)`` of the first box said about each frame with the true one; nan before any."""
    from lfmvl_ros.core.boxes import iou_matrix

    found = np.full(len(sequence), np.nan)
    for i, boxes in enumerate(said.xyxy_px):
        if len(boxes):
            found[i] = iou_matrix(boxes[:1], sequence.xyxy_px[[i]])[0, 0]
        elif i and not np.isnan(found[i - 1]):
            found[i] = 0.0
    return found

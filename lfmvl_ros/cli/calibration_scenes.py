# SPDX-License-Identifier: Apache-2.0
"""Scenes that no training has seen, in sets that share none, and what a model says about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from lfmvl_ros.core.boxes import FloatArray, iou_matrix, normalise
from lfmvl_ros.core.calibration.calibration import Evidence
from lfmvl_ros.core.config import PerceptionSettings

if TYPE_CHECKING:
    from lfmvl_ros.core.grounding import Grounding
    from lfmvl_ros.core.model import VisionLanguageModel
    from lfmvl_ros.training.evaluation import Asked
    from lfmvl_ros.training.questions import Vocabulary
    from lfmvl_ros.training.sources import Scene

IOU = 0.5
_TIMEOUT_S = 120.0  # an answer cut off on a busy machine would be another answer
_SIZES = (0.07, 0.45)  # of objects in stills, as far things in a video are


@dataclass(frozen=True)
class SceneSet:
    """Which scenes: no two sets share a picture, and none has one that a training draws.

    Attributes:
        name: what it is for.
        looks: ranges (first, count) of the objects' appearances in stills. A training draws from
            the first 120; those of others it has never seen.
        seed: of the questions and stills, and of the videos whose frames are among the pictures.
    """

    name: str
    looks: tuple[tuple[int, int], ...]
    seed: int


FIT = SceneSet("fit", ((0, 24), (1_000, 24)), 7_700)
KNOWN_LOOKS = SceneSet("known looks", ((0, 24),), 8_800)
NEW_LOOKS = SceneSet("new looks", ((2_000, 24),), 9_900)
MEASURED = (KNOWN_LOOKS, NEW_LOOKS)
_VIDEOS = 1_000_000  # seeds beyond: used by nothing else


class UnseenScenes:
    """A source of scenes as :func:`lfmvl_ros.training.evaluation.held_out` takes it."""

    def __init__(self, wanted: SceneSet) -> None:
        from lfmvl_ros.training.sources import WarehouseScenes

        self._wanted = wanted
        self._source = WarehouseScenes(video_frames=0)
        self.vocabulary: Vocabulary = self._source.vocabulary

    def draw(self, rng: np.random.Generator, wh_px: tuple[int, int], max_objects: int) -> Scene:
        """Draw a still of the set's looks, or a frame of a video with goods of its own."""
        from lfmvl_ros.scenes import STANDARD, SceneVideo, render_still
        from lfmvl_ros.training.sources import VIDEO_WH_PX

        if wh_px == VIDEO_WH_PX:
            video = _VIDEOS + 10_000 * self._wanted.seed + int(rng.integers(10_000))
            frame = SceneVideo(video, wh=wh_px).frame(40 + int(rng.integers(1_500)))
            return self._source.convert(frame)
        looks = self._wanted.looks
        options = replace(
            STANDARD,
            objects=(0, max_objects),
            size=_SIZES,
            distractors=min(2, max_objects // 2),
            appearances=looks[int(rng.integers(len(looks)))],
        )
        return self._source.convert(render_still(rng, wh=wh_px, options=options))


@dataclass(frozen=True, eq=False)
class Judged:
    """Boxes that a model found: evidence, ``(N,)`` bool whether right, ``(N,)`` scene number."""

    evidence: Evidence
    right: np.ndarray
    scenes: np.ndarray

    def __len__(self) -> int:
        return len(self.right)


class _Witness:
    """In place of a calibration: keeps the evidence, and numbers the boxes by their scores."""

    def __init__(self) -> None:
        self.evidence: Evidence | None = None

    def apply(self, evidence: Evidence) -> FloatArray:
        self.evidence = evidence
        return (np.arange(len(evidence)) + 0.5) / max(1, len(evidence))

    def of(self, grounding: Grounding) -> Evidence | None:
        """Return the evidence of the boxes that were kept; None where there are no tokens."""
        if self.evidence is None or grounding.confidence_kind != "calibrated":
            return None
        return self.evidence[(grounding.detections.scores * len(self.evidence)).astype(int)]


def collect(
    model: VisionLanguageModel, settings: PerceptionSettings, wanted: SceneSet, scenes: int
) -> Judged:
    """Ask about the first scenes of a set, and judge the answers."""
    return ask_all(model, settings, wanted.name, _questions(wanted, scenes), scenes)


def ask_all(
    model: VisionLanguageModel,
    settings: PerceptionSettings,
    name: str,
    questions: Iterable[Asked],
    total: int,
) -> Judged:
    """Ask questions with known answers, with a progress bar, and judge each box.

    Boxes on things too small or hidden to be expected count neither way and are left out.

    Args:
        model: that is asked.
        settings: how.
        name: of the set, for the progress bar.
        questions: drawn as we go; each has a scene of its own.
        total: how many there are.
    """
    parts: list[Evidence] = []
    right: list[bool] = []
    numbers: list[int] = []
    bar = tqdm(total=total, desc=name, unit="image", disable=None)
    for number, item in enumerate(questions):
        grounding, evidence = _answer(model, settings, item)
        if evidence is not None:
            verdicts = judge(grounding, item)
            parts.append(evidence[[row for row, _ in verdicts]])
            right += [hit for _, hit in verdicts]
            numbers += [number] * len(verdicts)
        bar.update()
    bar.close()
    evidence = Evidence(*(np.zeros(0) for _ in range(4))).joined(*parts)
    return Judged(evidence, np.array(right, bool), np.array(numbers, int))


def _questions(wanted: SceneSet, scenes: int) -> Iterator[Asked]:
    """Draw as we go: pictures of thousands of scenes are not kept."""
    from lfmvl_ros.training.evaluation import held_out
    from lfmvl_ros.training.sources import views

    source = UnseenScenes(wanted)
    for number in range(scenes):
        yield from held_out(source, views(), 1, seed=100_000 * wanted.seed + number)


def _answer(
    model: VisionLanguageModel, settings: PerceptionSettings, item: Asked
) -> tuple[Grounding, Evidence | None]:
    from lfmvl_ros.core.ask import Request
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.query import Query

    frame = Frame(np.ascontiguousarray(item.scene.pixels), 0)
    patient = settings.updated({"generation.timeout_s": _TIMEOUT_S})
    request = Request.prepare(model, patient, Query(tuple(item.question.labels)), [frame])
    (reply,) = request.replies()
    witness = _Witness()
    grounding = request.grounding(frame, replace(reply, calibration=witness))
    return grounding, witness.of(grounding)


def judge(grounding: Grounding, item: Asked) -> Sequence[tuple[int, bool]]:
    """Return row and truth of each box that counts; one object makes one box right."""
    found, expected = grounding.detections, item.question.found
    boxes = normalise(found.xyxy_px, grounding.wh)
    overlaps = np.zeros((len(found), len(expected)))
    if len(found) and len(expected):
        overlaps = iou_matrix(boxes, np.stack([target.xyxy for target in expected]))
        same = [[label == target.label for target in expected] for label in found.labels]
        overlaps = np.where(np.array(same), overlaps, 0.0)
    hit = np.zeros(len(found), bool)
    while overlaps.size and overlaps.max() >= IOU:
        row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
        hit[row] = True
        overlaps[row, :] = overlaps[:, column] = 0.0
    small = [target for target in item.scene.targets if not target.counts]
    rows = []
    for i, label in enumerate(found.labels):
        others = [target.xyxy for target in small if label in target.names]
        if not hit[i] and others and iou_matrix(boxes[i : i + 1], np.stack(others)).max() >= 0.4:
            continue
        rows.append((i, bool(hit[i])))
    return rows

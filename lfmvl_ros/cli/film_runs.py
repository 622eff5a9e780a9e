# SPDX-License-Identifier: Apache-2.0
"""Runs the node's pipeline on video sequences, and keeps the tracks at its annotated images."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lfmvl_ros.core.errors import UserError

if TYPE_CHECKING:
    from lfmvl_ros.cli.film_data import Film
    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.model import VisionLanguageModel
    from lfmvl_ros.core.pipeline.simulated import Latency
    from lfmvl_ros.core.report import Answer
    from lfmvl_ros.core.tracking import Tracks
    from lfmvl_ros.datasets.films import FilmSequence, TrueBoxes
    from lfmvl_ros.datasets.image_sizes import CheckedImage
    from lfmvl_ros.evaluate.track_figures import Followed

_IDS_EACH = 10**9  # of the tracks of one sequence


class TracksAtTruth:
    """Keeps the tracks at each annotated image of a sequence, and counts the answers.

    Args:
        truth: by stamp, ns.
        number: of the sequence: ids of the tracks of different ones differ.
        total: images, for the progress bar.
        title: of the progress bar.

    Attributes:
        found: the tracks by stamp.
        outcomes: of the answers.
    """

    def __init__(
        self, truth: Mapping[int, TrueBoxes], number: int, total: int, title: str = ""
    ) -> None:
        from lfmvl_ros.evaluate.track_figures import Followed

        self._made, self._truth, self._number = Followed, truth, number
        self.found: dict[int, Followed] = {}
        self.outcomes: Counter[str] = Counter()
        self.bar = tqdm(total=total, desc=title or None, unit="image", disable=None)

    def tracks(self, tracks: Tracks) -> None:
        """Take the tracks at an image."""
        self.bar.update()
        if tracks.stamp_ns in self._truth:
            rows = list(tracks.established)
            self.found[tracks.stamp_ns] = self._made(
                tracks.ids[rows] + self._number * _IDS_EACH,
                tuple(tracks.labels[i] for i in rows),
                tracks.xyxy_px[rows],
            )

    def answer(self, answer: Answer) -> None:
        """Count an answer."""
        self.outcomes[answer.grounding.outcome.value] += 1


def run_film(
    film: Film, model: VisionLanguageModel, settings: PerceptionSettings, latency: Latency | None
) -> list[TracksAtTruth]:
    """Return the tracks of each sequence of a film.

    Raises:
        UserError: an image can't be decoded, or is no longer what it was when it was listed.
    """
    if not film.sequences:
        return [_run_bag(film, model, settings, latency)]
    return [
        _run_sequence(sequence, TracksAtTruth(truth, number, len(sequence.images), sequence.name),
                      model, settings, latency)
        for number, (sequence, truth) in enumerate(zip(film.sequences, film.truths, strict=True))
    ]  # fmt: skip


def _run_bag(
    film: Film, model: VisionLanguageModel, settings: PerceptionSettings, latency: Latency | None
) -> TracksAtTruth:
    from lfmvl_ros.bags.reading import open_bag
    from lfmvl_ros.bags.replay import BagReplay

    with open_bag(film.path) as bag:
        total = sum(topic.count for topic in bag.topics if topic.name == film.topic)
        seen = TracksAtTruth(film.truths[0], 0, total)
        with seen.bar:
            replay = BagReplay(
                bag, None, model, settings, {"": film.topic}, latency,
                warn=lambda text: print(f"warning: {text}", file=sys.stderr),
                on_tracks=seen.tracks,
            )  # fmt: skip
            replay.run()
        seen.outcomes = replay.outcomes
        return seen


def _run_sequence(
    sequence: FilmSequence, seen: TracksAtTruth, model: VisionLanguageModel,
    settings: PerceptionSettings, latency: Latency | None,
) -> TracksAtTruth:  # fmt: skip
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
    from lfmvl_ros.core.timeline import Verdict

    pipeline = SimulatedPipeline(model, settings, latency, lambda answer, _ns: seen.answer(answer))
    with seen.bar:
        for path, at_ns, shown in zip(
            sequence.images, sequence.stamps_ns, sequence.shown, strict=True
        ):
            frame = Frame(_pixels(path, shown), at_ns, "camera")
            seen.tracks(pipeline.submit(frame, Verdict.NEWER, at_ns))
        pipeline.finish()
    return seen


def _pixels(path: Path, shown: CheckedImage) -> Any:
    import numpy as np

    from lfmvl_ros.core.encoded_images import decode_file
    from lfmvl_ros.datasets.coco_images import turned

    stored = decode_file(path, turn=False)
    if stored is None:
        raise UserError(f"{path} can't be decoded; put a whole image there")
    pixels = turned(stored, shown.orientation)
    if (pixels.shape[1], pixels.shape[0]) != shown.wh_px:
        raise UserError(f"{path} has changed meanwhile; start again")
    return np.ascontiguousarray(pixels)

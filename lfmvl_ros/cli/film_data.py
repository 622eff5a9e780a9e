# SPDX-License-Identifier: Apache-2.0
"""The films that ``lfmvl evaluate`` takes: bags, folders of MOTChallenge, COCO files of videos."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.datasets.films import FilmSequence, ReadFilms, TrueBoxes
from lfmvl_ros.datasets.mot_folder import is_mot_folder, read_mot_folder
from lfmvl_ros.evaluate.coco_video import is_coco_video, read_coco_video


@dataclass(frozen=True, eq=False)
class Film:
    """What a model is run on.

    Attributes:
        path: of the bag, folder or file.
        form: ``bag``, ``mot`` or ``coco_video``.
        truths: one for each sequence of images: what is on them, by stamp, ns.
        sequences: the images of each; none for a bag.
        topic: of the images in a bag.
        truth_topic: of the annotations in a bag.
        left_out: how many of what is annotated could not be used, by reason.
        changed: how many of what is used otherwise than it is written, by what was changed.
        examples: the first of each reason and each change that has one.

    Raises:
        UserError: no object is annotated.
    """

    path: Path
    form: str
    truths: tuple[Mapping[int, TrueBoxes], ...]
    sequences: tuple[FilmSequence, ...] = ()
    topic: str = ""
    truth_topic: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not any(len(each.ids) for each in self.boxes):
            told = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
            raise UserError(f"the annotations of {self.path} name no object"
                            + (f" (left out: {told})" if told else ""))  # fmt: skip

    @property
    def boxes(self) -> list[TrueBoxes]:
        """What is on each annotated image, of all sequences."""
        return [each for truth in self.truths for each in truth.values()]

    def labels(self) -> list[str]:
        """Return what is annotated, the first spelling of each label."""
        found: dict[str, str] = {}
        for each in self.boxes:
            for label in each.labels:
                found.setdefault(fold_label(label), label)
        return [found[key] for key in sorted(found)]

    def annotated(self, query: str) -> list[str]:
        """Return the annotated labels that are asked for; a query for others is refused."""
        asked = {fold_label(label) for label in Query.parse(query).labels}
        found = [label for label in self.labels() if fold_label(label) in asked]
        if not found:
            raise UserError(
                f"none of {query!r} is annotated in {self.path}; its labels are "
                f"{', '.join(self.labels())}"
            )
        return found

    def facts(self) -> dict[str, Any]:
        """Return the scorecard's facts about the data."""
        boxes = Counter(label for each in self.boxes for label in each.labels)
        ids = {(number, label, id_) for number, truth in enumerate(self.truths)
               for each in truth.values()
               for id_, label in zip(each.ids, each.labels, strict=True)}  # fmt: skip
        return {
            "name": self.path.resolve().name,
            "form": self.form,
            "topic": self.topic,
            "truth": self.truth_topic,
            "sequences": len(self.truths),
            "annotated_images": len(self.boxes),
            "objects": len(ids),
            "boxes": sum(boxes.values()),
            "boxes_by_label": dict(sorted(boxes.items())),
            "left_out": dict(self.left_out),
            "changed": dict(self.changed),
        }


def is_film(path: Path) -> bool:
    """Tell whether a path is a film, by what it is called or holds."""
    return (
        path.suffix in (".mcap", ".db3")
        or (path / "metadata.yaml").is_file()
        or is_mot_folder(path)
        or is_coco_video(path)
    )


def film_of(args: argparse.Namespace) -> Film:
    """Read the annotations of the film that the flags name.

    Raises:
        UserError: it can't be used.
    """
    if is_mot_folder(args.data):
        return _film(args.data, "mot", read_mot_folder(args.data))
    if is_coco_video(args.data):
        return _film(args.data, "coco_video", read_coco_video(args.data, args.fps))
    from lfmvl_ros.bags.reading import image_topics, open_bag
    from lfmvl_ros.bags.truth import read_truth, truth_topic

    with open_bag(args.data) as bag:
        (topic,) = image_topics(bag, [] if args.topic is None else [args.topic]).values()
        name = truth_topic(bag, args.truth)
        return Film(args.data, "bag", (read_truth(bag, name),), (), topic, name)


def _film(path: Path, form: str, read: ReadFilms) -> Film:
    return Film(
        path, form, tuple(_by_stamp(each) for each in read.sequences), read.sequences,
        left_out=dict(read.left_out.counts), changed=dict(read.changed.counts),
        examples={**read.changed.examples, **read.left_out.examples},
    )  # fmt: skip


def _by_stamp(film: FilmSequence) -> dict[int, TrueBoxes]:
    return {film.stamps_ns[index]: each for index, each in film.truth.items()}


def of_labels(truth: Sequence[TrueBoxes], labels: Sequence[str]) -> list[TrueBoxes]:
    """Return the truth without what was not asked for."""
    wanted = {fold_label(label) for label in labels}
    kept = []
    for each in truth:
        rows = [i for i, label in enumerate(each.labels) if fold_label(label) in wanted]
        kept.append(TrueBoxes(
            tuple(each.ids[i] for i in rows), tuple(each.labels[i] for i in rows),
            each.xyxy_px[rows], each.visible[rows], each.unsure,
        ))  # fmt: skip
    return kept

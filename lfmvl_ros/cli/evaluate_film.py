# SPDX-License-Identifier: Apache-2.0
"""``lfmvl evaluate`` on a film: a bag with annotations, or a folder of MOTChallenge."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lfmvl_ros.cli.evaluate_notes import remove_page, tell_failed_models
from lfmvl_ros.cli.flags import changed_settings, settings_from
from lfmvl_ros.cli.replay import latency_model, loaded_model
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.whole_files import finite, make_folder, write_json
from lfmvl_ros.datasets.films import MotFolder, TrueBoxes, is_mot_folder, read_mot_folder
from lfmvl_ros.evaluate.conditions import Condition, check_labels, failures
from lfmvl_ros.evaluate.wording import counted

if TYPE_CHECKING:
    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.model import VisionLanguageModel
    from lfmvl_ros.core.pipeline.simulated import Latency
    from lfmvl_ros.core.report import Answer
    from lfmvl_ros.core.tracking import Tracks

SCHEMA = "lfmvl/tracking_scorecard/1"
_USUAL_LATENCY = "250"  # ms


@dataclass(frozen=True, eq=False)
class Film:
    """What a model is run on.

    Attributes:
        path: of the bag or folder.
        truth: by key: the stamp of an image, ns.
        mot: the folder; None for a bag.
        topic: of the images in a bag.
        truth_topic: of the annotations in a bag.
    """

    path: Path
    truth: Mapping[int, TrueBoxes]
    mot: MotFolder | None = None
    topic: str = ""
    truth_topic: str = ""


def is_film(path: Path) -> bool:
    """Tell whether a path is a bag, or a folder of MOTChallenge, by what it is called or holds."""
    return (
        path.suffix in (".mcap", ".db3")
        or (path / "metadata.yaml").is_file()
        or is_mot_folder(path)
    )


def evaluate_film(args: argparse.Namespace, conditions: list[Condition]) -> int:
    """Run the pipeline of the node on a film, and compare its tracks with the truth.

    Returns:
        Exit code 1 when a condition of --fail-if holds, else 0.

    Raises:
        UserError: the film can't be used, or trackeval is not installed.
    """
    from lfmvl_ros import __version__
    from lfmvl_ros.evaluate.scorecard import machine_facts
    from lfmvl_ros.evaluate.track_metrics import check_installed
    from lfmvl_ros.models.load import check_model

    if any(not condition.figure for condition in conditions):
        raise UserError("--fail-if worse compares labelled images; for a bag, name a figure")
    check_installed()
    film = _film(args)
    query = args.query or ", ".join(_labels(film))
    check_labels(conditions, _annotated(film, query))
    for model in args.model:  # before the first of them takes minutes
        check_model(settings_from(args, model=model, query=query))
    print(
        f"{film.path}: {counted(len(film.truth), 'annotated image')}; asked for: {query}",
        file=sys.stderr,
    )
    make_folder(args.out)
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "data": _facts(film),
        "asked": {"query": query, "latency": _latency(args)},
        "machine": machine_facts(),
        "models": [_entry(model, query, film, args) for model in args.model],
    }
    document["failures"] = failures(conditions, document)
    write_json(args.out / "scorecard.json", document)
    remove_page(args.out / "scorecard.html")
    tell_failed_models(document)
    for sentence in document["failures"]:
        print(f"lfmvl evaluate: {sentence}", file=sys.stderr)
    print(json_text(finite(_summary(document, args.out))))
    return 1 if document["failures"] else 0


def _latency(args: argparse.Namespace) -> str:
    return _USUAL_LATENCY if args.latency is None else str(args.latency)


def _film(args: argparse.Namespace) -> Film:
    if is_mot_folder(args.data):
        mot = read_mot_folder(args.data)
        truth = {_stamp_ns(mot, index): each for index, each in mot.truth.items()}
        return _checked(Film(args.data, truth, mot))
    from lfmvl_ros.bags.reading import image_topics, open_bag
    from lfmvl_ros.bags.truth import read_truth, truth_topic

    with open_bag(args.data) as bag:
        (topic,) = image_topics(bag, [] if args.topic is None else [args.topic]).values()
        name = truth_topic(bag, args.truth)
        return _checked(Film(args.data, read_truth(bag, name), None, topic, name))


def _checked(film: Film) -> Film:
    if not any(len(each.ids) for each in film.truth.values()):
        raise UserError(f"the annotations of {film.path} name no object")
    return film


def _stamp_ns(mot: MotFolder, index: int) -> int:
    return 10**9 + round(index * 1e9 / mot.rate_hz)


def _labels(film: Film) -> list[str]:
    """Return what is annotated, the first spelling of each label."""
    found: dict[str, str] = {}
    for each in film.truth.values():
        for label in each.labels:
            found.setdefault(fold_label(label), label)
    return [found[key] for key in sorted(found)]


def _facts(film: Film) -> dict[str, Any]:
    boxes = Counter(label for each in film.truth.values() for label in each.labels)
    ids = {(label, id_) for each in film.truth.values()
           for id_, label in zip(each.ids, each.labels, strict=True)}  # fmt: skip
    return {
        "name": film.path.resolve().name,
        "form": "mot" if film.mot is not None else "bag",
        "topic": film.topic,
        "truth": film.truth_topic,
        "annotated_images": len(film.truth),
        "objects": len(ids),
        "boxes": sum(boxes.values()),
        "boxes_by_label": dict(sorted(boxes.items())),
    }


class _TracksAtTruth:
    """Keeps the tracks at each annotated image, and counts the answers."""

    def __init__(self, film: Film, total: int) -> None:
        from lfmvl_ros.evaluate.track_figures import Followed

        self._made, self._film = Followed, film
        self.found: dict[int, Followed] = {}
        self.outcomes: Counter[str] = Counter()
        self.bar = tqdm(total=total, unit="image", disable=None)

    def tracks(self, tracks: Tracks) -> None:
        self.bar.update()
        if tracks.stamp_ns in self._film.truth:
            rows = list(tracks.established)
            self.found[tracks.stamp_ns] = self._made(
                tracks.ids[rows], tuple(tracks.labels[i] for i in rows), tracks.xyxy_px[rows]
            )

    def answer(self, answer: Answer) -> None:
        self.outcomes[answer.grounding.outcome.value] += 1


def _entry(name: str, query: str, film: Film, args: argparse.Namespace) -> dict[str, Any]:
    """Run a model, and return its part of the document."""
    from lfmvl_ros.evaluate.track_figures import track_figures

    settings = settings_from(args, model=name, query=query)
    latency = latency_model(_latency(args), settings)
    model = loaded_model(settings)
    try:
        run = _run_mot if film.mot is not None else _run_bag
        seen = run(film, model, settings, latency)
    finally:
        model.close()
    stamps = sorted(set(film.truth) & set(seen.found))
    if not stamps:
        raise UserError(
            f"no image of {film.path} has the stamp of an annotation; both must have the same "
            "header.stamp"
        )
    truth, found = [film.truth[at] for at in stamps], [seen.found[at] for at in stamps]
    labels = _annotated(film, query)
    return {
        "model": name,
        "name": model.name,
        "settings": changed_settings(args),
        "images": len(stamps),
        "annotations_without_image": len(film.truth) - len(stamps),
        "answers": sum(seen.outcomes.values()),
        "outcomes": dict(sorted(seen.outcomes.items())),
        "figures": track_figures(_of_labels(truth, labels), found),
        "labels": [{"label": label, **track_figures(truth, found, label)} for label in labels],
    }


def _annotated(film: Film, query: str) -> list[str]:
    """Return the annotated labels that are asked for; a query for others is refused."""
    asked = {fold_label(label) for label in Query.parse(query).labels}
    found = [label for label in _labels(film) if fold_label(label) in asked]
    if not found:
        raise UserError(
            f"none of {query!r} is annotated in {film.path}; its labels are "
            f"{', '.join(_labels(film))}"
        )
    return found


def _of_labels(truth: Sequence[TrueBoxes], labels: Sequence[str]) -> list[TrueBoxes]:
    """Return the truth without what was not asked for."""
    wanted = {fold_label(label) for label in labels}
    kept = []
    for each in truth:
        rows = [i for i, label in enumerate(each.labels) if fold_label(label) in wanted]
        kept.append(TrueBoxes(
            tuple(each.ids[i] for i in rows), tuple(each.labels[i] for i in rows),
            each.xyxy_px[rows], each.visible[rows],
        ))  # fmt: skip
    return kept


def _run_bag(
    film: Film, model: VisionLanguageModel, settings: PerceptionSettings, latency: Latency | None
) -> _TracksAtTruth:
    from lfmvl_ros.bags.reading import open_bag
    from lfmvl_ros.bags.replay import BagReplay

    with open_bag(film.path) as bag:
        total = sum(topic.count for topic in bag.topics if topic.name == film.topic)
        seen = _TracksAtTruth(film, total)
        with seen.bar:
            replay = BagReplay(
                bag, None, model, settings, {"": film.topic}, latency,
                warn=lambda text: print(f"warning: {text}", file=sys.stderr),
                on_tracks=seen.tracks,
            )  # fmt: skip
            replay.run()
        seen.outcomes = replay.outcomes
        return seen


def _run_mot(
    film: Film, model: VisionLanguageModel, settings: PerceptionSettings, latency: Latency | None
) -> _TracksAtTruth:
    from lfmvl_ros.core.encoded_images import decode_file
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
    from lfmvl_ros.core.timeline import Verdict

    assert film.mot is not None
    seen = _TracksAtTruth(film, len(film.mot.images))
    pipeline = SimulatedPipeline(model, settings, latency, lambda answer, _ns: seen.answer(answer))
    with seen.bar:
        for index, path in enumerate(film.mot.images):
            pixels = decode_file(path)
            if pixels is None:
                raise UserError(f"{path} can't be decoded; put a whole image there")
            at_ns = _stamp_ns(film.mot, index)
            seen.tracks(pipeline.submit(Frame(pixels, at_ns, "camera"), Verdict.NEWER, at_ns))
        pipeline.finish()
    return seen


def _summary(document: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Return the last line."""
    return {
        "scorecard": str(out / "scorecard.json"),
        "images": document["data"]["annotated_images"],
        "models": [
            {"model": entry["model"], "answers": entry["answers"],
             **{name: each["value"] for name, each in entry["figures"].items()}}
            for entry in document["models"]
        ],
        "failures": document["failures"],
    }  # fmt: skip

# SPDX-License-Identifier: Apache-2.0
"""``lfmvl evaluate``: a scorecard of one or several models on labelled images."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfmvl_ros.cli.evaluate_checks import check_with_data, checked, languages_of, without_ap
from lfmvl_ros.cli.evaluate_film import evaluate_film
from lfmvl_ros.cli.evaluate_notes import tell_comparisons, tell_failed_models, tell_failed_profile
from lfmvl_ros.cli.film_data import is_film
from lfmvl_ros.cli.flags import (
    add_setting_flags,
    as_count,
    as_path,
    changed_settings,
    pipeline_settings,
    settings_from,
)
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.whole_files import (
    finite,
    write_json,
    write_whole,
)
from lfmvl_ros.evaluate.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lfmvl_ros.core.config import PerceptionSettings
    from lfmvl_ros.core.model import VisionLanguageModel
    from lfmvl_ros.evaluate.answers import Change, JudgedAnswer
    from lfmvl_ros.evaluate.data import EvaluationSet
    from lfmvl_ros.evaluate.questions import ImageQuestion
    from lfmvl_ros.evaluate.scorecard import ModelRun

HELP = (
    "Measure models on labelled images: precision, recall, AP, calibration, latency, by label, "
    "size, light and language, each with its 95 % interval. Writes scorecard.json and "
    "scorecard.html (one file, opens without a network) into the output folder; the last line "
    "printed is a JSON summary."
)
_USELESS = ("model", "image.target_latency_ms", "generation.draft")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("data", type=as_path,
        help="folder of labelled images, as `lfmvl train --data` reads them; or, for HOTA and "
        "IDF1, a bag with annotations, a folder of MOTChallenge, or a COCO file of "
        "videos")  # fmt: skip
    add("--model", action="append", required=True, metavar="M",
        help="what to evaluate; give it again to compare several")  # fmt: skip
    add("--out", type=as_path, default=Path("out/evaluate"), help="folder for the scorecard")
    add("--query", help="ask about these labels on every image, as the robot does; without it, "
        "about the labels on each image and one that is not on it")  # fmt: skip
    add("--ask", choices=("present", "all"),
        help="present (default): the labels on an image and one that is not on it; all: every "
        "label of the folder on every image; slower")  # fmt: skip
    add("--split", choices=("auto", "all", "held-out"),
        help="which images: all of them, or the val split (else a tenth); auto (default): all, "
        "unless a model was trained on this folder")  # fmt: skip
    add("--images", type=as_count, metavar="N", help="use at most N images")
    add("--languages", metavar="de,fr,…", help="ask again in these languages")
    add("--translations", type=as_path, metavar="YAML",
        help="words for --languages: language -> label -> word; else built-in ones")  # fmt: skip
    add("--robustness", type=as_count, metavar="N",
        help="ask again about N images, degraded in five ways at three levels (docs/evaluate.md): "
        "15 more answers per image")  # fmt: skip
    add("--sustained", type=float, metavar="SECONDS",
        help="then answer for this long without a pause; report rate and temperature")  # fmt: skip
    add("--drift-profile", type=as_path, metavar="JSON",
        help="also write what is normal for this model and --query, for the node's drift.profile; "
        "needs 200 images")  # fmt: skip
    add("--topic", metavar="NAME", help="of a bag: the image topic, if it has several")
    add("--truth", metavar="NAME",
        help="of a bag: the Detection2DArray topic of annotations, if it has several")  # fmt: skip
    add("--latency", metavar="MS",
        help="of a film: how late an answer comes, as in `lfmvl replay` (default 250)")  # fmt: skip
    add("--fps", type=float, metavar="HZ",
        help="of a COCO file of videos: rate of its frame numbers, if it has none")  # fmt: skip
    add("--against", type=as_path, metavar="JSON", help="an earlier scorecard.json to compare with")
    add("--fail-if", action="append", default=[], metavar="CONDITION",
        help="exit code 1 if it holds: 'recall<0.8', 'precision[person]<0.9', or 'worse': a real "
        "difference to the earlier scorecard or the first model")  # fmt: skip
    add_setting_flags(parser, [i for i in pipeline_settings() if not i.name.startswith(_USELESS)])


def run(args: argparse.Namespace) -> int:
    """Evaluate; exit code 1 when a condition of --fail-if holds."""
    conditions = checked(args)
    if is_film(args.data):
        return evaluate_film(args, conditions)
    from lfmvl_ros.evaluate.average_precision import is_installed
    from lfmvl_ros.evaluate.comparison import check_earlier, comparisons
    from lfmvl_ros.evaluate.conditions import failures
    from lfmvl_ros.evaluate.page import page
    from lfmvl_ros.evaluate.scorecard import read_scorecard, scorecard

    if not is_installed():
        without_ap(conditions)
    old = None if args.against is None else read_scorecard(args.against)
    if old is not None:
        check_earlier(old, args.against)
    data, questions = _questions(args)
    print(f"{data.folder.describe(split=False)}\n  {counted(len(data.images), 'image')} used, "
          f"{counted(len(questions), 'question')}", file=sys.stderr)  # fmt: skip
    check_with_data(args, conditions, data, questions)
    runs = [_evaluated(model, args, data, questions) for model in args.model]
    asked = {"ask": args.ask or "present", "query": args.query or "", "questions": len(questions),
             "languages": languages_of(args)}  # fmt: skip
    document = scorecard(data, asked, runs)
    document["comparisons"] = comparisons(document, old)
    tell_comparisons(document, old, args.against)
    tell_failed_models(document)
    document["failures"] = failures(conditions, document)
    write_json(args.out / "scorecard.json", document)
    write_whole(args.out / "scorecard.html", page(finite(document), data, runs))
    for sentence in document["failures"]:
        print(f"lfmvl evaluate: {sentence}", file=sys.stderr)
    print(json_text(finite(_summary(document, args.out))))
    return 1 if document["failures"] else 0


def _questions(args: argparse.Namespace) -> tuple[EvaluationSet, list[ImageQuestion]]:
    from lfmvl_ros.evaluate.data import evaluation_set
    from lfmvl_ros.evaluate.questions import folded_words, questions_for, read_translations
    from lfmvl_ros.models.checkpoint_labels import trained_on
    from lfmvl_ros.registry import TRANSLATIONS, load, names

    learnt = frozenset(filter(None, map(trained_on, args.model)))
    data = evaluation_set(
        args.data, split=args.split or "auto", learnt=learnt, most=args.images or 0
    )
    languages = languages_of(args)
    words: Any = {}
    if args.translations is not None:
        words = read_translations(args.translations)
    elif languages:
        for name in names(TRANSLATIONS):
            words = {**words, **folded_words(load(TRANSLATIONS, name))}
    return data, questions_for(data, ask=args.ask or "present", query=args.query,
                               languages=languages, words=words, expressions=True)  # fmt: skip


def _evaluated(
    name: str, args: argparse.Namespace, data: EvaluationSet, questions: Sequence[ImageQuestion]
) -> ModelRun:
    """Load a model, let it answer, and close it."""
    from lfmvl_ros.evaluate.answers import answer_all
    from lfmvl_ros.evaluate.drift_profile import DriftProfile
    from lfmvl_ros.evaluate.own_process import answered
    from lfmvl_ros.evaluate.robustness import robustness
    from lfmvl_ros.models.load import load_model

    settings = settings_from(args, model=name)
    model = load_model(settings)
    try:
        profile = DriftProfile()
        watch = _ignore if args.drift_profile is None else profile.add
        found = answered(model, settings, changed_settings(args), data, questions, watch=watch)
        if args.drift_profile is not None:
            normal = profile.document()
            write_json(args.drift_profile, normal)
            tell_failed_profile(normal, args.drift_profile)
        some = _some(questions, len(data.images), args.robustness or 0)

        def again(change: Change | None, title: str) -> Sequence[JudgedAnswer]:
            return answer_all(model, settings, data, some, change=change, title=title)

        worse = robustness(again, len(data.images)) if some else []
        steady = _sustained(model, settings, args.sustained or 0.0, data, questions)
        return replace(found, robustness=worse, sustained=steady)
    finally:
        model.close()


def _some(questions: Sequence[ImageQuestion], images: int, most: int) -> list[ImageQuestion]:
    """Return the headline questions about at most so many images, chosen evenly."""
    chosen = {i * images // most for i in range(most)} if most < images else set(range(images))
    return [item for item in questions if most and item.headline and item.image in chosen]


def _sustained(
    model: VisionLanguageModel, settings: PerceptionSettings, seconds: float,
    data: EvaluationSet, questions: Sequence[ImageQuestion],
) -> dict[str, Any] | None:  # fmt: skip
    if not seconds:
        return None
    from lfmvl_ros.core.ask import ask
    from lfmvl_ros.evaluate.timing import sustained

    few = [(data.pixels(item.image), Query(item.labels)) for item in questions[:32]]
    return sustained(lambda i: _only(ask(model, [few[i % len(few)][0]], few[i % len(few)][1],
                                         settings)), seconds)  # fmt: skip


def _ignore(*_: object) -> None:
    """Ignore an answer."""


def _only(_: object) -> None:
    """Drop an answer: what counts is the time it took."""


def _summary(document: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Return the last line."""
    return {
        "scorecard": str(out / "scorecard.json"),
        "page": str(out / "scorecard.html"),
        "images": document["data"]["images"],
        "models": [
            {
                "model": entry["model"],
                "weights": entry["precision"],
                "answers": entry["answers"],
                **{name: None if each is None else each["value"]
                   for name, each in entry["figures"].items()},
                "outcomes": entry["outcomes"],
            }
            for entry in document["models"]
        ],
        "comparisons": [
            {**{key: each[key] for key in ("before", "after", "same_images")},
             "verdicts": {entry["figure"]: entry["verdict"] for entry in each["figures"]}}
            for each in document["comparisons"]
        ],
        "failures": document["failures"],
    }  # fmt: skip

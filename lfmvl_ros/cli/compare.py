# SPDX-License-Identifier: Apache-2.0
"""``lfmvl compare``: asks several models the same, and prints how answers and costs differ."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfmvl_ros.cli.compare_table import plot_groups, table_lines
from lfmvl_ros.cli.flags import (
    add_setting_flags,
    as_count,
    as_path,
    changed_settings,
    pipeline_settings,
    settings_from,
)
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.whole_files import check_output_folder, finite, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

HELP = (
    "Ask several models or quantisations the same questions about labelled images, each in a "
    "process of its own, and compare them with the first one: share of equal answers, recall, "
    "precision, IoU, confidences and their calibration error, time by stage, memory. Prints "
    "tables, writes comparison.json (a scorecard, as `lfmvl evaluate` reads them) and "
    "comparison.png; the last line printed is a JSON summary."
)
_USELESS = ("model", "image.target_latency_ms", "generation.draft", "tracker.", "zoom.")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "models",
        nargs="+",
        metavar="MODEL",
        help="two or more, named as in the setting `model`; the first is the reference",
    )
    add("--data", type=as_path, required=True, metavar="FOLDER",
        help="labelled images, as `lfmvl evaluate` reads them")  # fmt: skip
    add("--out", type=as_path, default=Path("out/compare"), help="folder for JSON and plot")
    add("--query", help="ask about these labels on every image; without it, about the labels on "
        "each image and one that is not on it")  # fmt: skip
    add("--split", choices=("auto", "all", "held-out"), default="auto",
        help="which images, as for `lfmvl evaluate`")  # fmt: skip
    add("--images", type=as_count, metavar="N", help="use at most N images")
    add_setting_flags(parser, [i for i in pipeline_settings() if not i.name.startswith(_USELESS)])


def run(args: argparse.Namespace) -> int:
    """Compare; exit code 0 whatever the difference."""
    _check(args)
    from lfmvl_ros.evaluate.agreement import agreement
    from lfmvl_ros.evaluate.comparison import comparisons
    from lfmvl_ros.evaluate.data import evaluation_set
    from lfmvl_ros.evaluate.own_process import answered_alone
    from lfmvl_ros.evaluate.questions import questions_for
    from lfmvl_ros.evaluate.scorecard import scorecard
    from lfmvl_ros.models.checkpoint_labels import trained_on
    from lfmvl_ros.viz.comparison_plot import comparison_plot
    from lfmvl_ros.viz.video import write_image

    learnt = frozenset(filter(None, map(trained_on, args.models)))
    data = evaluation_set(args.data, split=args.split, learnt=learnt, most=args.images or 0)
    questions = questions_for(data, query=args.query)
    print(f"{data.folder.describe()}\n  {len(data.images)} images are used, "
          f"{len(questions)} questions to each model", file=sys.stderr)  # fmt: skip
    changed = changed_settings(args)
    runs = [
        answered_alone(settings_from(args, model=model), changed, data, questions)
        for model in args.models
    ]
    asked: dict[str, Any] = {
        "ask": "present",
        "query": args.query or "",
        "questions": len(questions),
        "languages": [],
    }
    document = scorecard(data, asked, runs)
    names = [image.name for image in data.images]
    document["comparisons"] = comparisons(document, None)
    document["agreements"] = [agreement(runs[0], other, names) for other in runs[1:]]
    document["failures"] = []
    write_json(args.out / "comparison.json", document)
    write_image(args.out / "comparison.png", comparison_plot(plot_groups(document)))
    print("\n".join(table_lines(document)), file=sys.stderr)
    print(json_text(finite(_summary(document, args.out))))
    return 0


def _check(args: argparse.Namespace) -> None:
    if len(args.models) < 2:
        raise UserError("a comparison takes two models or more; name a second one, or use "
                        "`lfmvl evaluate`")  # fmt: skip
    if len(set(args.models)) < len(args.models):
        raise UserError("a model is named twice; name each once")
    if args.query is not None:
        Query.parse(args.query)
    from lfmvl_ros.models.load import check_model

    check_output_folder(args.out)
    for model in args.models:  # before the first of them takes minutes
        check_model(settings_from(args, model=model))


def _summary(document: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Return the last line."""
    return {
        "comparison": str(out / "comparison.json"),
        "plot": str(out / "comparison.png"),
        "images": document["data"]["images"],
        "models": [
            {
                "model": entry["model"],
                "precision": entry["precision"],
                **{name: None if each is None else each["value"]
                   for name, each in entry["figures"].items()},
                "outcomes": entry["outcomes"],
                **(entry["cost"] or {}),
            }
            for entry in document["models"]
        ],
        "agreements": [
            {key: each["value"] if isinstance(each, dict) else each for key, each in entry.items()}
            for entry in document["agreements"]
        ],
    }  # fmt: skip

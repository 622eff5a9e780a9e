# SPDX-License-Identifier: Apache-2.0
"""``lfmvl evaluate`` on a video: an annotated bag, or images whose objects have ids."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfmvl_ros.cli.evaluate_notes import remove_page, tell_failed_models
from lfmvl_ros.cli.film_data import Film, film_of, of_labels
from lfmvl_ros.cli.film_runs import run_film
from lfmvl_ros.cli.flags import changed_settings, settings_from
from lfmvl_ros.cli.replay import latency_model, loaded_model
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import MAX_LABELS
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.whole_files import finite, make_folder, write_json
from lfmvl_ros.datasets.left_out import reason_lines
from lfmvl_ros.evaluate.conditions import Condition, check_labels, failures
from lfmvl_ros.evaluate.wording import counted

if TYPE_CHECKING:
    from lfmvl_ros.datasets.films import TrueBoxes

SCHEMA = "lfmvl/tracking_scorecard/1"
_USUAL_LATENCY = "250"  # ms


def evaluate_film(args: argparse.Namespace, conditions: list[Condition]) -> int:
    """Run the pipeline of the node on video sequences, and compare its tracks with the truth.

    Returns:
        Exit code 1 when a condition of --fail-if holds, else 0.

    Raises:
        UserError: the data can't be used, or trackeval is not installed.
    """
    from lfmvl_ros import __version__
    from lfmvl_ros.evaluate.scorecard import machine_facts
    from lfmvl_ros.evaluate.track_metrics import check_installed
    from lfmvl_ros.models.load import check_model

    if any(not condition.figure for condition in conditions):
        raise UserError("--fail-if worse compares labelled images; for a bag, name a figure")
    check_installed()
    film = film_of(args)
    _tell_left_out(film)
    query = args.query or _all_labels(film)
    check_labels(conditions, film.annotated(query))
    for model in args.model:  # before the first of them takes minutes
        check_model(settings_from(args, model=model, query=query))
    several = f" in {counted(len(film.truths), 'sequence')}" if len(film.truths) > 1 else ""
    print(
        f"{film.path}: {counted(len(film.boxes), 'annotated image')}{several}; asked for: {query}",
        file=sys.stderr,
    )
    make_folder(args.out)
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "data": film.facts(),
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


def _tell_left_out(film: Film) -> None:
    for line in (*reason_lines("left out", film.left_out, film.examples),
                 *reason_lines("changed", film.changed, film.examples)):  # fmt: skip
        print(f"{film.path}: {line}", file=sys.stderr)


def _all_labels(film: Film) -> str:
    labels = film.labels()
    if len(labels) > MAX_LABELS:
        raise UserError(
            f"{film.path} has {len(labels)} labels, and a query at most {MAX_LABELS}; name those "
            "that matter with --query"
        )
    return ", ".join(labels)


def _latency(args: argparse.Namespace) -> str:
    return _USUAL_LATENCY if args.latency is None else str(args.latency)


def _entry(name: str, query: str, film: Film, args: argparse.Namespace) -> dict[str, Any]:
    """Run a model, and return its part of the document."""
    from lfmvl_ros.evaluate.track_figures import track_figures

    settings = settings_from(args, model=name, query=query)
    latency = latency_model(_latency(args), settings)
    model = loaded_model(settings)
    try:
        seen = run_film(film, model, settings, latency)
    finally:
        model.close()
    pairs = [
        (_own_ids(each, number), part.found[at])
        for number, (truth, part) in enumerate(zip(film.truths, seen, strict=True))
        for at, each in sorted(truth.items())
        if at in part.found
    ]
    if not pairs:
        raise UserError(
            f"no image of {film.path} has the stamp of an annotation; both must have the same "
            "header.stamp"
        )
    truth, found = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    outcomes = sum((part.outcomes for part in seen), Counter())
    labels = film.annotated(query)
    return {
        "model": name,
        "name": model.name,
        "settings": changed_settings(args),
        "images": len(pairs),
        "annotations_without_image": len(film.boxes) - len(pairs),
        "answers": sum(outcomes.values()),
        "outcomes": dict(sorted(outcomes.items())),
        "figures": track_figures(of_labels(truth, labels), found),
        "labels": [{"label": label, **track_figures(truth, found, label)} for label in labels],
    }


def _own_ids(truth: TrueBoxes, number: int) -> TrueBoxes:
    """Return the truth with ids that no other sequence has."""
    return replace(truth, ids=tuple(f"{number}/{each}" for each in truth.ids))


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

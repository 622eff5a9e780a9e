# SPDX-License-Identifier: Apache-2.0
"""``lfmvl calibrate``: fits a checkpoint's confidences to the share of boxes that are right."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lfmvl_ros.cli.calibration_folder import ImageSet, image_sets
from lfmvl_ros.cli.calibration_judging import JudgedBoxes, ask_all
from lfmvl_ros.cli.flags import add_setting_flags, as_path, settings_from, whole_number
from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.calibration.calibration import Fitted
from lfmvl_ros.core.calibration.fit import FOLDS, LEAST_BLOCK, METHODS, compare, fit
from lfmvl_ros.core.calibration.reliability import (
    error_interval,
    error_of_perfection,
    expected_calibration_error,
    ranking,
    reliability,
)
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.model import precision_of
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.user_files import is_directory, is_regular_file, user_path
from lfmvl_ros.core.whole_files import check_output, finite
from lfmvl_ros.datasets.questions import FOUND_IOU, QuestionSet
from lfmvl_ros.models.model_name import INT8, split_name
from lfmvl_ros.registry import QUESTION_SETS, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lfmvl_ros.core.model import VisionLanguageModel

_SCENES = 500
HELP = (
    "Fit the calibration of a checkpoint's confidences, and measure it on images that it was not "
    "fitted on. With --data it uses your own labelled images; otherwise synthetic warehouse "
    "scenes, and it measures on two other sets: one with the appearances of the training, one with "
    "new ones. A calibration is valid for images like those it was fitted on."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--model",
        default="bundled",
        help="directory, catalogue name or hub id of a checkpoint (default: bundled), with or "
        "without :int8, or a GGUF file of `lfmvl export`",
    )
    add_setting_flags(parser, [PerceptionSettings.describe()["revision"]])
    parser.add_argument(
        "--data", type=as_path, metavar="FOLDER",
        help="labelled images in COCO format, as `lfmvl train --data` reads them; the val split "
        "or else a tenth of the images is held out to measure with",
    )  # fmt: skip
    parser.add_argument(
        "--scenes", type=whole_number(10, 100_000),
        help=f"without --data, scenes of each of the two sets to measure; twice as many to fit "
        f"(default {_SCENES})",
    )  # fmt: skip
    parser.add_argument(
        "--method", choices=("best", *METHODS), default="best",
        help="best (default): the one with the lowest log loss in cross-validation; the others are "
        "for comparison",
    )  # fmt: skip
    parser.add_argument(
        "--write",
        action="store_true",
        help="write calibration.json beside the weights, calibration_int8.json with :int8; of a "
        "GGUF file, into its JSON file",
    )
    parser.add_argument(
        "--plot", type=as_path, metavar="PNG", help="write reliability diagrams: a .png file"
    )


def run(args: argparse.Namespace) -> int:
    """Print the figures, at the end as a JSON line; exit code 1 if the fit doesn't help."""
    scenes = _checked(args)
    from lfmvl_ros.models.calibration_file import (
        CHECKPOINT,
        calibration_path,
        write_calibration,
    )
    from lfmvl_ros.models.load import load_model
    from lfmvl_ros.models.server.facts import write_export_calibration

    settings = settings_from(args, model=args.model)
    place = _place(args.model, settings.revision)
    weights = INT8 if split_name(args.model).int8 else CHECKPOINT
    if args.write:
        check_output(calibration_path(place, weights) if is_directory(place) else place)
    begun_s = time.monotonic()
    images = None if args.data is None else image_sets(args.data, args.model)
    if images is not None:
        print(images[0].folder.describe(), file=sys.stderr)
    model = load_model(settings)
    try:
        _check_weights(model, weights)
        fitted_on, measured = _answers(model, settings, images, scenes)
    finally:
        model.close()
    found, facts = _fitted(fitted_on, measured, args.method)
    facts["data"] = "synthetic scenes" if images is None else images[0].folder.facts()["name"]
    better = facts["ece_after"] < facts["ece_before"]
    if args.write and better:
        if is_directory(place):
            place = write_calibration(place, found, facts, weights)
        else:
            place = write_export_calibration(place, found, facts)
        facts = {**facts, "file": place.name}
    if args.plot is not None:
        _plot(args.plot, facts)
    _tell(facts, time.monotonic() - begun_s)
    if args.write:
        done = f"wrote {place}" if better else "nothing written: it does not help"
        print(done, file=sys.stderr)
    print(json_text(finite({**facts, "seconds": round(time.monotonic() - begun_s)})))
    return 0 if better else 1


def _checked(args: argparse.Namespace) -> int:
    """Return how many synthetic scenes a set has; a :class:`UserError` refuses wrong flags."""
    scenes = _SCENES if args.scenes is None else int(args.scenes)
    if args.data is not None and args.scenes is not None:
        raise UserError("--scenes counts synthetic scenes; leave it out with --data")
    if args.plot is not None:
        from lfmvl_ros.viz.video import check_image_output

        check_image_output(args.plot)
    return scenes


def _check_weights(model: VisionLanguageModel, asked: str) -> None:
    """Refuse to fit on the answers of other weights than those asked for."""
    used = precision_of(model)
    if asked == INT8 != used:
        raise UserError(
            f"{model.name} runs in {used} on this machine, as the log says why, so its answers "
            "don't calibrate int8 weights; calibrate them on a machine that runs them, or leave "
            ":int8 out"
        )


def _answers(
    model: VisionLanguageModel,
    settings: PerceptionSettings,
    images: tuple[ImageSet, ImageSet] | None,
    scenes: int,
) -> tuple[JudgedBoxes, dict[str, JudgedBoxes]]:
    """Return the boxes to fit on, and those to measure with by the name of their set."""
    if images is None:
        to_fit, to_measure = load(QUESTION_SETS, "scenes")(scenes)
        fitted_on = ask_all(model, settings, to_fit)
        measured = {each.name: ask_all(model, settings, each) for each in to_measure}
        advice = "take more --scenes, or a checkpoint that finds something"
    else:
        fitted_on, held_out = (
            ask_all(model, settings, QuestionSet(each.name, each.questions(), len(each)))
            for each in images
        )
        measured = {images[1].name: held_out}
        advice = "label more images, or take a checkpoint that knows these categories"
    for name, judged in {"fit": fitted_on, **measured}.items():
        if len(judged) < LEAST_BLOCK:
            raise UserError(
                f"the checkpoint found {len(judged)} boxes (with token probabilities) in the set "
                f"{name!r}, and a calibration takes at least {LEAST_BLOCK}; {advice}"
            )
    return fitted_on, measured


def _fitted(
    fitted_on: JudgedBoxes, measured: Mapping[str, JudgedBoxes], wanted: str
) -> tuple[Fitted, dict[str, Any]]:
    """Return the calibration, and its figures on the sets to measure with, before and after.

    Args:
        fitted_on: what it is fitted on.
        measured: the other sets, by name.
        wanted: the method; ``best`` for the one with the lowest log loss in cross-validation.
    """
    tried = compare(fitted_on.evidence, fitted_on.right, fitted_on.scenes)
    method = tried[0].method if wanted == "best" else wanted
    found = fit(method, fitted_on.evidence, fitted_on.right)
    facts: dict[str, Any] = {
        "method": method,
        "data": "",
        "iou": FOUND_IOU,
        "boxes_fitted": len(fitted_on),
        "cross_validation": [item.to_dict() for item in tried],
    }
    pairs = {name: (judged.evidence.score, found.apply(judged.evidence), judged)
             for name, judged in {**measured, "all": _joined(measured)}.items()}  # fmt: skip
    facts["measured"] = {name: _measure(*pair) for name, pair in pairs.items()}
    _, _, everything = pairs["all"]
    for when, values in zip(("before", "after"), pairs["all"][:2], strict=True):
        facts[f"ece_{when}"] = facts["measured"]["all"][when]["ece"]
        facts[f"reliability_{when}"] = reliability(values, everything.right)
    return found, facts


def _place(model: str, revision: str) -> Path:
    """Return the directory of the weights, or the JSON file of an export."""
    from lfmvl_ros.models.hub import local_folder
    from lfmvl_ros.models.server.address import is_gguf

    name = split_name(model)
    if name.quantised is not None and name.quantised.entry.directory:
        from lfmvl_ros.models.gguf.local_files import local_files

        model = str(local_files(name.quantised)[0])
    if is_gguf(model):
        facts = user_path(model.strip().partition("#")[0], "model").with_suffix(".json")
        if not is_regular_file(facts):
            raise UserError(
                f"{model} has no {facts.name} beside it, where its calibration would be kept; "
                "`lfmvl export` writes it, with the GGUF files of a checkpoint"
            )
        return facts
    return local_folder(model if name.quantised is not None else name.checkpoint, revision)


def _joined(measured: Mapping[str, JudgedBoxes]) -> JudgedBoxes:
    """Return all sets as one; scenes keep apart."""
    parts = list(measured.values())
    evidence = parts[0].evidence.joined(*(part.evidence for part in parts[1:]))
    scenes = [part.scenes + 10**6 * number for number, part in enumerate(parts)]
    return JudgedBoxes(evidence, np.concatenate([p.right for p in parts]), np.concatenate(scenes))


def _measure(before: FloatArray, after: FloatArray, judged: JudgedBoxes) -> dict[str, Any]:
    """Return figures of one set, uncalibrated and calibrated."""
    facts: dict[str, Any] = {
        "scenes_with_boxes": len(np.unique(judged.scenes)),
        "boxes": len(judged),
        "right": round(float(judged.right.mean()), 4),
    }
    for when, values in (("before", before), ("after", after)):
        low, high = error_interval(values, judged.right, judged.scenes)
        facts[when] = {
            "ece": round(expected_calibration_error(values, judged.right), 4),
            "ece_90_percent": [round(low, 4), round(high, 4)],
            "ece_if_perfect": round(error_of_perfection(values), 4),
            "brier": round(float(((values - judged.right) ** 2).mean()), 4),
            "ranking": round(ranking(values, judged.right), 4),
        }
    return facts


def _tell(facts: Mapping[str, Any], seconds: float) -> None:
    """Print the figures for people, as Markdown tables."""
    lines = ["", "| method | log loss | ECE |", "|---|---|---|"]
    for item in facts["cross_validation"]:
        name = f"**{item['method']}**" if item["method"] == facts["method"] else item["method"]
        lines.append(f"| {name} | {item['log_loss']:.3f} | {item['ece']:.3f} |")
    lines += [
        f"{FOLDS}-fold cross-validation on {facts['boxes_fitted']} boxes; in bold what is used",
        "",
        "| images | boxes | right | ECE before | ECE after | of perfection | "
        "ranking before | after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    measured = dict(facts["measured"])
    if len(measured) == 2:
        del measured["all"]  # the same once more
    for name, each in measured.items():
        before, after = each["before"], each["after"]
        lines.append(
            f"| {name} | {each['boxes']} | {each['right']:.2f} | {_error(before)} | "
            f"{_error(after)} | {after['ece_if_perfect']:.3f} | {before['ranking']:.3f} | "
            f"{after['ranking']:.3f} |"
        )
    print("\n".join([*lines, "", f"{seconds:.0f} s"]), file=sys.stderr)


def _error(figures: Mapping[str, Any]) -> str:
    low, high = figures["ece_90_percent"]
    return f"{figures['ece']:.3f} ({low:.3f} to {high:.3f})"


def _plot(path: Path, facts: Mapping[str, Any]) -> None:
    from lfmvl_ros.viz.reliability_plot import Panel, reliability_plot
    from lfmvl_ros.viz.video import write_image

    figures = facts["measured"]["all"]
    panels = []
    for when, title in (("before", "token score"), ("after", "calibrated confidence")):
        note = f"ECE {_error(figures[when])}, {figures['boxes']} boxes"
        panels.append(Panel(title, note, facts[f"reliability_{when}"]))
    write_image(path, reliability_plot(panels))

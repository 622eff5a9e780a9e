# SPDX-License-Identifier: Apache-2.0
"""What ``lfmvl evaluate`` checks before a model is loaded."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lfmvl_ros.cli.evaluate_flags import refuse_unused_flags
from lfmvl_ros.cli.film_data import is_film
from lfmvl_ros.cli.flags import settings_from
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.user_files import exists
from lfmvl_ros.core.whole_files import check_output, check_output_folder
from lfmvl_ros.datasets.films import FASTEST_HZ, SLOWEST_HZ
from lfmvl_ros.evaluate.conditions import (
    Condition,
    check_expressions,
    check_figures,
    check_labels,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lfmvl_ros.evaluate.data import EvaluationSet
    from lfmvl_ros.evaluate.questions import ImageQuestion


def checked(args: argparse.Namespace) -> list[Condition]:
    """Refuse wrong flags before anything takes time; return the conditions."""
    refuse_unused_flags(args)
    conditions = [Condition.parse(text) for text in args.fail_if]
    check_figures(conditions, film=is_film(args.data))
    if any(not c.figure for c in conditions) and args.against is None and len(args.model) < 2:
        raise UserError("--fail-if worse needs --against, or a second --model to compare with")
    if args.sustained is not None and not 0.1 <= args.sustained <= 24 * 3600:
        raise UserError(f"--sustained must be between 0.1 and 86400 s, got {args.sustained:g}")
    if args.fps is not None and not SLOWEST_HZ <= args.fps <= FASTEST_HZ:
        raise UserError(
            f"--fps must be between {SLOWEST_HZ:g} and {FASTEST_HZ:g} Hz, got {args.fps:g}"
        )
    if len(set(args.model)) < len(args.model):
        raise UserError("a model is named twice; name each --model once")
    if args.drift_profile is not None and (args.query is None or len(args.model) > 1):
        raise UserError("--drift-profile needs --query, as the robot asks, and one --model")
    if args.query is not None:
        Query.parse(args.query)
    if args.languages is not None and not languages_of(args):
        raise UserError("--languages names no language; give some, such as --languages de,fr")
    if args.translations is not None and args.languages is None:
        raise UserError(
            "--translations gives the words of other languages; name the languages with --languages"
        )
    check_output_folder(args.out)
    if args.drift_profile is not None:
        check_output(args.drift_profile)
    if not is_film(args.data) and not exists(args.data):
        raise UserError(
            f"there is no file or folder {args.data}; give a folder of images with annotations, "
            "or a film: a bag, a MOTChallenge folder or a COCO file of videos"
        )
    return conditions


def check_with_data(
    args: argparse.Namespace, conditions: list[Condition], data: EvaluationSet,
    questions: Sequence[ImageQuestion],
) -> None:  # fmt: skip
    """Refuse what can be seen to be wrong with the data, before the first model takes its time."""
    from lfmvl_ros.core.drift.reference import BLOCK, LEAST_BLOCKS
    from lfmvl_ros.models.load import check_model

    asked = {k for item in questions for k in item.kinds if 0 <= k < len(data.labels)}
    check_labels(conditions, [data.labels[kind] for kind in sorted(asked)])
    check_expressions(
        conditions,
        asked=any(item.row is not None for item in questions),
        why_not=_no_expressions(args),
    )
    if args.drift_profile is not None and len(data.images) < LEAST_BLOCKS * BLOCK:
        raise UserError(f"--drift-profile needs {LEAST_BLOCKS * BLOCK} images or more, and "
                        f"{len(data.images)} are asked about")  # fmt: skip
    for model in args.model:
        check_model(settings_from(args, model=model))


def _no_expressions(args: argparse.Namespace) -> str:
    from lfmvl_ros.datasets.expressions import FIELDS

    if args.query is not None:
        return "with --query, no referring expression is asked for; leave --query out"
    return (
        f"no referring expression is annotated in {args.data}; give a box one in "
        f"{' or '.join(FIELDS)}"
    )


def languages_of(args: argparse.Namespace) -> list[str]:
    """Return the languages that are asked in again."""
    return [part.strip() for part in (args.languages or "").split(",") if part.strip()]


def without_ap(conditions: list[Condition]) -> None:
    """Say that AP can't be computed.

    Raises:
        UserError: a condition is about it.
    """
    advice = "install it: pip install faster-coco-eval (extra lfmvl_ros[evaluate])"
    if any(condition.figure.startswith("ap") for condition in conditions):
        raise UserError(f"--fail-if names an AP, which needs faster-coco-eval; {advice}")
    print(f"note: faster-coco-eval is missing, so AP is left out; {advice}", file=sys.stderr)

# SPDX-License-Identifier: Apache-2.0
"""What ``lfmvl evaluate`` prints besides its last line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lfmvl_ros.core.whole_files import writing

_MOST = 0.5


def tell_comparisons(
    document: Mapping[str, Any], old: Mapping[str, Any] | None, against: Path | None
) -> None:
    """Print the verdicts, and a warning where the earlier scorecard is of other data."""
    from lfmvl_ros.evaluate.comparison import verdict_lines, what_differs

    if old is not None and (other := what_differs(old, document)):
        print(f"warning: {against} is not of the same images and questions: {'; '.join(other)}. "
              "Only large differences can be told from chance.", file=sys.stderr)  # fmt: skip
    for line in verdict_lines(document["comparisons"]):
        print(line, file=sys.stderr)


def tell_failed_models(document: Mapping[str, Any]) -> None:
    """Print a warning for each model that gave no usable answer: its figures only look like some.

    Args:
        document: a scorecard, of images or of a film.
    """
    from lfmvl_ros.evaluate.answers import FAILED

    for entry in document["models"]:
        outcomes = entry["outcomes"]
        if set(outcomes) <= FAILED:
            told = ", ".join(f"{name} {count}" for name, count in outcomes.items())
            what = f"no answer of {entry['model']} could be used ({told})" if told else (
                f"{entry['model']} gave no answer")  # fmt: skip
            print(f"warning: {what}; the figures say nothing about what it sees", file=sys.stderr)


def tell_failed_profile(profile: Mapping[str, Any], path: Path) -> None:
    """Print a warning if most answers that a drift profile was learnt from could not be used."""
    share = profile["features"].get("unusable", {}).get("mean", 0.0)
    if share > _MOST:
        print(f"warning: {path} takes it as normal that {share:.0%} of the answers can't be used; "
              "don't compare a robot with it", file=sys.stderr)  # fmt: skip


def remove_page(path: Path) -> None:
    """Remove the page of an evaluation of images: it would stand beside another scorecard.

    Raises:
        UserError: it can't be removed.
    """
    if path.is_file():
        with writing(path):
            path.unlink()
        print(f"{path} was of an earlier evaluation and is removed; a film has no page",
              file=sys.stderr)  # fmt: skip

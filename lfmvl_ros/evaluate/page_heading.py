# SPDX-License-Identifier: Apache-2.0
"""What the scorecard's page says before its figures: what was asked, and whether answers failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lfmvl_ros.evaluate.answers import FAILED
from lfmvl_ros.evaluate.data import EvaluationSet
from lfmvl_ros.evaluate.questions import ImageQuestion
from lfmvl_ros.evaluate.scorecard import ModelRun

Entry = Mapping[str, Any]


def what_is_asked(asked: Entry, data: EvaluationSet, runs: Sequence[ModelRun]) -> str:
    """Return which labels the images were asked for, in words."""
    if asked["query"]:
        return f"every image asked for {asked['query']}"
    if asked["ask"] == "all":
        return "every image asked for all labels"
    if any(_has_absent(item.question, data) for run in runs for item in run.judged):
        return "each image asked for what is on it and one label that is not"
    return "each image asked for what is on it, as no label is absent from any"


def _has_absent(question: ImageQuestion, data: EvaluationSet) -> bool:
    return not set(question.kinds) <= set(data.images[question.image].kinds.tolist())


def unusable_part(entry: Entry) -> str:
    """Return a sentence as HTML where no answer could be used; "" elsewhere."""
    if not set(entry["outcomes"]) <= FAILED:
        return ""
    told = ", ".join(f"{name} {count}" for name, count in entry["outcomes"].items())
    return (f'<p class="failed">No answer could be used ({escape(told)}). The figures below say '
            "nothing about what this model sees.</p>")  # fmt: skip

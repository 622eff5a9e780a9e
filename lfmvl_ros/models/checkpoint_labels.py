# SPDX-License-Identifier: Apache-2.0
"""Which labels the card of a checkpoint lists, read from the facts beside its weights."""

from __future__ import annotations

from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.known_labels import KnownLabels
from lfmvl_ros.core.user_files import read_json_object, user_path
from lfmvl_ros.models.catalog import directory_of
from lfmvl_ros.models.model_name import split_name

FACTS_FILE = "training.json"
"""What ``lfmvl train`` writes beside the weights, and the card is made from."""


def known_labels(model: str) -> KnownLabels | None:
    """Return what the card of a ``model`` setting lists.

    Returns:
        None where there is no list: published checkpoints, recordings, and directories without the
        facts that ``lfmvl train`` writes.
    """
    facts = _facts(model)
    labels = _words(facts, "labels") or _words(facts, "kinds")  # older ones list kinds only
    return KnownLabels(labels, _words(facts, "colours")) if labels else None


def trained_on(model: str) -> str:
    """Return the fingerprint of the labelled folder that a model was trained on; "" where unknown.

    It is that of :meth:`lfmvl_ros.datasets.coco.CocoFolder.fingerprint`.
    """
    first = model.strip().partition("#")[0]
    if first.endswith(".gguf"):  # `lfmvl export` writes it beside the file
        try:
            beside = read_json_object(user_path(first, "model").with_suffix(".json"))
        except UserError:
            return ""
        return str(beside.get("trained_on", ""))
    data = _facts(model).get("data")
    return str(data.get("fingerprint", "")) if isinstance(data, dict) else ""


def _facts(model: str) -> dict[str, Any]:
    """Return what stands beside the weights of a ``model`` setting; nothing where there is none."""
    try:
        folder = directory_of(split_name(model).checkpoint)
        return {} if folder is None else read_json_object(folder / FACTS_FILE)
    except UserError:
        return {}


def label_remark(model: str, labels: tuple[str, ...]) -> str:
    """Return a sentence on labels that the model's card does not list; "" where there are none."""
    known = known_labels(model)
    return "" if known is None else known.remark(labels, model)


def _words(facts: dict[str, Any], name: str) -> tuple[str, ...]:
    words = facts.get(name)
    return tuple(word for word in words if isinstance(word, str)) if isinstance(words, list) else ()

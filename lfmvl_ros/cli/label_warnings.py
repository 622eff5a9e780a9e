# SPDX-License-Identifier: Apache-2.0
"""Warnings of a command about the labels of its query."""

from __future__ import annotations

import sys

from lfmvl_ros.core.query import Query
from lfmvl_ros.models.checkpoint_labels import label_remark
from lfmvl_ros.registry import QUERY_REMARKS, load, names


def warn_of_labels(model: str, query: Query) -> None:
    """Warn on stderr about labels that the card of the model does not list, if it lists any."""
    remark = label_remark(model, query.labels)
    if remark:
        print(f"warning: {remark}", file=sys.stderr)


def warn_of_source(source: str, seed: int, query: Query) -> None:
    """Note on stderr the labels that a registered image source never shows."""
    if source in names(QUERY_REMARKS):
        remark = load(QUERY_REMARKS, source)(seed, query.labels)
        if remark:
            print(f"note: {remark}", file=sys.stderr)

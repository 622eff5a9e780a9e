# SPDX-License-Identifier: Apache-2.0
"""What a command says about the labels of a query before it asks for them."""

from __future__ import annotations

import sys

from lfmvl_ros.core.query import Query
from lfmvl_ros.models.known_labels import label_remark


def warn_of_labels(model: str, query: Query) -> None:
    """Say on stderr which labels the card of the model does not list, if it lists any."""
    remark = label_remark(model, query.labels)
    if remark:
        print(f"warning: {remark}", file=sys.stderr)


def warn_of_scene(seed: int, query: Query) -> None:
    """Say on stderr which labels name warehouse things that a synthetic scene does not have."""
    from lfmvl_ros.scenes import KINDS, SceneVideo, known_names

    there = SceneVideo(seed).names
    absent = [label for label in query.labels if label in known_names() - there]
    if absent:
        print(
            f"note: the scene of --seed {seed} has no {', no '.join(absent)}; it has "
            f"{', '.join(kind for kind in KINDS if kind in there)}",
            file=sys.stderr,
        )

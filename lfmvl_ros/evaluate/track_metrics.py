# SPDX-License-Identifier: Apache-2.0
"""HOTA, CLEAR and identity metrics by ``trackeval``: the one place that calls it.

Sources: Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking, IJCV 2021;
Ristani et al., 2016 (IDF1); Bernardin and Stiefelhagen, 2008 (MOTA).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.errors import UserError

Ids = Sequence[str | int]


@dataclass(frozen=True, eq=False)
class TrackMetrics:
    """Results of ``trackeval``, by its own names such as ``HOTA``, ``MOTA`` and ``IDF1``."""

    hota: dict[str, Any]
    clear: dict[str, Any]
    identity: dict[str, Any]


def is_installed() -> bool:
    """Tell whether the library is there; it is not imported."""
    from importlib.util import find_spec

    return find_spec("trackeval") is not None


def check_installed() -> None:
    """Raise a :class:`UserError` where the library is missing."""
    if not is_installed():
        raise UserError(
            "HOTA and IDF1 need trackeval, which is not installed; install it: pip install "
            "--no-deps trackeval (its own requirements would replace newer packages)"
        )


def measured(
    true_ids: Sequence[Ids], track_ids: Sequence[Ids], similarity: Sequence[FloatArray]
) -> TrackMetrics:
    """Return the metrics of one sequence.

    Args:
        true_ids: at each image, those of the N objects.
        track_ids: at each image, those of the M tracks.
        similarity: at each image ``(N, M)``, 0 to 1, how alike an object and a track are.

    Raises:
        UserError: trackeval is not installed.
    """
    objects, object_count = _numbered(true_ids)
    tracks, track_count = _numbered(track_ids)
    data = {
        "gt_ids": objects, "num_gt_ids": object_count, "num_gt_dets": sum(map(len, objects)),
        "tracker_ids": tracks, "num_tracker_ids": track_count,
        "num_tracker_dets": sum(map(len, tracks)), "num_timesteps": len(objects),
        "similarity_scores": list(similarity),
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its settings, and what it lacks
        hota, clear, identity = (each.eval_sequence(data) for each in _metrics())
    return TrackMetrics(hota, clear, identity)


def combined(parts: Sequence[TrackMetrics]) -> TrackMetrics:
    """Return the metrics of several sequences together, at least one.

    Raises:
        UserError: trackeval is not installed.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        hota, clear, identity = (
            each.combine_sequences({str(i): getattr(part, name) for i, part in enumerate(parts)})
            for each, name in zip(_metrics(), ("hota", "clear", "identity"), strict=True)
        )
    return TrackMetrics(hota, clear, identity)


def _metrics() -> tuple[Any, Any, Any]:
    check_installed()
    from trackeval import metrics

    return metrics.HOTA(), metrics.CLEAR(), metrics.Identity()


def _numbered(frames: Sequence[Ids]) -> tuple[list[NDArray[np.int64]], int]:
    """Return the ids of each image as numbers from 0, and how many there are."""
    numbers: dict[str | int, int] = {}
    rows = [np.array([numbers.setdefault(each, len(numbers)) for each in ids], np.int64)
            for ids in frames]  # fmt: skip
    return rows, len(numbers)

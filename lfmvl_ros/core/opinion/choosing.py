# SPDX-License-Identifier: Apache-2.0
"""Which tracks a second model is asked about, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lfmvl_ros.core.config_opinion import EVERY_LABEL, OpinionSettings
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import Tracks, TrackState

LEAST_PX = 12.0
"""Shortest side of a box that is worth a question."""


def may_leave(label: str, settings: OpinionSettings) -> bool:
    """Return whether crops of a track with this label may be shown to the second model.

    >>> may_leave("person", OpinionSettings()), may_leave("person", OpinionSettings(labels=("*",)))
    (False, True)
    """
    named = [name for name in settings.labels if name]
    return EVERY_LABEL in named or fold_label(label) in {fold_label(name) for name in named}


def allowed_ids(tracks: Tracks, settings: OpinionSettings) -> set[int]:
    """Return the confirmed tracks about which the second model may be asked on request."""
    return {
        int(tracks.ids[row])
        for row in _possible(tracks, settings)
        if tracks.state[row] is TrackState.CONFIRMED
    }


def rows_to_ask(
    tracks: Tracks,
    settings: OpinionSettings,
    asked_ns: Mapping[int, int],
    requested: Collection[int] = (),
) -> list[int]:
    """Return the rows of the tracks to ask about, the most urgent first.

    Those that somebody has requested, then those that were never asked about, then the least
    confident. Left out are tracks that are predicted or too small, and labels that may not leave.

    Args:
        tracks: at a frame.
        settings: in force.
        asked_ns: stamp of the frame at which a track was last asked about, by id.
        requested: ids that are asked about however confident they are, and whenever they were
            asked about before.
    """
    wanted = []
    for row in _possible(tracks, settings):
        key = int(tracks.ids[row])
        before_ns = asked_ns.get(key)
        recent = before_ns is not None and ((tracks.stamp_ns - before_ns) * NS < settings.period_s)
        doubtful = float(tracks.scores[row]) < settings.below_confidence
        if key in requested or (doubtful and not recent):
            wanted.append(row)
    return sorted(
        wanted,
        key=lambda row: (
            int(tracks.ids[row]) not in requested,
            int(tracks.ids[row]) in asked_ns,
            float(tracks.scores[row]),
            int(tracks.ids[row]),
        ),
    )


def _possible(tracks: Tracks, settings: OpinionSettings) -> list[int]:
    """Rows of tracks that are seen now, large enough, and may be shown."""
    rows = []
    for row, (x1, y1, x2, y2) in enumerate(tracks.xyxy_px.tolist()):
        seen = tracks.state[row] is not TrackState.COASTING
        large = min(x2 - x1, y2 - y1) >= LEAST_PX
        if seen and large and may_leave(tracks.labels[row], settings):
            rows.append(row)
    return rows

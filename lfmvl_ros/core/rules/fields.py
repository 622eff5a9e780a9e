# SPDX-License-Identifier: Apache-2.0
"""The fields of a track that conditions can use, and the values that each can have."""

from __future__ import annotations

import math
from typing import NamedTuple

from lfmvl_ros.core.tracking.tracks import TrackState


class NumberField(NamedTuple):
    """A number of each track.

    Attributes:
        low: smallest value it can have.
        high: largest value it can have; infinite where there is no limit.
        of: what the limits are fractions of, for messages; "" where they are none.
        known: whether every track has it; a comparison with one that it has not does not hold.
        metric: whether it needs a position.
    """

    low: float
    high: float
    of: str = ""
    known: bool = True
    metric: bool = False

    @property
    def limits(self) -> str:
        """The values it can have, for messages."""
        bounded = f"between {self.low:g} and {self.high:g}"
        limits = f"{self.low:g} or more" if math.isinf(self.high) else bounded
        return f"{limits}, a fraction of the {self.of}" if self.of else limits


NUMBER_FIELDS = {
    "confidence": NumberField(0, 1),
    "existence": NumberField(0, 1),
    "age_s": NumberField(0, math.inf),
    # Boxes of tracks are clipped to the image.
    "x": NumberField(0, 1, "image's width"),
    "y": NumberField(0, 1, "image's height"),
    "width": NumberField(0, 1, "image's width"),
    "height": NumberField(0, 1, "image's height"),
    "speed_px_s": NumberField(0, math.inf, known=False),
    "speed_m_s": NumberField(0, math.inf, known=False, metric=True),
    "text_confidence": NumberField(0, 1, known=False),
    "distance_m": NumberField(0, math.inf, known=False, metric=True),
    # Infinite for a track without a pick point.
    "pick_sigma_m": NumberField(0, math.inf, metric=True),
    "normal_sigma_deg": NumberField(0, math.inf, metric=True),
}
NUMBERS = tuple(NUMBER_FIELDS)
TEXTS = ("label", "state", "text")
FLAGS = ("at_border",)
FIELDS = (*TEXTS, *NUMBERS, *FLAGS)
METRIC = frozenset(name for name, field in NUMBER_FIELDS.items() if field.metric)
# A read text may be missing; a flag, a label and a state are always known.
NOT_ALWAYS_KNOWN = frozenset(
    ("text", *(name for name, field in NUMBER_FIELDS.items() if not field.known))
)
STATES = tuple(state.value for state in TrackState)

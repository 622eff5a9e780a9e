# SPDX-License-Identifier: Apache-2.0
"""Selects one of several objects, for consumers that take only one pose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.same_label import fold_label

if TYPE_CHECKING:  # settings are read without numpy
    from lfmvl_ros.core.boxes import FloatArray
    from lfmvl_ros.core.spatial.places import Place

NEAREST, LABEL, ID = "nearest", "label:", "id:"
# Another object is selected only if it is nearer by this share, so that two at the same distance do
# not alternate.
_NEARER = 0.15


@dataclass(frozen=True)
class Selection:
    """Which objects may be selected; the nearest of them is.

    Attributes:
        label: only those of this label; "" for any.
        track: only this id; None for any.
    """

    label: str = ""
    track: int | None = None

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Return the selection that ``nearest``, ``label:TEXT`` or ``id:NUMBER`` means.

        Raises:
            UserError: it is not one of them.

        >>> Selection.parse("label: red tote").label, Selection.parse("id:7").track
        ('red tote', 7)
        """
        text = text.strip()
        if text == NEAREST:
            return cls()
        if text.startswith(LABEL) and (label := text.removeprefix(LABEL).strip()):
            return cls(label=label)
        number = text.removeprefix(ID).strip()
        if text.startswith(ID) and number.isascii() and number.isdigit() and int(number) > 0:
            return cls(track=int(number))
        raise UserError(
            f"spatial.select: {text!r} is not a selection; write 'nearest', 'label:red tote' or "
            "'id:7'"
        )


class Selector:
    """Keeps one object selected until it is gone, or another is nearer by 15 %."""

    def __init__(self) -> None:
        self._chosen: int | None = None

    def choose(
        self,
        selection: Selection,
        placed: Mapping[int, Place],
        labels: Mapping[int, str],
        eye_m: FloatArray,
    ) -> int | None:
        """Return the id of the selected object; None when there is none.

        Args:
            selection: which may be selected.
            placed: places by track id.
            labels: label of each track, by id.
            eye_m: ``(3,)`` position of the camera, in the frame of the places.
        """
        wanted = fold_label(selection.label)
        distance = {
            track: math.dist(place.surface_m.tolist(), eye_m.tolist())
            for track, place in placed.items()
            if selection.track in (None, track)
            and (not wanted or fold_label(labels[track]) == wanted)
        }
        if not distance:
            self._chosen = None
            return None
        nearest = min(distance, key=lambda track: (distance[track], track))
        kept = self._chosen
        if kept not in distance or distance[nearest] < (1 - _NEARER) * distance[kept]:
            self._chosen = nearest
        return self._chosen

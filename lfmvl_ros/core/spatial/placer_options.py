# SPDX-License-Identifier: Apache-2.0
"""How places are found: the source, the frame, known sizes, and what is too uncertain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lfmvl_ros.core.config_spatial import SpatialSettings, is_side, parse_sizes
from lfmvl_ros.core.spatial.memory import LONGEST_PAST_S
from lfmvl_ros.core.spatial.places import PlaceSource


@dataclass(frozen=True)
class PlacerOptions:
    """How places are found.

    Attributes:
        source: ``depth``, ``floor`` or ``size``.
        frame_id: target frame: the frame of the places; "" for the camera's optical frame.
        sizes_m: full extents by label: length, width, height, 1 mm to 1 km each.
        max_sigma_m: a place with a larger standard deviation in any direction is refused, > 0.
        coast_s: how long a place is predicted after the last measurement, 0 to 60.

    Raises:
        ValueError: a value is outside its range.
    """

    source: PlaceSource = PlaceSource.DEPTH
    frame_id: str = ""
    sizes_m: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    max_sigma_m: float = 1.0
    coast_s: float = 2.0

    @classmethod
    def of(cls, settings: SpatialSettings) -> PlacerOptions:
        """Return the options of settings whose ``source`` is not ``none``."""
        return cls(
            source=PlaceSource(settings.source),
            frame_id=settings.target_frame,
            sizes_m=parse_sizes(settings.sizes),
            max_sigma_m=settings.max_sigma_m,
        )

    def __post_init__(self) -> None:
        if self.source is PlaceSource.COASTED:
            raise ValueError("PlacerOptions.source must be depth, floor or size")
        for label, size in self.sizes_m.items():
            if len(size) != 3 or not all(map(is_side, size)):
                raise ValueError(
                    f"the size of {label!r} must be three lengths of 0.001 to 1000 m, got {size}"
                )
        if not self.max_sigma_m > 0 or not 0 <= self.coast_s <= LONGEST_PAST_S:
            raise ValueError(
                f"PlacerOptions needs max_sigma_m > 0 and coast_s of 0 to {LONGEST_PAST_S:g}, "
                f"got {self.max_sigma_m} and {self.coast_s}"
            )

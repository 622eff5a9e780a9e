# SPDX-License-Identifier: Apache-2.0
"""What a rendered scene is: pixels and the exact truth about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lfmvl_warehouse.scenes.vocabulary import COLOURS, KINDS, object_names


@dataclass(frozen=True)
class SolidBox:
    """The box around an object as it is drawn, in the world: x right, y along the hall, z up.

    centre_m (3,) its middle; size_m (3,) full extents along its own axes, the third of which is up;
    yaw_rad turns its x axis from the world's, about z.
    """

    centre_m: NDArray[Any]
    size_m: NDArray[Any]
    yaw_rad: float


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene.

    full_xyxy_px: (4,) float64, tight box of its whole silhouette, also where hidden or outside the
    image. visible_xyxy_px: (4,) tight box of its visible pixels, within the image; all zeros where
    nothing is visible. visibility: visible pixels / silhouette pixels (0..1), so that occlusion and
    truncation both lower it. depth_m: distance along the optical axis of its floor point.
    solid: its box in the world; None for frames drawn without relief.
    """

    id: int
    kind: str
    colour: str
    attributes: tuple[str, ...]
    full_xyxy_px: NDArray[Any]
    visible_xyxy_px: NDArray[Any]
    visibility: float
    depth_m: float
    solid: SolidBox | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.colour not in COLOURS:
            raise ValueError(
                f"kind and colour must be known words, got {self.kind!r}, {self.colour!r}"
            )
        if not 0.0 <= self.visibility <= 1.0:
            raise ValueError(f"visibility must be within 0..1, got {self.visibility}")

    @property
    def names(self) -> tuple[str, ...]:
        """All names a query may use for it, the plain kind first."""
        return object_names(self.kind, self.colour, self.attributes)


@dataclass(frozen=True)
class RenderedScene:
    """pixels (H,W,3) uint8 RGB; objects nearest first; depth_m (H,W) float32; stamp_ns.

    Depth is along the optical axis. Without relief each object is flat, at its floor point's depth.
    """

    pixels: NDArray[Any]
    objects: tuple[SceneObject, ...]
    depth_m: NDArray[Any]
    stamp_ns: int = 0

    @property
    def wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[0])

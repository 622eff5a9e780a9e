# SPDX-License-Identifier: Apache-2.0
"""Images of the synthetic warehouse for ``camera_node`` and the commands of ``lfmvl_ros``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lfmvl_ros.core.config import CameraSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.ros.sensors.image_sources import USUAL_RATE_HZ
from lfmvl_ros.ros.sensors.pixels import Pixels
from lfmvl_warehouse.scenes import KINDS, SceneVideo, known_names

# Drawing an object for the first time takes longer than a frame lasts.
_PREPARED_S = 10.0


class SceneImages:
    """The synthetic warehouse: endless, the same for the same seed."""

    live = False

    def __init__(self, settings: CameraSettings) -> None:
        self.name = f"synthetic scene {settings.seed}"
        self.rate_hz = settings.rate_hz or USUAL_RATE_HZ
        wh = (settings.width, settings.height)
        try:
            self._video = SceneVideo(settings.seed, wh=wh, fps=self.rate_hz)
            self._video.prepare(0, round(_PREPARED_S * self.rate_hz))
        except ValueError as error:
            raise UserError(f"the scene can't be drawn: {error}") from error
        self._next = 0

    def read(self) -> Pixels | None:
        """Render the next frame."""
        self._next += 1
        return self._video.frame(self._next - 1).pixels

    def skip(self, count: int) -> int:
        """Frames can be rendered in any order: skipping costs nothing."""
        self._next += count
        return count

    def rewind(self) -> None:
        """Go back to the first frame."""
        self._next = 0

    def intrinsics(self, wh: tuple[int, int]) -> Intrinsics:
        """Return the lens of the scene's camera; the same for every frame of its one size."""
        del wh
        lens = self._video.camera_at(0)
        middle_px = (lens.centre_px - 0.5, lens.horizon_px - 0.5)
        return Intrinsics(lens.focal_px, lens.focal_px, *middle_px)

    def close(self) -> None:
        """Nothing to free."""


def sample_images(
    seed: int, wh_px: tuple[int, int], rate_hz: float = USUAL_RATE_HZ
) -> Callable[[int], Pixels]:
    """Return a function that draws the image of an index, ``(H, W, 3)`` uint8 RGB.

    Args:
        seed: of the scene.
        wh_px: (width, height) of the images in pixels.
        rate_hz: images per second, > 0.
    """
    video = SceneVideo(seed, wh=wh_px, fps=rate_hz)
    return lambda index: video.frame(index).pixels


def query_remark(seed: int, labels: Sequence[str]) -> str:
    """Return which labels name warehouse things that a scene does not have; "" where none does."""
    there = SceneVideo(seed).names
    absent = [label for label in labels if label in known_names() - there]
    if not absent:
        return ""
    return (
        f"the scene of --seed {seed} has no {', no '.join(absent)}; it has "
        f"{', '.join(kind for kind in KINDS if kind in there)}"
    )

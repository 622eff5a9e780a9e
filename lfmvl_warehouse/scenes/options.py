# SPDX-License-Identifier: Apache-2.0
"""How hard a scene is, as one validated value with presets."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_warehouse.scenes.vocabulary import KINDS


@dataclass(frozen=True)
class SceneOptions:
    """Difficulty of a scene. Raises ValueError for anything out of range.

    objects: fewest and most objects, 0..14.
    size: smallest and largest object as a fraction of the image, sqrt(box area / image area).
    max_occlusion: largest share of an object's pixels in the image that others may hide.
    truncation: largest share of a box outside the image on each axis; truncation_probability: how
    often that may happen.
    brightness, motion_blur, noise: 0..1, where 1 is the worst a warehouse camera would see.
    *_probability: 0..1, how often the effect is there.
    distractors: most look-alikes, which are in the image and in no truth.
    kinds: the kinds to draw from.
    appearances: (first, count) of the looks of a kind that stills draw from, None for the usual
    pool; looks outside the trained ones make an honest test.
    shadows: objects darken the floor around them.
    """

    objects: tuple[int, int] = (1, 6)
    size: tuple[float, float] = (0.10, 0.45)
    max_occlusion: float = 0.4
    truncation: float = 0.3
    truncation_probability: float = 0.2
    brightness: float = 0.4
    low_light_probability: float = 0.1
    backlight_probability: float = 0.08
    motion_blur_probability: float = 0.1
    motion_blur: float = 0.4
    noise: float = 0.4
    jpeg_probability: float = 0.3
    distractors: int = 1
    kinds: tuple[str, ...] = KINDS
    appearances: tuple[int, int] | None = None
    shadows: bool = True

    def __post_init__(self) -> None:
        fewest, most = self.objects
        if not (0 <= fewest <= most <= 14):
            raise ValueError(
                f"objects must be (fewest, most) within 0..14, got {self.objects}; lower the count"
            )
        smallest, largest = self.size
        if not (0.01 <= smallest <= largest <= 0.95):
            raise ValueError(f"size must be (smallest, largest) within 0.01..0.95, got {self.size}")
        if not 0 <= self.distractors <= 14:
            raise ValueError(f"distractors must be within 0..14, got {self.distractors}")
        if not 0 <= self.max_occlusion < 1 or not 0 <= self.truncation < 1:
            raise ValueError(
                "max_occlusion and truncation must be at least 0 and below 1, "
                f"got {self.max_occlusion} and {self.truncation}"
            )
        for name in (
            "truncation_probability",
            "brightness",
            "low_light_probability",
            "backlight_probability",
            "motion_blur_probability",
            "motion_blur",
            "noise",
            "jpeg_probability",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be within 0..1, got {getattr(self, name)}")
        if self.appearances is not None and (self.appearances[0] < 0 or self.appearances[1] < 1):
            raise ValueError(
                f"appearances must be (first >= 0, count >= 1), got {self.appearances}"
            )
        unknown = [k for k in self.kinds if k not in KINDS]
        if unknown or not self.kinds:
            raise ValueError(f"kinds must name some of {', '.join(KINDS)}; got {self.kinds}")


EASY = SceneOptions(
    objects=(1, 5),
    size=(0.14, 0.45),
    max_occlusion=0.05,
    truncation=0.0,
    truncation_probability=0.0,
    brightness=0.2,
    low_light_probability=0.0,
    backlight_probability=0.0,
    motion_blur_probability=0.0,
    noise=0.15,
    jpeg_probability=0.1,
    distractors=0,
)
STANDARD = SceneOptions()
HARD = SceneOptions(
    objects=(0, 14),
    size=(0.05, 0.5),
    max_occlusion=0.75,
    truncation=0.6,
    truncation_probability=0.35,
    brightness=0.9,
    low_light_probability=0.2,
    backlight_probability=0.15,
    motion_blur_probability=0.25,
    motion_blur=1.0,
    noise=1.0,
    jpeg_probability=0.5,
    distractors=3,
)
VIDEO = SceneOptions(
    objects=(9, 12),
    brightness=0.15,
    low_light_probability=0.0,
    backlight_probability=0.0,
    motion_blur_probability=0.0,
    noise=0.15,
    jpeg_probability=0.0,
    distractors=0,
)
PRESETS: dict[str, SceneOptions] = {"easy": EASY, "standard": STANDARD, "hard": HARD}

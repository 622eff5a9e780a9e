# SPDX-License-Identifier: Apache-2.0
"""What counts as motion: objects and the camera, not the light and not noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lfmvl_ros.core.config import TriggerSettings
from lfmvl_ros.core.triggers.motion import SMALL_WH, changed_share, small_image

from ...examples import examples

Image = NDArray[np.uint8]
SETTINGS = TriggerSettings()
WH = (320, 240)


def hall(seed: int = 1) -> NDArray[np.float64]:
    """A textured image with large and small structures, 30 to 190."""
    rng, image = np.random.default_rng(seed), np.zeros((WH[1], WH[0]))
    for step in (8, 20, 60):
        coarse = rng.uniform(-1, 1, (WH[1] // step + 2, WH[0] // step + 2))
        image += np.kron(coarse, np.ones((step, step)))[: WH[1], : WH[0]]
    low, high = image.min(), image.max()
    return np.asarray(30 + 160 * (image - low) / (high - low))


def shot(image: NDArray[np.float64], noise: float = 3.0, seed: int = 0) -> Image:
    noisy = image + np.random.default_rng(seed).normal(0, noise, image.shape)
    return np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def has_moved(before: Image, now: Image) -> bool:
    share = changed_share(small_image(before), small_image(now), SETTINGS.motion_contrast)
    return share >= SETTINGS.motion_area


@examples(40)
@given(gain=st.floats(0.6, 1.3), offset=st.floats(-15, 15), noise=st.floats(0, 6))
def test_light_and_noise_are_no_motion(gain: float, offset: float, noise: float) -> None:
    assert not has_moved(shot(hall(), noise), shot(gain * hall() + offset, noise, 1))


@examples(40)
@given(
    x=st.integers(0, WH[0] - 20),
    y=st.integers(0, WH[1] - 20),
    gain=st.floats(0.7, 1.2),
    bright=st.booleans(),
)
def test_an_object_is_motion_also_while_the_light_changes(
    x: int, y: int, gain: float, bright: bool
) -> None:
    """20 by 20 px of 320 by 240 is half a percent of the image."""
    now = gain * hall()
    now[y : y + 20, x : x + 20] = 250.0 if bright else 0.0
    assert has_moved(shot(hall()), shot(now, seed=1))


@pytest.mark.parametrize("shift_px", [3, 8, 40])
def test_a_moving_camera_is_motion(shift_px: int) -> None:
    wide = hall()
    assert has_moved(shot(wide[:, :240]), shot(wide[:, shift_px : 240 + shift_px], seed=1))


def test_a_flat_image_is_none() -> None:
    flat = np.full((WH[1], WH[0]), 128.0)
    assert not has_moved(shot(flat), shot(flat * 0.5, seed=1))
    assert small_image(shot(flat)).shape == SMALL_WH[::-1]


def test_images_smaller_than_the_small_image() -> None:
    assert small_image(np.zeros((2, 3, 3), np.uint8)).shape == SMALL_WH[::-1]

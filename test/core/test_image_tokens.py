# SPDX-License-Identifier: Apache-2.0
"""Token counts: the known figures, the real processor for any size, and the inverse."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.image_tokens import (
    ImageTokenSettings,
    count_image_tokens,
    settings_for_budget,
)

from ..examples import examples

SIZES = st.tuples(st.integers(1, 2600), st.integers(1, 2600))
KNOBS = st.builds(
    lambda least, most, split, low, high, thumbnail: ImageTokenSettings(
        min_tokens=least,
        max_tokens=most,
        split=split,
        min_tiles=min(low, high),
        max_tiles=max(low, high),
        thumbnail=thumbnail,
    ),
    st.integers(1, 128),
    st.integers(16, 400),
    st.booleans(),
    st.integers(2, 6),
    st.integers(2, 12),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("wh", "tokens", "special"),
    [
        ((256, 384), 96, 2),
        ((384, 680), 252, 2),
        ((1000, 3000), 1011, 6),
        ((640, 480), 234, 2),
        ((1280, 720), 764, 5),
        ((1920, 1080), 2300, 11),
        ((512, 512), 256, 2),
        ((256, 256), 64, 2),
    ],
)
def test_measured_counts(wh, tokens, special):
    count = count_image_tokens(wh)
    assert (count.tokens, count.special_tokens) == (tokens, special)


def test_measured_counts_with_other_knobs():
    whole = ImageTokenSettings(split=False)
    assert count_image_tokens((1280, 720), whole).tokens == 252
    small = replace(whole, max_tokens=64)
    assert count_image_tokens((640, 480), small).tokens == 54
    assert count_image_tokens((1280, 720), small).tokens == 60


@given(wh=SIZES, knobs=KNOBS)
def test_count_adds_up(wh, knobs):
    count = count_image_tokens(wh, knobs)
    assert count.tokens == (
        count.tile_tokens + count.thumbnail_tokens if count.tiles > 1 else count.tokens
    )
    width, height = count.resized_wh
    assert width % knobs.unit_px == height % knobs.unit_px == 0
    assert count.tiles <= max(1, knobs.max_tiles)
    assert count.crops == count.tiles + (knobs.thumbnail and count.tiles > 1)
    assert count_image_tokens(wh[::-1], replace(knobs, split=False)).tokens == (
        count_image_tokens(wh, replace(knobs, split=False)).tokens
    )


class _Tokenizer:
    """The names a processor asks its tokenizer for; no text is tokenized here."""

    image_token, image_token_id = "<image>", 396
    image_start_token, image_end_token = "<|image_start|>", "<|image_end|>"
    image_thumbnail_token = "<|img_thumbnail|>"


@examples(30)
@given(wh=SIZES, knobs=KNOBS)
def test_equals_what_the_processor_emits(wh, knobs):
    processing = pytest.importorskip("lfmvl_ros.models.lfm2_vl.image_processing")
    from transformers import Lfm2VlProcessor

    processor = processing.image_processor_class()(
        min_image_tokens=knobs.min_tokens,
        max_image_tokens=knobs.max_tokens,
        do_image_splitting=knobs.split,
        min_tiles=knobs.min_tiles,
        max_tiles=knobs.max_tiles,
        use_thumbnail=knobs.thumbnail,
    )
    whole = Lfm2VlProcessor.__new__(Lfm2VlProcessor)  # its text assembly, without a tokenizer
    whole.image_processor = processor
    for name in ("image_token", "image_start_token", "image_end_token", "image_thumbnail_token"):
        setattr(whole, name, getattr(_Tokenizer, name))
    image = np.zeros((wh[1], wh[0], 3), np.uint8)
    features = processor(
        images=[image],
        return_tensors="pt",
        return_row_col_info=True,
        input_data_format="channels_last",
    )
    text = whole.replace_image_token(
        features, 0, use_image_special_tokens=True, use_thumbnail=knobs.thumbnail
    )
    count = count_image_tokens(wh, knobs)
    assert text.count("<image>") == count.tokens
    assert text.count("<|") == count.special_tokens
    patches = int(features["spatial_shapes"].prod(-1).sum())
    assert patches == count.tokens * knobs.downsample**2
    assert len(features["pixel_values"]) == count.crops


@given(wh=SIZES, knobs=KNOBS, budget=st.integers(1, 3000))
@examples(20)
def test_budget_is_kept_and_used(wh, knobs, budget):
    knobs = replace(knobs, max_tokens=min(knobs.max_tokens, 64), max_tiles=knobs.min_tiles)
    now = count_image_tokens(wh, knobs).tokens
    # Not always max_tokens 1: the processor's rounding makes a sliver larger there than at 2.
    whole = [
        replace(knobs, split=False, max_tokens=most, min_tokens=min(knobs.min_tokens, most))
        for most in range(1, knobs.max_tokens + 1)
    ]
    if budget < min(now, *(count_image_tokens(wh, each).tokens for each in whole)):
        with pytest.raises(ValueError, match=f"down to {budget} image tokens"):
            settings_for_budget(wh, budget, knobs)
        return
    fitted = settings_for_budget(wh, budget, knobs)
    used = count_image_tokens(wh, fitted).tokens
    assert used <= budget
    assert used >= now or now > budget


@pytest.mark.parametrize(
    "bad",
    [{"min_tokens": 0}, {"max_tiles": 1}, {"min_tiles": 1}, {"tile_px": 500}, {"tolerance": 0}],
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        ImageTokenSettings(**bad)


def test_an_empty_image_is_refused():
    with pytest.raises(ValueError, match="0x5"):
        count_image_tokens((0, 5))

# SPDX-License-Identifier: Apache-2.0
"""Our image processor against the stock one, and the padding that is cut off."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lfmvl_ros.models.lfm2_vl import image_processing as ours

from ...waiting import PATIENCE_S

SIZES_WH = [
    (1, 1), (7, 300), (33, 47), (256, 256), (256, 384), (320, 240), (384, 680), (512, 512),
    (640, 480), (1280, 720), (1000, 3000), (1920, 1080), (2000, 300), (1024, 1024), (777, 1555),
]  # fmt: skip
OPTIONS = [
    {},
    {"min_image_tokens": 32, "max_image_tokens": 64},
    {"do_image_splitting": False, "max_image_tokens": 128},
    {"max_tiles": 4, "use_thumbnail": False, "image_mean": [0.48, 0.45, 0.4], "do_rescale": True},
]


def _images(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in SIZES_WH]


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """Arrays by case and name, from transformers' own class in a process of its own."""
    folder = tmp_path_factory.mktemp("stock")
    named = {f"picture_{i}": image for i, image in enumerate(_images(0))}
    np.savez(folder / "in.npz", cases=np.array(json.dumps(OPTIONS)), **named)
    script = Path(__file__).with_name("stock_image_processor.py")
    command = [sys.executable, script, folder / "in.npz", folder / "out.npz"]
    subprocess.run(command, check=True, timeout=PATIENCE_S)
    with np.load(folder / "out.npz") as arrays:
        yield arrays


@pytest.mark.parametrize("case", range(len(OPTIONS)))
def test_equal_to_the_stock_processor_bit_for_bit(stock, case):
    processor = ours.Lfm2VlImageProcessor(**OPTIONS[case])
    result = processor(images=_images(0), return_tensors="pt", return_row_col_info=True)
    prefix = f"{case}/"
    names = {name.removeprefix(prefix) for name in stock.files if name.startswith(prefix)}
    assert names - {"config"} == set(result)
    for key, value in result.items():
        theirs, mine = stock[prefix + key], np.asarray(value)
        assert np.array_equal(theirs, mine), key
        assert theirs.dtype == mine.dtype, key
    config = json.loads(str(stock[prefix + "config"]))
    assert config == json.loads(json.dumps(processor.to_dict(), default=str, sort_keys=True))


def test_resampling_is_pillows_within_two_levels():
    image = _images(5)[8]
    tensor = torch.from_numpy(image).permute(2, 0, 1).contiguous()
    for height, width in ((416, 576), (700, 900), (480, 320)):
        mine = ours.resize(tensor, height, width).permute(1, 2, 0).numpy().astype(int)
        theirs = np.asarray(Image.fromarray(image).resize((width, height), Image.BILINEAR))
        assert np.abs(mine - theirs).max() <= 2


def test_trimming_removes_padding_only():
    processor = ours.Lfm2VlImageProcessor()
    features = processor(images=[_images(1)[3], _images(1)[5]], return_tensors="pt")
    trimmed = ours.trim_padding(features)
    assert features["pixel_values"].shape == (2, 1024, 768)
    used = trimmed["spatial_shapes"].prod(-1)
    assert trimmed["pixel_values"].shape[1] == used.max()
    for row, n in enumerate(used):
        assert torch.equal(trimmed["pixel_values"][row, :n], features["pixel_values"][row, :n])
        assert trimmed["pixel_attention_mask"][row].sum() == n
    assert not features["pixel_values"][:, int(used.max()) :].any()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_takes_pillow_images_of_any_mode(mode):
    image = Image.fromarray(_images(2)[3]).convert(mode)
    processor = ours.Lfm2VlImageProcessor()
    values = processor(images=[image], return_tensors="pt", do_convert_rgb=True)["pixel_values"]
    assert values.shape == (1, 1024, 768)


def test_the_image_is_not_written_to():
    image = _images(3)[8]
    before = image.copy()
    image.flags.writeable = False
    ours.Lfm2VlImageProcessor()(images=[image], return_tensors="pt")
    assert np.array_equal(image, before)


def test_auto_classes_find_it(tmp_path):
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    wanted = ours.image_processor_class()
    wanted(min_image_tokens=32).save_pretrained(tmp_path)
    found = AutoImageProcessor.from_pretrained(tmp_path)
    assert type(found) is wanted
    assert found.min_image_tokens == 32


@pytest.mark.slow
def test_a_broken_torchvision_is_hidden(tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    code = (
        "from lfmvl_ros.models.lfm2_vl.image_processing import TORCHVISION, image_processor_class;"
        "assert not TORCHVISION;"
        "assert image_processor_class().__module__.startswith('lfmvl_ros');"
        "from transformers import Lfm2VlForConditionalGeneration"
    )
    path = f"{tmp_path}:{Path(__file__).parents[3]}"
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=PATIENCE_S, env={"PYTHONPATH": path}
    )


@pytest.mark.parametrize("splitting", [False, True])
@pytest.mark.parametrize("wh", [(9312, 118), (118, 9312), (6000, 60)])
def test_a_very_thin_image_may_need_more_patches_than_the_cap(wh, splitting):
    """The stock class can't stack its crops then."""
    width, height = wh
    processor = ours.Lfm2VlImageProcessor(
        max_image_tokens=64, do_image_splitting=splitting, tile_size=256
    )
    image = np.zeros((height, width, 3), np.uint8)
    result = processor(images=[image], return_tensors="pt")
    rows = result["spatial_shapes"].prod(dim=-1)
    assert result["pixel_attention_mask"].sum(dim=1).tolist() == rows.tolist()
    assert len(result["pixel_values"]) == len(rows)

# SPDX-License-Identifier: Apache-2.0
"""A scene source cheap enough for tests: coloured rectangles on grey."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from lfmvl_ros.datasets.questions import LabelledImage, Target, Vocabulary
from lfmvl_warehouse.training.data.sources import views
from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 220)}
KINDS = ("tote", "pallet")


class Rectangles:
    """Totes are upright rectangles, pallets lying ones."""

    vocabulary = Vocabulary(
        KINDS,
        tuple(COLOURS),
        tuple((kind, *(f"{colour} {kind}" for colour in COLOURS)) for kind in KINDS),
    )
    views = views()

    def draw(self, rng, wh_px, max_objects):
        width, height = wh_px
        pixels = np.full((height, width, 3), 120, np.uint8)
        targets = []
        for _ in range(int(rng.integers(0, max_objects + 1))):
            kind, colour = int(rng.integers(2)), int(rng.integers(2))
            w, h = (0.2, 0.4) if kind == 0 else (0.4, 0.2)
            x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
            box = np.array([x, y, x + w, y + h])
            left, top, right, bottom = (box * [width, height, width, height]).astype(int)
            word = list(COLOURS)[colour]
            pixels[top:bottom, left:right] = COLOURS[word]
            targets.append(Target((KINDS[kind], f"{word} {KINDS[kind]}"), kind, colour, box, 1.0))
        return LabelledImage(pixels, tuple(targets))

    def held_out(self):
        return self


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small tensors on many threads are slow, and sums then depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def benchmark():
    """``benchmarks/checkpoint.py`` as a module."""
    folder = Path(__file__).parents[3] / "benchmarks"
    spec = importlib.util.spec_from_file_location("checkpoint", folder / "checkpoint.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # as when it is run
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def rectangles():
    return Rectangles()


@pytest.fixture(scope="session")
def tokenizer():
    return build_tokenizer(["tote", "red tote"])

# SPDX-License-Identifier: Apache-2.0
"""What tests of the training share: a cheap scene source, a tokenizer, one thread."""

import importlib.util
from pathlib import Path

import pytest
import torch

from lfmvl_warehouse.training.data.sources import views
from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

from ...datasets.rectangles import Rectangles


class Scenes(Rectangles):
    """A scene source of them."""

    views = views()

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
    return Scenes()


@pytest.fixture(scope="session")
def tokenizer():
    return build_tokenizer(["tote", "red tote"])

# SPDX-License-Identifier: Apache-2.0
"""What tests of fine-tuning share."""

import pytest
import torch

from lfmvl_ros.finetune.start import find_start

from .folders import unusual_folder


@pytest.fixture(scope="session")
def unusual(tmp_path_factory):
    """Thirty labelled images in an unusual look."""
    return unusual_folder(tmp_path_factory.mktemp("data") / "negatives")


@pytest.fixture(scope="session")
def bundled():
    return find_start("bundled")


@pytest.fixture
def loaded(bundled):
    """Model and processor of the bundled checkpoint, for this test only."""
    from lfmvl_ros.models.lfm2_vl.loading import load_checkpoint

    return load_checkpoint(str(bundled.directory), torch.device("cpu"), torch.float32)

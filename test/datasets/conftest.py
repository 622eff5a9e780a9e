# SPDX-License-Identifier: Apache-2.0
"""What tests of labelled images share."""

import pytest

from .rectangles import Rectangles


@pytest.fixture(scope="session")
def rectangles():
    return Rectangles()

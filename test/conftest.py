# SPDX-License-Identifier: Apache-2.0
"""For all tests: a property holds or it does not, however busy the machine is."""

from __future__ import annotations

import os

# Models here are so small that a second thread costs more than it brings, and on a busy machine
# threads that wait for each other take a hundred times as long. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from .examples import register_profiles
from .page_scheduling import pytest_xdist_make_scheduler

__all__ = ["pytest_xdist_make_scheduler"]

register_profiles()

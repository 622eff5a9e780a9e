# SPDX-License-Identifier: Apache-2.0
"""For all tests: a property holds or it does not, however busy the machine is."""

import os
from pathlib import Path

# Models here are so small that a second thread costs more than it brings, and on a busy machine
# threads that wait for each other take a hundred times as long. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest

from .examples import register_profiles

register_profiles()

PROCESSES = Path(__file__).parent / "ros"


def pytest_collection_modifyitems(config, items):
    """Several processes on a busy machine may be late once: one more try, told in the summary."""
    if not config.pluginmanager.hasplugin("rerunfailures"):
        return
    for item in items:
        if PROCESSES in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))

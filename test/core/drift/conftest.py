# SPDX-License-Identifier: Apache-2.0
"""Eight simulated sites, learnt once for all tests of drift."""

from __future__ import annotations

from typing import Any

import pytest

from lfmvl_ros.core.drift import DriftMonitor

from .sites import Site, monitor


@pytest.fixture(scope="session")
def learnt() -> list[tuple[Any, DriftMonitor]]:
    """Sites with their monitors; copy both before you use them."""
    sites = [Site(seed) for seed in range(8)]
    return [(site, monitor(site)) for site in sites]

# SPDX-License-Identifier: Apache-2.0
"""ROS domains for tests: no test may hear the processes of one that runs beside it."""

from __future__ import annotations

import itertools
import os

_WORKERS, _EACH = 5, 15  # 1 to 75; tests that name a domain take one above
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_COUNT = itertools.count(os.getpid())  # another run of the tests on this machine starts elsewhere


def next_domain() -> str:
    """Return a domain that no other worker of this run uses, nor this one in its last calls."""
    return str(1 + _WORKER * _EACH + next(_COUNT) % _EACH)

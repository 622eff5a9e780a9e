# SPDX-License-Identifier: Apache-2.0
"""ROS domains and ports for tests: no test may hear the processes of one that runs beside it."""

from __future__ import annotations

import itertools
import os
import socket

_WORKERS, _EACH = 5, 15  # 1 to 75; tests that name a domain take one above
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_PORTS = itertools.count(os.getpid())
_COUNT = itertools.count(os.getpid())  # another run of the tests on this machine starts elsewhere


def next_domain() -> str:
    """Return a domain that no other worker of this run uses, nor this one in its last calls."""
    return str(1 + _WORKER * _EACH + next(_COUNT) % _EACH)


def next_port() -> int:
    """Return a free TCP port that stays free, for what opens it later or more than once.

    It is below those that the system gives out, so nobody gets it by chance meanwhile, and no
    other worker of this run uses it.
    """
    while True:
        port = 20_000 + _WORKER * 500 + next(_PORTS) % 500
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:  # another run of the tests on this machine has it
                continue
        return port

# SPDX-License-Identifier: Apache-2.0
"""Which addresses stay on this machine: the same answer for servers and metrics."""

from __future__ import annotations

import pytest

from lfmvl_ros.core.loopback import is_loopback
from lfmvl_ros.models.server.address import ServerAddress

HOSTS = {
    "localhost": True, "127.0.0.1": True, "127.8.9.1": True, "::1": True, "0.0.0.0": False,
    "::": False, "192.168.1.4": False, "robot": False, "127.0.0.1.example.org": False,
}  # fmt: skip


@pytest.mark.parametrize(("host", "stays"), HOSTS.items())
def test_what_stays_on_this_machine(host: str, stays: bool) -> None:
    assert is_loopback(host) is stays
    assert ServerAddress("http", host, 80).is_local is stays

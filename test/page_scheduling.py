# SPDX-License-Identifier: Apache-2.0
"""Runs the printed commands of a page in one process: what one makes, the next ones use."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadgroup``, group tests by the page that their parameter names.

    Marks of groups don't reach pytest-xdist 3.8 under pytest 9.2.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class ByPage(LoadGroupScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            page = re.search(r"\[(\S+\.md):\d+ ", nodeid)
            return page[1] if page else str(super()._split_scope(nodeid))

    return ByPage(config, log)

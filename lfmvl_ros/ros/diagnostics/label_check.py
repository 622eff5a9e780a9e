# SPDX-License-Identifier: Apache-2.0
"""Warns if a query has labels that the card of the checkpoint does not list."""

from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger

from lfmvl_ros.core.query import Query
from lfmvl_ros.models.checkpoint_labels import label_remark
from lfmvl_ros.ros.diagnostics.health import WARN, Health


class LabelCheck:
    """Logs once for each pair of model and query; in diagnostics while both are in use."""

    def __init__(self, log: RcutilsLogger) -> None:
        self._log = log
        self._checked: tuple[str, tuple[str, ...]] | None = None
        self._remark = ""

    def check(self, model: str, query: Query) -> None:
        """Check a query that a model gets from now on."""
        if self._checked == (model, query.labels):
            return
        self._checked = (model, query.labels)
        self._remark = label_remark(model, query.labels)
        if self._remark:
            self._log.warning(self._remark)

    def health(self) -> list[Health]:
        """Return a warning for diagnostics, if there is one."""
        return [Health(WARN, "labels", self._remark)] if self._remark else []

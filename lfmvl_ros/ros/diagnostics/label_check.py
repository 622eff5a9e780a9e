# SPDX-License-Identifier: Apache-2.0
"""Warns of labels that do not fit: of the query to the model, of other settings to the query."""

from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.query import Query
from lfmvl_ros.models.checkpoint_labels import label_remark
from lfmvl_ros.ros.diagnostics.health import WARN, Health
from lfmvl_ros.ros.diagnostics.setting_labels import lacking_remarks


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

    def health(self, settings: PerceptionSettings) -> list[Health]:
        """Return a warning for diagnostics, if there is one: also of labels in other settings."""
        remarks = [self._remark] if self._remark else []
        remarks += lacking_remarks(settings)
        return [Health(WARN, "labels", "; ".join(remarks))] if remarks else []

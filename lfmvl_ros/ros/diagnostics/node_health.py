# SPDX-License-Identifier: Apache-2.0
"""What the node reports about its model and its commands, in every state of its life cycle."""

from __future__ import annotations

import time
from collections.abc import Mapping

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.report import Answer, PipelineStatus
from lfmvl_ros.ros.diagnostics.health import ERROR, OK, Health, ModelMonitor, ModelSwap


class NodeHealth:
    """Collects the state of a node's model and commands.

    Attributes:
        idle: what the node does without a pipeline, for log and diagnostics.
        problem: why the last configuration failed; "" if it did not.
        answer: the newest answer, if any.
        rejected_queries: how many messages of ``query`` could not be used.
        commands: messages of ``command`` by how they ended.
    """

    def __init__(self) -> None:
        self.idle, self.problem = "not configured", ""
        self.answer: Answer | None = None
        self.rejected_queries = 0
        self.commands: Mapping[str, int] = {}
        self._monitor: ModelMonitor | None = None

    def configured(self) -> None:
        """Record that model and pipeline are ready."""
        self.problem, self.answer = "", None

    def activated(self) -> None:
        """Start to monitor the model's rate and answers."""
        self._monitor = ModelMonitor(time.monotonic())

    def deactivated(self) -> None:
        """Stop monitoring rate and answers."""
        self._monitor = None

    def report(
        self,
        pipeline: PipelineStatus | None,
        settings: PerceptionSettings,
        swap: ModelSwap,
        now_s: float,
    ) -> list[Health]:
        """Return the lines for model and commands.

        Args:
            pipeline: the counters now; None while there is no pipeline.
            settings: in force.
            swap: state of a model swap.
            now_s: monotonic time.
        """
        rejected, monitor = self.rejected_queries, self._monitor
        commands = Health(
            OK,
            "commands",
            f"{rejected} queries rejected, {self.commands.get('refused', 0)} commands refused",
            {
                "queries_rejected": rejected,
                **{f"commands_{end}": count for end, count in self.commands.items()},
            },
        )
        if self.problem:
            model = Health(ERROR, "model", self.problem)
        elif pipeline is None or monitor is None:
            model = Health(OK, "model", self.idle if pipeline is None else "inactive")
        else:
            model = monitor.report(pipeline, settings, self.answer, now_s, swap)
        return [model, commands]

# SPDX-License-Identifier: Apache-2.0
"""What tools may use of a node, and how they wait for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from lfmvl_ros.core.commands.result import Done, ToolProgress
from lfmvl_ros.core.commands.rule_events import RuleEvents
from lfmvl_ros.core.commands.scene import Scene, spelt
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.memory.sighting import Sighting
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.readings.worker import ReadingWorker
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.safe_text import quoted

NOT_RUNNING = "the model is not running; activate the node first"


Steps = Generator[ToolProgress | None, None, Done]
"""A running tool; yields None while it waits and has nothing to report."""


@dataclass(frozen=True)
class Controls:
    """What tools may use of a node.

    Attributes:
        scene: what the cameras see.
        pipeline: returns the pipeline; None while the node is not configured.
        change: sets parameters by name; returns why they were refused, "" if they were set.
        captions: returns whether the model can describe images, as far as that is known.
        recall: returns where a camera (any: "") last saw an object of a label; None if not known.
        rule_events: returns the events of rules by camera; empty without rules.
        readers: returns what reads text on each camera's tracks, by the camera's name.
    """

    scene: Scene
    pipeline: Callable[[], Pipeline | None]
    change: Callable[[Mapping[str, object]], str]
    captions: Callable[[], bool]
    recall: Callable[[str, str], Sighting | None] = lambda _label, _camera: None
    rule_events: Callable[[], Mapping[str, RuleEvents]] = dict
    readers: Callable[[], Mapping[str, ReadingWorker]] = dict

    def running(self) -> Pipeline:
        """Return the pipeline.

        Raises:
            UserError: the node is not configured, or not active.
        """
        pipeline = self.pipeline()
        if pipeline is None or not pipeline.running:
            raise UserError(NOT_RUNNING)
        return pipeline

    def names(self) -> dict[str, tuple[str, ...]]:
        """Return the names of rules and cameras, by the argument of tools that takes them."""
        rules = (name for events in self.rule_events().values() for name in events.names)
        cameras = (name for name in self.scene.cameras if name)
        return {"rule": tuple(dict.fromkeys(rules)), "camera": tuple(cameras)}

    def set(self, changes: Mapping[str, object]) -> None:
        """Set parameters by name.

        Raises:
            UserError: they were refused.
        """
        reason = self.change(changes)
        if reason:
            raise UserError(reason)

    def spelt(self, requested: str) -> str:
        """Return a label as the query spells it.

        Raises:
            UserError: it has no such label, or the node is not active.
        """
        query = self.running().query
        label = spelt(requested, query)
        if label is None:
            raise UserError(
                f"{quoted(requested)} is not in the query, which is {quoted(query.text)}; send "
                "look_for or find first"
            )
        return label


def wait_for(future: Future[Reply], controls: Controls) -> Generator[None, None, Reply]:
    """Wait for a reply; cancel it when the generator is closed.

    Raises:
        UserError: the node is not active any more.
    """
    try:
        while not future.done():
            controls.running()  # a model that hangs while the node is deactivated never replies
            yield None
        return future.result()
    finally:
        future.cancel()

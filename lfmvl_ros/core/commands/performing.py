# SPDX-License-Identifier: Apache-2.0
"""Runs tools on the node's query, pipeline and tracks.

Each tool is a generator: it yields while it waits and returns its result, so one thread can run
many at a time, and closing a generator cancels its tool.
"""

from __future__ import annotations

from lfmvl_ros.core.commands.controls import Controls, Steps
from lfmvl_ros.core.commands.describing import describe_image
from lfmvl_ros.core.commands.finding import Finder
from lfmvl_ros.core.commands.looking_up import look_up, where_is
from lfmvl_ros.core.commands.read_text import TextRequest
from lfmvl_ros.core.commands.result import Done, Status
from lfmvl_ros.core.commands.tools import (
    Count,
    Describe,
    Find,
    Follow,
    LookFor,
    Read,
    SetMode,
    StopLooking,
    Tool,
    Watch,
    WhereIs,
)
from lfmvl_ros.core.commands.watching import check_rule, watch
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted


class Performer:
    """Performs tools on a node; used by one thread."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._finder = Finder(controls)

    def check(self, tool: Tool) -> None:
        """Raise a :class:`UserError` if a tool can't be run here, before anything is done."""
        scene, camera = self._controls.scene, getattr(tool, "camera", "")
        if camera and camera not in scene.cameras:
            names = ", ".join(name for name in scene.cameras if name) or "one without a name"
            raise UserError(f"{tool.name}: there is no camera {quoted(camera)}; there is {names}")
        if isinstance(tool, Describe) and not self._controls.captions():
            raise UserError("describe: this model does not describe images; use another one")
        if isinstance(tool, Watch):
            check_rule(tool, self._controls.rule_events())

    def perform(self, tool: Tool) -> Steps:
        """Return a tool's steps. A :class:`UserError` becomes a result with status ``failed``."""
        try:
            if isinstance(tool, Find):
                return (yield from self._finder.find(tool))
            if isinstance(tool, Read):
                return (yield from self._read(tool))
            if isinstance(tool, Describe):
                return (yield from describe_image(tool, self._controls))
            if isinstance(tool, Watch):
                controls = self._controls
                return (yield from watch(tool, controls.rule_events, controls.running))
            return self._at_once(tool)
        except UserError as error:
            return Done(Status.FAILED, str(error))

    def _at_once(self, tool: Tool) -> Done:
        if isinstance(tool, LookFor):
            return self._look_for(tool)
        if isinstance(tool, StopLooking):
            return self._stop_looking()
        if isinstance(tool, SetMode):
            self._controls.set({"trigger.mode": tool.trigger})
            return Done(Status.DONE, f"trigger.mode is {tool.trigger}")
        if isinstance(tool, Follow):
            return self._follow(tool)
        if isinstance(tool, WhereIs):
            return where_is(tool, self._controls)
        assert isinstance(tool, Count)
        return look_up(tool, self._controls)

    # -- query and modes ---------------------------------------------------------------------------

    def _look_for(self, tool: LookFor) -> Done:
        self._controls.set({"query": ", ".join(tool.labels)})
        self._finder.query_was_set()
        pipeline = self._controls.pipeline()
        if pipeline is None or not pipeline.running:
            return Done(Status.DONE, "the query is set; it is used once the node is active")
        pipeline.enabled = True
        text = f"looking for: {pipeline.query.text}"
        trigger = pipeline.settings.trigger
        if trigger.mode == "on_demand":
            for camera in self._controls.scene.cameras:
                pipeline.wake(camera)
            text += (
                f"; in mode on_demand, {trigger.burst} answers follow now, then only after find, "
                "ground_once, a message on the topic look or an event of a rule"
            )
        return Done(
            Status.DONE,
            text,
            {"query": pipeline.query.text, "query_version": pipeline.query.version},
        )

    def _stop_looking(self) -> Done:
        pipeline = self._controls.running()
        pipeline.enabled = False
        self._finder.stop()
        return Done(Status.DONE, "requests to the model are paused; tracks coast and then end")

    def _follow(self, tool: Follow) -> Done:
        if self._controls.running().settings.spatial.source == "none":
            raise UserError(
                "follow selects the object of pick_pose and object_pose, but the node publishes no "
                "positions; start it with spatial.source (docs/picking.md)"
            )
        ids = [id_ for view in self._controls.scene.views("") for id_ in view.ids()]
        if tool.id not in ids:
            raise UserError(f"no confirmed object has id {tool.id} now; where_is lists ids")
        self._controls.set({"spatial.select": f"id:{tool.id}"})
        return Done(Status.DONE, f"pick_pose and object_pose are about object {tool.id}")

    def _read(self, tool: Read) -> Steps:
        label, scene = self._controls.spelt(tool.label), self._controls.scene
        request = TextRequest(scene, self._controls.readers(), tool.camera, label)
        return (yield from request.steps(tool.timeout_s, self._controls.running))

# SPDX-License-Identifier: Apache-2.0
"""Runs tools on the node's query, pipeline and tracks.

Each tool is a generator: it yields while it waits and returns its result, so one thread can run
many at a time, and closing a generator cancels its tool.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from lfmvl_ros.core.commands.read_text import TextRequest
from lfmvl_ros.core.commands.result import Done, Status, ToolProgress
from lfmvl_ros.core.commands.rule_events import RuleEvents
from lfmvl_ros.core.commands.scene import CameraState, Scene, certain, spelt
from lfmvl_ros.core.commands.search import Search
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
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_words import part_of_image
from lfmvl_ros.core.memory.sighting import Sighting
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.pipeline.errands import Ask
from lfmvl_ros.core.prompt import Prompt
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.readings.worker import ReadingWorker
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.core.safe_text import quoted, shortened
from lfmvl_ros.core.timeline import stamp_document

NOT_RUNNING = "the model is not running; activate the node first"
_CAPTION = "Describe this image in one short sentence."
_LONGEST_CAPTION = 1000  # characters


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


class Performer:
    """Performs tools on a node; used by one thread."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._stops = 0
        self._temporary: Counter[str] = (
            Counter()
        )  # labels added for running searches -> their number

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
                return (yield from self._find(tool))
            if isinstance(tool, Read):
                return (yield from self._read(tool))
            if isinstance(tool, Describe):
                return (yield from self._describe(tool))
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
            self._change({"trigger.mode": tool.trigger})
            return Done(Status.DONE, f"trigger.mode is {tool.trigger}")
        if isinstance(tool, Follow):
            return self._follow(tool)
        if isinstance(tool, WhereIs):
            return self._where_is(tool)
        assert isinstance(tool, Count)
        return self._look_up(tool)

    # -- query and modes ---------------------------------------------------------------------------

    def _look_for(self, tool: LookFor) -> Done:
        self._change({"query": ", ".join(tool.labels)})
        self._temporary.clear()  # somebody has set the query: searches remove nothing from it
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
        self._stops += 1
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
        self._change({"spatial.select": f"id:{tool.id}"})
        return Done(Status.DONE, f"pick_pose and object_pose are about object {tool.id}")

    def _change(self, changes: Mapping[str, object]) -> None:
        reason = self._controls.change(changes)
        if reason:
            raise UserError(reason)

    # -- count and where_is ------------------------------------------------------------------------

    def _where_is(self, tool: WhereIs) -> Done:
        """Return where it is; if that is not known, where it was last seen."""
        try:
            done = self._look_up(tool)
        except UserError as error:
            done = Done(Status.FAILED, str(error))
        if done.data.get("objects"):
            return done
        seen, now_s = self._controls.recall(tool.label, tool.camera), time.time()
        if seen is None:
            return done
        facts = {"label": seen.label, "objects": [], **done.data, "last_seen": seen.to_dict(now_s)}
        return Done(Status.DONE, f"{done.text}; last seen: {seen.in_words(now_s)}", facts)

    def _look_up(self, tool: Count | WhereIs) -> Done:
        pipeline = self._controls.running()
        label = self._spelt(tool.label)
        views = self._controls.scene.views(tool.camera)
        for view in views:
            where = f" from camera {view.camera}" if view.camera else ""
            view.refuse_silence()
            if not view.was_asked_for(tool.label):
                why = "" if pipeline.enabled else "; requests are paused, send look_for"
                raise UserError(f"there is no usable answer about {label!r} yet{where}{why}")
        objects = [item for view in views for item in view.objects(label)]
        data = {"label": label, "answers": [_answer_of(view) for view in views]}
        if isinstance(tool, Count):
            return _counted(label, objects, data)
        where_to = "; ".join(_in_words(item) for item in objects)
        text = where_to or f"no {label} is confirmed now"
        return Done(Status.DONE, text, {**data, "objects": objects})

    def _spelt(self, requested: str) -> str:
        """Return a label as the query spells it; a :class:`UserError` where it has none."""
        query = self._controls.running().query
        label = spelt(requested, query)
        if label is None:
            raise UserError(
                f"{quoted(requested)} is not in the query, which is {quoted(query.text)}; send "
                "look_for or find first"
            )
        return label

    def _read(self, tool: Read) -> Steps:
        label, scene = self._spelt(tool.label), self._controls.scene
        request = TextRequest(scene, self._controls.readers(), tool.camera, label)
        return (yield from request.steps(tool.timeout_s, self._controls.running))

    # -- find --------------------------------------------------------------------------------------

    def _find(self, tool: Find) -> Steps:
        self._controls.running()
        began_s, stops = time.monotonic(), self._stops
        label, temporary = self._add_label(tool.label)
        search = Search(self._controls.scene, tool.camera)
        found: list[dict[str, Any]] = []
        try:
            while not found:
                pipeline = self._controls.running()
                if spelt(tool.label, pipeline.query) is None:
                    raise UserError(f"the query was changed and no longer contains {label!r}")
                if self._stops != stops:
                    raise UserError("it was ended by stop_looking")
                elapsed_s = time.monotonic() - began_s
                found = certain(search.objects(label, tool.label))
                if not found and elapsed_s >= tool.timeout_s:
                    return search.nothing(label, elapsed_s)
                if not found:
                    search.ask(pipeline)
                    yield search.progress(label, elapsed_s, tool.timeout_s)
            text = "; ".join(_in_words(item) for item in found)
            elapsed_s = round(time.monotonic() - began_s, 3)
            facts = {"found": True, "label": label, "elapsed_s": elapsed_s, "objects": found}
            return Done(Status.DONE, f"found after {elapsed_s:.1f} s: {text}", facts)
        finally:
            search.close()
            if temporary:
                self._remove_label(label, keep=bool(found))

    def _add_label(self, requested: str) -> tuple[str, bool]:
        """Add a label to the query if it lacks it.

        Returns:
            The label as the query spells it, and whether it is there for searches only.
        """
        query = self._controls.running().query
        label = spelt(requested, query)
        if label is None:
            self._change({"query": ", ".join((*query.labels, requested))})
            label = spelt(requested, self._controls.running().query) or requested
            self._temporary[label] = 0
        if label not in self._temporary:
            return label, False
        self._temporary[label] += 1
        return label, True

    def _remove_label(self, label: str, *, keep: bool) -> None:
        """End a search; the last one for a label removes it from the query, unless it was found."""
        if label not in self._temporary:  # look_for has set another query
            return
        self._temporary[label] -= 1
        if keep:
            del self._temporary[label]
        elif not self._temporary[label]:
            del self._temporary[label]
            pipeline = self._controls.pipeline()
            if pipeline is not None:
                left = [other for other in pipeline.query.labels if other != label]
                if left and len(left) < len(pipeline.query.labels):
                    self._controls.change({"query": ", ".join(left)})

    # -- describe ----------------------------------------------------------------------------------

    def _describe(self, tool: Describe) -> Steps:
        pipeline = self._controls.running()
        camera = tool.camera or self._controls.scene.cameras[0]
        frame = pipeline.newest_frame(camera)
        query = pipeline.query
        future = pipeline.request_reply(_caption_of(frame, query))
        reply = yield from wait_for(future, self._controls)
        text = shortened(reply.text, _LONGEST_CAPTION)
        if reply.error is not None or reply.finish is FinishReason.DEADLINE:
            raise UserError(f"no description: {reply.error or 'the model took too long'}")
        if not text or text[0] in "[{<":
            wrote = f", but generated {quoted(text)}" if text else ""
            raise UserError(f"the model gave no description{wrote}")
        stamp = stamp_document(frame.stamp_ns)
        facts = {"caption": text, "camera": camera, "image_stamp": stamp, "model": reply.model}
        return Done(Status.DONE, text, facts)


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


def _counted(label: str, objects: Sequence[dict[str, Any]], data: Mapping[str, Any]) -> Done:
    confirmed = certain(objects)
    ids = [item["id"] for item in confirmed]
    others = [item["id"] for item in objects if item not in confirmed]  # a camera has its own ids
    text = f"{len(ids)} x {label}"
    if others:
        text += f"; {len(others)} more, of which the newest answer shows nothing"
    return Done(Status.DONE, text, {**data, "count": len(ids), "ids": ids, "coasting_ids": others})


def _caption_of(frame: Frame, query: Query) -> Ask:
    def ask(model: Any, settings: Any, cancelled: Callable[[], bool]) -> Reply:
        generation = replace(settings.generation, grammar="none", draft="none")
        (reply,) = model.ground(
            [frame],
            [Prompt(_CAPTION, query)],
            generation=generation,
            image=settings.image,
            cancelled=cancelled,
        )
        assert isinstance(reply, Reply)
        return reply

    return ask


def _answer_of(view: CameraState) -> dict[str, Any]:
    """Return the answer that a result is based on, and its age at the newest frame."""
    answer, tracks = view.answer, view.tracks
    assert answer is not None
    age_s = None if tracks is None else max(0.0, (tracks.stamp_ns - answer.stamp_ns) / 1e9)
    return {
        "camera": view.camera,
        "status": answer.outcome.value,
        "age_s": None if age_s is None else round(age_s, 3),
    }


def _in_words(item: Mapping[str, Any]) -> str:
    """Return where an object is, for people."""
    place = part_of_image(item["bbox"])
    text = f"{item['label']} {item['id']} ({item['state']}), {place} of the image"
    if item["camera"]:
        text += f" of {item['camera']}"
    if "place" in item:
        x_m, y_m, z_m = item["place"]["position"]
        text += f", at {x_m:.2f}, {y_m:.2f}, {z_m:.2f} m in {item['place']['frame_id']}"
    return text

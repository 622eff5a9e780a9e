# SPDX-License-Identifier: Apache-2.0
"""One camera's rules: tracks and answers in; events and, with ``topic: true``, Bools out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool, String

from lfmvl_ros.core.camera_names import topic_prefix
from lfmvl_ros.core.commands.rule_events import RuleEvents
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.readings.reading import Texts
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.rules import Event, EventState, Positions, RuleEngine, RuleSet
from lfmvl_ros.core.rules.watched_file import WatchedRules
from lfmvl_ros.core.spatial.places import Places
from lfmvl_ros.core.spatial.select import Selection
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Tracks
from lfmvl_ros.ros import conversions, qos
from lfmvl_ros.ros.diagnostics.health import Health
from lfmvl_ros.ros.diagnostics.rules_health import rules_health
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.review_channel import ReviewChannel
from lfmvl_ros.ros.streams import StreamReader


class RulesChannel:
    """The rules of one camera. It exists from configure to cleanup.

    Attributes:
        recent: the events that were published.

    Args:
        node: publishes the events.
        streams: reads the answers to reviews.
        gate: events are published through it.
        camera: name; "" when it is the only one.
        settings: asked for the settings in force.
        on_warning: takes what is wrong, once.
        on_begin: called when an event begins.
        snapshot: stores the frame at which an event begins, and returns the file's name; "" where
            it is not stored.
    """

    def __init__(
        self,
        node: LifecycleNode,
        streams: StreamReader,
        gate: Gate,
        camera: str,
        settings: Callable[[], PerceptionSettings],
        on_warning: Callable[[str], None],
        on_begin: Callable[[], None] = lambda: None,
        snapshot: Callable[[Frame, Tracks], str] = lambda _frame, _tracks: "",
    ) -> None:
        self._node, self._gate = node, gate
        self._camera, self._prefix = camera, topic_prefix(camera)
        self._settings, self._on_warning = settings, on_warning
        self._on_begin, self._snapshot = on_begin, snapshot
        self._snapshots: dict[str, str] = {}  # by the id of an event that has not ended
        self._file = WatchedRules(settings().rules_file)
        self._engine = RuleEngine(self._file.rules, camera)
        self._lock = threading.Lock()  # of the engine and the order of its events
        self._active = False
        self._positions: Positions | None = None
        self.recent = RuleEvents()
        self._events = self._publisher(String, "events", qos.EVENTS)
        self._flags: dict[str, LifecyclePublisher] = {}
        self._open: dict[str, set[str]] = {}
        self._review = ReviewChannel(
            node, streams, gate, camera, lambda: settings().review, self._on_answer, on_warning
        )
        self._match_flags(self._engine.rules)

    def _publisher(self, kind: type, name: str, profile: QoSProfile) -> LifecyclePublisher:
        return self._node.create_lifecycle_publisher(
            kind,
            self._prefix + name,
            qos.own(profile),
            qos_overriding_options=qos.overridable(),
        )

    # -- life cycle --------------------------------------------------------------------------------

    def activate(self) -> None:
        """Let the topics of a node that is active already publish."""
        for publisher in (self._events, *self._flags.values()):
            publisher.on_activate(None)
        self._review.activate()

    def start(self) -> None:
        """Begin; publish false for each rule with a Bool."""
        self._active = True
        self._review.start()
        for name in self._flags:
            self._gate.call(self._publish_flag, name)

    def stop(self) -> None:
        """End every event, because the node stops. Call it while the publishers are active."""
        self._review.stop()
        with self._lock:
            if self._active:
                self._admit(self._engine.close())
                self._publish(self._review.settle_all())
            self._active = False

    def close(self) -> None:
        """Withdraw the topics."""
        for publisher in (self._events, *self._flags.values()):
            self._node.destroy_lifecycle_publisher(publisher)
        self._flags = {}
        self._review.close()

    # -- in ----------------------------------------------------------------------------------------

    def answer(self, answer: Answer) -> None:
        """Take an answer about this camera, after the tracker."""
        with self._lock:
            self._engine.answer(answer)

    def tracks(self, frame: Frame, tracks: Tracks, verdict: Verdict, texts: Texts) -> None:
        """Take a frame, the tracks at it and their texts, and publish what happened."""
        with self._lock:
            if self._active:
                if verdict is Verdict.RESTARTED:
                    self._positions = None
                settings = self._settings()
                self._engine.select(Selection.parse(settings.spatial.select).label)
                self._engine.let_people_judge(settings.review.max_confidence > 0)
                events = self._engine.observe(tracks, self._positions, texts)
                self._keep_snapshot(events, frame, tracks)
                self._admit(events, frame)
                self._publish(self._review.expire())

    def places(self, places: Places) -> None:
        """Take the positions and pick points of an image's tracks, for the frames after it."""
        found = Positions.of(places)
        with self._lock:
            if self._active:
                self._positions = found

    def poll(self) -> None:
        """Read the rules file again if it has changed; to be called about once a second."""
        with self._lock:  # also while no frame comes
            self._publish(self._review.expire())
        before = self._file.problem
        rules = self._file.poll(self._settings().rules_file)
        if self._file.problem and self._file.problem != before:
            self._on_warning(f"the previous rules stay in force: {self._file.problem}")
        if rules is None:
            return
        with self._lock:
            self._admit(self._engine.replace(rules))
            self._match_flags(self._engine.rules)
        self._node.get_logger().info(f"{len(self._engine.rules.rules)} rules are in force")

    def _on_answer(self, text: str) -> None:
        with self._lock:
            self._publish(self._review.answer(text))

    # -- out ---------------------------------------------------------------------------------------

    def _keep_snapshot(self, events: Iterable[Event], frame: Frame, tracks: Tracks) -> None:
        """Store the frame, once, if an event begins at it; each such event names the file."""
        begun = [event.id for event in events if event.state is EventState.BEGIN]
        if begun and (name := self._snapshot(frame, tracks)):
            self._snapshots.update(dict.fromkeys(begun, name))

    def _admit(self, events: Iterable[Event], frame: Frame | None = None) -> None:
        """Publish events, except those that are held for a person."""
        rules = {rule.name: rule for rule in self._engine.rules.rules}
        for event in events:
            if event.state is EventState.BEGIN:
                self._on_begin()
            named = replace(event, snapshot=self._snapshots.get(event.id, ""))
            if event.state is EventState.END:
                self._snapshots.pop(event.id, None)
            self._publish(self._review.take(named, rules.get(event.rule), frame))

    def _publish(self, events: Iterable[Event]) -> None:
        for event in events:
            self._gate.call(self._events.publish, conversions.to_json(event.to_dict()))
            self.recent.note(event)
            ongoing = self._open.setdefault(event.rule, set())
            before = bool(ongoing)
            (ongoing.discard if event.state is EventState.END else ongoing.add)(event.id)
            if bool(ongoing) != before and event.rule in self._flags:
                self._gate.call(self._publish_flag, event.rule)

    def _publish_flag(self, name: str) -> None:
        self._flags[name].publish(Bool(data=bool(self._open.get(name))))

    def _match_flags(self, rules: RuleSet) -> None:
        """Advertise a Bool for each rule with ``topic: true``, and for no other."""
        self.recent.use(tuple(rule.name for rule in rules.rules))
        needed = {rule.name for rule in rules.rules if rule.topic}
        for name in self._flags.keys() - needed:
            self._node.destroy_lifecycle_publisher(self._flags.pop(name))
        self._open = {rule.name: self._open.get(rule.name, set()) for rule in rules.rules}
        for name in sorted(needed - self._flags.keys()):
            made = self._publisher(Bool, f"rules/{name}", qos.LATCHED)
            self._flags[name] = made
            if self._active:  # the node's transition to active is over
                made.on_activate(None)
                self._gate.call(self._publish_flag, name)

    # -- diagnostics -------------------------------------------------------------------------------

    def health(self) -> Health:
        """Return the health of the rules."""
        with self._lock:
            status, review = self._engine.status(), self._review.status()
        return rules_health(status, review, self._file.path, self._file.problem, self._camera)

# SPDX-License-Identifier: Apache-2.0
"""Takes commands and publishes their results, in one thread.

Commands are started in the order in which they arrive. Those that take time (a sentence for the
model, ``find``, ``read``, ``describe``, ``watch``) don't block the ones after them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from lfmvl_ros.core.commands.checking import understand_all
from lfmvl_ros.core.commands.controls import Controls
from lfmvl_ros.core.commands.inbox import MOST_WAITING, Inbox
from lfmvl_ros.core.commands.performing import Performer
from lfmvl_ros.core.commands.policy import Policy
from lfmvl_ros.core.commands.reading import read_calls
from lfmvl_ros.core.commands.request import CommandRequest, RefusedRequestError, parse_request
from lfmvl_ros.core.commands.result import CommandResult, Done, Status, ToolProgress
from lfmvl_ros.core.commands.said_numbers import check_numbers
from lfmvl_ros.core.commands.sentence import ask_model
from lfmvl_ros.core.commands.tools import Tool
from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.safe_text import quoted, shortened

MOST_RUNNING = 16
_TICK_S, _PROGRESS_S = 0.05, 0.5
_SHOWN = 300  # characters of a command or of a model's text in a result
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Running:
    """A running command."""

    result: CommandResult
    steps: Generator[CommandResult | None, None, CommandResult]
    reported_s: float = 0.0


class Commander:
    """Runs commands.

    Args:
        controls: what tools use.
        policy: asked for each command.
        now_ns: ROS time.
        publish: called with each result in the commander's thread.
    """

    def __init__(
        self,
        controls: Controls,
        policy: Callable[[], Policy],
        now_ns: Callable[[], int],
        publish: Callable[[CommandResult], None],
    ) -> None:
        self._controls, self._policy = controls, policy
        self._now_ns, self._publish = now_ns, publish
        self._performer = Performer(controls)
        self._inbox = Inbox()
        self._running: dict[str, _Running] = {}
        self._given = 0
        self.counts = {"done": 0, "refused": 0, "failed": 0, "cancelled": 0, "lost": 0}
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)
        self._thread.start()

    def submit(self, text: str) -> None:
        """Take a command; returns at once. Anything may be in the text.

        Up to :data:`MOST_WAITING` commands wait to be started; as many more are refused, and any
        beyond that are counted as ``lost``.
        """
        self._inbox.submit(text)

    def tick(self) -> None:
        """Check now whether something that a command waits for has come."""
        self._inbox.tick()

    def close(self, timeout_s: float = 1.0) -> None:
        """Cancel all running commands, publish that, and stop."""
        self._inbox.close()
        self._thread.join(timeout_s)

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            taken = self._inbox.take(_TICK_S if self._running else None)
            for text in taken.texts:
                self._guarded(self._begin, text)
            for text in taken.refused:
                self._guarded(self._refuse_full, text)
            if taken.lost:
                self.counts["lost"] += taken.lost
                _log.warning(
                    "%d commands were lost without an answer: more than %d waited",
                    taken.lost,
                    2 * MOST_WAITING,
                )
            for id_ in list(self._running):
                self._guarded(self._step, id_)
            if taken.closing:
                for id_ in list(self._running):
                    self._guarded(self._cancel, id_, "the node has stopped")
                return

    def _guarded(self, function: Callable[..., None], *arguments: str) -> None:
        try:
            function(*arguments)
        except Exception:  # no command may end the thread that all of them need
            _log.exception("a command could not be handled")

    def _publish_result(self, result: CommandResult) -> None:
        if result.status.value in self.counts:
            self.counts[result.status.value] += 1
        self._publish(replace(result, stamp_ns=self._now_ns()))

    def _refuse_full(self, text: str) -> None:
        reason = f"{MOST_WAITING} commands wait already; send it again later"
        try:
            id_ = parse_request(text).id
        except RefusedRequestError as error:
            id_ = error.id
        self._publish_result(self._refusal(id_, text, reason))

    def _refusal(self, id_: str, text: str, reason: str) -> CommandResult:
        command = shortened(text, _SHOWN)
        return CommandResult(id_ or self._next_id(), 0, Status.REFUSED, reason, command)

    def _next_id(self) -> str:
        while True:
            self._given += 1
            if (id_ := f"c{self._given}") not in self._running:
                return id_

    def _begin(self, text: str) -> None:
        try:
            request = parse_request(text)
        except RefusedRequestError as error:
            self._publish_result(self._refusal(error.id, text, str(error)))
            return
        if request.id in self._running:
            reason = f"a command with id {quoted(request.id)} is running"
            self._publish_result(self._refusal(request.id, text, reason))
            return
        request = replace(request, id=request.id or self._next_id())
        begun = CommandResult(
            request.id, 0, Status.RUNNING, "begun", shortened(text, _SHOWN), request.kind,
            dry_run=request.dry_run or self._policy().dry_run,
        )  # fmt: skip
        if len(self._running) >= MOST_RUNNING and not request.cancel:
            reason = f"{MOST_RUNNING} commands are running; cancel one, or wait"
            self._publish_result(replace(begun, status=Status.REFUSED, message=reason))
            return
        self._running[request.id] = _Running(begun, self._steps(request, begun))
        self._step(request.id)

    def _step(self, id_: str) -> None:
        """Run a command until it waits or ends."""
        running = self._running.get(id_)
        if running is None:  # another one has cancelled it
            return
        try:
            progress = next(running.steps)
        except StopIteration as end:
            del self._running[id_]
            self._publish_result(end.value)
            return
        except UserError as error:
            del self._running[id_]
            self._publish_result(replace(running.result, status=Status.REFUSED, message=str(error)))
            return
        except Exception as error:
            del self._running[id_]
            self._publish_result(
                replace(running.result, status=Status.FAILED, message=describe(error))
            )
            raise
        if progress is not None:
            running.result = progress
            if time.monotonic() - running.reported_s >= _PROGRESS_S:
                running.reported_s = time.monotonic()
                self._publish_result(progress)

    def _cancel(self, id_: str, reason: str) -> None:
        running = self._running.pop(id_)
        running.steps.close()
        self._publish_result(replace(running.result, status=Status.CANCELLED, message=reason))

    # -- one command -------------------------------------------------------------------------------

    def _steps(
        self, request: CommandRequest, begun: CommandResult
    ) -> Generator[CommandResult | None, None, CommandResult]:
        """Run a command. A :class:`UserError` refuses it, before anything is done."""
        if request.cancel:
            return self._cancelled(request, begun)
        policy = self._policy()
        calls = request.calls
        if request.sentence:
            begun = replace(begun, model=policy.model)
            text = yield from ask_model(request.sentence, policy, self._controls)
            begun = replace(begun, model_text=shortened(text, _SHOWN))
            reading = read_calls(text)
            if reading.problem:
                return replace(begun, status=Status.REFUSED, message=reading.problem)
            calls = reading.calls
        try:
            tools = understand_all(calls, policy.allowed)
            check_numbers(request.sentence, tools)
            for tool in tools:
                self._performer.check(tool)
        except UserError as error:
            return replace(begun, status=Status.REFUSED, message=str(error))
        begun = replace(begun, tools=tools)
        if begun.dry_run:
            return replace(begun, status=Status.DONE, message="understood; nothing was done")
        return (yield from self._perform(tools, begun))

    def _cancelled(self, request: CommandRequest, begun: CommandResult) -> CommandResult:
        if request.cancel not in self._running or request.cancel == request.id:
            raise UserError(f"no command with id {quoted(request.cancel)} is under way")
        if not begun.dry_run:
            self._cancel(request.cancel, "cancelled")
        return replace(begun, status=Status.DONE, message=f"cancelled {quoted(request.cancel)}")

    def _perform(
        self, tools: tuple[Tool, ...], begun: CommandResult
    ) -> Generator[CommandResult | None, None, CommandResult]:
        outcomes: list[Done] = []
        for number, tool in enumerate(tools):
            steps = self._performer.perform(tool)
            try:
                while True:
                    step = next(steps)
                    yield None if step is None else _progress(begun, outcomes, step)
            except StopIteration as end:
                outcomes.append(end.value)
            finally:
                steps.close()
            if outcomes[-1].status is not Status.DONE:
                left = len(tools) - number - 1
                outcomes += [Done(Status.SKIPPED, "the call before it was not done")] * left
                break
        status = next((o.status for o in outcomes if o.status is not Status.DONE), Status.DONE)
        message = "; ".join(o.text for o in outcomes if o.status is not Status.SKIPPED)
        return replace(begun, status=status, message=message, outcomes=tuple(outcomes))


def _progress(begun: CommandResult, outcomes: list[Done], step: ToolProgress) -> CommandResult:
    now = Done(Status.RUNNING, step.text, step.data)
    return replace(begun, message=step.text, outcomes=(*outcomes, now))

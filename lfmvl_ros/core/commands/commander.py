# SPDX-License-Identifier: Apache-2.0
"""Takes commands and publishes their results, in one thread.

Commands are started in the order in which they arrive. Those that take time (a sentence for the
model, ``find``, ``read``, ``describe``, ``watch``) don't block the ones after them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, replace

from lfmvl_ros.core.commands.checking import understand_all
from lfmvl_ros.core.commands.controls import Controls, wait_for
from lfmvl_ros.core.commands.offering import SYNTAXES, offer
from lfmvl_ros.core.commands.performing import Performer
from lfmvl_ros.core.commands.reading import read_calls
from lfmvl_ros.core.commands.request import (
    EXAMPLE,
    CommandRequest,
    RefusedRequestError,
    parse_request,
)
from lfmvl_ros.core.commands.result import CommandResult, Done, Status, ToolProgress
from lfmvl_ros.core.commands.said_numbers import check_numbers
from lfmvl_ros.core.commands.tools import Tool
from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.pipeline.errands import Ask
from lfmvl_ros.core.prompt import TextPrompt
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.core.safe_text import quoted, shortened

MOST_WAITING, MOST_RUNNING = 100, 16
_TICK_S, _PROGRESS_S = 0.05, 0.5
_SHOWN = 300  # characters of a command or of a model's text in a result
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Policy:
    """What commands may do now.

    Attributes:
        allowed: names of tools that may be used.
        dry_run: check, but do nothing.
        syntax: how the model in use is given tools; "" where it can't call functions.
        model: its name.
        constrained: its calls keep to the form of its family, where it can.
    """

    allowed: Collection[str]
    dry_run: bool
    syntax: str
    model: str
    constrained: bool = True


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
        self._wake = threading.Condition()
        self._inbox: deque[str] = deque()
        self._overflow: deque[str] = deque()
        self._unanswered = 0
        self._closing = self._ticked = False
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
        with self._wake:
            full = len(self._inbox) >= MOST_WAITING
            if full and len(self._overflow) >= MOST_WAITING:
                self._unanswered += 1  # they come faster than they can be answered
            else:
                (self._overflow if full else self._inbox).append(text)
            self._wake.notify()

    def tick(self) -> None:
        """Check now whether something that a command waits for has come."""
        with self._wake:
            self._ticked = True
            self._wake.notify()

    def close(self, timeout_s: float = 1.0) -> None:
        """Cancel all running commands, publish that, and stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_s)

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._inbox or self._overflow or self._ticked or self._closing):
                    if not self._wake.wait(_TICK_S if self._running else None):
                        break
                texts, self._ticked = list(self._inbox), False
                lost, unanswered = list(self._overflow), self._unanswered
                self._inbox.clear()
                self._overflow.clear()
                self._unanswered = 0
                closing = self._closing
            for text in texts:
                self._guarded(self._begin, text)
            for text in lost:
                self._guarded(self._refuse_lost, text)
            if unanswered:
                self.counts["lost"] += unanswered
                _log.warning(
                    "%d commands were lost without an answer: more than %d waited",
                    unanswered,
                    2 * MOST_WAITING,
                )
            for id_ in list(self._running):
                self._guarded(self._step, id_)
            if closing:
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

    def _refuse_lost(self, text: str) -> None:
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
            text = yield from self._ask_model(request.sentence, policy)
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

    def _ask_model(self, sentence: str, policy: Policy) -> Generator[None, None, str]:
        if not policy.model:
            raise UserError("no model is loaded yet; send the sentence again when it is")
        if policy.syntax not in SYNTAXES:
            raise UserError(
                f"{policy.model} can't turn sentences into tool calls, as far as is "
                f"known; send a tool call such as {EXAMPLE}"
            )
        prompt = offer(
            sentence, policy.allowed, policy.syntax,
            names=self._controls.names(), constrained=policy.constrained,
        )  # fmt: skip
        future = self._controls.running().request_reply(_calls_for(prompt))
        reply = yield from wait_for(future, self._controls)
        if reply.error is not None:
            raise UserError(f"the model could not read the sentence: {reply.error}")
        if reply.finish is not FinishReason.STOP:
            why = _UNFINISHED.get(reply.finish, f"finish {reply.finish.value}")
            raise UserError(f"the model did not end its calls: {why}, or send a tool call as JSON")
        return reply.text

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


_UNFINISHED = {
    FinishReason.DEADLINE: "its time was over; raise generation.timeout_s where the computer is "
    "slow or busy",
    FinishReason.LENGTH: "they became too long; say less in one sentence",
    FinishReason.REPETITION: "it repeated itself; say it in other words",
}


def _calls_for(prompt: TextPrompt) -> Ask:
    return lambda model, settings, cancelled: model.write(
        prompt,
        generation=replace(settings.generation, grammar="none", draft="none"),
        cancelled=cancelled,
    )

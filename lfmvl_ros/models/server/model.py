# SPDX-License-Identifier: Apache-2.0
"""A model behind a server, with the interface of all models."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_rules import wanted_rules
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.model import check_pairs
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.prompt import Prompt, PromptTemplate, TextPrompt
from lfmvl_ros.core.reply import FinishReason, Reply, StageTimes
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.models.abilities import entry_of
from lfmvl_ros.models.server.address import ServerAddress
from lfmvl_ros.models.server.errors import LOADING, refusal
from lfmvl_ros.models.server.facts import ModelFacts
from lfmvl_ros.models.server.http import Body, Call, End, Event, Failure, Head, Line
from lfmvl_ros.models.server.request import (
    completion,
    data_url,
    encoded,
    resized,
    text_completion,
)
from lfmvl_ros.models.server.stream import AnswerStream

_LOOK_S = 0.02  # interval at which a waiting answer checks for cancellation
_AGAIN_S = 0.25  # before the next try with a server that is loading its model
_PAUSE_S = 0.5  # between attempts to reach a server that can't be reached
_MARKERS = 64  # at most so many tokens of a prompt are neither words nor image
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Answer:
    """One answer in progress.

    Attributes:
        body: the request.
        image_tokens: what its image costs.
        prompt_bytes: length of its words, UTF-8.
        stream: what was received so far.
        call: the running request; None before and after.
        again_s: when to retry, monotonic; None unless the server is loading its model.
        status: of the response; 0 before it.
        error: why there will be no answer; None while there may be one.
        began_s, first_s, ended_s: monotonic times of request, first token and end; 0 before.
    """

    body: bytes
    image_tokens: int
    prompt_bytes: int
    stream: AnswerStream = field(default_factory=AnswerStream)
    call: Call | None = None
    again_s: float | None = None
    status: int = 0
    error: str | None = None
    unreachable: bool = False
    began_s: float = 0.0
    first_s: float = 0.0
    ended_s: float = 0.0

    @property
    def over(self) -> bool:
        """True when the answer has ended."""
        return self.error is not None or self.ended_s > 0

    def end(self, error: str | None = None) -> None:
        """Close the call; an ``error`` is used unless the answer is complete."""
        if self.over:
            return
        if self.call is not None:
            self.call.close()
            self.call = None
        self.ended_s = time.monotonic()
        if error is not None and self.stream.finish is None:
            self.error = error


class ServerModel:
    """A :class:`lfmvl_ros.core.model.VisionLanguageModel` on an OpenAI-compatible server.

    Every answer is a separate, streamed request; several frames are sent in parallel. A cancelled
    request is closed, and the server stops generating.

    Args:
        address: server.
        facts: what is known about its model.
        name: as published with every answer.
        model_id: what the server calls the model; "" where it serves only one.
        key: the server's key, "" for none.
        notice: for the log when it is loaded.
        problem: what the server does differently, and the flags that change it; "" if nothing.
    """

    def __init__(
        self,
        address: ServerAddress,
        facts: ModelFacts,
        *,
        name: str,
        model_id: str = "",
        key: str = "",
        notice: str = "",
        problem: str = "",
    ) -> None:
        self.notice, self.problem, self.remark = notice, problem, facts.remark
        self.has_own_calibration = facts.has_own_calibration
        self.revision = ""
        if problem:
            _log.warning("%s: %s", address.where, problem)
        self._address, self._facts, self._name = address, facts, name
        self._model_id, self._key = model_id, key
        self.coordinates = CoordinateScale(facts.template.scale, name)
        self._reachable = True
        self._not_before_s = 0.0
        self._warned: set[str] = set()

    @property
    def name(self) -> str:
        """Name of the model, as published with every answer."""
        return self._name

    @property
    def template(self) -> PromptTemplate:
        """The checkpoint's own prompt template."""
        return self._facts.template

    def image_rules(self, wanted: ImageSettings) -> ImageTokenSettings:
        """Return the token rules for these settings: images are not split into tiles."""
        return wanted_rules(self._facts.rules, ImageSettings(wanted.min_tokens, wanted.max_tokens))

    def close(self) -> None:
        """Nothing to free: no request outlives its call."""

    def ground(
        self,
        frames: Sequence[Frame],
        prompts: Sequence[Prompt],
        *,
        generation: GenerationSettings,
        image: ImageSettings,
        cancelled: Callable[[], bool] = lambda: False,
        hints: Sequence[Hint | None] = (),  # noqa: ARG002  (servers take none)
    ) -> list[Reply]:
        """Answer ``prompts[i]`` about ``frames[i]``; see the protocol.

        Stage times are those of the whole batch. The vision tower's is part of the prefill,
        because servers don't report it separately.
        """
        check_pairs(frames, prompts)
        if not frames:
            return []
        if image.split == "always":
            self._warn_once("a server gets each image in one piece: image.split has no effect")

        def prepare() -> list[_Answer]:
            rules = self.image_rules(image)
            return [
                self._prepared(frame, prompt, generation, rules)
                for frame, prompt in zip(frames, prompts, strict=True)
            ]

        return self._ask(prepare, len(frames), generation.timeout_s, cancelled)

    def write(
        self,
        prompt: TextPrompt,
        *,
        generation: GenerationSettings,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Answer a question without an image; see the protocol.

        Most servers remove the markers around tool calls.
        """
        entry = entry_of(self._name)
        if entry is not None and entry.sentences:
            return Reply.failed(
                f"the part of {entry.name} that reads sentences has no GGUF file: send a tool "
                f"call, or run the node with model {entry.name}",
                self._name,
            )
        document = text_completion(prompt, generation, model=self._model_id)
        answer = _Answer(encoded(document), 0, len(f"{prompt.system}{prompt.user}".encode()))
        (reply,) = self._ask(lambda: [answer], 1, generation.timeout_s, cancelled)
        return replace(reply, tokens=(), calibration=None)

    def _ask(
        self,
        prepare: Callable[[], list[_Answer]],
        count: int,
        timeout_s: float,
        cancelled: Callable[[], bool],
    ) -> list[Reply]:
        """Send what ``prepare`` makes, ``count`` requests, and return their replies."""
        start_s = time.monotonic()
        deadline_s = start_s + timeout_s

        def given_up() -> bool:
            return time.monotonic() >= deadline_s or cancelled()

        while (wait_s := self._not_before_s - time.monotonic()) > 0:
            if given_up():
                return [Reply("", finish=FinishReason.DEADLINE, model=self._name)] * count
            time.sleep(min(_LOOK_S, wait_s))
        if given_up():
            return [Reply("", finish=FinishReason.DEADLINE, model=self._name)] * count
        answers = prepare()
        prepared_s = time.monotonic() - start_s
        try:
            self._exchange(answers, deadline_s, given_up)
        finally:
            for answer in answers:
                answer.end()
        self._note_connection(answers)
        times = _times(answers, prepared_s)
        return [self._reply(answer, times) for answer in answers]

    def _prepared(
        self,
        frame: Frame,
        prompt: Prompt,
        generation: GenerationSettings,
        rules: ImageTokenSettings,
    ) -> _Answer:
        pixels = resized(frame, rules)
        url = data_url(pixels, compress=not self._address.is_local)
        document = completion(url, prompt, generation, model=self._model_id)
        height, width = pixels.shape[:2]
        tokens = width * height // rules.unit_px**2
        return _Answer(encoded(document), tokens, len(prompt.text.encode()))

    def _exchange(
        self, answers: Sequence[_Answer], deadline_s: float, given_up: Callable[[], bool]
    ) -> None:
        """Send all requests and read until every answer has ended or is cancelled."""
        events: queue.SimpleQueue[tuple[int, Event]] = queue.SimpleQueue()
        for tag, answer in enumerate(answers):
            self._send(answer, tag, events, deadline_s)
        while not all(answer.over for answer in answers):
            for tag, answer in enumerate(answers):
                if answer.again_s is not None and time.monotonic() >= answer.again_s:
                    self._send(answer, tag, events, deadline_s)
            try:
                tag, event = events.get(timeout=_LOOK_S)
            except queue.Empty:
                grew = True  # nothing arrived: check for cancellation
            else:
                grew = not answers[tag].over and self._take(answers[tag], event)
            if grew and given_up():
                break

    def _send(
        self,
        answer: _Answer,
        tag: int,
        events: queue.SimpleQueue[tuple[int, Event]],
        deadline_s: float,
    ) -> None:
        now_s = time.monotonic()
        answer.again_s, answer.began_s = None, answer.began_s or now_s
        answer.call = Call(
            self._address, "POST", f"{self._address.path}/chat/completions", body=answer.body,
            key=self._key, limit_s=max(0.0, deadline_s - now_s), events=events, tag=tag,
        )  # fmt: skip

    def _take(self, answer: _Answer, event: Event) -> bool:
        """Process an event of an answer; True if the answer grew."""
        if isinstance(event, Line):
            grew = answer.stream.feed(event.text)
            if grew and not answer.first_s:
                answer.first_s = time.monotonic()
            if answer.stream.error is not None:
                answer.stream.finish = None
                answer.end(f"the server reported an error: {answer.stream.error}")
            elif answer.stream.complete:
                answer.end()
            return grew
        if isinstance(event, Head):
            answer.status = event.status
        elif isinstance(event, Body):
            self._take_refusal(answer, event)
        elif isinstance(event, Failure):
            answer.unreachable = True
            answer.end(event.sentence)
        elif isinstance(event, End) and answer.again_s is None:
            answer.end("the server closed the stream before the answer was complete")
        return False

    def _take_refusal(self, answer: _Answer, event: Body) -> None:
        if answer.status == LOADING:
            answer.again_s = time.monotonic() + _AGAIN_S
        elif answer.status == 200:
            answer.end("the server did not stream its answer; it has to support stream: true")
        else:
            answer.end(refusal(answer.status, event.content))

    def _note_connection(self, answers: Sequence[_Answer]) -> None:
        """Log when the server is gone and when it is back; retry less often while it is gone."""
        lost = [answer for answer in answers if answer.unreachable and answer.error]
        if lost:
            self._not_before_s = time.monotonic() + _PAUSE_S
            if self._reachable:
                _log.warning("no answer from %s: %s", self._address.where, lost[0].error)
            self._reachable = False
        elif not self._reachable and any(answer.stream.events for answer in answers):
            _log.warning("%s answers again", self._address.where)
            self._reachable = True

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            _log.warning("%s: %s", self._address.where, text)

    def _reply(self, answer: _Answer, times: StageTimes) -> Reply:
        stream = answer.stream
        error = answer.error
        if error is None and stream.finish is None and answer.status == LOADING:
            error = "the server is still loading its model"
        if error is not None:
            return Reply.failed(safe_text(f"{self._address.where}: {error}"), self._name)
        if stream.spoiled:
            self._warn_once(
                "no usable token probabilities come with its answers (does it use speculative "
                "decoding, or not support logprobs?): every confidence is constant"
            )
        self._check_prompt(answer)
        drafted = stream.timings.get("draft_n_accepted", 0.0)
        return Reply(
            stream.text,
            stream.tokens,
            stream.finish or FinishReason.DEADLINE,
            times,
            answer.image_tokens,
            self._name,
            forwards=max(0, int(stream.timings.get("predicted_n", 0.0) - drafted)),
            calibration=self._facts.calibration,
        )

    def _check_prompt(self, answer: _Answer) -> None:
        """Warn if the server resized or split the image."""
        counted, sent = answer.stream.prompt_tokens, answer.image_tokens
        if counted and not sent < counted <= sent + answer.prompt_bytes + _MARKERS:
            self._warn_once(
                f"it made {counted} tokens of a prompt whose image takes {sent}; "
                + limits_advice(self._facts.rules)
            )


def limits_advice(rules: ImageTokenSettings) -> str:
    """Return the flags with which a server takes images unchanged."""
    return (
        f"start llama-server with --image-min-tokens {rules.min_tokens} and --image-max-tokens "
        f'{rules.max_tokens}; vLLM with --mm-processor-kwargs \'{{"min_image_tokens": '
        f'{rules.min_tokens}, "max_image_tokens": {rules.max_tokens}, '
        '"do_image_splitting": false}\''
    )


def _times(answers: Sequence[_Answer], prepared_s: float) -> StageTimes:
    """Return the times of the batch by stage, measured on this side.

    A server may answer one request after the other. The time from sending to the end is divided in
    the proportions of the single answers.
    """
    ended = [answer for answer in answers if answer.ended_s and answer.began_s]
    if not ended:
        return StageTimes(prepared_s)
    whole_s = max(a.ended_s for a in ended) - min(a.began_s for a in ended)
    decode_s = prefill_s = 0.0
    for answer in ended:
        timings = answer.stream.timings
        first_s = answer.first_s or answer.ended_s
        decode_s += timings.get("predicted_ms", (answer.ended_s - first_s) * 1e3) / 1e3
        prefill_s += timings.get("prompt_ms", (first_s - answer.began_s) * 1e3) / 1e3
    share = decode_s / (decode_s + prefill_s) if decode_s else 0.0
    return StageTimes(prepared_s, 0.0, whole_s * (1 - share), whole_s * share)

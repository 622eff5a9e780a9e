# SPDX-License-Identifier: Apache-2.0
"""Plays back recorded replies in place of a model, for offline work, tests and fault injection.

:mod:`lfmvl_ros.models.recorded_reply` describes the file.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.model import VisionLanguageModel, check_pairs
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.prompt import CARD_TEMPLATE, Prompt, PromptTemplate, TextPrompt
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.core.whole_files import JsonLines
from lfmvl_ros.models.recorded_reply import RecordedReply, read_recording

_log = logging.getLogger(__name__)
_FAR_S = 60.0  # between the stamps of an image and of the reply that is nearest to it
_LONGEST_WAIT_S = 0.02  # interval at which a waiting answer checks for cancellation


class ReplayModel:
    """Plays recorded replies; implements :class:`lfmvl_ros.core.model.VisionLanguageModel`.

    If every reply has a stamp, each frame gets the reply with the nearest stamp, and a part of a
    frame the nearest about the same part; otherwise they are played in order. At the end it starts
    again (``loop``), or answers with an error. Texts are returned as recorded, also malformed ones.
    """

    def __init__(
        self,
        replies: Sequence[RecordedReply],
        *,
        name: str = "replay",
        template: PromptTemplate = CARD_TEMPLATE,
        loop: bool = True,
    ) -> None:
        self._sentences = {item.sentence: item for item in replies if item.sentence}
        replies = [item for item in replies if not item.sentence]
        if not replies:
            raise ValueError("a replay needs at least one recorded reply to an image")
        self._name, self._template, self._loop = name, template, loop
        self.coordinates = CoordinateScale(template.scale, name)
        self._by_stamp = all(reply.stamp_ns is not None for reply in replies)
        self._replies = list(replies)
        self._about: dict[tuple[int, ...] | None, list[RecordedReply]] = {}
        for reply in sorted(replies, key=_stamp_ns):
            self._about.setdefault(reply.region, []).append(reply)
        self._next = 0
        self._is_far = False

    @classmethod
    def from_file(cls, path: Path, *, loop: bool = True) -> ReplayModel:
        """Read a recording.

        Raises:
            UserError: the file is missing, empty, or a line can't be read (the message names it).
        """
        return cls(read_recording(path), name=path.name, loop=loop)

    @property
    def name(self) -> str:
        """The recording's file name."""
        return self._name

    @property
    def template(self) -> PromptTemplate:
        """The template prompts are rendered with; replies don't depend on it."""
        return self._template

    def ground(
        self,
        frames: Sequence[Frame],
        prompts: Sequence[Prompt],
        *,
        generation: GenerationSettings,
        image: ImageSettings,  # noqa: ARG002  (images are not used)
        cancelled: Callable[[], bool] = lambda: False,
        hints: Sequence[Hint | None] = (),  # noqa: ARG002
    ) -> list[Reply]:
        """Return the recorded replies, after the longest of their delays; see the protocol."""
        check_pairs(frames, prompts)
        chosen = [self._choose(frame) for frame in frames]
        if not _play(chosen, generation.timeout_s, cancelled):
            return [Reply("", finish=FinishReason.DEADLINE, model=self._name) for _ in frames]
        missing = "has no reply about this part of the image; record it with the same zoom settings"
        reason = missing if self._by_stamp else "has ended"
        none = Reply.failed(f"the recording {self._name} {reason}", self._name)
        return [replace(c.reply, model=self._name) if c else none for c in chosen]

    def write(
        self,
        prompt: TextPrompt,
        *,
        generation: GenerationSettings,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Return the recorded reply to a sentence; see the protocol."""
        item = self._sentences.get(prompt.user)
        if item is None:
            return Reply.failed("the recording has no reply to this sentence", self._name)
        if not _play([item], generation.timeout_s, cancelled):
            return Reply("", finish=FinishReason.DEADLINE, model=self._name)
        return replace(item.reply, model=self._name)

    def _choose(self, frame: Frame) -> RecordedReply | None:
        if self._by_stamp:
            region = None if frame.region is None else frame.region.xyxy_px
            nearest = _nearest(self._about.get(region, []), frame.stamp_ns)
            if nearest is not None:
                self._warn_if_far(abs(_stamp_ns(nearest) - frame.stamp_ns) / 1e9)
            return nearest
        if self._next >= len(self._replies):
            if not self._loop:
                return None
            self._next = 0
        self._next += 1
        return self._replies[self._next - 1]

    def _warn_if_far(self, away_s: float) -> None:
        """Warn once of a reply that is hardly one to this image."""
        if away_s > _FAR_S and not self._is_far:
            self._is_far = True
            _log.warning(
                "the recording %s: the reply nearest to an image is of an image %.0f s away; is it "
                "a recording of other images?", self._name, away_s,
            )  # fmt: skip

    def image_rules(self, wanted: ImageSettings) -> None:
        """Return None: images are not used."""

    def close(self) -> None:
        """Nothing to free."""


def _stamp_ns(reply: RecordedReply) -> int:
    return reply.stamp_ns or 0


def _nearest(replies: list[RecordedReply], stamp_ns: int) -> RecordedReply | None:
    """Return the one of sorted replies with the nearest stamp; None without any."""
    if not replies:
        return None
    after = min(bisect_left(replies, stamp_ns, key=_stamp_ns), len(replies) - 1)
    before = max(0, after - 1)
    nearer_before = stamp_ns - _stamp_ns(replies[before]) <= _stamp_ns(replies[after]) - stamp_ns
    return replies[before if nearer_before else after]


def _play(
    chosen: Sequence[RecordedReply | None], timeout_s: float, cancelled: Callable[[], bool]
) -> bool:
    """Fail as the recordings say, or take as long as the longest; False where that is too long."""
    for item in chosen:
        _fail(item)
    deadline_s = time.monotonic() + timeout_s
    ready_s = time.monotonic() + max((c.delay_s for c in chosen if c and not c.fault), default=0.0)
    while (now := time.monotonic()) < ready_s:
        if now >= deadline_s or cancelled():
            return False
        time.sleep(min(_LONGEST_WAIT_S, ready_s - now, max(0.0, deadline_s - now)))
    return True


def _fail(item: RecordedReply | None) -> None:
    """Fail as the recording states."""
    fault = item.fault if item else ""
    if item and fault == "hang":
        time.sleep(item.delay_s)
    elif fault == "memory":
        raise MemoryError
    elif fault:
        raise RuntimeError("the recording tells the backend to fail")


class ReplyRecorder:
    """Wraps a model and writes its replies to a JSONL file as they come.

    >>> # with ReplyRecorder(load_model(settings), Path("replies.jsonl")) as model: ...
    """

    def __init__(self, model: VisionLanguageModel, path: Path) -> None:
        self._model = model
        self._file = JsonLines(path)

    @property
    def name(self) -> str:
        """Name of the recorded model."""
        return self._model.name

    @property
    def template(self) -> PromptTemplate:
        """Template of the recorded model."""
        return self._model.template

    @property
    def coordinates(self) -> CoordinateScale:
        """Unit of the recorded model's coordinates."""
        return self._model.coordinates

    def ground(
        self,
        frames: Sequence[Frame],
        prompts: Sequence[Prompt],
        *,
        generation: GenerationSettings,
        image: ImageSettings,
        cancelled: Callable[[], bool] = lambda: False,
        hints: Sequence[Hint | None] = (),
    ) -> list[Reply]:
        """Answer with the recorded model, and write each reply with its frame's stamp."""
        start = time.monotonic()
        replies = self._model.ground(
            frames,
            prompts,
            generation=generation,
            image=image,
            cancelled=cancelled,
            hints=hints,
        )
        took = time.monotonic() - start
        for frame, reply in zip(frames, replies, strict=True):
            region = None if frame.region is None else frame.region.xyxy_px
            line = RecordedReply(reply, took, frame.stamp_ns, region=region).to_document()
            self._file.write(line, allow_nan=True)
        return replies

    def write(
        self,
        prompt: TextPrompt,
        *,
        generation: GenerationSettings,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Answer with the recorded model, and write the reply with its sentence."""
        start = time.monotonic()
        reply = self._model.write(prompt, generation=generation, cancelled=cancelled)
        took = time.monotonic() - start
        line = RecordedReply(reply, took, sentence=prompt.user).to_document()
        self._file.write(line, allow_nan=True)
        return reply

    def close(self) -> None:
        """Close the file and the model."""
        self._file.close()
        self._model.close()

    def __enter__(self) -> ReplyRecorder:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

# SPDX-License-Identifier: Apache-2.0
"""Plays back recorded replies in place of a model, for offline work, tests and fault injection.

A recording is a JSONL file, one reply per line. Only ``text`` (or ``error``) is needed::

    {"text": "[]", "delay_s": 0.2}
    {"text": "[{'label': ", "stamp_ns": 1700000000000000000, "finish": "length"}
    {"error": "the camera cable melted"}
    {"fault": "hang", "delay_s": 30, "text": "[]"}

``tokens`` is a list of ``[id, text, logprob]``, ``times`` an object of stage seconds; ``delay_s``
is how long the answer takes (by default the sum of ``times``). ``fault`` is how the backend itself
fails: ``hang`` ignores deadline and cancellation for ``delay_s``, ``raise`` raises,
``memory`` runs out of memory. A line with ``sentence`` is the reply to that sentence on the topic
``command``, not to an image.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.parsing.scales import CoordinateScale
from lfmvl_ros.core.prompt import CARD_TEMPLATE, Prompt, PromptTemplate, TextPrompt
from lfmvl_ros.core.reply import FinishReason, Reply, StageTimes, Token
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import check_regular, exists
from lfmvl_ros.core.whole_files import JsonLines

_KEYS = {
    "fault", "sentence",
    "text", "tokens", "delay_s", "finish", "stamp_ns", "error", "times", "image_tokens", "model",
    "forwards",
}  # fmt: skip
_FAULTS = ("", "hang", "raise", "memory")
_LARGEST = 2**63 - 1  # of a whole number in a line
_LONGEST_WAIT_S = 0.02  # interval at which a waiting answer checks for cancellation


@dataclass(frozen=True)
class RecordedReply:
    """One line of a recording: a reply, how long it takes, and the stamp of its frame if known.

    ``fault`` is how the backend fails, "" when it does not; see the module's text. ``sentence`` is
    what it replies to; "" for an image.
    """

    reply: Reply
    delay_s: float = 0.0
    stamp_ns: int | None = None
    fault: str = ""
    sentence: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.delay_s < float("inf"):
            raise ValueError(f"delay_s must be finite and >= 0, got {self.delay_s}")
        if self.stamp_ns is not None and self.stamp_ns < 0:
            raise ValueError(f"stamp_ns must be >= 0, got {self.stamp_ns}")
        if self.fault not in _FAULTS:
            raise ValueError(f"fault must be one of {_FAULTS[1:]}, got {self.fault!r}")

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> RecordedReply:
        """Build from the JSON object of a line.

        Raises:
            ValueError, TypeError: a key is unknown or a value of the wrong kind.
        """
        if not isinstance(document, Mapping):
            raise TypeError(f"a line holds a JSON object, not {type(document).__name__}")
        unknown = set(document) - _KEYS
        if unknown or not ({"text", "error", "fault"} & set(document)):
            raise ValueError(
                f"needs text, error or fault; unknown keys: {sorted(unknown) or 'none'}"
            )
        error = document.get("error")
        text = document.get("text", "")
        if not isinstance(text, str) or not isinstance(error, (str, type(None))):
            raise ValueError("text and error must be strings")
        finish = "error" if error is not None else document.get("finish", "stop")
        reply = Reply(
            text=text,
            tokens=tuple(
                Token(_whole(id_, "tokens"), str(part), _number(mark, "tokens"))
                for id_, part, mark in document.get("tokens") or ()
            ),
            finish=FinishReason(finish),
            times=_times(document.get("times")),
            image_tokens=_whole(document.get("image_tokens", 0), "image_tokens"),
            model=str(document.get("model", "")),
            error=error,
            forwards=_whole(document.get("forwards", 0), "forwards"),
        )
        stamp = document.get("stamp_ns")
        return cls(
            reply,
            _number(document.get("delay_s", reply.times.total_s), "delay_s"),
            None if stamp is None else _whole(stamp, "stamp_ns"),
            str(document.get("fault", "")),
            str(document.get("sentence", "")),
        )

    def to_document(self) -> dict[str, Any]:
        """Return the JSON object of a line; :meth:`from_document` reads it back."""
        reply = self.reply
        document: dict[str, Any] = {"text": reply.text, "finish": reply.finish.value}
        if self.stamp_ns is not None:
            document["stamp_ns"] = self.stamp_ns
        if reply.error is not None:
            document["error"] = reply.error
        if self.fault:
            document["fault"] = self.fault
        if self.sentence:
            document["sentence"] = self.sentence
        document["delay_s"] = round(self.delay_s, 6)
        document["times"] = asdict(reply.times)
        document["image_tokens"] = reply.image_tokens
        document["model"] = reply.model
        document["forwards"] = reply.forwards
        document["tokens"] = [[t.id, t.text, t.logprob] for t in reply.tokens]
        return document


def _number(value: Any, field: str) -> float:
    """A number of a line; one that is infinite is left to who knows what it means."""
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{field} is {quoted(str(value))}, no number in range") from error


def _whole(value: Any, field: str) -> int:
    try:
        number = int(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{field} is {quoted(str(value))}, no whole number") from error
    if abs(number) > _LARGEST:
        raise ValueError(f"{field} is beyond {_LARGEST}")
    return number


def _times(value: Any) -> StageTimes:
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"times is an object of stage seconds, not {type(value).__name__}")
    return StageTimes(**{str(k): _number(v, f"times.{k}") for k, v in (value or {}).items()})


class ReplayModel:
    """Plays recorded replies; implements :class:`lfmvl_ros.core.model.VisionLanguageModel`.

    If every reply has a stamp, each frame gets the reply with the nearest stamp; otherwise they are
    played in order. At the end it starts again (``loop``), or answers with an error. Texts are
    returned as recorded, also malformed ones.
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
        if self._by_stamp:
            self._replies.sort(key=lambda reply: reply.stamp_ns or 0)
        self._stamps = [reply.stamp_ns or 0 for reply in self._replies]
        self._next = 0

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
        if len(frames) != len(prompts):
            raise ValueError(f"as many prompts as frames, got {len(prompts)} and {len(frames)}")
        chosen = [self._choose(frame.stamp_ns) for frame in frames]
        if not _play(chosen, generation.timeout_s, cancelled):
            return [Reply("", finish=FinishReason.DEADLINE, model=self._name) for _ in frames]
        ended = Reply.failed(f"the recording {self._name} has ended", self._name)
        return [replace(c.reply, model=self._name) if c else ended for c in chosen]

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

    def _choose(self, stamp_ns: int) -> RecordedReply | None:
        if self._by_stamp:
            after = min(bisect_left(self._stamps, stamp_ns), len(self._stamps) - 1)
            before = max(0, after - 1)
            nearer_before = stamp_ns - self._stamps[before] <= self._stamps[after] - stamp_ns
            return self._replies[before if nearer_before else after]
        if self._next >= len(self._replies):
            if not self._loop:
                return None
            self._next = 0
        self._next += 1
        return self._replies[self._next - 1]

    def image_rules(self, wanted: ImageSettings) -> None:
        """Return None: images are not used."""

    def close(self) -> None:
        """Nothing to free."""


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


def read_recording(path: Path) -> list[RecordedReply]:
    """Read a JSONL recording; blank lines are skipped.

    Raises:
        UserError: the file is missing, empty, or a line can't be read (the message names it).
    """
    if exists(path):
        check_regular(path, or_pipe=True)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # a text may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the recording {path} can't be read ({error}); give a JSONL file of replies"
        ) from error
    replies = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            replies.append(RecordedReply.from_document(json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(
                f"line {number} of the recording {path} is no reply: {error}; "
                'each line is a JSON object such as {"text": "[]"}'
            ) from error
    if not replies:
        raise UserError(f"the recording {path} holds no replies; record some first")
    if all(item.sentence for item in replies):
        raise UserError(
            f"the recording {path} has no reply to an image; add a line without sentence"
        )
    return replies


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
            line = RecordedReply(reply, took, frame.stamp_ns).to_document()
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

# SPDX-License-Identifier: Apache-2.0
"""A recording of a model's replies: one reply, and the file of them.

A recording is a JSONL file, one reply per line. Only ``text`` (or ``error``) is needed::

    {"text": "[]", "delay_s": 0.2}
    {"text": "[{'label': ", "stamp_ns": 1700000000000000000, "finish": "length"}
    {"error": "the camera cable melted"}
    {"fault": "hang", "delay_s": 30, "text": "[]"}

``tokens`` is a list of ``[id, text, logprob]``, ``times`` an object of stage seconds; ``delay_s``
is how long the answer takes (by default the sum of ``times``). ``region`` is the part of the image
that the model was shown, ``[x1, y1, x2, y2]`` in whole pixels; without it, all of it.

``fault`` is how the backend itself fails: ``hang`` ignores deadline and cancellation for
``delay_s``, ``raise`` raises, ``memory`` runs out of memory. A line with ``sentence`` is the reply
to that sentence on the topic ``command``, not to an image.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.reply import FinishReason, Reply, StageTimes, Token
from lfmvl_ros.core.safe_text import shown_value
from lfmvl_ros.core.user_files import MAX_DATA_BYTES, parse_json, read_text

_log = logging.getLogger(__name__)
_KEYS = {
    "fault", "sentence",
    "text", "tokens", "delay_s", "finish", "stamp_ns", "error", "times", "image_tokens", "model",
    "forwards", "region",
}  # fmt: skip
_FAULTS = ("", "hang", "raise", "memory")
_LARGEST = 2**63 - 1  # of a whole number in a line


@dataclass(frozen=True)
class RecordedReply:
    """One line of a recording: a reply, how long it takes, and the stamp of its frame if known.

    ``fault`` is how the backend fails, "" when it does not; see the module's text. ``sentence`` is
    what it replies to; "" for an image. ``region`` is the part of the image that it is about, px;
    None for all of it.
    """

    reply: Reply
    delay_s: float = 0.0
    stamp_ns: int | None = None
    fault: str = ""
    sentence: str = ""
    region: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.delay_s < float("inf"):
            raise ValueError(f"delay_s must be finite and >= 0, got {self.delay_s}")
        if self.stamp_ns is not None and self.stamp_ns < 0:
            raise ValueError(f"stamp_ns must be >= 0, got {self.stamp_ns}")
        if self.region is not None and len(self.region) != 4:
            raise ValueError(f"region must be x1, y1, x2, y2, got {list(self.region)}")
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
        stamp, region = document.get("stamp_ns"), document.get("region")
        return cls(
            reply,
            _number(document.get("delay_s", reply.times.total_s), "delay_s"),
            None if stamp is None else _whole(stamp, "stamp_ns"),
            str(document.get("fault", "")),
            str(document.get("sentence", "")),
            None if region is None else tuple(_whole(side, "region") for side in region),
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
        if self.region is not None:
            document["region"] = list(self.region)
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
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{field} is {shown_value(value)}, no number in range") from error


def _whole(value: Any, field: str) -> int:
    try:
        number = int(value)
        if isinstance(value, bool) or (isinstance(value, float) and number != value):
            raise TypeError
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{field} is {shown_value(value)}, no whole number") from error
    if abs(number) > _LARGEST:
        raise ValueError(f"{field} is beyond {_LARGEST}")
    return number


def _times(value: Any) -> StageTimes:
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"times is an object of stage seconds, not {type(value).__name__}")
    return StageTimes(**{str(k): _number(v, f"times.{k}") for k, v in (value or {}).items()})


def read_recording(path: Path) -> list[RecordedReply]:
    """Read a JSONL recording; blank lines are skipped.

    Raises:
        UserError: the file is missing, empty, or a line can't be read (the message names it).
    """
    try:
        text = read_text(path, MAX_DATA_BYTES, or_pipe=True)
    except UserError as error:
        raise UserError(f"the recording {error}; give a JSONL file of replies") from error
    if not text.strip():
        raise UserError(f"the recording {path} is empty; record some replies first")
    replies = []
    for number, line in enumerate(text.split("\n"), start=1):  # a text may hold U+2028
        if not line.strip():
            continue
        try:
            replies.append(RecordedReply.from_document(parse_json(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(
                f"line {number} of the recording {path} is not a reply: {error}; "
                'each line is a JSON object such as {"text": "[]"}'
            ) from error
    if all(item.sentence for item in replies):
        raise UserError(
            f"the recording {path} has no reply to an image; add a line without sentence"
        )
    for remark in _remarks([item for item in replies if not item.sentence]):
        _log.warning("the recording %s: %s", path, remark)
    return replies


def _remarks(replies: list[RecordedReply]) -> list[str]:
    """Return what of the stamps of replies to images is probably not meant."""
    texts: dict[int, set[str]] = {}
    for item in replies:
        if item.stamp_ns is not None:
            texts.setdefault(item.stamp_ns, set()).add(item.reply.text)
    without = sum(item.stamp_ns is None for item in replies)
    if texts and without:
        return [f"{without} of {len(replies)} replies have no stamp_ns, so all are played in the "
                "order of the file, whatever image they are of"]  # fmt: skip
    several = [stamp for stamp, each in texts.items() if len(each) > 1]
    if several:
        return [f"{len(several)} stamps have different replies, such as {several[0]} ns; one of "
                "each is used"]  # fmt: skip
    return []

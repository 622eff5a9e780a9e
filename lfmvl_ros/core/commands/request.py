# SPDX-License-Identifier: Apache-2.0
"""What the topic ``command`` takes: a sentence, or JSON with tool calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lfmvl_ros.core.commands.calls import NoCallError, RawCall
from lfmvl_ros.core.commands.json_calls import calls_from, strict_json
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted

LONGEST = 20_000  # characters of a command
LONGEST_ID = 100
EXAMPLE = '{"name": "look_for", "arguments": {"labels": ["red crate"]}}'
_OWN = ("id", "dry_run")
_WHAT = ("name", "calls", "sentence", "cancel")


@dataclass(frozen=True)
class CommandRequest:
    """A command as it was sent; one of ``sentence``, ``calls`` and ``cancel`` is set.

    Attributes:
        id: repeated in its results; "" where the sender gave none.
        sentence: for the model.
        calls: tool calls, not yet checked.
        cancel: id of the command that is to end.
        dry_run: check, but do nothing.
    """

    id: str = ""
    sentence: str = ""
    calls: tuple[RawCall, ...] = ()
    cancel: str = ""
    dry_run: bool = False

    @property
    def kind(self) -> str:
        """``sentence``, ``calls`` or ``cancel``."""
        return "sentence" if self.sentence else "calls" if self.calls else "cancel"


class RefusedRequestError(UserError):
    """A command can't be read; ``id`` is its own, as far as that could be read."""

    def __init__(self, reason: str, id_: str = "") -> None:
        super().__init__(reason)
        self.id = id_


def parse_request(text: str) -> CommandRequest:
    """Read a command.

    A text that begins with ``{`` or ``[`` has to be JSON; any other is a sentence.

    Raises:
        RefusedRequestError: it can't be used; says why and what to send.
    """
    if len(text) > LONGEST:
        raise RefusedRequestError(f"a command takes at most {LONGEST} characters, got {len(text)}")
    words = text.strip()
    if not words:
        raise RefusedRequestError(
            f"the command is empty; send a sentence, or a tool call such as {EXAMPLE}"
        )
    if words[0] not in "{[":
        return CommandRequest(sentence=words)
    try:
        document = strict_json(words)
    except NoCallError as error:
        raise RefusedRequestError(f"the command can't be read: {error}; send {EXAMPLE}") from error
    if isinstance(document, list):
        document = {"calls": document}
    return _from_document(document)


def _from_document(document: dict[str, Any]) -> CommandRequest:
    id_ = document.get("id", "")
    if isinstance(id_, int) and not isinstance(id_, bool):
        id_ = str(id_)[: LONGEST_ID + 1]
    if not isinstance(id_, str) or len(id_) > LONGEST_ID:
        raise RefusedRequestError(f"id has to be a text of at most {LONGEST_ID} characters")
    what = [key for key in _WHAT if key in document]
    unknown = set(document) - {*_OWN, *_WHAT, "arguments"}
    if unknown:
        known = ", ".join((*_OWN, *_WHAT, "arguments"))
        raise RefusedRequestError(
            f"a command has no key {quoted(sorted(unknown)[0])}; it takes {known}", id_
        )
    if len(what) != 1 or ("arguments" in document and what != ["name"]):
        raise RefusedRequestError(f"a command has one of {', '.join(_WHAT)}; send {EXAMPLE}", id_)
    dry_run = document.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise RefusedRequestError("dry_run has to be true or false", id_)
    try:
        return _content(what[0], document, id_, dry_run)
    except NoCallError as error:
        raise RefusedRequestError(f"the call can't be read: {error}; send {EXAMPLE}", id_) from None


def _content(what: str, document: dict[str, Any], id_: str, dry_run: bool) -> CommandRequest:
    value = document[what]
    if what == "name":
        call = {key: document[key] for key in ("name", "arguments") if key in document}
        return CommandRequest(id_, calls=tuple(calls_from(call)), dry_run=dry_run)
    if what == "calls":
        if not isinstance(value, list) or not value:
            raise RefusedRequestError("calls has to be a list of at least one call", id_)
        return CommandRequest(id_, calls=tuple(calls_from(value)), dry_run=dry_run)
    if isinstance(value, int) and not isinstance(value, bool) and what == "cancel":
        value = str(value)[: LONGEST_ID + 1]
    if not isinstance(value, str) or not value.strip():
        raise RefusedRequestError(f"{what} has to be a text that is not empty", id_)
    if what == "cancel":
        return CommandRequest(id_, cancel=value, dry_run=dry_run)
    return CommandRequest(id_, sentence=value.strip(), dry_run=dry_run)

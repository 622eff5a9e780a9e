# SPDX-License-Identifier: Apache-2.0
"""Reads JSON as small language models write it, in one pass, whatever the text is.

A stack machine over tokens: no recursion, and nothing is read twice, so time grows linearly with
the text. Strict JSON needs no repairs, as a test against :mod:`json` shows. Anything else is
repaired, and each repair is recorded: quotes, commas, colons or brackets that are
missing, doubled or of another kind, and a text that ends too early.
"""

from __future__ import annotations

import re

from lfmvl_ros.core.parsing.nodes import Container, Document, Node, Repairs, Scalar
from lfmvl_ros.core.parsing.patterns import (
    AFTER_STRING,
    CLOSERS,
    INNER_QUOTE,
    MAX_CHARACTERS,
    MAX_DEPTH,
    OPEN,
    STRICT_NUMBER,
    STRICT_STRING,
    TOKEN,
)

KEY, COLON, VALUE, COMMA = "key", "colon", "value", "comma"


def scan(text: str) -> Document:
    """Return the JSON-like values in ``text``, and what had to be repaired. Never raises."""
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text[:MAX_CHARACTERS]
        self.too_long = len(text) > MAX_CHARACTERS
        self.position = 0
        self.stack: list[Container] = []
        self.depth_of = {"[": 0, "{": 0}
        self.values: list[Container] = []
        self.gaps: list[tuple[int, int]] = []
        self.gap_start = 0
        self.repairs = Repairs()
        self.cut = False

    def run(self) -> Document:
        while self.position < len(self.text):
            if self.stack:
                self._step()
                continue
            found = OPEN.search(self.text, self.position)
            if found is None:
                break
            self._open(found.group(), found.start())
            self.position = found.end()
        if self.stack:
            self._end_inside(len(self.text))
        if self.too_long:
            self.repairs.add(f"only the first {MAX_CHARACTERS} characters were read")
        self._note_surroundings()
        cut = self.cut or self.too_long
        return Document(self.text, self.values, self.gaps, self.repairs, cut)

    def _note_surroundings(self) -> None:
        """Name what stands outside the brackets, so that OK means nothing but JSON."""
        spans = [*self.gaps, (self.gap_start, len(self.text))]
        outside = "".join(self.text[a:b] for a, b in spans).strip()
        if outside and self.values:
            bare = re.sub(r"```\w*", "", outside).strip(" \n\r\t,;")
            if "```" in outside:
                self.repairs.add("code fence around the JSON")
            if bare or "```" not in outside:
                self.repairs.add("text around the JSON")
        if len(self.values) > 1:
            self.repairs.add(f"{len(self.values)} JSON values instead of one")

    # -- one token ------------------------------------------------------------------------------

    def _step(self) -> None:
        match = TOKEN.match(self.text, self.position)
        assert match is not None  # the last alternative takes any character
        start, self.position = match.span()
        kind, token = match.lastgroup, match.group()
        if kind == "space":
            return
        if kind == "open":
            self._open(token, start)
        elif kind == "close":
            self._close(token, start)
        elif kind == "comma":
            self._comma(start)
        elif kind == "colon":
            self._colon(start)
        elif kind == "quote":
            self._value(self._string(token))
        elif kind == "number":
            self._number(token, start)
        elif kind == "word":
            self._word(token, start)
        else:
            self.repairs.add(f"stray {token!r}", start)

    def _number(self, token: str, start: int) -> None:
        if not STRICT_NUMBER.fullmatch(token):
            self.repairs.add("number not in JSON notation", start)
        # Without a delimiter behind it the number may have been cut.
        self._value(Scalar("number", start, self.position, self.position < len(self.text)))

    def _word(self, token: str, start: int) -> None:
        if token.startswith("```"):
            self._end_inside(start)
            return
        if token not in ("true", "false", "null"):
            self.repairs.add("unquoted word", start)
        self._value(Scalar("word", start, self.position, self.position < len(self.text)))

    def _string(self, opener: str) -> Scalar:
        start, closer = self.position, CLOSERS[opener]
        search = start
        while True:
            match = closer.search(self.text, search)
            if match is None:
                self.position = len(self.text)
                return Scalar("string", start, self.position, terminated=False)
            search = match.end()
            escape = match.group().startswith("\\") and not opener.startswith("\\")
            if not escape and AFTER_STRING.match(self.text, search):
                break
        self.position = search
        if opener != '"':
            self.repairs.add("quotes other than double ones", start - len(opener))
        elif not STRICT_STRING.fullmatch(self.text, start, match.start()):
            self.repairs.add("string not in JSON notation", start)
        return Scalar("string", start, match.start())

    # -- structure ------------------------------------------------------------------------------

    def _open(self, token: str, start: int) -> None:
        if token == "(":
            self.repairs.add("round brackets", start)
        kind = "{" if token == "{" else "["
        if kind == "{":
            self._close_unfinished(start)
        if len(self.stack) >= MAX_DEPTH:
            self.repairs.add(f"brackets nested deeper than {MAX_DEPTH} were not read", start)
            return
        self._push(Container(kind, start, KEY if kind == "{" else VALUE))

    def _push(self, node: Container) -> None:
        if self.stack:
            self._value(node)
        else:
            self.gaps.append((self.gap_start, node.start))
        self.stack.append(node)
        self.depth_of[node.kind] += 1

    def _close_unfinished(self, start: int) -> None:
        """An object starts after a box's four numbers or in place of a key: a bracket is missing.

        This is the only place where strict JSON is misread: ``{"k": [1, 2, 3, 4, {}]}``, which is
        not an answer about boxes.
        """
        top = self.stack[-1] if self.stack else None
        if top and self._inside_object(top) and len(top.items) == 4 and _ends_in_number(top):
            self._pop(start, repaired=True)
            top = self.stack[-1]
        if top and top.kind == "{" and top.items and top.state in (KEY, COMMA):
            after_comma = top.state == KEY
            self._pop(start, repaired=True)
            if self.stack and after_comma and self.stack[-1].kind == "[":
                self.stack[-1].state = VALUE

    def _inside_object(self, top: Container) -> bool:
        return top.kind == "[" and len(self.stack) > 1 and self.stack[-2].kind == "{"

    def _close(self, token: str, start: int) -> None:
        kind = "{" if token == "}" else "["
        if not self.depth_of[kind]:
            self.repairs.add("stray closing bracket", start)
            return
        while self.stack[-1].kind != kind:
            self._pop(start, repaired=True)
        top = self.stack[-1]
        if top.items and top.state in (KEY, VALUE) and top.pending is None:
            self.repairs.add("trailing comma", start)
        elif top.pending is not None:
            self.repairs.add("key without a value", start)
        top.closed = True
        self._pop(start + 1)

    def _pop(self, end: int, *, repaired: bool = False) -> None:
        if repaired:
            self.repairs.add("missing closing bracket", end)
        node = self.stack.pop()
        node.end = end
        self.depth_of[node.kind] -= 1
        if not self.stack:
            self.values.append(node)
            self.gap_start = end

    def _end_inside(self, end: int) -> None:
        """The text, or its code fence, ends here although brackets are open."""
        last = self.stack[-1]
        tail = last.items[-1] if last.items else None
        whole = not isinstance(tail, Scalar) or tail.terminated
        if last.state != COMMA or not whole:
            self.cut = True
        while self.stack:
            self.stack[-1].open_at_end = True
            self._pop(end, repaired=True)

    def _comma(self, start: int) -> None:
        top = self.stack[-1]
        if top.pending is not None:
            self.repairs.add("key without a value", start)
        elif top.state != COMMA:
            self.repairs.add("extra comma", start)
        top.pending = None
        top.state = KEY if top.kind == "{" else VALUE

    def _colon(self, start: int) -> None:
        top = self.stack[-1]
        last = top.items[-1] if top.items else None
        if top.kind == "{" and top.state == COLON:
            top.state = VALUE
        elif top.state == COMMA and isinstance(last, Scalar) and last.kind != "number":
            self._last_was_key(top, last, start)
        else:
            self.repairs.add("stray colon", start)

    def _last_was_key(self, top: Container, last: Scalar, start: int) -> None:
        """A colon follows a value: it was a key, and something before it is missing."""
        if top.kind == "[":
            if len(self.stack) >= MAX_DEPTH:
                return
            top.items.pop()
            if _ends_in_number(top) and self._inside_object(top):
                self._pop(last.start, repaired=True)
                top = self.stack[-1]
            else:
                self.repairs.add("missing opening bracket", last.start)
                top.state = VALUE
                top = Container("{", last.start, KEY)
                self._push(top)
            top.pending, top.state = last, VALUE
            return
        inner = [m.start() for m in INNER_QUOTE.finditer(self.text, last.start, last.end)]
        if last.kind == "string" and inner:
            # "label": "box, "bbox": ...  The quote that should have ended the value is missing.
            self.repairs.add("missing quote", inner[-1])
            top.pending = Scalar("string", inner[-1] + 1, last.end)
            kept = self.text[last.start : inner[-1]].rstrip(" \t\r\n,\"'“”‘’")
            last.end = last.start + len(kept)
        else:
            self.repairs.add("key without a value", start)
            top.items.pop()
            top.keys.pop()
            top.pending = last
        top.state = VALUE

    def _value(self, node: Node) -> None:
        """Put a value, or a key, where it belongs in the container that is open."""
        top = self.stack[-1]
        due = top.state
        if due in (COLON, COMMA) and self._joins_word(top, node):
            return
        if due == COMMA:
            self.repairs.add("missing comma", node.start)
        if top.kind == "[":
            top.items.append(node)
            top.state = COMMA
            return
        if due in (KEY, COMMA) and isinstance(node, Scalar):
            if node.kind == "number" or (due == KEY and node.kind == "word"):
                self.repairs.add("unquoted key", node.start)
            top.pending, top.state = node, COLON
            return
        if due != VALUE:
            self.repairs.add("missing colon" if due == COLON else "value without a key", node.start)
        top.items.append(node)
        top.keys.append(top.pending)
        top.pending, top.state = None, COMMA

    @staticmethod
    def _joins_word(top: Container, node: Node) -> bool:
        """Bare words that follow each other are one text: ``label: red tote``."""
        last = top.pending if top.state == COLON else (top.items[-1] if top.items else None)
        if not (isinstance(last, Scalar) and isinstance(node, Scalar)):
            return False
        if not last.kind == node.kind == "word":
            return False
        last.end, last.terminated = node.end, node.terminated
        return True


def _ends_in_number(node: Container) -> bool:
    last = node.items[-1] if node.items else None
    return isinstance(last, Scalar) and last.kind == "number"

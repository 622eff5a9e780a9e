# SPDX-License-Identifier: Apache-2.0
"""What a model thinks aloud before it answers is no answer.

Models that reason write their thoughts between ``<think>`` and ``</think>`` and may well try out
boxes in there. Some chat templates write the opening tag into the prompt, so that an answer begins
in the middle of a thought; one that was cut off never ends it.
"""

from __future__ import annotations

import re

_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)


def without_thoughts(text: str) -> str:
    """Return the text with its thoughts blanked out, as long as before: offsets stay true.

    A closing tag ends a thought that began with the text, an opening one without an end reaches to
    the end of the text.

    >>> without_thoughts("<think>[1]</think>[2]")
    '                  [2]'
    >>> without_thoughts("hm</think>[2]<think>[3]")
    '          [2]          '
    """
    pieces: list[str] = []
    kept_from, inside = 0, False
    for tag in _TAG.finditer(text):
        if tag[1]:
            if not inside and kept_from:  # the text between was an answer; only the tag goes
                pieces.append(text[kept_from : tag.start()])
                pieces.append(" " * (tag.end() - tag.start()))
            else:
                pieces.append(" " * (tag.end() - kept_from))
            inside = False
        elif not inside:
            pieces.append(text[kept_from : tag.start()])
            pieces.append(" " * (tag.end() - tag.start()))
            inside = True
        else:
            pieces.append(" " * (tag.end() - kept_from))
        kept_from = tag.end()
    rest = text[kept_from:]
    pieces.append(" " * len(rest) if inside else rest)
    return "".join(pieces)

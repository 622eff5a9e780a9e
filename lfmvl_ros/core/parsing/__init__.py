# SPDX-License-Identifier: Apache-2.0
"""From what a model wrote to what it means: text -> JSON-like values -> objects -> boxes.

``scanner`` reads the text, ``objects`` finds labels and boxes in it, ``values`` the numbers of a
box, ``geometry`` their unit and pixels, ``labels`` and ``absence`` the words; ``answer`` puts it
together and decides the outcome.
"""

from lfmvl_ros.core.parsing.answer import parse_reply

__all__ = ["parse_reply"]

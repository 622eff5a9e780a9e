# SPDX-License-Identifier: Apache-2.0
"""Texts that say themselves that they may be wrong: look-alikes (O and 0), broken-off lines."""

from __future__ import annotations

import re

AMBIGUOUS_CONFIDENCE = 0.85
"""Highest confidence of such a text, however often it was read."""

_GROUP = re.compile(r"[^\W_]+")
_COMMON_WORDS = """
    BATTERIES BIN BOTTLE BOTTOM BOX BOXES CARTON CAUTION CHINA CHOCOLATE CLOSE CO CODE COFFEE COLD
    COLOR COLOUR COLUMN CONTROL COUNTRY DELIVERY DIMENSIONS DO DOCK DOOR EXIT EXPORT FIRST FLOOR
    FOOD FOR FORKLIFT FRAGILE FROM HIGH ID IMPORT IN INBOUND INDIA INDUSTRIAL INVOICE ION IRON ITEM
    LINE LIQUID LITHIUM LOCATION LOT LOW MILK MODEL MOTOR NO NOT OF OFF OFFICE OIL ON OPEN ORDER
    ORIGIN OUT OUTBOUND PICKING PORT POSITION POST POWDER PRICE PRIORITY PRODUCT PRODUCTION
    QUANTITY RECEIVING RICE ROBOT ROOM ROUTE ROW SECTION SERIAL SHAMPOO SHIP SHIPMENT SHIPPING SIDE
    SOAP SOLID STATION STOCK STOP STORE THIS TO TOMATO TOOL TOOLS TOP TOTE TOTES TOXIC TROLLEY
    VERSION VINEGAR VOID VOLTAGE WARNING WASHING WEIGHT WITH WOOD ZONE
"""
_WORDS = frozenset(_COMMON_WORDS.split())
_JOINING = "-/_+\u2010\u2011\u2013\u00b7"
_ALIKE = frozenset("0OoIl1|")


def has_lookalikes(text: str) -> bool:
    """Return whether a text has a character whose twin could be there as well.

    In a group of digits only, 0 and 1 are digits, and in a word, O, I and l are letters. In a group
    of both, in capitals that are not a common word of labels, and where a single such character
    stands between others than digits, either may be meant.

    >>> [has_lookalikes(text) for text in ("2028-10-01", "LOT 7", "B0X", "KCW-579-O", "SLSTGOR")]
    [False, False, True, True, True]
    """
    if "|" in text:
        return True
    groups = _GROUP.findall(text)
    only_digits = all(group.isdigit() for group in groups)
    return not only_digits and any(_is_unclear(group) for group in groups)


def is_broken_off(text: str) -> bool:
    """Return whether a text begins or ends with a character that joins it to something missing.

    >>> is_broken_off("GAT-001-"), is_broken_off("GAT-001-C")
    (True, False)
    """
    return bool(text) and (text[0] in _JOINING or text[-1] in _JOINING)


def _is_unclear(group: str) -> bool:
    if not _ALIKE.intersection(group):
        return False
    return len(group) == 1 or not (group.isdigit() or (group.isalpha() and _is_word(group)))


def _is_word(letters: str) -> bool:
    """Return whether letters are a word for certain; capitals may be a code that happens to be."""
    return not letters.isupper() or letters in _WORDS

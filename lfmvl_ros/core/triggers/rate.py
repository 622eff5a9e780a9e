# SPDX-License-Identifier: Apache-2.0
"""Whether enough time has passed for the next answer: for the mode ``rate``, and for limits."""

from __future__ import annotations


def is_due_at(rate_hz: float, stamp_ns: int, last_asked_ns: int | None) -> bool:
    """Return whether the model may be asked about a frame without exceeding a rate.

    Args:
        rate_hz: most answers per second.
        stamp_ns: capture time of the frame.
        last_asked_ns: capture time of the frame that the model was asked about last; None before
            the first. A later time than ``stamp_ns``, after a jump of the stamps, limits nothing.

    >>> is_due_at(2.0, 1_400_000_000, 1_000_000_000), is_due_at(2.0, 1_500_000_000, 1_000_000_000)
    (False, True)
    """
    if last_asked_ns is None or stamp_ns < last_asked_ns:
        return True
    return (stamp_ns - last_asked_ns) * rate_hz >= 1e9

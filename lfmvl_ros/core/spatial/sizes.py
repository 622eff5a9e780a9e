# SPDX-License-Identifier: Apache-2.0
"""Which of the known lengths of an object are its visible width and height."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.extent import Extent

# An object of known size continues behind a side of which more than this is hidden.
HIDDEN = 0.15
# There, a known length above the visible one (as a difference of logarithms) counts this much: any
# share of a partly hidden length is about as likely, an unhidden one is measured to about 25 %.
_LONGER = 0.25
_ORDERS = [(a, b, 3 - a - b) for a, b in permutations(range(3), 2)]


def paired_sizes(size_m: FloatArray, extent: Extent) -> FloatArray:
    """Return ``(3,)`` known extents in the order width, height, unseen depth.

    The pairing is the one that agrees best with the outline. Where an end is hidden or cut, the
    object may be longer than what is seen of it.
    """
    seen = (math.log(extent.width_m), math.log(extent.height_m))
    longer = [_LONGER if max(extent.hidden[k], extent.hidden[k + 2]) > HIDDEN else 1.0
              for k in (0, 1)]  # fmt: skip
    logs: list[float] = np.log(size_m).tolist()

    def differs(order: tuple[int, int, int]) -> float:
        more = [logs[order[k]] - seen[k] for k in (0, 1)]
        return float(sum(longer[k] * more[k] if more[k] > 0 else -more[k] for k in (0, 1)))

    best = min(_ORDERS, key=differs)
    return np.asarray(size_m[list(best)])

# SPDX-License-Identifier: Apache-2.0
"""The transforms of one frame in its parent over time; a tree of frames is made of these."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import NamedTuple

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.rigid import rotation_matrix, slerp


class Sample(NamedTuple):
    """Pose of a child frame in its parent: ``(3,)`` m and ``(4,)`` unit quaternion x, y, z, w."""

    parent: str
    translation: FloatArray
    quaternion: FloatArray


@dataclass(eq=False)
class Edge:
    """The transforms of one child in its parent, ordered by stamp.

    Attributes:
        static: it is valid at every stamp, and has one sample.
        stamps_ns, samples: ascending; samples of one child may have different parents.
    """

    static: bool
    stamps_ns: list[int] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def insert(self, stamp_ns: int, sample: Sample, keep_ns: int) -> bool:
        """Keep a sample; False when it is older than what is kept."""
        if self.static:
            self.stamps_ns, self.samples = [stamp_ns], [sample]
            return True
        if self.stamps_ns:
            oldest = self.stamps_ns[-1] - keep_ns
            stale = bisect_left(self.stamps_ns, oldest)
            del self.stamps_ns[:stale], self.samples[:stale]
            if stamp_ns < oldest:
                return False
        i = bisect_left(self.stamps_ns, stamp_ns)
        if i < len(self.stamps_ns) and self.stamps_ns[i] == stamp_ns:
            self.samples[i] = sample
        else:
            self.stamps_ns.insert(i, stamp_ns)
            self.samples.insert(i, sample)
        return True

    def around(self, stamp_ns: int) -> tuple[Sample, Sample, float] | None:
        """Return the samples before and after a stamp and the share of the way between them.

        None when the stamp is outside the samples.
        """
        if self.static:
            return self.samples[0], self.samples[0], 0.0
        i = bisect_left(self.stamps_ns, stamp_ns)
        if i == len(self.stamps_ns):
            return None
        if self.stamps_ns[i] == stamp_ns:
            return self.samples[i], self.samples[i], 0.0
        if i == 0:
            return None
        before, after = self.stamps_ns[i - 1], self.stamps_ns[i]
        return self.samples[i - 1], self.samples[i], (stamp_ns - before) / (after - before)

    def at(self, stamp_ns: int) -> tuple[FloatArray, FloatArray]:
        """Return rotation and translation at a stamp within the samples."""
        found = self.around(stamp_ns)
        assert found is not None
        one, two, share = found
        if one is two or one.parent != two.parent:
            return rotation_matrix(one.quaternion), one.translation
        return (
            rotation_matrix(slerp(one.quaternion, two.quaternion, share)),
            one.translation + share * (two.translation - one.translation),
        )

# SPDX-License-Identifier: Apache-2.0
"""Notices when answers and images are no longer like those of a reference.

Every answer gives some numbers (:mod:`.features`); the means of 20 of them are compared with a
reference (:mod:`.reference`) by cumulative sums (:mod:`.monitor`).
"""

from lfmvl_ros.core.drift.features import features_of
from lfmvl_ros.core.drift.machine import MachineFeatures
from lfmvl_ros.core.drift.monitor import Change, DriftMonitor, DriftStatus
from lfmvl_ros.core.drift.reference import BLOCK, Learner, Reference, read_reference

__all__ = [
    "BLOCK",
    "Change",
    "DriftMonitor",
    "DriftStatus",
    "Learner",
    "MachineFeatures",
    "Reference",
    "features_of",
    "read_reference",
]

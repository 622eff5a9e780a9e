# SPDX-License-Identifier: Apache-2.0
"""Detects when answers and images differ from a reference.

Every answer gives some numbers (:mod:`.features`); the means of 20 of them are compared with a
reference (:mod:`.reference`) by cumulative sums (:mod:`.monitor`).
"""

from lfmvl_ros.core.drift.features import features_of
from lfmvl_ros.core.drift.machine import MachineFeatures
from lfmvl_ros.core.drift.monitor import Change, DriftMonitor, DriftStatus
from lfmvl_ros.core.drift.reference import BLOCK, Reference, ReferenceLearner, read_reference

__all__ = [
    "BLOCK",
    "Change",
    "DriftMonitor",
    "DriftStatus",
    "MachineFeatures",
    "Reference",
    "ReferenceLearner",
    "features_of",
    "read_reference",
]

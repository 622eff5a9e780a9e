# SPDX-License-Identifier: Apache-2.0
"""Boxes of single answers become objects with an id, a velocity and a place at any time."""

from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.tracking.applied import Applied, Ignored, Restart
from lfmvl_ros.core.tracking.ego_motion import EgoMotion
from lfmvl_ros.core.tracking.opinions import Opinion, Stance
from lfmvl_ros.core.tracking.siamese import check_follower
from lfmvl_ros.core.tracking.tracker import Tracker
from lfmvl_ros.core.tracking.tracks import Tracks, TrackState

__all__ = [
    "Applied",
    "EgoMotion",
    "Ignored",
    "Intrinsics",
    "Opinion",
    "Restart",
    "Stance",
    "TrackState",
    "Tracker",
    "Tracks",
    "check_follower",
]

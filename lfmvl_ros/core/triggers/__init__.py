# SPDX-License-Identifier: Apache-2.0
"""Decides which frames of a camera the model is asked about."""

from lfmvl_ros.core.triggers.trigger import Trigger

__all__ = ["Trigger"]

# SPDX-License-Identifier: Apache-2.0
"""Frames in; answers and, at every frame, tracks out: camera streams that share one model."""

from lfmvl_ros.core.pipeline.pipeline import Pipeline

__all__ = ["Pipeline"]

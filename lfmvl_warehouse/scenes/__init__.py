# SPDX-License-Identifier: Apache-2.0
"""Procedural warehouse images and video with exact truth: boxes, ids, visibility, depth.

`render_still` draws single images, fast enough to train from; `SceneVideo` is a hall with a
camera and moving objects, at any frame index.
"""

from __future__ import annotations

from lfmvl_warehouse.scenes.options import EASY, HARD, PRESETS, STANDARD, VIDEO, SceneOptions
from lfmvl_warehouse.scenes.scene import RenderedScene, SceneObject
from lfmvl_warehouse.scenes.scene_video import SceneVideo
from lfmvl_warehouse.scenes.still import preload, render_still
from lfmvl_warehouse.scenes.translations import TRANSLATIONS
from lfmvl_warehouse.scenes.vocabulary import (
    ATTRIBUTES,
    COLOURS,
    KINDS,
    PLURALS,
    known_names,
    object_names,
)

__all__ = [
    "ATTRIBUTES",
    "COLOURS",
    "EASY",
    "HARD",
    "KINDS",
    "PLURALS",
    "PRESETS",
    "STANDARD",
    "TRANSLATIONS",
    "VIDEO",
    "RenderedScene",
    "SceneObject",
    "SceneOptions",
    "SceneVideo",
    "known_names",
    "object_names",
    "preload",
    "render_still",
]

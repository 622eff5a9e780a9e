# SPDX-License-Identifier: Apache-2.0
"""Labelled images in a look that the bundled model has not learnt, for tests."""

from dataclasses import replace

import numpy as np

from lfmvl_warehouse.scenes import EASY, render_still
from lfmvl_warehouse.scenes.labelled import write_labelled
from lfmvl_warehouse.scenes.looks import in_look

KINDS = ("person", "forklift", "traffic cone", "barrel")


def unusual_scenes(count, *, seed=11, wh_px=(160, 120), kinds=KINDS, options=EASY, look="negative"):
    options = replace(options, kinds=kinds)
    for number in range(count):
        scene = render_still(np.random.default_rng([seed, number]), wh=wh_px, options=options)
        yield in_look(scene, look)


def unusual_folder(directory, count=30, *, kinds=KINDS, **more):
    """Write the images and their boxes in COCO format; returns the folder."""
    write_labelled(directory, unusual_scenes(count, kinds=kinds, **more), kinds=kinds)
    return directory

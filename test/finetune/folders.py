# SPDX-License-Identifier: Apache-2.0
"""Labelled images in a look that the bundled model has not learnt, for tests and benchmarks."""

from dataclasses import replace

import numpy as np

from lfmvl_warehouse.scenes import EASY, render_still
from lfmvl_warehouse.scenes.labelled import write_labelled

KINDS = ("person", "forklift", "traffic cone", "barrel")


def as_negative(pixels):
    """A negative with exchanged colours: shapes and boxes stay, the look is an unusual one."""
    return np.ascontiguousarray(255 - pixels[..., [1, 2, 0]])


def unusual_scenes(count, *, seed=11, wh_px=(160, 120), kinds=KINDS, options=EASY):
    options = replace(options, kinds=kinds)
    for number in range(count):
        scene = render_still(np.random.default_rng([seed, number]), wh=wh_px, options=options)
        yield replace(scene, pixels=as_negative(scene.pixels))


def unusual_folder(directory, count=30, *, kinds=KINDS, **more):
    """Write the images and their boxes in COCO format; returns the folder."""
    write_labelled(directory, unusual_scenes(count, kinds=kinds, **more), kinds=kinds)
    return directory

# SPDX-License-Identifier: Apache-2.0
"""Labelled images cheap enough for tests: coloured rectangles on grey."""

import numpy as np

from lfmvl_ros.datasets.questions import LabelledImage, Target, Vocabulary

COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 220)}
KINDS = ("tote", "pallet")


class Rectangles:
    """Totes are upright rectangles, pallets lying ones."""

    vocabulary = Vocabulary(
        KINDS,
        tuple(COLOURS),
        tuple((kind, *(f"{colour} {kind}" for colour in COLOURS)) for kind in KINDS),
    )

    def draw(self, rng, wh_px, max_objects):
        width, height = wh_px
        pixels = np.full((height, width, 3), 120, np.uint8)
        targets = []
        for _ in range(int(rng.integers(0, max_objects + 1))):
            kind, colour = int(rng.integers(2)), int(rng.integers(2))
            w, h = (0.2, 0.4) if kind == 0 else (0.4, 0.2)
            x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
            box = np.array([x, y, x + w, y + h])
            left, top, right, bottom = (box * [width, height, width, height]).astype(int)
            word = list(COLOURS)[colour]
            pixels[top:bottom, left:right] = COLOURS[word]
            targets.append(Target((KINDS[kind], f"{word} {KINDS[kind]}"), kind, colour, box, 1.0))
        return LabelledImage(pixels, tuple(targets))

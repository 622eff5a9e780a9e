# SPDX-License-Identifier: Apache-2.0
"""Samples: a small image with two questions, and one in tiles."""

import numpy as np

from lfmvl_ros.core.prompt import CARD_TEMPLATE, COOKBOOK_TEMPLATE
from lfmvl_ros.datasets.questions import AnswerObject, Question, Target
from lfmvl_ros.finetune.samples import Asking, TrainingSample


def found(label, *xyxy):
    return AnswerObject(label, Target((label,), 0, -1, np.array(xyxy, float), 1.0))


def sample(wh_px, *questions, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (wh_px[1], wh_px[0], 3), dtype=np.uint8)
    return TrainingSample(pixels, questions)


NOTHING = Asking(CARD_TEMPLATE, Question(("forklift",), ()))
TWO = Asking(
    COOKBOOK_TEMPLATE,
    Question(
        ("person", "人"), (found("人", 0.5, 0.1, 0.7, 0.9), found("person", 0.1, 0.2, 0.3, 0.995))
    ),
)
WHOLE = sample((160, 120), NOTHING, TWO)
TILED = sample((1280, 720), TWO, seed=1)

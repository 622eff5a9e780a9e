# SPDX-License-Identifier: Apache-2.0
"""The figures of the checkpoint benchmark: confidence of an object, average precision."""

import numpy as np
import pytest

from lfmvl_ros.training.evaluation import Verdict


def test_confidence_is_that_of_opening_and_label(benchmark, tokenizer):
    text = '[{"label": "red tote", "bbox": [0.37, 0.00, 0.80, 0.99]}, {"label": "tote", "bbox": '
    text += "[0.37, 0.00, 0.80, 0.99]}]"
    ids = tokenizer.encode(text, add_special_tokens=False)
    pieces = [tokenizer.decode([one]) for one in ids]
    logs = [0.0] * len(pieces)
    logs[0] = np.log(0.5)  # opens the first object
    logs[pieces.index(" tote")] = np.log(0.4)
    logs[pieces.index("]},")] = np.log(0.9)  # opens the second
    assert benchmark.object_confidence(pieces, logs) == pytest.approx([0.2, 0.9])
    assert benchmark.object_confidence(["[]"], [0.0]) == []


def test_average_precision(benchmark):
    perfect = [(Verdict(True, (1.0, 1.0), (1.0, 1.0)), [0.9, 0.8])]
    assert benchmark.mean_average_precision(perfect) == pytest.approx(1.0)
    assert benchmark.mean_average_precision([(Verdict(True, (0.0,), (0.0,)), [0.9])]) == 0
    sure_and_right = [(Verdict(True, (1.0, 0.0), (1.0, 0.0)), [0.9, 0.1])]
    sure_and_wrong = [(Verdict(True, (1.0, 0.0), (1.0, 0.0)), [0.1, 0.9])]
    better, worse = map(benchmark.mean_average_precision, (sure_and_right, sure_and_wrong))
    assert better > worse > 0


def test_boxes_on_objects_too_small_to_expect_do_not_count(benchmark):
    spared = [(Verdict(True, (1.0,), (None, 1.0)), [0.9, 0.5])]
    assert benchmark.mean_average_precision(spared) == pytest.approx(1.0)

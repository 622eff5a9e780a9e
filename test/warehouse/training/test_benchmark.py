# SPDX-License-Identifier: Apache-2.0
"""The figures of the checkpoint benchmark: confidence, average precision, captions, decimals."""

from types import SimpleNamespace

import numpy as np
import pytest

from lfmvl_ros.datasets.judging import JudgedReply
from lfmvl_ros.datasets.questions import Question, Target


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
    perfect = [(JudgedReply(True, (1.0, 1.0), (1.0, 1.0)), [0.9, 0.8])]
    assert benchmark.mean_average_precision(perfect) == pytest.approx(1.0)
    assert benchmark.mean_average_precision([(JudgedReply(True, (0.0,), (0.0,)), [0.9])]) == 0
    sure_and_right = [(JudgedReply(True, (1.0, 0.0), (1.0, 0.0)), [0.9, 0.1])]
    sure_and_wrong = [(JudgedReply(True, (1.0, 0.0), (1.0, 0.0)), [0.1, 0.9])]
    better, worse = map(benchmark.mean_average_precision, (sure_and_right, sure_and_wrong))
    assert better > worse > 0


def test_boxes_on_objects_too_small_to_expect_do_not_count(benchmark):
    spared = [(JudgedReply(True, (1.0,), (None, 1.0)), [0.9, 0.5])]
    assert benchmark.mean_average_precision(spared) == pytest.approx(1.0)


def answered(benchmark, text, name="stills"):
    scene = SimpleNamespace(targets=())
    return benchmark.Answered(
        name, scene, Question(("tote",), ()), text, JudgedReply(True, (), ()), []
    )


def test_decimals_are_kept_when_every_number_has_three(benchmark):
    three = '[{"label": "tote", "bbox": [0.374, 0.100, 1.000, 0.250]}]'
    assert benchmark.decimals_kept([answered(benchmark, t) for t in (three, "[]")]) == 1
    mixed = [answered(benchmark, t) for t in (three, three.replace("0.374", "0.37"))]
    assert benchmark.decimals_kept(mixed) == 0.5
    assert benchmark.decimals_kept([answered(benchmark, "[]")]) is None


def test_what_asks_again_is_not_in_the_totals(benchmark):
    names = ("stills", "absent", "language:de", "tiled", "untiled", "three_decimals")
    done = [answered(benchmark, "[]", name) for name in names]
    assert [item.slice for item in benchmark.counted(done)] == ["stills", "absent"]


def test_captions_are_judged_phrase_by_phrase(benchmark):
    class Says:
        def sentences(self, scenes):
            return ['{"global_caption": "A warehouse with two totes and a robot"}', "{"]

    def thing(kind, x):
        return Target((kind, f"red {kind}"), 0, 0, np.array([x, 0, x + 0.3, 1]), 1.0)

    scenes = [SimpleNamespace(targets=[thing("tote", 0), thing("tote", 0.3), thing("robot", 0.6)])]
    scenes *= 2
    assert benchmark.described(Says(), scenes) == {
        "answers": 2, "valid_json": 0.5, "phrases_found": 0.25, "phrases_right": 0.5
    }  # fmt: skip

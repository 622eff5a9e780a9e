# SPDX-License-Identifier: Apache-2.0
"""Drift on simulated answers: planted changes are found, and nothing else is."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfmvl_ros.core.drift import BLOCK, DriftMonitor, ReferenceLearner, features_of, read_reference
from lfmvl_ros.core.drift.features import sharpness
from lfmvl_ros.core.errors import UserError

from ..replies import parse
from .sites import LEARN, PLANTED, Site, monitor, told

FOUND_WITHIN = 200


@pytest.mark.parametrize(("alike", "learn"), [(0.0, 2000), (0.5, 2000), (0.9, 2000), (0.5, 1000)])
def test_less_than_one_false_alarm_in_10000_stationary_answers(alike: float, learn: int) -> None:
    alarms = []
    for seed in range(3):
        site = Site(100 + seed, alike)
        alarms += told(monitor(site, learn), site.answers(10_000))
    assert len(alarms) < 3  # in 30,000 answers


@pytest.mark.parametrize(("name", "planted", "feature"), PLANTED)
def test_planted_changes_are_found_within_200_answers(
    learnt: list[tuple[Site, DriftMonitor]], name: str, planted: dict[str, float], feature: str
) -> None:
    for seed, (site, before) in enumerate(learnt):
        watch = deepcopy(before)
        assert feature in told(watch, deepcopy(site).answers(FOUND_WITHIN, **planted)), seed
        (change,) = [c for c in watch.status().changes if c.feature == feature]
        assert abs(change.sigmas) > 1
        assert str(change).startswith(f"{feature} ")


def test_another_query_is_learnt_anew() -> None:
    site = Site(2)
    watch = monitor(site, 400)
    assert watch.status().to_learn == 0
    watch.add(site.answers(1)[0], "another", "m")
    assert watch.status().to_learn == 399
    assert watch.status().watched == 0


def test_a_profile_of_a_file(tmp_path: Path) -> None:
    query = "person, tote, forklift"
    site, learner, path = Site(3), ReferenceLearner(), tmp_path / "profile.json"
    for answer in site.answers(600):
        learner.add(answer)
    path.write_text(json.dumps(learner.reference(query, "m").to_dict()))
    reference = read_reference(path)
    assert reference == learner.reference(query, "m")

    watch = DriftMonitor(reference, LEARN)
    begun = [watch.add(each, query, "m") for each in site.answers(FOUND_WITHIN, light=0.3)]
    assert [change.feature for each in begun for change in each] == ["brightness"]
    watch.add(site.answers(1)[0], query, "another model")
    assert "is for the model 'm'" in watch.status().problem
    assert watch.status().watched == 0


NORMAL = {"mean": 1, "sigma": 1, "blocks": 20}


def written(path: Path, change: dict[str, object]) -> Path:
    usual = {"features": {"boxes": NORMAL, "boxes[q]": NORMAL, "temperature_c": NORMAL}}
    path.write_text(json.dumps(ReferenceLearner().reference("q", "m").to_dict() | usual | change))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "lfmvl/scorecard/1"}, "is not a drift profile"),
        ({"features": {"boxes": NORMAL | {"sigma": 0}}}, "sigma > 0"),
        ({"features": {"boxes": NORMAL | {"blocks": 2}}}, "blocks must be 10 or more"),
        ({"features": {"boxes": 1}}, "damaged"),
        ({"features": []}, "damaged"),
        ({"features": {"boxes": NORMAL | {"mean": True}}}, "must be numbers"),
        ({"features": {"sharpness": NORMAL | {"mean": 400}}}, "logarithm"),
        ({"query": None}, "must be texts"),
        ({"query": " "}, "damaged"),
        ({"features": {}}, "has no features"),
        ({"features": {"boxes": NORMAL, "brightnes": NORMAL}}, "'q' has: 'brightnes'; correct"),
        ({"query": "p"}, r"'p' has: 'boxes\[q\]'; correct"),
        ({"features": {f"x{i}": NORMAL for i in range(9)}}, "'x4' and 4 more;"),
    ],
)
def test_a_damaged_profile_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    with pytest.raises(UserError, match=r"profile\.json") as caught:
        read_reference(written(tmp_path / "profile.json", change))
    assert re.search(words, str(caught.value))


def test_every_figure_of_answers_may_be_in_a_profile(tmp_path: Path) -> None:
    names = features_of(parse("[]"), np.zeros((8, 8, 3), np.uint8))
    names |= Site(0).answers(1)[0] | {"confidence[other]": 1.0, "temperature_c": 50.0}
    query = "person, red tote, tote, forklift"
    change = {"query": query, "features": dict.fromkeys(names, NORMAL)}
    read = read_reference(written(tmp_path / "profile.json", change))
    assert set(read.features) == set(names)


def test_figures_that_only_one_side_has_are_named(tmp_path: Path) -> None:
    features = dict.fromkeys(["boxes", "confidence", "sharpness", "temperature_c"], NORMAL)
    watch = DriftMonitor(
        read_reference(written(tmp_path / "p.json", {"features": features})), LEARN
    )
    seen = {"boxes": 1.0, "brightness": 0.5, "sharpness": 1.0, "unusable": 0.0}
    for _ in range(BLOCK - 1):
        watch.add(seen, "q", "m")
    assert watch.status().without_values == ()
    watch.add({"unusable": 1.0, "sharpness": 1.0, "temperature_c": 50.0}, "q", "m")
    watch.add(seen, "q", "m")
    assert watch.status().without_values == ("confidence",)  # of boxes that have none
    for _ in range(BLOCK):
        watch.add(seen | {"boxes": 0.0, "sharpness": 1.0}, "q", "m")
    assert watch.status().without_values == ("confidence", "temperature_c")
    assert watch.status().not_in_reference == ("brightness", "unusable")
    watch.add(seen | {"confidence": 0.9, "temperature_c": 50.0}, "q", "m")
    assert watch.status().without_values == ()


def test_answers_without_boxes_lack_no_confidence(tmp_path: Path) -> None:
    features = dict.fromkeys(["boxes[q]", "confidence[q]", "latency_s"], NORMAL)
    watch = DriftMonitor(
        read_reference(written(tmp_path / "p.json", {"features": features})), LEARN
    )
    for _ in range(2 * BLOCK):
        watch.add({"unusable": 0.0, "boxes[q]": 0.0, "latency_s": 0.1}, "q", "m")
        watch.add({"unusable": 1.0}, "q", "m")
    assert watch.status().without_values == ()


def test_the_features_of_an_answer() -> None:
    text = '[{"label": "a person", "bbox": [0.1, 0.1, 0.3, 0.6]}, ' \
           '{"label": "crate", "bbox": [0.5, 0.1, 0.7, 0.6]}]'  # fmt: skip
    found = features_of(parse(text), np.full((480, 640, 3), 51, np.uint8))
    assert found["brightness"] == pytest.approx(0.2)
    assert {name: found[name] for name in found if name.startswith("boxes")} == {
        "boxes": 2, "boxes[person]": 1, "boxes[red tote]": 0, "boxes[other]": 1,
    }  # fmt: skip
    assert (found["unusable"], found["mended"]) == (0, 0)
    assert "confidence" not in found  # this backend gave none
    failed = features_of(parse("I can not do that"), None)
    assert failed == {"unusable": 1.0, "mended": 0.0}


def test_sharpness_falls_with_blur_and_hardly_depends_on_light() -> None:
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 1.0)
    assert sharpness(cv2.GaussianBlur(image, (0, 0), 2.0)) < sharpness(image) / 4
    assert sharpness((image * 0.4).astype(np.uint8)) == pytest.approx(sharpness(image), rel=0.05)

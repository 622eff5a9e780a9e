# SPDX-License-Identifier: Apache-2.0
"""Drift on simulated answers: planted changes are found, and nothing else is."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfmvl_ros.core.drift import DriftMonitor, ReferenceLearner, features_of, read_reference
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
    site, learner, path = Site(3), ReferenceLearner(), tmp_path / "profile.json"
    for answer in site.answers(600):
        learner.add(answer)
    path.write_text(json.dumps(learner.reference("q", "m").to_dict()))
    reference = read_reference(path)
    assert reference == learner.reference("q", "m")

    watch = DriftMonitor(reference, LEARN)
    assert told(watch, site.answers(FOUND_WITHIN, light=0.3)) == ["brightness"]
    watch.add(site.answers(1)[0], "q", "another model")
    assert "is for the model 'm'" in watch.status().problem
    assert watch.status().watched == 0


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "lfmvl/scorecard/1"},
        {"features": {"boxes": {"mean": 1, "sigma": 0, "blocks": 20}}},
        {"features": {"boxes": {"mean": 1, "sigma": 1, "blocks": 2}}},
        {"features": {"boxes": 1}},
        {"features": []},
        {"features": {"boxes": {"mean": True, "sigma": 1, "blocks": 20}}},
        {"features": {"sharpness": {"mean": 400, "sigma": 1, "blocks": 20}}},
        {"query": None},
    ],
)
def test_a_damaged_profile_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(ReferenceLearner().reference("q", "m").to_dict() | change))
    with pytest.raises(UserError, match=r"profile\.json"):
        read_reference(path)


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

# SPDX-License-Identifier: Apache-2.0
"""Drift on simulated answers: planted changes are found, and nothing else is."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.signal import lfilter

from lfmvl_ros.core.drift import BLOCK, DriftMonitor, ReferenceLearner, features_of, read_reference
from lfmvl_ros.core.drift.features import sharpness
from lfmvl_ros.core.errors import UserError

from ..replies import parse

LEARN, FOUND_WITHIN, LABELS = 2000, 200, ("person", "tote", "forklift")


class Site:
    """Simulated answers of a camera: they resemble the ones before, as on a robot."""

    def __init__(self, seed: int, alike: float = 0.5) -> None:
        self.random = np.random.default_rng(seed)
        self.alike, self.before = alike, np.zeros(7)

    def _slow(self, n: int) -> np.ndarray:
        """Return ``(n, 7)`` values of autoregressive processes with variance 1."""
        fresh = np.sqrt(1 - self.alike**2) * self.random.standard_normal((n, 7))
        start = (self.alike * self.before)[None]
        values, _ = lfilter([1.0], [1.0, -self.alike], fresh, axis=0, zi=start)
        self.before = values[-1]
        return values

    def answers(
        self, n: int, *, light: float = 0.5, sharp: float = -1.0, person: float = 0.8,
        tote: float = 2.5, forklift: float = 0.3, sure: float = 0.8, slowness: float = 1.0,
        failing: float = 0.01,
    ) -> list[dict[str, float]]:  # fmt: skip
        draw, slow = self.random, self._slow(n)
        usual = np.array([person, tote, forklift])
        counts = draw.poisson(usual * np.exp(0.3 * slow[:, 3:6] - 0.045))
        spread = 0.12 / np.sqrt(np.maximum(counts, 1))  # of the mean of so many scores
        scores = sure + 0.05 * slow[:, 6:] + spread * draw.standard_normal((n, 3))
        total = counts.sum(axis=1)
        mean = (scores * counts).sum(axis=1) / np.maximum(total, 1)
        always = {
            "brightness": light + 0.06 * slow[:, 0],
            "sharpness": sharp + 0.1 * slow[:, 1],
            "unusable": (draw.random(n) < failing).astype(float),
            "mended": (draw.random(n) < 0.02).astype(float),
        }
        usable = {
            "latency_s": np.log10(0.4 * slowness) + 0.08 * slow[:, 2],
            "boxes": total.astype(float),
            "boxes[other]": (draw.random(n) < 0.01).astype(float),
            **{f"boxes[{label}]": counts[:, i].astype(float) for i, label in enumerate(LABELS)},
            "confidence": np.where(total > 0, mean, np.nan),
            **{f"confidence[{label}]": np.where(counts[:, i] > 0, scores[:, i], np.nan)
               for i, label in enumerate(LABELS)},
        }  # fmt: skip
        for values in usable.values():
            values[always["unusable"] > 0] = np.nan
        columns = {name: values.tolist() for name, values in {**always, **usable}.items()}
        return [
            {name: values[i] for name, values in columns.items() if values[i] == values[i]}
            for i in range(n)
        ]


def told(watch: DriftMonitor, answers: list[dict[str, float]]) -> list[str]:
    """Return the features whose changes begin with these answers."""
    return [c.feature for answer in answers for c in watch.add(answer, "q", "m")]


def monitor(site: Site, learn: int = LEARN) -> DriftMonitor:
    made = DriftMonitor(None, learn)
    assert not told(made, site.answers(learn))
    assert made.status().watched >= 10
    return made


@pytest.fixture(scope="module")
def learnt() -> list[tuple[Site, DriftMonitor]]:
    sites = [Site(seed) for seed in range(8)]
    return [(site, monitor(site)) for site in sites]


@pytest.mark.parametrize(("alike", "learn"), [(0.0, 2000), (0.5, 2000), (0.9, 2000), (0.5, 1000)])
def test_less_than_one_false_alarm_in_10000_stationary_answers(alike: float, learn: int) -> None:
    alarms = []
    for seed in range(3):
        site = Site(100 + seed, alike)
        alarms += told(monitor(site, learn), site.answers(10_000))
    assert len(alarms) < 3  # in 30,000 answers


@pytest.mark.parametrize(
    ("planted", "feature"),
    [
        ({"light": 0.35}, "brightness"),  # darker
        ({"light": 0.65}, "brightness"),
        ({"sharp": -1.4}, "sharpness"),  # out of focus
        ({"sharp": -0.8, "light": 0.56, "sure": 0.7}, "confidence"),  # another camera
        ({"person": 0.1, "tote": 1.2, "forklift": 1.5}, "boxes[forklift]"),  # another label mix
        ({"tote": 0.9}, "boxes[tote]"),
        ({"sure": 0.65}, "confidence[tote]"),
        ({"slowness": 1.6}, "latency_s"),
        ({"failing": 0.3}, "unusable"),
    ],
)
def test_planted_changes_are_found_within_200_answers(
    learnt: list[tuple[Site, DriftMonitor]], planted: dict[str, float], feature: str
) -> None:
    for seed, (site, before) in enumerate(learnt):
        watch = deepcopy(before)
        assert feature in told(watch, deepcopy(site).answers(FOUND_WITHIN, **planted)), seed
        (change,) = [c for c in watch.status().changes if c.feature == feature]
        assert abs(change.sigmas) > 1
        assert str(change).startswith(f"{feature} ")


def test_a_change_that_passes_is_no_change_any_more() -> None:
    site = Site(1)
    watch = monitor(site)
    assert told(watch, site.answers(1000, light=0.3)) == ["brightness"]
    assert [change.feature for change in watch.status().changes] == ["brightness"]
    assert not told(watch, site.answers(20 * BLOCK))
    assert not watch.status().changes
    assert watch.status().begun == 1


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

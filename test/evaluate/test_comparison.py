# SPDX-License-Identifier: Apache-2.0
"""Real differences are found, chance is not taken for one, and conditions say what fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.evaluate.average_precision import STUDENT, jackknife_error
from lfmvl_ros.evaluate.comparison import compare, comparisons
from lfmvl_ros.evaluate.conditions import Condition, failures
from lfmvl_ros.evaluate.figures import COLUMNS, LEAST_IMAGES, Sums

ROUNDS = 120


def entry(found: np.ndarray, objects: np.ndarray, name: str = "m") -> dict[str, Any]:
    rows = np.zeros((len(found), len(COLUMNS)))
    for column, value in {"found": found, "right": found, "objects": objects, "boxes": objects,
                          "iou_sum": 0.8 * found}.items():  # fmt: skip
        rows[:, COLUMNS.index(column)] = value
    figures = Sums(rows).figures()
    return {
        "model": name,
        "figures": {
            **figures,
            "latency_p50_ms": {"value": 100.0, "low": 95.0, "high": 105.0, "n": 9},
            "latency_p95_ms": {"value": None, "low": None, "high": None, "n": 0},
        },
        "labels": [{"label": "tote", "recall": figures["recall"]}],
        "ap_parts": [],
        "images": [{"sums": row} for row in rows.tolist()],
    }


def verdict(result: dict[str, Any], figure: str = "recall") -> str:
    return next(e["verdict"] for e in result["figures"] if e["figure"] == figure)


def test_chance_is_seldom_taken_for_a_difference() -> None:
    rng = np.random.default_rng(0)
    objects = np.full(80, 3)
    hard = rng.beta(5, 2, 80)
    real = 0
    for _ in range(ROUNDS):
        pair = [entry(rng.binomial(objects, hard), objects) for _ in range(2)]
        real += verdict(compare(*pair, same_data=True)) != "open"
    assert real / ROUNDS < 0.12


def test_a_difference_on_the_same_images_is_found_where_different_ones_leave_it_open() -> None:
    rng = np.random.default_rng(2)
    objects = np.full(80, 3)
    before = rng.binomial(objects, rng.beta(1.0, 0.6, 80))
    after = np.where((before == 3) & (rng.random(80) < 0.2), 2, before)  # one in five gets worse
    pair = entry(before, objects), entry(after, objects)
    assert verdict(compare(*pair, same_data=True)) == "worse"
    assert verdict(compare(*pair, same_data=False)) == "open"
    assert verdict(compare(*reversed(pair), same_data=True)) == "better"
    assert verdict(compare(*pair, same_data=True), "latency_p50_ms") == "open"


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("images", "differ"), [(1, 1), (2, 2), (9, 9), (12, 5)])
def test_few_images_prove_nothing(images: int, differ: int, paired: bool) -> None:
    objects = np.full(images, 3)
    pair = entry(objects, objects), entry(objects - (np.arange(images) < differ), objects)
    result = compare(*pair, same_data=paired)
    few = {"recall": differ < 6 if paired else images < LEAST_IMAGES,
           "mean_iou": images < LEAST_IMAGES or (paired and differ < 6)}  # fmt: skip
    for each in result["figures"]:
        if few.get(each["figure"]):
            assert (each["low"], each["high"], each["verdict"]) == (None, None, "open")
    told = failures([Condition.parse("worse")], {"comparisons": [result]})
    assert any("recall" in each for each in told) != few["recall"]
    more = [entry(o, np.full(20, 3)) for o in (np.full(20, 3), 3 - (np.arange(20) < 8))]
    assert verdict(compare(*more, same_data=paired)) == "worse"


def test_an_ap_of_few_images_and_a_latency_without_interval_are_open() -> None:
    objects = np.full(12, 3)
    whole, less = entry(objects, objects), entry(objects - 1, objects)
    for count, expected in ((12, "worse"), (9, "open")):
        pair = with_ap(whole, [0.9] * 10, count), with_ap(less, [0.1] * 10, count)
        assert verdict(compare(*pair, same_data=True), "ap") == expected
    short = {"value": 900.0, "low": None, "high": None, "n": 2}
    slow = {**whole, "figures": {**whole["figures"], "latency_p50_ms": short}}
    assert verdict(compare(whole, slow, same_data=True), "latency_p50_ms") == "open"


def with_ap(card: dict[str, Any], parts: list[float], n: int) -> dict[str, Any]:
    figures = {**card["figures"], "ap": {"value": max(parts), "n": n}}
    return {**card, "figures": figures, "ap_parts": parts}


@pytest.mark.parametrize("differ", [1, 3, 4, 5, 6, 9])
def test_an_ap_that_differs_on_few_images_is_open(differ: int) -> None:
    """The jackknife alone takes four images for a proof: of ten parts, each lacks one of them."""
    objects = np.full(20, 3)
    before, after = entry(objects, objects), entry(objects - (np.arange(20) < differ), objects)
    share = 0.1 * np.where(np.arange(10) < differ, 1 - 1 / differ, 1.0)
    pair = with_ap(before, [0.9] * 10, 20), with_ap(after, (0.9 - share).tolist(), 20)
    pair[1]["figures"]["ap"]["value"] = 0.8
    assert verdict(compare(*pair, same_data=True), "ap") == ("worse" if differ >= 6 else "open")
    alone = STUDENT * jackknife_error(-share)
    assert (alone < 0.1) == (differ >= 4)


def test_answers_with_other_confidences_differ_for_ap() -> None:
    objects = np.full(20, 3)
    before, after = (with_ap(entry(objects, objects), [value] * 10, 20) for value in (0.9, 0.5))
    assert verdict(compare(before, after, same_data=True), "ap") == "open"  # it can't be: the same
    for image in after["images"][:7]:
        image["sums"][COLUMNS.index("score_sum")] = 2.5
    assert verdict(compare(before, after, same_data=True), "ap") == "worse"


def test_a_scorecard_of_an_early_version_is_compared() -> None:
    objects = np.full(20, 3)
    before, after = entry(objects, objects), entry(objects - 1, objects)
    early = {**before, "images": [{"sums": image["sums"][:9]} for image in before["images"]]}
    result = compare(early, after, same_data=True)
    assert verdict(result) == "worse"
    assert "referring" not in {each["figure"] for each in result["figures"]}


def test_a_scorecard_that_lacks_something_is_said() -> None:
    whole = entry(np.ones(5), np.ones(5))
    with pytest.raises(UserError, match="can't be compared"):
        compare({**whole, "images": [{"sums": [1.0]}]}, whole, same_data=True)


def document(*entries: dict[str, Any]) -> dict[str, Any]:
    card = {"models": list(entries), "data": {"fingerprint": "x"},
            "asked": {"ask": "present", "query": ""}}  # fmt: skip
    return {**card, "comparisons": comparisons(card, None)}


def test_conditions() -> None:
    objects = np.full(60, 3)
    good, bad = entry(objects, objects, "good"), entry(objects - 1, objects, "bad")
    card = document(good, bad)

    def failed(*texts: str) -> list[str]:
        return failures([Condition.parse(text) for text in texts], card)

    assert failed("recall<0.5", "count_error>9", "recall[a Tote]<0.5", "f1<=0.1") == [
        "good: count_error>9: there is no count_error to compare",
        "bad: count_error>9: there is no count_error to compare",
    ]
    assert failed(" recall < 0.8 ") == ["bad: recall < 0.8: it is 0.6667"]
    assert failed("recall[tote]<0.8") == ["bad: recall[tote]<0.8: it is 0.6667"]
    assert failed("recall[ladder]<0.8")[0].endswith("there is no recall to compare")
    assert any(s.startswith("bad is worse than good: recall 1 -> 0.6667") for s in failed("worse"))


@pytest.mark.parametrize(
    "text", ["", "recall", "recall=0.8", "beauty<1", "recall<much", "ece[tote]<1", "recall<1e"]
)
def test_a_condition_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--fail-if"):
        Condition.parse(text)

# SPDX-License-Identifier: Apache-2.0
"""The unit of a model's coordinates is right in every answer, and changes are noticed."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from numpy.typing import NDArray

from lfmvl_ros.core.coordinate_scales import PROMPT_SCALES, SCALE_NAMES, UNIT
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.parsing.scales import PRIORS_NATS, CoordinateScale
from lfmvl_ros.core.prompt import CARD_TEMPLATE, PromptTemplate
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.models.catalog import catalog

from ...examples import scaled
from ..replies import frame_of

ANSWERS = 10_000
SESSION = 50  # answers of one run of a node
SIZES = ((640, 480), (1280, 720), (1920, 1080), (320, 240))
Boxes = tuple[NDArray[np.float64], NDArray[np.int64]]


def answer(rng: np.random.Generator, scale: str, decimals: int) -> Boxes:
    """Return boxes as a model prints them, and the decimals of each number.

    A fifth of the answers names small things near the upper left corner only: integers up to 60.
    """
    count = int(rng.integers(1, 7))
    reach = 60 if rng.random() < 0.2 else 1000
    low = rng.integers(0, reach - 1, (count, 2))
    high = np.minimum(low + rng.integers(1, max(2, reach // 2), (count, 2)), reach)
    grid = np.concatenate([low, high], axis=1).astype(np.float64)
    if scale == "0-1000":
        return grid, np.zeros((count, 4), np.int64)
    shares = np.round(grid / 1000, decimals)
    printed = np.full((count, 4), decimals)
    printed[np.isin(shares, (0.0, 1.0)) & (rng.random((count, 4)) < 0.5)] = 0
    return shares, printed


def test_every_scale_of_the_table_is_recognised() -> None:
    assert set(PRIORS_NATS) == set(SCALE_NAMES) - {UNIT.name}
    assert set(PROMPT_SCALES) <= set(SCALE_NAMES)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("entry", [e for e in catalog() if e.template.scale], ids=lambda e: e.name)
def test_no_answer_is_read_in_a_wrong_unit(entry, known: bool) -> None:
    rng = np.random.default_rng(len(entry.name) + known)
    wrong = 0
    for session in range(scaled(ANSWERS) // SESSION):
        coordinates = CoordinateScale(entry.template.scale if known else "")
        wh = SIZES[session % len(SIZES)]
        for _ in range(SESSION):
            boxes, printed = answer(rng, entry.template.scale, entry.template.decimals)
            if not known and not coordinates.name and set(boxes.ravel()) <= {0.0, 1.0}:
                continue  # [0, 0, 1, 1] as the very first answer may mean either
            decision = coordinates.decide(boxes, printed, wh)
            wrong += decision.scale.name != entry.template.scale or bool(decision.remark)
        assert coordinates.held
    assert wrong == 0


def show(coordinates: CoordinateScale, *answers: list[list[float]], decimals: int = 0) -> list[str]:
    said = []
    for boxes in answers:
        array = np.array(boxes, dtype=np.float64)
        decision = coordinates.decide(array, np.full(array.shape, decimals), (640, 480))
        said.append(f"{decision.scale.name}|{decision.remark}")
    return said


SHARES = [[0.1, 0.2, 0.5, 0.7]]
THOUSANDTHS = [[100.0, 200, 500, 700]]


def test_small_integers_keep_the_unit_that_was_found() -> None:
    coordinates = CoordinateScale()
    show(coordinates, *[THOUSANDTHS] * 3)
    assert coordinates.held
    assert show(coordinates, [[0, 0, 1, 1]], [[3, 5, 40, 60]], [[2, 2, 9, 9]]) == ["0-1000|"] * 3


def test_an_answer_of_the_other_kind_is_read_as_such_and_a_change_is_reported(caplog) -> None:
    coordinates = CoordinateScale("0-1", "LiquidAI/LFM2.5-VL-450M")
    assert show(coordinates, SHARES, decimals=2) == ["0-1|"]
    once = "0-1000|coordinates read as 0-1000, not 0-1"
    assert show(coordinates, THOUSANDTHS, THOUSANDTHS) == [once] * 2
    assert show(coordinates, SHARES, decimals=2) == ["0-1|"]
    with caplog.at_level(logging.WARNING):
        said = show(coordinates, *[THOUSANDTHS] * 4)
    assert said == [once, once, "0-1000|coordinates are 0-1000, not 0-1", "0-1000|"]
    assert "LFM2.5-VL-450M: its coordinates are 0-1000, not 0-1 as before" in caplog.text


def test_one_mistaken_number_changes_nothing() -> None:
    coordinates = CoordinateScale("0-1")
    assert show(coordinates, [[0.5, 0.5, 37, 0.8]], decimals=2) == ["0-1|"]
    coordinates = CoordinateScale("0-1000")
    assert show(coordinates, [[100, 200, 1900, 700], [10, 20, 300, 400]]) == ["0-1000|"]


def test_pixels_of_a_large_image_are_found_out() -> None:
    rng = np.random.default_rng(1)
    coordinates = CoordinateScale()
    wh = (1920, 1080)
    for _ in range(10):
        low = rng.integers(0, 900, (4, 2))
        boxes = np.concatenate([low, low + rng.integers(20, 180, (4, 2))], axis=1).astype(float)
        boxes[0, [0, 2]] += 800
        decision = coordinates.decide(boxes, np.zeros((4, 4), np.int64), wh)
    assert decision.scale.extent == (1920.0, 1080.0)
    assert coordinates.held


def parsed(text: str, template: PromptTemplate, coordinates: CoordinateScale | None = None):
    prompt = template.render(Query.parse("person"))
    return parse_reply(
        Reply(text), frame=frame_of((1000, 500)), prompt=prompt, coordinates=coordinates
    )


def test_a_checkpoint_of_thousandths_needs_no_repair() -> None:
    template = PromptTemplate("x", "find {query}", 0, "0-1000")
    found = parsed('[{"label": "person", "bbox": [3, 10, 60, 90]}]', template)
    assert found.outcome is Outcome.OK
    assert found.detections.xyxy_px.tolist() == [[3.0, 5.0, 60.0, 45.0]]


def test_an_unknown_unit_is_remarked_until_it_is_held() -> None:
    coordinates = CoordinateScale()
    text = '[{"label": "person", "bbox": [100, 200, 500, 700]}]'
    outcomes = [parsed(text, CARD_TEMPLATE, coordinates) for _ in range(5)]
    assert [bool(found.repairs) for found in outcomes] == [True, True, True, False, False]
    assert outcomes[0].repairs == ("coordinates read as 0-1000",)
    assert all(found.detections.xyxy_px[0].tolist() == [100, 100, 500, 350] for found in outcomes)


def test_words_of_another_prompt_keep_the_unit_of_the_checkpoint() -> None:
    own = PromptTemplate("own", "find {query}", 0, "0-1000")
    asked = CARD_TEMPLATE.on_scale_of(own)
    assert (asked.text, asked.decimals, asked.scale) == (CARD_TEMPLATE.text, 0, "0-1000")
    assert CARD_TEMPLATE.on_scale_of(CARD_TEMPLATE) == CARD_TEMPLATE


@pytest.mark.parametrize(("decimals", "scale"), [(2, "0-1000"), (0, "0-1"), (2, "percent")])
def test_units_that_can_not_be_are_refused(decimals: int, scale: str) -> None:
    with pytest.raises(ValueError, match=r"scale|decimals"):
        PromptTemplate("x", "find {query}", decimals, scale)

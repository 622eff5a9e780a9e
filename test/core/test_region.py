# SPDX-License-Identifier: Apache-2.0
"""Regions of an image: their boxes go there and back, and their edges cut what lies on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.reply import Reply

from ..examples import examples
from .replies import prompt_of

WH = (640, 480)
MIDDLE = Region((160, 120, 480, 360), WH)
CORNER = Region((320, 240, 640, 480), WH)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    wh = draw(st.tuples(st.integers(2, 4096), st.integers(2, 4096)))
    x1, y1 = draw(st.integers(0, wh[0] - 1)), draw(st.integers(0, wh[1] - 1))
    x2, y2 = draw(st.integers(x1 + 1, wh[0])), draw(st.integers(y1 + 1, wh[1]))
    return Region((x1, y1, x2, y2), wh)


@given(region=regions(), shares=st.lists(st.floats(0, 1), min_size=4, max_size=4))
@examples(200)
def test_boxes_go_to_the_image_and_back(region: Region, shares: list[float]) -> None:
    low, high = np.sort(np.array(shares).reshape(2, 2), axis=0)
    box = np.array([[*low, *high]]) * np.tile(region.wh, 2)
    placed = region.to_image(box)
    np.testing.assert_allclose(region.from_image(placed), box, atol=1e-6)
    x1, y1, x2, y2 = region.xyxy_px
    assert (placed >= np.array([x1, y1, x1, y1]) - 1e-6).all()
    assert (placed <= np.array([x2, y2, x2, y2]) + 1e-6).all()
    assert region.magnification >= 1


@given(region=regions(), shares=st.lists(st.floats(0, 1), min_size=4, max_size=4))
@examples(200)
def test_what_is_well_inside_is_not_cut(region: Region, shares: list[float]) -> None:
    low, high = np.sort(np.array(shares).reshape(2, 2), axis=0)
    box = np.array([[*low, *high]]) * np.tile(region.wh, 2)
    assert not (region.holds(box) & region.cuts(box)).any()


def test_an_edge_of_the_image_cuts_nothing() -> None:
    touching = np.array([[600.0, 440.0, 640.0, 480.0]])
    assert CORNER.holds(touching).all()
    assert not CORNER.cuts(touching).any()
    at_inner_edge = np.array([[321.0, 300.0, 400.0, 400.0]])
    assert CORNER.cuts(at_inner_edge).all()
    assert not CORNER.holds(at_inner_edge).any()
    whole = Region((0, 0, *WH), WH)
    assert whole.holds(np.array([[0.0, 0.0, *WH]])).all()


@pytest.mark.parametrize("box", [(0, 0, 0, 10), (-1, 0, 5, 5), (0, 0, 641, 5), (5, 5, 4, 9)])
def test_a_rectangle_outside_the_image_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="inside the image"):
        Region(box, WH)


def test_a_cropped_frame_has_the_size_and_stamp_of_its_image() -> None:
    pixels = np.zeros((*WH[::-1], 3), np.uint8)
    pixels[120:360, 160:480] = 200
    cropped = Frame(pixels, 7, "lens", "left").cropped(MIDDLE)
    assert (cropped.wh, cropped.stamp_ns, cropped.camera) == (WH, 7, "left")
    assert (cropped.pixels == 200).all()
    with pytest.raises(ValueError, match="can't be cut"):
        cropped.cropped(MIDDLE)
    with pytest.raises(ValueError, match="can't be cut"):
        Frame(np.zeros((9, 9, 3), np.uint8), 0).cropped(MIDDLE)
    with pytest.raises(ValueError, match="its image"):
        Frame(np.zeros((9, 9, 3), np.uint8), 0, region=MIDDLE)


def _answer(text: str, region: Region = MIDDLE) -> Grounding:
    frame = Frame(np.zeros((*WH[::-1], 3), np.uint8), 7).cropped(region)
    return parse_reply(Reply(text), frame=frame, prompt=prompt_of("person, red tote", 2))


def test_an_answer_about_a_region_is_in_pixels_of_the_image() -> None:
    grounding = _answer('[{"label": "person", "bbox": [0.25, 0.25, 0.50, 0.75]}]')
    assert grounding.detections.xyxy_px.tolist() == [[240.0, 180.0, 320.0, 300.0]]
    assert (grounding.wh, grounding.region) == (WH, MIDDLE)
    whole = parse_reply(
        Reply('[{"label": "person", "bbox": [0.25, 0.25, 0.50, 0.75]}]'),
        frame=Frame(np.zeros((*WH[::-1], 3), np.uint8), 7), prompt=prompt_of("person", 2),
    )  # fmt: skip
    # The same rounding is half as many pixels in a region half as wide.
    np.testing.assert_allclose(grounding.detections.sigma_px, whole.detections.sigma_px / 2)
    assert grounding.to_dict()["region"] == [0.25, 0.25, 0.75, 0.75]
    assert whole.to_dict()["region"] is None


def test_boxes_that_an_edge_cuts_are_listed_and_not_used() -> None:
    grounding = _answer(
        '[{"label": "person", "bbox": [0.00, 0.25, 0.50, 0.75]}, '
        '{"label": "shelf", "bbox": [0.25, 0.25, 0.50, 1.00]}, '
        '{"label": "red tote", "bbox": [0.25, 0.25, 0.50, 0.75]}]'
    )
    assert grounding.detections.labels == ("red tote",)
    assert grounding.outcome is Outcome.OK
    assert grounding.rejected == (
        "person: the edge of the region cuts its box", "shelf: the edge of the region cuts its box",
    )  # fmt: skip
    assert grounding.unknown_labels == ()


def test_an_answer_of_cut_boxes_only_names_nothing() -> None:
    cut = _answer('[{"label": "person", "bbox": [0.00, 0.25, 0.50, 0.75]}]')
    assert (cut.outcome, len(cut.detections)) == (Outcome.EMPTY, 0)
    at_border = _answer('[{"label": "person", "bbox": [0.80, 0.25, 1.00, 1.00]}]', CORNER)
    assert (at_border.outcome, len(at_border.detections)) == (Outcome.OK, 1)


def test_what_is_listed_is_bounded() -> None:
    box = '{{"label": "person", "bbox": [0.00, {:.2f}, {:.2f}, {:.2f}]}}'
    boxes = [
        box.format(y / 100, x / 10, y / 100 + 0.05) for x in (1, 3, 5, 9) for y in range(5, 90, 5)
    ]
    grounding = _answer("[" + ", ".join(boxes) + "]")
    assert len(grounding.rejected) == 51


def test_a_region_of_another_image_is_refused() -> None:
    whole = _answer("[]")
    with pytest.raises(ValueError, match="is of an image of"):
        Grounding(
            whole.outcome, whole.detections, 0, "", "", (320, 240), whole.query, whole.reply,
            region=MIDDLE,
        )  # fmt: skip

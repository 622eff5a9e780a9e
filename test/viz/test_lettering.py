# SPDX-License-Identifier: Apache-2.0
"""Text of any script lands on the image, or as question marks; nothing outside is touched."""

import numpy as np
import pytest

from lfmvl_ros.viz import lettering
from lfmvl_ros.viz.drawing import Mark, draw_marks
from lfmvl_ros.viz.lettering import draw_text, text_size


def written(text, left=20, line=40, scale=0.6):
    canvas = np.zeros((60, 300, 3), np.uint8)
    draw_text(canvas, text, left, line, scale, (255, 255, 255))
    return canvas


@pytest.fixture
def dejavu(monkeypatch):
    """A font with Latin, Greek and Cyrillic letters and no others, whatever is installed."""
    from matplotlib import get_data_path

    path = f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    monkeypatch.setattr(lettering, "_asked_fontconfig", lambda letters: path)
    monkeypatch.setattr(lettering, "_KNOWN_FONTS", ())
    lettering._rendered.cache_clear()
    lettering._font_for.cache_clear()
    yield path
    lettering._rendered.cache_clear()
    lettering._font_for.cache_clear()


@pytest.mark.parametrize("text", ["tote #1", "Behälter #1", "Ящик #1", "段ボール箱 #1"])
def test_text_fills_the_space_it_says(dejavu, text):
    width, above, below = text_size(text, 0.6)
    rows, columns = written(text).any(2).nonzero()
    assert 0.6 * width < np.ptp(columns) <= width + 4
    assert rows.min() >= 40 - above - 2
    assert rows.max() <= 40 + below + 2


def test_letters_of_a_font_are_letters_and_others_question_marks(dejavu):
    assert not np.array_equal(written("ä"), written("ü"))
    assert np.array_equal(written("段"), written("箱"))  # both as ?
    assert written("段").any()


def test_without_any_font_there_are_question_marks(monkeypatch, dejavu):
    monkeypatch.setattr(lettering, "_asked_fontconfig", lambda letters: None)
    assert written("ä").any()
    assert np.array_equal(written("ä"), written("ü"))


@pytest.mark.parametrize(("left", "line"), [(-5, 40), (290, 40), (20, 2), (20, 70), (500, 40)])
def test_what_lies_outside_is_cut_off(dejavu, left, line):
    assert written("Behälter", left, line).shape == (60, 300, 3)


def test_a_label_of_another_script_keeps_its_box_visible(dejavu):
    image = np.full((120, 200, 3), 90, np.uint8)
    mark = Mark((30.0, 50.0, 150.0, 100.0), "Behälter #3 0.91", (255, 200, 40))
    drawn = draw_marks(image, [mark])
    assert (drawn != 90).any(2).sum() > 500
    assert tuple(drawn[75, 30]) == (255, 200, 40)
    assert tuple(drawn[75, 90]) == (90, 90, 90)


def test_fontconfig_that_is_not_there_is_no_error(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert lettering._asked_fontconfig("ä") is None

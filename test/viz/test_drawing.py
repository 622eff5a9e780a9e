# SPDX-License-Identifier: Apache-2.0
"""Images change where a mark is, nowhere else, and the input never."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.core.video_reader import VideoReader
from lfmvl_ros.ros.recording import Recording
from lfmvl_ros.viz.annotate import PREVIEW_CANDIDATES, AnnotatedVideo, TypicalFrame
from lfmvl_ros.viz.drawing import Mark, colour_of, draw_caption, draw_marks, marks_of_tracks
from lfmvl_ros.viz.video import read_image, write_image

GREY = np.full((120, 160, 3), 90, np.uint8)


def test_box_is_drawn_on_a_copy() -> None:
    before = GREY.copy()
    canvas = draw_marks(GREY, [Mark((40, 50, 100, 100), "tote", (255, 0, 0))])
    assert (GREY == before).all()
    assert (canvas[100, 40:100] == (255, 0, 0)).all(axis=-1).mean() > 0.8
    assert (canvas[60:90, 50:90] == 90).all()


def test_coasting_is_dashed() -> None:
    box = (40.0, 50.0, 100.0, 100.0)
    solid = draw_marks(GREY, [Mark(box, "", (255, 0, 0))])
    dashed = draw_marks(GREY, [Mark(box, "", (255, 0, 0), dashed=True)])
    assert 0.2 < (dashed[100] != 90).sum() / (solid[100] != 90).sum() < 0.9


@given(
    st.tuples(*[st.floats(-1e6, 1e6)] * 4),
    st.text(st.characters(), max_size=20),
    st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
)
def test_any_mark_can_be_drawn(
    box: tuple[float, float, float, float], text: str, velocity: tuple[float, float]
) -> None:
    canvas = draw_marks(GREY, [Mark(box, text, (1, 2, 3), velocity_px_s=velocity)])
    assert canvas.shape == GREY.shape


@pytest.mark.parametrize(
    "text", ["\x85", "é\nb", "\ud800", "\u2028", "\ufffe", "\u0378", "\u202eé"]
)
def test_text_that_can_not_be_drawn_is_left_out(text: str) -> None:
    """Pillow's layout refuses some of these."""
    canvas = draw_marks(GREY, [Mark((10, 30, 90, 90), text, (1, 2, 3))])
    draw_caption(canvas, text)
    assert (canvas != GREY).any()


def test_neighbouring_ids_differ_in_colour() -> None:
    colours = np.array([colour_of(i) for i in range(1, 30)], float)
    assert np.abs(np.diff(colours, axis=0)).sum(axis=1).min() > 60


@given(st.permutations(list(TrackState)))
def test_only_confirmed_tracks_are_drawn(states: list[TrackState]) -> None:
    n = len(states)
    tracks = Tracks(
        1, np.arange(n) + 7, ("tote",) * n, np.full(n, 0.5), np.tile([1.0, 2, 30, 40], (n, 1)),
        np.zeros((n, 2)), np.tile(np.eye(4), (n, 1, 1)), tuple(states), np.zeros(n), wh=(160, 120),
    )  # fmt: skip
    marks = marks_of_tracks(tracks)
    shown = {7 + i: state for i, state in enumerate(states) if state is not TrackState.TENTATIVE}
    assert {key: mark.dashed for key, mark in marks.items()} == {
        key: state is TrackState.COASTING for key, state in shown.items()
    }
    assert marks[7 + states.index(TrackState.CONFIRMED)].text.endswith("0.50")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300))
def test_the_preview_has_the_median_number_of_boxes_of_an_even_sample(boxes: list[int]) -> None:
    typical = TypicalFrame()
    for index, count in enumerate(boxes):
        typical.add(np.full((1, 1, 3), (index % 256, index // 256, count), np.uint8), count)
    chosen = typical.choose()
    assert chosen is not None
    low, high, count = chosen[0, 0].tolist()
    stride = 1
    while (len(boxes) - 1) // stride >= PREVIEW_CANDIDATES:
        stride *= 2
    sample = sorted(boxes[::stride])
    assert count == boxes[low + 256 * high] == sample[(len(sample) - 1) // 2]
    nearer = range(0, len(boxes), stride)
    middle, distance = (len(boxes) - 1) / 2, abs(low + 256 * high - (len(boxes) - 1) / 2)
    assert not any(boxes[i] == count and abs(i - middle) < distance for i in nearer)


def test_a_recorded_run_shows_confirmed_tracks_only(tmp_path: Path) -> None:
    """The pixels at a tentative track's outline stay as the camera sent them."""
    track = {"label": "tote", "confidence": 0.9, "velocity": [0.0, 0.0]}
    boxes = {"tentative": [0.1, 0.25, 0.3, 0.75], "confirmed": [0.6, 0.25, 0.9, 0.75]}
    document = {"width": 160, "height": 120, "tracks": [
        {**track, "id": number, "state": state, "bbox": box}
        for number, (state, box) in enumerate(boxes.items(), 1)
    ]}  # fmt: skip
    recording = Recording()
    recording.add_image(1, GREY)
    recording.states[1] = document
    recording.write(tmp_path, 10.0)
    preview = read_image(tmp_path / "preview.png").astype(int)
    assert abs(preview[25:95, 10:55] - 90).max() <= 3  # JPEG
    assert abs(preview[60, 96] - 90).max() > 60


def test_a_run_without_frames_has_no_preview() -> None:
    assert TypicalFrame().choose() is None


def test_video_and_preview_are_written_and_readable(tmp_path: Path) -> None:
    with AnnotatedVideo(tmp_path, 10.0) as video:
        for i in range(8):
            mark = Mark((20 + i, 20, 60 + i, 80), "tote", (255, 0, 0))
            video.add(GREY, {1: mark}, f"frame {i}")
    assert read_image(tmp_path / "preview.png").shape == GREY.shape
    reader = VideoReader(tmp_path / "annotated.mp4")
    frames = list(reader)
    assert (len(frames), reader.rate_hz) == (8, 10.0)
    assert frames[3][0] == 300_000_000


def test_unreadable_files_are_explained(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.mp4").write_bytes(b"")
    for call in (
        lambda: read_image(tmp_path / "missing.png"),
        lambda: read_image(tmp_path / "text.png"),
        lambda: VideoReader(tmp_path / "missing.mp4"),
        lambda: VideoReader(tmp_path / "empty.mp4"),
        lambda: VideoReader(tmp_path / "text.png"),
        lambda: write_image(tmp_path / "image.xyz", GREY),
    ):
        with pytest.raises(UserError):
            call()

# SPDX-License-Identifier: Apache-2.0
"""Networks with the interface of cv2.TrackerNano: the same boxes as OpenCV's, and wrong files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.tracking.siamese import NANO_FOLDER, SiameseNets, load_follower

from ...examples import examples
from .tiny_nets import write_tiny_nets

WALL, RED, BLUE = (90, 110, 100), (200, 40, 30), (30, 60, 200)
SIDE_PX = 60
# A cell of the search region in px of the image, for a box of 60x60.
CELL_PX = 16 * 2 * SIDE_PX / 127


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_nets(tmp_path_factory.mktemp("nets"))


@pytest.fixture(scope="module")
def nets(folder: Path) -> SiameseNets:
    found = load_follower(str(folder))
    assert found is not None
    return found


def card(
    x: int, y: int, colour: tuple[int, int, int] = RED, other: int | None = None
) -> np.ndarray:
    """A wall with a card around a place, and a blue one ``other`` px to the right of it."""
    image = np.full((360, 640, 3), WALL, np.uint8)
    half = SIDE_PX // 2
    for centre, tint in ((x, colour), *(((x + other, BLUE),) if other is not None else ())):
        image[max(y - half, 0) : y + half, max(centre - half, 0) : max(centre + half, 0)] = tint
    return image


def box(x: float, y: float) -> np.ndarray:
    return np.array([x, y, SIDE_PX, SIDE_PX], float)


@examples(20)
@given(
    x=st.integers(40, 600), y=st.integers(40, 320), dx=st.integers(-25, 25), dy=st.integers(-25, 25)
)
def test_a_look_finds_what_opencvs_tracker_finds(
    folder: Path, nets: SiameseNets, x: int, y: int, dx: int, dy: int
) -> None:
    before, after = card(x, y), card(x + dx, y + dy)
    params = cv2.TrackerNano_Params()
    params.backbone, params.neckhead = str(folder / "backbone.onnx"), str(folder / "neckhead.onnx")
    theirs = cv2.TrackerNano_create(params)
    half = SIDE_PX // 2
    theirs.init(np.ascontiguousarray(before[..., ::-1]), (x - half, y - half, SIDE_PX, SIDE_PX))
    _, (left, top, wide, high) = theirs.update(np.ascontiguousarray(after[..., ::-1]))
    look = nets.look(after, box(x, y), nets.template(before, box(x, y)))
    # Its crops begin at whole pixels, and its boxes are whole ones.
    np.testing.assert_allclose(look.box[:2], (left + wide / 2, top + high / 2), atol=4)
    # Farther out, what it finds is drawn towards the middle of what is searched.
    far_px = np.hypot(dx, dy)
    np.testing.assert_allclose(
        look.box[:2], (x + dx, y + dy), atol=CELL_PX / 2 if far_px <= 18 else CELL_PX
    )
    np.testing.assert_allclose(look.box[2:], (wide, high), atol=2)
    assert look.score > (0.9 if far_px <= 12 else 0.5 if far_px <= 20 else 0.0)


def test_the_object_is_told_from_another_one_beside_it(nets: SiameseNets) -> None:
    template = nets.template(card(300, 200), box(300, 200))
    look = nets.look(card(330, 200, other=-60), box(300, 200), template)
    assert abs(look.box[0] - 330) < CELL_PX


def test_the_score_is_low_where_the_object_has_gone(nets: SiameseNets) -> None:
    template = nets.template(card(300, 200), box(300, 200))
    assert nets.look(card(300, 200, WALL), box(300, 200), template).score < 0.1


@pytest.mark.parametrize("centre", [(0.0, 0.0), (640.0, 360.0), (-50.0, 180.0)])
def test_a_box_over_the_border_can_be_looked_for(
    nets: SiameseNets, centre: tuple[float, float]
) -> None:
    image = card(20, 20)
    look = nets.look(image, box(*centre), nets.template(image, box(*centre)))
    assert np.isfinite(look.box).all()


def test_flow_needs_no_files() -> None:
    assert load_follower("flow") is None


def test_a_missing_folder_is_refused_with_what_it_should_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"backbone.*no folder.*SiamTrackers") as refused:
        load_follower("nano")
    assert NANO_FOLDER.removeprefix("~") in str(refused.value)


def test_nano_is_found_in_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_tiny_nets(tmp_path / NANO_FOLDER.removeprefix("~/"))
    assert load_follower("nano") is not None


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'backbone'.*found none"):
        load_follower(str(tmp_path))
    (tmp_path / "backbone.onnx").write_bytes(b"no network")
    (tmp_path / "head.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"backbone\.onnx.*can't be read as an ONNX network"):
        load_follower(str(tmp_path))
    (tmp_path / "head_v2.onnx").write_bytes(b"no network")
    write_tiny_nets(tmp_path)
    with pytest.raises(UserError, match=r"'head'.*found 'head\.onnx', 'head_v2\.onnx'"):
        load_follower(str(tmp_path))


def test_a_head_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"do not work as backbone and head.*16x16"):
        load_follower(str(write_tiny_nets(tmp_path, logits=3)))


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"")
    with pytest.raises(UserError, match="no folder"):
        load_follower(str(file))

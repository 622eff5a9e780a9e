# SPDX-License-Identifier: Apache-2.0
"""Where objects were last seen is kept, bounded, and found again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.config_memory import MemorySettings
from lfmvl_ros.core.encoded_images import encoded_wh
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.memory.recorder import MemoryRecorder, sightings
from lfmvl_ros.core.memory.sighting import Sighting
from lfmvl_ros.core.memory.store import MemoryStore
from lfmvl_ros.core.tracking import TrackState

from ...examples import examples
from ...waiting import until
from ..rules.scenes import IN, OUT, WH, Object, tracks

TOTE = Sighting("red tote", "run", "", 3, 5, 1000.0, 0.9, (0.1, 0.2, 0.3, 0.4), jpeg=b"x")


def stored(path: Path, *items: Sighting) -> MemoryStore:
    store = MemoryStore(path / "memory.db")
    store.remember(items)
    return store


def test_an_object_is_kept_once_as_it_was_last_seen(tmp_path: Path) -> None:
    placed = replace(TOTE, track=4, seen_unix_s=900.0, position_m=(1.0, 2.0, 3.0), frame_id="map")
    store = stored(tmp_path, TOTE, placed)
    store.remember([replace(TOTE, stamp_ns=9, seen_unix_s=1100.0, camera="left")])
    store.remember([replace(TOTE, stamp_ns=7, seen_unix_s=1050.0)])
    assert [(one.camera, one.track, one.stamp_ns) for one in store.last("Red Totes", 9)] == [
        ("left", 3, 9), ("", 3, 7), ("", 4, 5),
    ]  # fmt: skip
    assert store.last("red tote", 9, "left")[0].seen_unix_s == 1100.0
    assert store.last("red tote", 3)[2] == placed
    assert store.last("crate") == []
    store.close()
    again = MemoryStore(tmp_path / "memory.db", read_only=True)
    assert again.labels() == ["red tote"]
    with pytest.raises(UserError, match="can't be used"):
        again.remember([TOTE])
    again.close()


@given(st.lists(st.floats(0, 100), max_size=12), st.floats(0, 100), st.integers(1, 8))
@examples(20)
def test_it_forgets_by_age_and_by_number(seen_s: list[float], before_s: float, most: int) -> None:
    seen = [replace(TOTE, track=i, seen_unix_s=time_s) for i, time_s in enumerate(seen_s, 1)]
    with TemporaryDirectory() as folder:
        store = stored(Path(folder), *seen)
        gone = store.forget(before_s, most)
        kept = [one.seen_unix_s for one in store.last("red tote", 99)]
        store.close()
    expected = sorted((s for s in seen_s if s >= before_s), reverse=True)[:most]
    assert kept == expected
    assert gone == len(seen_s) - len(expected)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with pytest.raises(UserError):
        MemoryStore(path, read_only=True)
    path.write_text("no database")
    for read_only in (True, False):
        with pytest.raises(UserError, match=r"memory .* can't be used"):
            MemoryStore(path, read_only=read_only)
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE seen (a)")
    with pytest.raises(UserError, match=r"memory .* can't be used"):
        stored(tmp_path, TOTE)


def frame() -> Frame:
    return Frame(np.full((WH[1], WH[0], 3), 80, np.uint8), 10**9)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("label", b"\xff"), ("run", b""), ("frame_id", b"x"), ("track", "x"), ("stamp_ns", b"1"),
        ("stamp_ns", 1e300), ("unix_s", "nan"), ("unix_s", -1), ("unix_s", float("inf")),
        ("unix_s", 1e18), ("confidence", b""), ("x1", None), ("y2", "x"), ("x_m", float("-inf")),
        ("z_m", b""), ("frame_id", ""), ("jpeg", 2**63 - 1), ("jpeg", "text"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str, value: object
) -> None:
    """SQLite keeps any value in any column."""
    positioned = replace(TOTE, position_m=(1.0, 2.0, 3.0), frame_id="map")
    stored(tmp_path, positioned).close()
    path = tmp_path / "memory.db"
    base = sqlite3.connect(path)
    base.execute(f"UPDATE seen SET {column} = ?", (value,))
    base.commit()
    base.close()
    code = main(["where", "red tote", "--file", str(path)])
    said = capsys.readouterr()
    if (column, value) == ("frame_id", ""):  # no frame: the position is left out
        assert code == 0
        return
    assert code == 2
    assert f"the memory {path} is damaged (" in said.err
    assert said.out == ""


def test_an_empty_crop_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path, replace(TOTE, jpeg=b"")).close()
    words = ["where", "red tote", "--file", str(tmp_path / "memory.db")]
    assert main([*words, "--crop", str(tmp_path / "crop.jpg")]) == 2
    assert "has no image of that 'red tote'; leave out --crop" in capsys.readouterr().err
    assert not (tmp_path / "crop.jpg").exists()
    assert main(words) == 0


def test_confirmed_objects_are_remembered_with_crop_and_position() -> None:
    now = tracks(1.0, [Object(1, IN), Object(2, OUT, state=TrackState.COASTING), Object(3, 2.0)])
    places = {1: {"position": [1.0, 2.0, 3.0], "frame_id": "map"}}
    (found,) = sightings(frame(), now, places, 50.0)  # 2 is predicted, 3 outside the image
    assert (found.track, found.label, found.seen_unix_s) == (1, "person", 50.0)
    assert (found.position_m, found.frame_id) == ((1.0, 2.0, 3.0), "map")
    width, height = encoded_wh(found.jpeg) or (0, 0)
    assert 0.25 * WH[0] <= width < WH[0]
    assert 0 < height < WH[1]


def test_a_recorder_writes_what_it_is_shown_and_warns_once_when_it_can_not(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = MemorySettings(file=str(tmp_path / "m.db"), period_s=600.0)
    recorder = MemoryRecorder(settings, warnings.append)
    recorder.tracks(frame(), tracks(1.0, []), {})
    recorder.tracks(frame(), tracks(2.0, [Object(1, IN)]), {})
    recorder.tracks(frame(), tracks(2.01, [Object(2, IN)]), {})  # too soon after the one before
    recorder.close()
    store = MemoryStore(tmp_path / "m.db")
    assert [one.track for one in store.last("person", 9)] == [1]
    store.close()

    def ruin() -> None:
        sqlite3.connect(tmp_path / "m.db").executescript("DROP TABLE seen")

    def show(made: MemoryRecorder, prepare: Callable[[], None]) -> None:
        prepare()
        for _ in range(2):
            made._due_s = 0.0
            made.tracks(frame(), tracks(3.0, [Object(1, IN)]), {})
        made.close()

    show(MemoryRecorder(settings, warnings.append), ruin)
    assert len(warnings) == 1
    assert "nothing is remembered: the memory" in warnings[0]


def test_a_position_in_no_frame_is_left_out_and_the_thread_goes_on(tmp_path: Path) -> None:
    """A camera whose driver sets no frame_id has positions that nobody can place."""
    file, warnings = tmp_path / "memory.db", list[str]()
    recorder = MemoryRecorder(MemorySettings(file=str(file)), warnings.append)
    seen = frame(), tracks(3.0, [Object(1, IN)])
    for places in ({1: {"position": [1.0, 2.0, 3.0], "frame_id": ""}}, {1: {}}, {}):
        recorder._due_s = 0.0
        recorder.tracks(*seen, places)
        until(lambda: recorder._waiting is None or not recorder._thread.is_alive())
    assert recorder._thread.is_alive()
    recorder.close()
    (kept,) = MemoryStore(file, read_only=True).last("person", 9)
    assert (kept.position_m, kept.frame_id) == (None, "")


def test_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    placed = replace(TOTE, position_m=(1.0, 2.0, 3.0), frame_id="map")
    stored(tmp_path, placed, replace(TOTE, track=9, label="crate")).close()
    file = ["--file", str(tmp_path / "memory.db")]
    assert main(["where", "red tote", *file, "--crop", str(tmp_path / "crop.jpg")]) == 0
    printed = capsys.readouterr().out
    assert "top left of the image, at 1.00, 2.00, 3.00 m in map" in printed
    assert '"position": [1.0, 2.0, 3.0]' in printed.splitlines()[-1]
    assert (tmp_path / "crop.jpg").read_bytes() == b"x"
    assert main(["where", "crates", *file]) == 0
    capsys.readouterr()
    assert main(["where", "red toat", *file]) == 1
    assert "did you mean 'red tote'?" in capsys.readouterr().err
    assert main(["where", "red tote", "--file", str(tmp_path / "none.db")]) == 2

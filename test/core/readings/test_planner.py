# SPDX-License-Identifier: Apache-2.0
"""Which crops are read, what is kept of them, and that no text is said of another object."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config_reading import ReadingSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.readings import ReadLine
from lfmvl_ros.core.readings.crops import readable_rows, sharpness
from lfmvl_ros.core.readings.planner import ReadingPlanner
from lfmvl_ros.core.readings.reading import text_of
from lfmvl_ros.core.readings.worker import ReadingWorker
from lfmvl_ros.core.tracking import TrackState

from ...examples import examples
from ...schemas import check
from ..rules.scenes import WH, Object, tracks

SETTINGS = ReadingSettings(labels=("box",), rate_hz=100.0)


def board(period_px: int = 8, height: int = WH[1]) -> np.ndarray:
    image = np.zeros((height, WH[0], 3), np.uint8)
    image[:, np.arange(WH[0]) // period_px % 2 == 0] = 220
    return image


def frame(time_s: float, pixels: np.ndarray | None = None) -> Frame:
    return Frame(board() if pixels is None else pixels, round(time_s * 1e9))


def box(key: int = 1, x: float = 0.5, label: str = "box", **options) -> Object:
    return Object(key, x, label=label, size_px=options.pop("size_px", (80.0, 60.0)), **options)


class Scene:
    """A planner with a clock; every crop of a track says the same."""

    def __init__(self, settings: ReadingSettings = SETTINGS) -> None:
        self.planner = ReadingPlanner(lambda: settings)
        self.now_s = 0.0
        self.read: list[int] = []

    def see(self, *objects: Object, says: str = "ACME", sure: float = 0.9, for_s: float = 0.1):
        """Show objects; return the text of the track that was read last."""
        text = None
        for _ in range(max(1, round(for_s / 0.1))):
            self.now_s += 0.1
            seen = tracks(self.now_s, objects)
            self.planner.consider(frame(self.now_s), seen, self.now_s)
            crop = self.planner.next(self.now_s)
            if crop is not None:
                self.read.append(crop.id)
                lines = (ReadLine(says, sure),) if says else ()
                text = self.planner.take(crop, lines, self.now_s) or text
        return text


def test_a_text_becomes_certain_and_is_not_read_again_at_once():
    scene = Scene()
    first = scene.see(box(), for_s=0.5)
    assert (first.text, first.readings, first.confidence < 0.9) == ("ACME", 1, True)
    text = scene.see(box(), for_s=2.0)
    assert text.confidence >= 0.95
    assert text.label == "box"
    count = len(scene.read)
    assert scene.see(box(), for_s=3.0) is None
    assert len(scene.read) == count
    assert scene.see(box(), for_s=10.0) is not None  # again_s
    check(text.to_dict())


def test_an_object_that_comes_much_closer_is_read_again():
    scene = Scene()
    scene.see(box(), for_s=3.0)
    count = len(scene.read)
    scene.see(box(size_px=(160.0, 120.0)), for_s=1.0)
    assert len(scene.read) > count


def test_an_uncertain_object_does_not_take_all_readings():
    scene = Scene()
    scene.see(box(), says="", for_s=9.0)
    assert len(scene.read) == 8
    assert scene.planner.texts() == {}


def test_another_label_or_id_forgets_what_was_read():
    scene = Scene()
    scene.see(box(1), for_s=2.0)
    texts = scene.planner.texts()
    assert text_of(texts, 1, "box").text == "ACME"
    assert text_of(texts, 1, "tote") is None
    scene.see(box(1, label="tote"))
    assert scene.planner.texts() == {}
    scene.see(box(2), says="OTHER", for_s=2.0)
    assert {key: text.text for key, text in scene.planner.texts().items()} == {2: "OTHER"}


def test_labels_that_are_not_read_any_more_lose_their_text():
    labels = ["box"]
    planner = ReadingPlanner(lambda: ReadingSettings(labels=tuple(labels)))
    seen = tracks(0.1, [box()])
    planner.consider(frame(0.1), seen, 0.1)
    planner.take(planner.next(1.0), (ReadLine("ACME", 0.9),), 1.0)
    assert planner.texts()
    labels[:] = ["sign"]
    planner.consider(frame(0.2), tracks(0.2, [box()]), 1.1)
    assert planner.texts() == {}


def test_a_crop_of_a_track_that_is_gone_says_nothing():
    scene = Scene()
    scene.see(box(1), for_s=0.3)
    scene.planner.consider(frame(1), tracks(1, [box(1)]), 1.0)
    crop = scene.planner.next(1.0, urgent=True)
    scene.planner.consider(frame(2), tracks(2, [box(2)]), 2.0)
    assert scene.planner.take(crop, (ReadLine("ACME", 1.0),), 2.0) is None
    assert 1 not in scene.planner.texts()


def test_a_text_that_changes_is_followed():
    scene = Scene(ReadingSettings(labels=("box",), rate_hz=100.0, again_s=1.0))
    scene.see(box(), for_s=3.0)
    text = scene.see(box(), says="Z-72", for_s=6.0)
    assert text.text == "Z-72"
    assert text.confidence >= 0.95


def test_the_sharpest_crop_is_read():
    planner, sharp = ReadingPlanner(lambda: SETTINGS), 2
    for number in range(5):
        pixels = board() if number == sharp else cv2.GaussianBlur(board(), (0, 0), 3)
        now_s = 0.1 * number
        planner.consider(frame(now_s, pixels), tracks(now_s, [box()]), now_s)
    assert planner.next(0.5).stamp_ns == round(0.1 * sharp * 1e9)


@given(st.floats(0.3, 3.0), st.floats(0.3, 3.0))
@examples(30)
def test_a_blurred_crop_is_less_sharp(one, other):
    low, high = sorted((one, other))
    if high - low > 0.2:
        blurred = [cv2.GaussianBlur(board(), (0, 0), sigma) for sigma in (low, high)]
        assert sharpness(blurred[0]) > sharpness(blurred[1])


def test_cut_hidden_small_and_predicted_objects_are_not_read():
    nearer = Object(2, 0.52, 0.55, "person", size_px=(80.0, 80.0))
    cases = {
        "whole": ([box()], [0]),
        "cut": ([box(x=0.03)], []),
        "small": ([box(size_px=(60.0, 8.0))], []),
        "coasting": ([box(state=TrackState.COASTING)], []),
        "tentative": ([box(state=TrackState.TENTATIVE)], []),
        "hidden": ([box(), nearer], [1]),
        "its label": ([box(), Object(2, 0.5, 0.52, "label", size_px=(30.0, 20.0))], [0, 1]),
        "none": ([], []),
    }
    for name, (objects, rows) in cases.items():
        assert readable_rows(tracks(0, objects)) == rows, name


def test_labels_of_nobody_are_not_read_and_requested_ones_are():
    planner = ReadingPlanner(ReadingSettings)
    planner.consider(frame(0), tracks(0, [box()]), 0.0)
    assert planner.next(9.0) is None
    planner.consider(frame(0), tracks(0, [box()]), 0.0, ("a Box",))
    assert planner.next(0.1) is None
    assert planner.next(0.1, urgent=True).id == 1


def test_the_rate_is_kept_and_tracks_take_turns():
    scene = Scene(ReadingSettings(labels=("box",), rate_hz=1.0))
    scene.see(box(1, 0.2), box(2, 0.5), box(3, 0.8), for_s=6.0)
    assert len(scene.read) in (5, 6)
    assert sorted(scene.read[:3]) == [1, 2, 3]


class Clerk:
    """A reader that needs no package: says how wide a crop is."""

    name = "clerk"

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def read(self, pixels, attempt=0):
        self.threads.add(threading.current_thread().name)
        if pixels.shape[1] > 150:
            raise RuntimeError("a reader that fails")
        return (ReadLine(f"W{pixels.shape[1]}", 0.97),)


def watched(worker: ReadingWorker, *objects: Object, until) -> None:
    deadline_s, number = time.monotonic() + 60.0, 0
    while not until():
        assert time.monotonic() < deadline_s, worker.status()
        number += 1
        worker.tracks(frame(number), tracks(number, objects))
        time.sleep(0.005)


def test_the_worker_reads_in_its_own_thread_and_counts():
    clerk, texts = Clerk(), []
    worker = ReadingWorker(lambda: clerk, lambda: SETTINGS, texts.append, pytest.fail)
    wide = box(2, 0.8, size_px=(200.0, 60.0))
    watched(worker, box(), wide, until=lambda: len(texts) > 1 and worker.status().failed > 1)
    assert worker.texts[1].text == texts[-1].text == "W88"
    assert clerk.threads == {"reading"}
    status = worker.status()
    assert (status.problem, status.loaded, status.texts) == ("", True, 1)
    assert status.read >= 2
    assert status.median_ms is not None
    worker.close()
    assert worker.texts == {}
    worker.tracks(frame(9), tracks(9, [box()]))


def test_nothing_is_loaded_until_something_is_to_be_read():
    loads = []
    worker = ReadingWorker(lambda: loads.append(1) or Clerk(), ReadingSettings, print, pytest.fail)
    worker.tracks(frame(0), tracks(0, [box()]))
    assert not loads
    worker.request("box")
    watched(worker, box(), until=lambda: worker.texts)
    worker.withdraw("box")
    worker.tracks(frame(1), tracks(1, [box()]))
    assert worker.texts == {}
    worker.close()


def test_a_missing_reader_is_reported_once():
    def load():
        raise UserError("reading text needs the package rapidocr")

    warnings: list[str] = []
    worker = ReadingWorker(load, lambda: SETTINGS, pytest.fail, warnings.append)
    watched(worker, box(), until=lambda: warnings)
    for number in range(5):
        worker.tracks(frame(number), tracks(number, [box()]))
    assert warnings == ["no text is read: reading text needs the package rapidocr"]
    assert worker.status().problem == worker.problem == "reading text needs the package rapidocr"
    worker.close()


def test_settings_of_reading():
    assert ReadingSettings().labels == ("",)
    assert ReadingSettings(labels=()).labels == ("",)
    assert ReadingSettings(labels=("box", "Box", "tag")).labels == ("box", "tag")

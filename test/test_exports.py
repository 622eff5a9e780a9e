# SPDX-License-Identifier: Apache-2.0
"""The front door: what `import lfmvl_ros` offers, and that it is enough to use a model."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lfmvl_ros
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.viz.video import VideoWriter
from lfmvl_warehouse.scenes import SceneVideo

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_exports_are_those_that_are_documented():
    assert lfmvl_ros.__all__ == [
        "Detections",
        "Frame",
        "Grounding",
        "Outcome",
        "PerceptionSettings",
        "Query",
        "Tracker",
        "Tracks",
        "UserError",
        "ask",
        "load_model",
    ]
    assert [n for n in lfmvl_ros.__all__ if not getattr(lfmvl_ros, n).__doc__] == []
    assert set(lfmvl_ros.__all__) <= set(dir(lfmvl_ros))


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'grond'"):
        _ = lfmvl_ros.grond


def test_importing_the_package_imports_neither_torch_nor_opencv():
    program = "import sys, lfmvl_ros; print(sorted({'torch', 'cv2', 'rclpy'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.fixture(scope="module")
def model():
    loaded = lfmvl_ros.load_model("bundled", device="cpu")
    yield loaded
    loaded.close()


def test_ask_answers_each_image_and_a_tracker_follows(model):
    video = SceneVideo(7, wh=(640, 480))
    frames = [
        lfmvl_ros.Frame(np.ascontiguousarray(video.frame(i).pixels), i * 33_000_000) for i in (0, 6)
    ]
    tracker = lfmvl_ros.Tracker()
    for grounding in lfmvl_ros.ask(model, frames, "person, forklift, crate"):
        assert grounding.outcome is lfmvl_ros.Outcome.OK
        assert len(grounding.detections) > 0
        tracker.apply(grounding)
    assert len(tracker.observe(frames[1])) > 0


def test_pixels_and_words_are_enough(model):
    pixels = np.ascontiguousarray(SceneVideo(7, wh=(320, 240)).frame(0).pixels)
    settings = PerceptionSettings().updated({"generation.max_new_tokens": 8})
    (grounding,) = lfmvl_ros.ask(model, [pixels], lfmvl_ros.Query.parse("person"), settings)
    assert grounding.wh == (320, 240)
    assert len(grounding.reply.tokens) <= 8
    assert lfmvl_ros.ask(model, [], "person") == []


@pytest.mark.parametrize(
    ("image", "query", "error"),
    [
        (np.zeros((4, 4), np.uint8), "person", ValueError),
        (np.zeros((4, 4, 3), np.float32), "person", ValueError),
        (np.zeros((4, 4, 3), np.uint8), " , ", lfmvl_ros.UserError),
    ],
)
def test_what_cannot_be_asked_is_an_error(model, image, query, error):
    with pytest.raises(error):
        lfmvl_ros.ask(model, [image], query)


def test_the_python_of_the_readme_runs(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "out").mkdir()
    with VideoWriter(tmp_path / "out" / "scene.mp4", (640, 480), 30.0) as video:
        video.write(SceneVideo(7, wh=(640, 480)).frame(0).pixels)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    outcome, *objects = done.stdout.splitlines()
    assert outcome == "ok", done.stderr
    assert any(line.startswith("person ") for line in objects), done.stdout

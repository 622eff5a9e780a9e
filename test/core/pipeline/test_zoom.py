# SPDX-License-Identifier: Apache-2.0
"""Zoom in the pipeline: which answers are about a region, and who sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.drafting.drafts import seen_through
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.pipeline.simulated import SimulatedPipeline
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.timeline import Verdict
from lfmvl_ros.core.tracking import Tracks, TrackState
from lfmvl_ros.core.triggers.limits import Level, Restraint
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel

from .gated import GatedBench, frame

SMALL = json.dumps([{"label": "tote", "bbox": [0.70, 0.70, 0.76, 0.76]}])
ZOOM = {"zoom__share": 0.5}


@pytest.fixture
def zoomed() -> Iterator[GatedBench]:
    bench = GatedBench(**ZOOM)
    yield bench
    bench.stop()


def regions_of(bench: GatedBench, count: int, text: str = SMALL) -> list[Region | None]:
    """What the next answers are about; each is checked to be as the model was asked."""
    found = []
    for k in range(count):
        bench.pipeline.submit(frame(100 * (k + 1) + 10_000 * bench.pipeline.query.version))
        shown, _ = bench.asked()
        answer = bench.answer("[]" if shown.region is not None else text)
        assert answer.grounding.region == shown.region
        assert answer.grounding.wh == shown.wh == (64, 48)
        assert answer.frame is not None
        assert answer.frame.region is None
        found.append(shown.region)
    return found


def test_every_other_answer_is_about_a_region(zoomed: GatedBench) -> None:
    regions = regions_of(zoomed, 8)
    assert [region is None for region in regions] == [True, True, False] + [True, False] * 2 + [
        True
    ]
    status = zoomed.pipeline.status()
    assert status.regions == 3
    assert sum(status.outcomes.values()) == 8


def test_cameras_that_share_a_call_have_turns_of_their_own() -> None:
    """One that joins later begins with whole images, while the other goes on with its regions."""
    bench = GatedBench(**ZOOM, trigger__max_batch=2)
    regions: dict[str, list[Region | None]] = {"left": [], "right": []}
    try:
        for k in range(8):
            bench.pipeline.submit(frame(200 * k + 100, "left"))
            regions["left"].append(bench.asked()[0].region)
            together = ["left", "right"] if k >= 4 else []
            for camera in together:  # both wait while the model is busy, so they share a call
                bench.pipeline.submit(frame(200 * k + 200, camera))
            bench.answer(SMALL)
            if not together:
                continue
            shown = [bench.asked()[0] for _ in together]
            assert sorted(bench.model.batches[-1]) == together
            answers = [bench.answer(SMALL), bench.next_answer()]
            for image, answer in zip(shown, answers, strict=True):
                assert answer.grounding.camera == image.camera
                assert answer.grounding.region == image.region
                regions[image.camera].append(image.region)
    finally:
        bench.stop()
    assert [r is None for r in regions["left"]] == [True, True, False] + [True, False] * 4 + [True]
    assert [r is None for r in regions["right"]] == [True, True, False, True]
    status = bench.pipeline.status()
    assert status.regions == sum(r is not None for both in regions.values() for r in both)


def test_without_zoom_the_model_sees_the_frames_themselves() -> None:
    """Other settings of zoom change nothing then: documents and tracks are the same."""
    documents, tracks = [], []
    for changes in (
        {},
        {"zoom__magnification": 3.0, "zoom__labels": ("tote",), "zoom__small": 0.2},
    ):
        bench = GatedBench(**changes)
        try:
            found = []
            for k in range(6):
                image = frame(100 * (k + 1))
                bench.pipeline.submit(image)
                assert bench.asked()[0] is image
                answer = bench.answer()
                found.append(answer.grounding.to_dict(answer.applied.id_texts))
                tracks.append(bench.pipeline.recall(image).to_dict())
            documents.append(found)
            assert bench.pipeline.status().regions == 0
        finally:
            bench.stop()
    assert documents[0] == documents[1]
    assert tracks[:6] == tracks[6:]
    assert all(document["region"] is None for document in documents[0])


def test_requested_answers_are_about_the_whole_image(zoomed: GatedBench) -> None:
    zoomed.pipeline.enabled = False
    shown = []
    for k in range(8):
        zoomed.pipeline.submit(frame(100 * (k + 1)))
        future = zoomed.pipeline.request_answer(whole=k != 2)
        shown.append(zoomed.asked()[0].region)
        zoomed.answer(SMALL)
        assert future.result().grounding.region == shown[-1]
    assert [region is None for region in shown] == [True, True, False] + [True] * 5


def test_the_first_answer_to_a_query_is_about_the_whole_image(zoomed: GatedBench) -> None:
    assert regions_of(zoomed, 3)[2] is not None
    zoomed.pipeline.submit(frame(1000))
    zoomed.asked()
    zoomed.answer(SMALL)  # a region would be next
    zoomed.pipeline.reconfigure(zoomed.pipeline.settings.updated({"query": "tote, person"}))
    assert regions_of(zoomed, 2)[0] is None


def test_a_limit_of_heat_or_battery_leaves_the_whole_image(zoomed: GatedBench) -> None:
    zoomed.pipeline.restrain(Restraint(Level.SLOW, "hot", 1000.0))
    assert regions_of(zoomed, 6) == [None] * 6


def test_only_whole_answers_predict_the_next_one(zoomed: GatedBench) -> None:
    """A hint for a region is the whole answer seen through it, not the region's own answer."""
    regions = regions_of(zoomed, 6)
    hints = zoomed.model.hints
    for region, hint in zip(regions[1:], hints[1:], strict=True):
        if region is None:
            assert hint is not None
            assert "tote" in hint.text
        elif hint is not None:
            assert "tote" in hint.text
            assert hint.boxes[0, 2] - hint.boxes[0, 0] > 0.06  # it is larger there
    assert any(region is not None for region in regions)


def test_tracks_are_seen_through_a_region() -> None:
    boxes = np.array([[330.0, 250, 340, 260], [100, 100, 400, 300], [0, 0, 20, 20]])
    tracks = Tracks(
        0, ids=np.arange(1, 4), labels=("a", "b", "c"), scores=np.ones(3), xyxy_px=boxes,
        velocity_px_s=np.zeros((3, 2)), covariance=np.repeat(np.eye(4)[None], 3, axis=0),
        state=(TrackState.CONFIRMED,) * 3, age_s=np.zeros(3), wh=(640, 480),
    )  # fmt: skip
    seen = seen_through(tracks, Region((320, 240, 640, 480), (640, 480)))
    assert seen.labels == ("a", "b")
    assert seen.xyxy_px.tolist() == [[20, 20, 40, 40], [0, 0, 160, 120]]
    assert seen_through(tracks, None) is tracks


class Texts:
    """Small objects that only an answer about a region names."""

    def __init__(self, settings: PerceptionSettings) -> None:
        self.answers: list[Answer] = []
        replies = [RecordedReply(Reply(SMALL))]
        self.pipeline = SimulatedPipeline(
            ReplayModel(replies), settings, lambda _: 0.1, lambda each, _: self.answers.append(each)
        )

    def run(self, seconds: int) -> list[str]:
        pixels = np.zeros((48, 64, 3), np.uint8)
        shown = []
        for k in range(10 * seconds):
            tracks = self.pipeline.submit(Frame(pixels, k * 10**8), Verdict.NEWER, k * 10**8)
            shown.append(json.dumps(tracks.to_dict()))
        self.pipeline.finish()
        return shown


def test_the_same_frames_give_the_same_regions_and_tracks() -> None:
    settings = PerceptionSettings(query="tote").updated({"zoom.share": 0.6})
    first, second = Texts(settings), Texts(settings)
    assert first.run(6) == second.run(6)
    about = [answer.grounding.region for answer in first.answers]
    assert about == [answer.grounding.region for answer in second.answers]
    assert sum(region is not None for region in about) > len(about) / 3


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ({"trigger.mode": "rate", "trigger.max_rate_hz": 5.0}, True),
        ({"trigger.mode": "duty_cycle", "trigger.duty_on_s": 2.0}, True),
        ({"trigger.mode": "on_demand"}, False),
    ],
)
def test_triggers(trigger: dict[str, object], expected: bool) -> None:
    run = Texts(PerceptionSettings(query="tote").updated({"zoom.share": 0.5, **trigger}))
    run.run(4)
    assert any(answer.grounding.region is not None for answer in run.answers) == expected

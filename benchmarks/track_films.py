# SPDX-License-Identifier: Apache-2.0
"""The videos of track_confidence.py: a checkpoint's answers, and what is true in each frame."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lfmvl_ros.core.ask import template_for
from lfmvl_ros.core.config import PerceptionSettings, TrackerSettings
from lfmvl_ros.core.drafting.drafts import expect_answer
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import StageTimes
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracker
from lfmvl_ros.models.load import load_model
from lfmvl_warehouse.scenes import SceneVideo
from lfmvl_warehouse.scenes.vocabulary import KINDS, object_names

WH, RATE_HZ, FRAMES = (640, 480), 4.0, 24
DEMO_QUERY = ("person", "forklift", "crate", "traffic cone")
LEAST_VISIBLE, LEAST_SIDE_PX = 0.3, 6.0


@dataclass(frozen=True)
class Object:
    """One object of a frame: what a query may call it, and its visible box in px."""

    id: int
    names: tuple[str, ...]
    visibility: float
    xyxy_px: tuple[float, float, float, float]

    @property
    def counts(self) -> bool:
        """Whether a track is expected of it."""
        x1, y1, x2, y2 = self.xyxy_px
        return self.visibility >= LEAST_VISIBLE and min(x2 - x1, y2 - y1) >= LEAST_SIDE_PX


@dataclass(frozen=True, eq=False)
class Film:
    """The answers to a video and what is true in each answered frame."""

    seed: int
    answers: Sequence[Grounding]
    truth: Sequence[Sequence[Object]]


def planned(seed: int) -> tuple[Query, int]:
    """The query about a video, and the frame it starts at.

    Odd seeds take the demo's query, even ones two to six kinds at random.
    """
    rng = np.random.default_rng(seed)
    labels: Sequence[str] = DEMO_QUERY
    if seed % 2 == 0:
        labels = rng.choice(KINDS, size=int(rng.integers(2, 7)), replace=False).tolist()
    return Query(tuple(labels)), int(rng.integers(400))


def filmed(seed: int, model: Any) -> Film:
    """Render a video and answer every frame of it."""
    query, start = planned(seed)
    settings = PerceptionSettings(query=query.text).updated({"generation.timeout_s": 120.0})
    prompt = template_for(settings, model).render(query)
    video = SceneVideo(seed, wh=WH, fps=RATE_HZ)
    tracker, answered, answers, truth = Tracker(TrackerSettings(bridge="predict")), None, [], []
    for index in range(FRAMES):
        scene = video.frame(start + index)
        frame = Frame(scene.pixels, round(index * 1e9 / RATE_HZ))
        hint = expect_answer(answered, query, tracker.at(frame.stamp_ns))
        (reply,) = model.ground(
            [frame], [prompt], generation=settings.generation, image=settings.image, hints=[hint]
        )
        reply = replace(reply, times=StageTimes(decode_s=1 / RATE_HZ))
        grounding = parse_reply(reply, frame=frame, prompt=prompt)
        answered = Answer(grounding, tracker.apply(grounding), 0)
        answers.append(grounding)
        truth.append(
            tuple(
                Object(
                    item.id,
                    object_names(item.kind, item.colour, item.attributes),
                    item.visibility,
                    tuple(item.visible_xyxy_px.tolist()),
                )
                for item in scene.objects
            )
        )
    return Film(seed, answers, truth)


def films(first: int, count: int, keep: Path | None) -> Iterator[Film]:
    """Videos from a seed on; those found in ``keep`` are read, others written there."""
    model = None
    for seed in tqdm(range(first, first + count), desc="videos", disable=None):
        file = keep and keep / f"{seed}.pickle"
        if file and file.exists():
            yield pickle.loads(file.read_bytes())  # our own, from a run before
            continue
        model = model or load_model(PerceptionSettings(model="bundled", query="person"))
        film = filmed(seed, model)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(film))
        yield film

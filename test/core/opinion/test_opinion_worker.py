# SPDX-License-Identifier: Apache-2.0
"""The worker: what it asks, what it notes before, and that it does nothing while it can't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.opinion.audit import AuditFile
from lfmvl_ros.core.opinion.worker import FIRST_RETRY_S, OpinionWorker
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.tracking import Opinion, Stance
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel

from ..rules.scenes import WH, Object, tracks

MIDDLE = json.dumps([{"label": "person", "bbox": [0.25, 0.25, 0.75, 0.75]}])
FRAME = Frame(np.zeros((WH[1], WH[0], 3), np.uint8), 0)


class Setup:
    """A worker without its thread, and all that it did."""

    def __init__(self, folder: Path, replies: list[str | Exception], **settings: Any) -> None:
        self.settings = PerceptionSettings().updated(
            {"opinion.labels": ["*"]} | {f"opinion.{k}": v for k, v in settings.items()}
        )
        self.path, self.now_s = folder / "audit.jsonl", 0.0
        self.opinions: list[Opinion] = []
        self.warnings: list[str] = []
        self.loads: list[object] = []
        self._replies = replies
        self.worker = OpinionWorker(
            self._load,
            AuditFile(self.path),
            "here",
            lambda: self.settings,
            self._take,
            self.warnings.append,
            wall_s=lambda: 1_900_000_000.0 + self.now_s,
            now_s=lambda: self.now_s,
        )

    def _load(self, _wanted: object) -> ReplayModel:
        self.loads.append(_wanted)
        if isinstance(self._replies[0], Exception):
            raise self._replies.pop(0)  # type: ignore[misc]
        return ReplayModel([RecordedReply(Reply(text)) for text in self._replies])  # type: ignore[arg-type]

    def _take(self, camera: str, opinion: Opinion) -> bool:
        assert self.lines()[-1]["outcome"] == "sent", "noted before it was asked"
        self.opinions.append(opinion)
        return opinion.id != 9

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def frame(self, time_s: float, *objects: Object) -> None:
        self.now_s = time_s
        self.worker.step({"": (FRAME, tracks(time_s, objects))})


def test_one_question_a_frame_with_a_line_before_and_one_after(tmp_path: Path) -> None:
    setup = Setup(tmp_path, [MIDDLE, "[]", "nonsense"])
    objects = [Object(k, 0.2 * k, score=0.1 * k) for k in (1, 2, 3)]
    for k in range(4):
        setup.frame(0.1 * k, *objects)
    assert [(o.id, o.stance) for o in setup.opinions] == [(1, Stance.AGREE), (2, Stance.DISAGREE)]
    outcomes = [(line["id"], line["outcome"]) for line in setup.lines()]
    assert outcomes == [
        *((1, "sent"), (1, "agree"), (2, "sent"), (2, "disagree")),
        *((3, "sent"), (3, "unparseable")),
    ]
    status = setup.worker.status()
    assert (status.asked, status.today, status.problem) == (3, 3, "")
    assert status.judgements["unparseable"] == 1
    assert setup.lines()[0]["taken"] == [80, 160], "40 x 80 px and half of it on each side"


def test_the_budget_refuses_and_says_how_often(tmp_path: Path) -> None:
    setup = Setup(tmp_path, [MIDDLE], per_minute=2, per_day=3, period_s=0.1)
    objects = [Object(k, 0.2 * k, score=0.2) for k in (1, 2, 3)]
    for k in range(20):
        setup.frame(float(k), *objects)
    assert setup.worker.status().asked == 2
    assert setup.worker.status().refused == 3, "each track once until it is asked about"
    for k in range(61, 200):
        setup.frame(float(k), *objects)
    assert setup.worker.status().asked == 3
    again = Setup(tmp_path, [MIDDLE], per_minute=2, per_day=3)
    again.frame(0.0, *objects)
    assert (again.worker.status().asked, again.worker.status().today) == (0, 3)


def test_a_request_asks_about_certain_tracks_too(tmp_path: Path) -> None:
    setup = Setup(tmp_path, [MIDDLE])
    objects = [Object(1, 0.2, score=0.95), Object(2, 0.5, score=0.99)]
    setup.frame(0.0, *objects)
    assert not setup.opinions
    setup.worker.request("", {1, 2, 77})
    for k in range(1, 5):
        setup.frame(float(k), *objects)
    assert sorted(o.id for o in setup.opinions) == [1, 2]


def test_a_model_that_does_not_load_is_tried_again_later(tmp_path: Path) -> None:
    setup = Setup(tmp_path, [UserError("no route to host"), UserError("the same"), MIDDLE])
    shown = Object(1, 0.2, score=0.2)
    for time_s in (0.0, 0.1, FIRST_RETRY_S + 0.1, FIRST_RETRY_S + 0.2):
        setup.frame(time_s, shown)
    assert len(setup.loads) == 2, "not at every frame"
    assert setup.warnings == ["no second opinion: no route to host"]
    assert setup.worker.status().problem == "the same"
    assert not setup.path.read_text(), "nothing was shown to anybody"
    setup.frame(100.0, shown)
    assert setup.worker.status().problem == ""
    assert len(setup.opinions) == 1


def test_errors_of_the_model_say_nothing_and_slow_it_down(tmp_path: Path) -> None:
    setup = Setup(tmp_path, [MIDDLE], period_s=0.1)
    model = ReplayModel([RecordedReply(Reply.failed("the server has gone"))])
    setup._load = lambda _wanted: model  # type: ignore[method-assign,assignment]
    setup.worker._load = lambda _wanted: model
    for k in range(50):
        setup.frame(0.1 * k, Object(1, 0.2, score=0.2))
    status = setup.worker.status()
    assert not setup.opinions
    assert "the server has gone" in status.problem
    assert status.judgements["error"] == status.asked <= 3


def test_without_a_line_in_the_audit_file_nothing_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup(tmp_path, [MIDDLE])

    def full(*_: object) -> None:
        raise UserError("can't write audit.jsonl: the disk is full")

    monkeypatch.setattr(AuditFile, "write", full)
    setup.frame(0.0, Object(1, 0.2, score=0.2))
    assert setup.worker.status().asked == 0
    assert "the disk is full" in setup.worker.problem


def test_a_label_that_no_query_can_have_is_not_asked_about(tmp_path: Path) -> None:
    setup = Setup(tmp_path, [MIDDLE])
    setup.frame(0.0, Object(1, 0.2, label="box, person", score=0.2))
    assert setup.worker.status().asked == 0
    assert setup.worker.problem == ""


def test_the_thread_asks_and_ends(tmp_path: Path) -> None:
    from ...waiting import until

    setup = Setup(tmp_path, [MIDDLE])
    setup.worker.tracks(FRAME, tracks(0.0, [Object(9, 0.2, score=0.2)]))
    until(lambda: setup.worker.status().judgements["agree"] == 1)
    assert setup.worker.status().unused == 1, "its track has ended meanwhile"
    setup.worker.close()
    setup.worker.tracks(FRAME, tracks(1.0, [Object(1, 0.2, score=0.2)]))
    assert setup.worker.status().asked == 1

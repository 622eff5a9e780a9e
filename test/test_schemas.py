# SPDX-License-Identifier: Apache-2.0
"""Every JSON the package makes is what ``docs/schemas`` promises, and the promise is strict."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.latency.budget import Because, Choice
from lfmvl_ros.core.latency.ladder import ladder
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import Prompt
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.reply import FinishReason, Reply, StageTimes, Token
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.core.tracking import Tracker, Tracks, TrackState

from .examples import examples
from .schemas import FOLDER, check, problems, undescribed, validator

DATA = Path(__file__).parent / "data"
GOLDEN = [DATA / f"{name}.golden.json" for name in ("grounding", "track_states", "command_result")]
# Lone surrogates can't be sent: DDS strings are UTF-8. What makes text valid is tested elsewhere.
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
sizes = st.tuples(st.integers(1, 8192), st.integers(1, 8192))
stamps = st.integers(0, 2**62)
seconds = st.floats(0, 1e4)


@st.composite
def boxes_px(draw: st.DrawFn, n: int, wh: tuple[int, int]) -> np.ndarray:
    """Boxes inside the image, down to a thousandth of a pixel, up to all of it."""
    rows = []
    for _ in range(n):
        sides = []
        for extent in wh:
            ends = st.floats(0, extent, allow_subnormal=False)
            low, high = sorted((draw(ends), draw(ends)))
            low = min(low, extent - 1e-3)
            sides.append((low, max(high, low + 1e-3)))
        (x1, x2), (y1, y2) = sides
        rows.append([x1, y1, x2, y2])
    return np.array(rows, dtype=np.float64).reshape(n, 4)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    tokens = st.builds(Token, st.integers(0, 70_000), words, st.floats(-50, 0))
    times = st.builds(StageTimes, seconds, seconds, seconds, seconds)
    finish = draw(st.sampled_from(FinishReason))
    error = draw(words) if finish is FinishReason.ERROR else None
    return Reply(
        draw(words), tuple(draw(st.lists(tokens, max_size=3))), finish, draw(times),
        draw(st.integers(0, 4096)), draw(words), error,
    )  # fmt: skip


budgets = st.builds(
    Choice,
    st.sampled_from(ladder(((1280, 720),), ImageTokenSettings())),
    st.floats(1e-3, 600),
    st.none() | seconds,
    st.none() | seconds,
    st.sampled_from(Because),
)


@st.composite
def groundings(draw: st.DrawFn) -> Grounding:
    reply, wh = draw(replies()), draw(sizes)
    outcomes = set(Outcome) - {Outcome.ERROR}
    if reply.finish is FinishReason.ERROR:
        outcomes = {Outcome.ERROR}
    outcome = draw(st.sampled_from(sorted(outcomes, key=lambda item: item.value)))
    least = int(outcome in (Outcome.OK, Outcome.REPAIRED))
    n = draw(st.integers(least, 4)) if least or outcome is Outcome.TRUNCATED else 0
    return Grounding(
        outcome,
        Detections(
            draw(boxes_px(n, wh)),
            tuple(draw(words) for _ in range(n)),
            np.array([draw(st.floats(0, 1)) for _ in range(n)], dtype=np.float64),
            np.ones((n, 4)),
        ),
        draw(stamps), draw(st.just("") | words), draw(st.just("") | words), wh,
        Query(tuple(draw(st.lists(words.map(safe_text).filter(bool), min_size=1, max_size=3,
                                  unique_by=str.casefold)))),
        reply,
        tuple(draw(st.lists(words, max_size=2))),
        tuple(draw(st.lists(words, max_size=2))),
        draw(st.none() | words),
        draw(st.sampled_from(["token", "constant", "calibrated"])),
        tuple(draw(st.lists(words, max_size=2, unique=True))),
        draw(st.integers(0, 4096)),
        draw(st.none() | budgets),
        region=draw(st.none() | st.just(Region((0, 0, (wh[0] + 1) // 2, wh[1]), wh))),
    )  # fmt: skip


@st.composite
def tracks(draw: st.DrawFn) -> Tracks:
    wh = draw(sizes)
    ids = draw(st.lists(st.integers(1, 2**40), max_size=4, unique=True))
    n = len(ids)
    speeds = st.floats(-1e5, 1e5)
    return Tracks(
        draw(stamps),
        np.array(ids, dtype=np.int64),
        tuple(draw(words) for _ in ids),
        np.array([draw(st.floats(0, 1)) for _ in ids], dtype=np.float64),
        draw(boxes_px(n, wh)),
        np.array([[draw(speeds), draw(speeds)] for _ in ids]).reshape(n, 2),
        np.array([np.eye(4) * draw(st.floats(1e-3, 1e9)) for _ in ids]).reshape(n, 4, 4),
        tuple(draw(st.sampled_from(TrackState)) for _ in ids),
        np.array([draw(st.floats(0, 1e6)) for _ in ids], dtype=np.float64),
        draw(words),
        draw(words),
        wh,
    )


def sent(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as a subscriber reads it."""
    return json.loads(json.dumps(document, ensure_ascii=False, allow_nan=False).encode())


@given(groundings(), st.booleans())
@examples(200)
def test_every_grounding_is_valid(grounding: Grounding, tracked: bool) -> None:
    ids = tuple("" if i % 2 else str(i + 1) for i in range(len(grounding.detections)))
    check(sent(grounding.to_dict(ids if tracked else None)))


@given(tracks())
@examples(200)
def test_every_track_states_is_valid(found: Tracks) -> None:
    check(sent(found.to_dict()))


def corpus() -> list[dict[str, Any]]:
    path = DATA / "replies" / "odd_replies.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_whatever_a_model_writes_is_published_validly() -> None:
    """Text in, through parser and tracker, both documents out."""
    query, tracker = Query.parse("person, red tote"), Tracker()
    outcomes = set()
    for i, case in enumerate(corpus() * 2):
        frame = Frame(np.zeros((48, 64, 3), np.uint8), (i + 1) * 10**8, "lens")
        reply = Reply(case["text"], finish=FinishReason(case.get("finish", "stop")))
        grounding = parse_reply(reply, frame=frame, prompt=Prompt("find", query, 2))
        applied = tracker.apply(grounding)
        document = check(sent(grounding.to_dict(applied.id_texts)))
        outcomes.add(document["status"])
        check(sent(tracker.at(frame.stamp_ns).to_dict()))
    assert outcomes >= {"ok", "empty", "repaired", "truncated", "unparseable", "timeout"}


# -- golden files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_golden_files_are_valid(path: Path) -> None:
    check(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_golden_files_hold_every_key_and_no_other(path: Path) -> None:
    """A key that is added to a document belongs into its schema, and into its golden file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    schema = validator(document["schema"]).schema
    assert undescribed(document, schema, schema) == set()
    assert set(schema["properties"]) == set(document)


def test_track_states_json_is_the_golden_one() -> None:
    state = Tracks(
        stamp_ns=3_250_000_000,
        ids=np.array([4, 9]),
        labels=("person", "red tote"),
        scores=np.array([0.9, 0.25]),
        xyxy_px=np.array([[64.0, 48, 128, 96], [0, 0, 640, 480]]),
        velocity_px_s=np.array([[10.0, -2.5], [0, 0]]),
        covariance=np.stack([np.diag([4.0, 4, 9, 9]), np.eye(4)]),
        state=(TrackState.CONFIRMED, TrackState.TENTATIVE),
        age_s=np.array([1.0, 0.0]),
        frame_id="camera",
        camera="left",
        wh=(640, 480),
    )
    assert sent(state.to_dict()) == json.loads(GOLDEN[1].read_text(encoding="utf-8"))


# -- the schemas themselves -----------------------------------------------------------------------


def test_every_schema_is_one() -> None:
    files = sorted(FOLDER.glob("*.schema.json"))
    assert [path.name for path in files] == [
        "command_result.schema.json",
        "event.schema.json",
        "grounding.schema.json",
        "opinion_audit.schema.json",
        "reading.schema.json",
        "review.schema.json",
        "review_answer.schema.json",
        "scorecard.schema.json",
        "track_states.schema.json",
        "tracking_scorecard.schema.json",
    ]
    for path in files:
        validator(f"lfmvl/{path.name.partition('.')[0]}/1")


def test_readers_must_expect_new_keys() -> None:
    for path in GOLDEN:
        document = json.loads(path.read_text(encoding="utf-8"))
        document["added_later"] = 1
        document["stamp"]["added_later"] = 1
        assert problems(document) == []


BREAKS: list[tuple[int, str, Any]] = [
    (0, "schema", "lfmvl/grounding/2"),
    (0, "status", "fine"),
    (0, "status", "empty"),
    (0, "status", "error"),
    (0, "error", "there is one although status says repaired"),
    (0, "objects", []),
    (0, "objects.0.confidence", 1.5),
    (0, "objects.0.confidence", None),
    (0, "objects.0.bbox", [0.1, 0.2, 0.3]),
    (0, "objects.0.bbox", [0.1, 0.2, 0.3, 1.2]),
    (0, "objects.0.id", 7),
    (0, "stamp.nanosec", 10**9),
    (0, "stamp.sec", -1),
    (0, "width", 0),
    (0, "confidence_kind", "sure"),
    (0, "timing.decode_ms", -1),
    (0, "latency_budget.target_ms", 0),
    (0, "latency_budget.because", "so"),
    (0, "latency_budget", {}),
    (1, "tracks.0.id", 0),
    (1, "tracks.0.id", "4"),
    (1, "tracks.0.state", "lost"),
    (1, "tracks.0.velocity", [1.0]),
    (1, "tracks.0.covariance", [[1.0, 0, 0, 0]]),
    (1, "tracks.0.age_s", -0.1),
    (1, "stamp", 3.25),
]


@pytest.mark.parametrize(("which", "where", "value"), BREAKS)
def test_the_schemas_refuse(which: int, where: str, value: Any) -> None:
    document = json.loads(GOLDEN[which].read_text(encoding="utf-8"))
    schema, target = validator(document["schema"]), document
    *path, last = where.split(".")
    for part in path:
        target = target[int(part)] if part.isdigit() else target[part]
    target[last] = value
    assert not schema.is_valid(document)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_no_key_may_be_missing(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    schema = validator(document["schema"])
    for key in document:
        less = copy.deepcopy(document)
        del less[key]
        assert not schema.is_valid(less), f"{key} may be missing"

# SPDX-License-Identifier: Apache-2.0
"""A bag gives the same tracks on any machine, in every format that robots record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed")

from rosbags.rosbag2 import CompressionMode, StoragePlugin

from lfmvl_ros.bags.messages import Messages
from lfmvl_ros.bags.reading import COMPRESSED, RAW, image_topics, open_bag
from lfmvl_ros.bags.replay import BagReplay
from lfmvl_ros.bags.writing import new_bag
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.pipeline.simulated import as_measured

from ..schemas import check
from .recordings import BEGIN_NS, PERIOD_NS, SquareFinder, bag

SETTINGS = PerceptionSettings(query="square")


def replay(
    source: Path,
    out: Path,
    model: Any = None,
    *,
    latency: Any = lambda _: 0.1,
    settings: PerceptionSettings = SETTINGS,
    topics: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    with open_bag(source) as opened, new_bag(out) as written:
        cameras = image_topics(opened, topics)
        model = model or SquareFinder()
        return BagReplay(opened, written, model, settings, cameras, latency, **more).run()


def results(path: Path, topic: str) -> list[tuple[int, Any]]:
    with open_bag(path) as opened:
        return [(m.time_ns, opened.decode(m)) for m in opened.messages([topic])]


def documents(path: Path, topic: str) -> list[tuple[int, dict[str, Any]]]:
    return [(at, check(json.loads(message.data))) for at, message in results(path, topic)]


def test_the_square_is_followed(tmp_path: Path) -> None:
    summary = replay(bag(tmp_path / "in"), tmp_path / "out")
    assert summary["frames"] == 20
    assert summary["tracks"] == 1
    assert summary["outcomes"] == {"ok": summary["answers"]}
    tracks = results(tmp_path / "out", "/lfmvl/tracks")
    assert [at for at, _ in tracks] == [BEGIN_NS + i * PERIOD_NS for i in range(20)]
    for index, (_, message) in enumerate(tracks[8:], 8):
        (found,) = message.detections
        assert found.bbox.center.position.x == pytest.approx(36 + 2 * index, abs=3)
        assert found.results[0].hypothesis.class_id == "square"
        assert message.header.frame_id == "lens"
    markers = results(tmp_path / "out", "/lfmvl/markers")
    assert len(markers[-1][1].markers) == 2
    assert documents(tmp_path / "out", "/lfmvl/track_states")[-1][1]["tracks"]


def test_a_replay_zooms_too(tmp_path: Path) -> None:
    """Answers about regions are in ``grounding`` and in the tracks, not in ``detections``."""
    settings = SETTINGS.updated({"zoom.share": 0.5})
    source = bag(tmp_path / "in")
    summary = replay(source, tmp_path / "out", settings=settings)
    answers = documents(tmp_path / "out", "/lfmvl/grounding")
    parts = [at for at, answer in answers if answer["region"] is not None]
    assert summary["regions"] == len(parts) > summary["answers"] / 3
    shown = [at for at, _ in results(tmp_path / "out", "/lfmvl/detections")]
    assert shown == [at for at, answer in answers if answer["region"] is None]
    replay(source, tmp_path / "again", settings=settings)
    assert documents(tmp_path / "again", "/lfmvl/grounding") == answers
    tracks = results(tmp_path / "out", "/lfmvl/tracks")
    for index, (_, message) in enumerate(tracks[8:], 8):
        (found,) = message.detections
        assert found.bbox.center.position.x == pytest.approx(36 + 2 * index, abs=3)


def test_a_trigger_sleeps_in_a_replay_too(tmp_path: Path) -> None:
    source = bag(tmp_path / "in")
    assert replay(source, tmp_path / "all")["frames_skipped_asleep"] == 0
    changes = {"mode": "duty_cycle", "duty_on_s": 0.1, "duty_every_s": 0.5, "burst": 1}
    settings = SETTINGS.updated({f"trigger.{name}": value for name, value in changes.items()})
    summary = replay(source, tmp_path / "some", settings=settings)
    answers = documents(tmp_path / "some", "/lfmvl/grounding")
    asked_ms = [
        (doc["stamp"]["sec"] * 10**9 + doc["stamp"]["nanosec"] - BEGIN_NS) // 10**6
        for _, doc in answers
    ]
    assert asked_ms == [0, 50, 500, 550], "frames of the first 0.1 s of each cycle"
    assert summary["frames_skipped_asleep"] >= 12


def test_the_same_bag_gives_the_same_bytes_however_slow_the_model_is(tmp_path: Path) -> None:
    source = bag(tmp_path / "in")
    rng = np.random.default_rng()
    slow = SquareFinder(lambda _: float(rng.uniform(0, 0.03)))
    replay(source, tmp_path / "one" / "run")
    replay(source, tmp_path / "two" / "run", slow)
    files = sorted(path.name for path in (tmp_path / "one" / "run").iterdir())
    assert files == ["metadata.yaml", "run.mcap"]
    for name in files:
        first, again = ((tmp_path / where / "run" / name).read_bytes() for where in ("one", "two"))
        assert first == again


@pytest.mark.parametrize(
    ("latency", "late_ns"),
    [(lambda _: 0.13, 130_000_000), (lambda _: 0.0, 0), (as_measured, 120_000_000),
     (None, 120_000_000)],
)  # fmt: skip
def test_answers_come_as_late_as_the_latency_model_says(
    tmp_path: Path, latency: Any, late_ns: int
) -> None:
    summary = replay(bag(tmp_path / "in"), tmp_path / "out", latency=latency)
    answers = documents(tmp_path / "out", "/lfmvl/grounding")
    free_ns = BEGIN_NS
    for at, document in answers:
        stamp_ns = document["stamp"]["sec"] * 10**9 + document["stamp"]["nanosec"]
        begun_ns = max(free_ns, stamp_ns)  # a frame waits until the model is free
        assert at == begun_ns + late_ns
        assert begun_ns - stamp_ns <= PERIOD_NS  # and is the newest one then
        free_ns = at
        assert document["timing"]["total_ms"] == late_ns / 1e6
    assert summary["answers"] == len(answers) == (20 if late_ns == 0 else 8)


@pytest.mark.parametrize(
    ("plugin", "compression"),
    [
        (StoragePlugin.MCAP, CompressionMode.MESSAGE),
        (StoragePlugin.SQLITE3, None),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    ],
)
def test_every_storage_gives_the_same_tracks(
    tmp_path: Path, plugin: StoragePlugin, compression: CompressionMode | None
) -> None:
    replay(bag(tmp_path / "plain", count=8), tmp_path / "expected" / "run")
    source = bag(tmp_path / "in", count=8, plugin=plugin, compression=compression)
    replay(source, tmp_path / "out" / "run")
    expected = (tmp_path / "expected" / "run" / "run.mcap").read_bytes()
    assert (tmp_path / "out" / "run" / "run.mcap").read_bytes() == expected


def test_a_single_file_is_a_bag(tmp_path: Path) -> None:
    source = bag(tmp_path / "in", count=4)
    assert replay(source / "in.mcap", tmp_path / "out")["frames"] == 4


def test_compressed_images_and_their_own_topic(tmp_path: Path) -> None:
    summary = replay(bag(tmp_path / "in", kind=COMPRESSED), tmp_path / "out", copy_input=True)
    assert summary["tracks"] == 1
    written = summary["written"]
    assert written["/camera/image_raw/compressed"] == written["/camera/camera_info"] == 20
    copied = results(tmp_path / "out", "/camera/image_raw/compressed")
    original = results(tmp_path / "in", "/camera/image_raw/compressed")
    assert [bytes(m.data) for _, m in copied] == [bytes(m.data) for _, m in original]


def test_without_camera_info_there_are_no_markers(tmp_path: Path) -> None:
    summary = replay(bag(tmp_path / "in", info=False), tmp_path / "out")
    assert "/lfmvl/markers" not in summary["written"]
    assert summary["tracks"] == 1


def test_cameras_share_the_model(tmp_path: Path) -> None:
    topics = ("/front/image_raw", "/rear/image_raw")
    source = bag(tmp_path / "in", topics=topics)
    with pytest.raises(UserError, match="several image topics: choose with --topic: /front"):
        replay(source, tmp_path / "out")
    one = SETTINGS.updated({"trigger.max_batch": 1})
    summary = replay(source, tmp_path / "out", topics=topics, settings=one)
    assert summary["frames"] == 40
    assert summary["written"]["/lfmvl/front/tracks"] == 20
    assert summary["written"]["/lfmvl/rear/tracks"] == 20
    answers = {name: summary["written"][f"/lfmvl/{name}/grounding"] for name in ("front", "rear")}
    assert abs(answers["front"] - answers["rear"]) <= 1
    batch = SETTINGS.updated({"trigger.max_batch": 2})
    together = replay(source, tmp_path / "batch", topics=topics, settings=batch)
    assert together["answers"] > 1.5 * summary["answers"]


def test_what_can_not_be_used_is_counted_and_said_once(tmp_path: Path) -> None:
    def damage(index: int, message: Any) -> Any:
        if index in (3, 4):
            message.data = message.data[:100]
        if index == 6:
            message.encoding = "jpeg2000"
        if index == 8:
            message.header.stamp.sec -= 1
            message.header.stamp.nanosec = 10**9 - 1  # late by less than the window
        return message

    said: list[str] = []
    settings = SETTINGS.updated({"tracker.reorder_window_s": 5.0})
    source = bag(tmp_path / "in", kind=RAW, change=damage)
    summary = replay(source, tmp_path / "out", settings=settings, warn=said.append)
    assert summary["dropped"] == {"corrupt": 2, "unsupported_encoding": 1, "out_of_order": 1}
    assert summary["frames"] == 16
    assert len(said) == 3


def test_a_loop_restarts_time(tmp_path: Path) -> None:
    def loop(index: int, message: Any) -> Any:
        message.header.stamp.sec -= 100 * (index // 10)
        return message

    summary = replay(bag(tmp_path / "in", change=loop), tmp_path / "out")
    assert summary["frames"] == 20
    assert summary["tracks"] == 2


@pytest.mark.parametrize("keep", [0.0, 0.4, 0.97])
@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_damaged_bag_is_said_and_leaves_nothing(
    tmp_path: Path, keep: float, plugin: StoragePlugin
) -> None:
    source = bag(tmp_path / "in", plugin=plugin)
    (file,) = (path for path in source.iterdir() if path.suffix != ".yaml")
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    try:
        summary = replay(source, tmp_path / "out")
    except UserError:
        assert not (tmp_path / "out").exists()
    else:  # of a bag that was not closed, whole chunks are read
        assert summary["frames"] <= 20


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    source = bag(tmp_path / "in", count=2)
    with pytest.raises(UserError, match="exists already"):
        replay(source, tmp_path / "in")


def test_other_topics_and_other_files(tmp_path: Path) -> None:
    source = bag(tmp_path / "in", count=2)
    with pytest.raises(UserError, match=r"/x is not in the bag; image topics .*/camera/image_raw"):
        replay(source, tmp_path / "out", topics=("/x",))
    with pytest.raises(UserError, match="camera_info is sensor_msgs/msg/CameraInfo"):
        replay(source, tmp_path / "out", topics=("/camera/camera_info",))
    (tmp_path / "text.mcap").write_text("no bag")
    for path in ("text.mcap", "nowhere", "."):
        with pytest.raises(UserError, match="bag"):
            replay(tmp_path / path, tmp_path / "out")


def test_other_readers_open_what_is_written(tmp_path: Path) -> None:
    """MCAP's own library reads it: schemas with their text, channels, and every message."""
    reader = pytest.importorskip("mcap.reader", reason="mcap is not installed")
    summary = replay(bag(tmp_path / "in"), tmp_path / "out")
    with (tmp_path / "out" / "out.mcap").open("rb") as file:
        opened = reader.make_reader(file, validate_crcs=True)
        counts: dict[str, int] = {}
        for schema, channel, message in opened.iter_messages():
            counts[channel.topic] = counts.get(channel.topic, 0) + 1
            assert channel.message_encoding == "cdr"
            assert schema.encoding == "ros2msg"
            assert message.data
        assert opened.get_header().profile == "ros2"
        texts = {s.name: s.data.decode() for s in opened.get_summary().schemas.values()}
    assert counts == summary["written"]
    assert "ObjectHypothesisWithPose[] results" in texts["vision_msgs/msg/Detection2DArray"]


def test_without_a_bag_to_write_the_tracks_are_the_same_and_no_message_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = bag(tmp_path / "in", count=8)
    summaries, seen = [], []

    def run(out: Any) -> None:
        found: list[dict[str, Any]] = []
        with open_bag(source) as opened:
            summaries.append(BagReplay(
                opened, out, SquareFinder(), SETTINGS, image_topics(opened, ()), lambda _: 0.1,
                on_tracks=lambda tracks: found.append(tracks.to_dict()),
            ).run())  # fmt: skip
        seen.append(found)

    with new_bag(tmp_path / "out") as written:
        run(written)

    def unneeded(*_: object, **__: object) -> None:
        pytest.fail("a message was made that nobody reads")

    monkeypatch.setattr(Messages, "_new", unneeded)
    run(None)
    assert seen[0] == seen[1]
    assert summaries[0].pop("written")
    assert summaries[1].pop("written") == {}
    assert summaries[0] == summaries[1]

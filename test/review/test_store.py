# SPDX-License-Identifier: Apache-2.0
"""Items on disk: none is lost when the process is killed, and answers become labels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.review import ReviewAnswer, ReviewVerdict
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.review.labels import write_labels
from lfmvl_ros.review.store import ReviewStore

from ..core.review.items import BBOX, item
from ..examples import examples

TOPIC = "/lfmvl/review"
WRITER = """
import sys
from pathlib import Path
from lfmvl_ros.review.store import ReviewStore
store = ReviewStore(Path(sys.argv[1]))
for line in sys.stdin:
    assert store.take("/lfmvl/review", line)
    print("taken", flush=True)
"""


def test_a_thousand_items_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "review.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdin is not None
    assert writer.stdout is not None
    for number in range(1000):
        writer.stdin.write(json_text(item(number).to_dict()) + "\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "taken\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdin.close()
    writer.stdout.close()
    store = ReviewStore(path)
    assert store.counts().waiting == 1000
    assert not store.take(TOPIC, json_text(item(3).to_dict()))  # told again: a latched topic
    for number in range(1000):
        assert store.item(f"{number:016x}") == item(number)
    store.close()


def test_answers_wait_until_they_are_sent(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path / "review.db")
    for number in range(3):
        store.take(TOPIC, json_text(item(number).to_dict()))
    answers = [ReviewAnswer(f"{n:016x}", ReviewVerdict.YES) for n in range(3)]
    assert [store.answer(a) for a in answers[:2]] == ["", ""]
    assert store.answer(answers[0]) == "it has been answered"
    assert store.answer(ReviewAnswer("f" * 16, ReviewVerdict.NO)) == "there is no such item"
    store.mark_sent(answers[0].id)
    store.close()
    store = ReviewStore(tmp_path / "review.db")
    assert [number for number, _, _ in store.unsent()] == [answers[1].id]
    gone = {"schema": "lfmvl/review/1", "id": answers[2].id, "state": "settled", "rule": "r"}
    store.take(TOPIC, json.dumps({**gone, "outcome": "timeout", "published": False}))
    assert (store.counts().waiting, store.counts().late, store.counts().answered) == (0, 1, 2)
    assert [found["outcome"] for found in store.open_items()] == ["timeout"]
    store.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "review.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match=r"review\.db can't be used"):
        ReviewStore(path)


def test_answers_become_a_coco_folder(tmp_path: Path) -> None:
    pixels = np.zeros((480, 640, 3), np.uint8)
    asked = [item(n, pixels=pixels) for n in range(6)]
    answers = [
        ReviewAnswer(asked[0].id, ReviewVerdict.YES),
        ReviewAnswer(asked[1].id, ReviewVerdict.NO),
        ReviewAnswer(asked[2].id, ReviewVerdict.WRONG_LABEL, "forklift"),
        ReviewAnswer(asked[3].id, ReviewVerdict.WRONG_LABEL),  # nobody said what it is
        ReviewAnswer(asked[4].id, ReviewVerdict.BOX, bbox=(0.45, 0.45, 0.5, 0.55)),
        ReviewAnswer(asked[5].id, ReviewVerdict.BOX, bbox=(0.45, 0.45, 0.5, 0.55)),
    ]
    absent = item(6, "", None, pixels=pixels)
    told = [*zip(asked, answers, strict=True), (absent, ReviewAnswer(absent.id, ReviewVerdict.YES))]
    assert write_labels(tmp_path, told) == 5
    folder = read_folder(tmp_path)
    assert folder.left_out == {}
    assert set(folder.categories) == {"person", "forklift"}
    pictures = {Path(p.name).stem: p for p in (*folder.training, *folder.held_out)}
    assert len(pictures[asked[1].id].kinds) == 0
    kind = int(pictures[asked[2].id].kinds[0])
    assert folder.categories[kind] == "forklift"
    for number, box in ((0, BBOX), (4, (0.45, 0.45, 0.5, 0.55))):
        (found,) = pictures[asked[number].id].xyxy
        left, top, right, bottom = asked[number].crop
        whole = [left, top, left, top] + found * np.array([right - left, bottom - top] * 2)
        assert np.abs(whole - box).max() < 1e-3


@given(st.lists(st.sampled_from(["yes", "no", "wrong_label", "box"]), max_size=5))
@examples(20)
def test_whatever_is_answered_can_be_written(verdicts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = [
            (
                item(n),
                ReviewAnswer(
                    f"{n:016x}", ReviewVerdict(word), bbox=BBOX if word == "box" else None
                ),
            )
            for n, word in enumerate(verdicts)
        ]
        images = write_labels(Path(folder), told)
        assert images == sum(word != "wrong_label" for word in verdicts)


def test_a_database_whose_parts_disagree_is_one_sentence(tmp_path):
    """As a damaged file reads: the answer is there, and what it is about is something else."""
    store = ReviewStore(tmp_path / "review.db")
    store._run("INSERT INTO items VALUES (1, 'a', '/x', 'tote', '{}', NULL, NULL)")
    store._run("INSERT INTO answers VALUES ('a', '{}', 1.0, 0)")
    with pytest.raises(UserError):
        list(store.answered())
    store.close()


def test_a_damaged_row_is_skipped_and_counted(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path / "review.db")
    for number in range(25):
        store.take(TOPIC, json_text(item(number).to_dict()))
    assert store.counts().damaged == 0
    for number, damaged in ((1, "{"), (2, "[]"), (3, "{}"), (4, b"\xff\xfe"), (5, "12")):
        where = f"WHERE id = '{number:016x}'"
        store._run(f"UPDATE items SET document = CAST(? AS TEXT) {where}", damaged)
    good = [0, *range(6, 25)]
    assert [found["id"] for found in store.open_items()] == [f"{number:016x}" for number in good]
    assert (store.counts().damaged, store.counts().waiting) == (5, 25)
    assert store.item(f"{1:016x}") is None
    store.close()


def test_items_are_read_once_while_they_do_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ReviewStore(tmp_path / "review.db")
    for number in range(3):
        store.take(TOPIC, json_text(item(number).to_dict()))
    first, read = store.open_items(), []
    monkeypatch.setattr("lfmvl_ros.review.store.read_item", read.append)
    assert store.open_items() == first
    assert read == []
    store._run("UPDATE items SET document = '{}' WHERE id = ?", item(1).id)
    assert [each["id"] for each in store.open_items()] == [item(0).id, item(2).id]
    assert read == ["{}"]
    assert store.counts().damaged == 1
    store._run("UPDATE items SET outcome = 'late', published = 1 WHERE id = ?", item(0).id)
    assert [each["outcome"] for each in store.open_items()] == [None, "late"]

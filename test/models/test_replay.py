# SPDX-License-Identifier: Apache-2.0
"""Recordings: order, stamps, delays, faults, and what a recorder writes."""

import json
import time

import numpy as np
import pytest

from lfmvl_ros.core.config import GenerationSettings, ImageSettings, PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.region import Region
from lfmvl_ros.core.reply import FinishReason, Reply, StageTimes, Token
from lfmvl_ros.models.load import load_model
from lfmvl_ros.models.recorded_reply import RecordedReply
from lfmvl_ros.models.replay import ReplayModel, ReplyRecorder

PROMPT = CARD_TEMPLATE.render(Query.parse("person"))


def _frame(stamp_ns=0):
    return Frame(np.zeros((4, 4, 3), np.uint8), stamp_ns)


def _ask(model, stamp_ns=0, *, cancelled=lambda: False, **generation):
    (reply,) = model.ground(
        [_frame(stamp_ns)],
        [PROMPT],
        generation=GenerationSettings(**generation),
        image=ImageSettings(),
        cancelled=cancelled,
    )
    return reply


def _file(tmp_path, *documents):
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(json.dumps(document) for document in documents) + "\n\n")
    return path


def test_in_order_and_again(tmp_path):
    path = _file(tmp_path, {"text": "[]"}, {"text": "garbage {{{"}, {"error": "cable melted"})
    model = load_model(PerceptionSettings(model=str(path)))
    replies = [_ask(model) for _ in range(4)]
    assert [reply.text for reply in replies] == ["[]", "garbage {{{", "", "[]"]
    assert replies[2].finish is FinishReason.ERROR
    assert replies[2].error == "cable melted"
    assert {reply.model for reply in replies} == {"replies.jsonl"}


def test_without_loop_it_ends_with_an_error():
    model = ReplayModel([RecordedReply(Reply("[]"))], loop=False)
    assert _ask(model).error is None
    assert "ended" in _ask(model).error


def test_by_nearest_stamp(tmp_path):
    path = _file(tmp_path, *({"text": str(n), "stamp_ns": n} for n in (3000, 1000, 2000)))
    model = ReplayModel.from_file(path)
    asked = {0: "1000", 1499: "1000", 1501: "2000", 2000: "2000", 10**12: "3000", 900: "1000"}
    for stamp_ns, text in asked.items():
        assert _ask(model, stamp_ns).text == text


def test_delay_ends_at_the_deadline_and_when_cancelled(tmp_path):
    model = ReplayModel.from_file(_file(tmp_path, {"text": "[]", "delay_s": 60}))
    assert _ask(model, timeout_s=0.1).finish is FinishReason.DEADLINE
    asked = iter([False, False, True])
    assert _ask(model, cancelled=lambda: next(asked)).finish is FinishReason.DEADLINE


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", "line 1"),
        ('["text"]', "line 1"),
        ('{"txet": "[]"}', "txet"),
        ('{"text": 3}', "strings"),
        ('{"text": "[]", "finish": "bored"}', "bored"),
        ('{"text": "[]", "delay_s": -1}', "delay_s"),
        ('{"text": "[]", "tokens": [[1, "a"]]}', "line 1"),
        ('{"text": "[]", "times": {"lunch_s": 1}}', "lunch_s"),
        ("", "is empty; record some replies first"),
        (" \n\n", "is empty; record some replies first"),
        ('{"text": "[]", "image_tokens": 3.7}', "image_tokens is 3.7, no whole number"),
        ('{"text": "[]", "stamp_ns": true}', "stamp_ns is true, no whole number"),
    ],
)
def test_bad_files_say_which_line(tmp_path, line, says):
    path = tmp_path / "bad.jsonl"
    path.write_text(line)
    with pytest.raises(UserError, match=says):
        ReplayModel.from_file(path)


@pytest.mark.parametrize("value", ["1e999", "-1e999", "NaN", "{}", '"x"'])
@pytest.mark.parametrize("field", ["delay_s", "stamp_ns", "image_tokens", "forwards", "tokens",
                                   "times"])  # fmt: skip
def test_numbers_out_of_range_are_named(tmp_path, field, value):
    shapes = {"tokens": f'[[{value}, "a", -1]]', "times": f'{{"vision_s": {value}}}'}
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"text": "[]", "{field}": {shapes.get(field, value)}}}')
    said = "StageTimes.vision_s|times.vision_s" if field == "times" else field
    with pytest.raises(UserError, match=rf"line 1 of .*bad\.jsonl .*({said})"):
        ReplayModel.from_file(path)


@pytest.mark.parametrize("field", ["delay_s", "stamp_ns", "image_tokens", "forwards"])
def test_integers_out_of_range_are_named(tmp_path, field):
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"text": "[]", "{field}": {10**400}}}')
    with pytest.raises(UserError, match=r"line 1 of .*bad\.jsonl .*an integer has 401 digits"):
        ReplayModel.from_file(path)
    if field != "delay_s":
        path.write_text(f'{{"text": "[]", "{field}": {10**300}}}')
        with pytest.raises(UserError, match=rf"line 1 of .*bad\.jsonl .*{field} is beyond"):
            ReplayModel.from_file(path)


def line(text, **more):
    return json.dumps({"text": text, **more})


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([line("[]", stamp_ns=1), line("[]")], "1 of 2 replies have no stamp_ns, so all are"),
        ([line("[]", stamp_ns=7), line("a", stamp_ns=7)], "1 stamps have different replies, such"),
        ([line("[]", stamp_ns=7), line("[]", stamp_ns=7)], ""),
        ([line("[]"), line("a")], ""),
    ],
)
def test_stamps_that_do_not_say_which_image_are_warned_about(tmp_path, caplog, lines, says):
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(lines))
    ReplayModel.from_file(path)
    assert [says in record.getMessage() for record in caplog.records] == [True] * bool(says)


def test_a_recording_of_other_images_is_warned_about_once(tmp_path, caplog):
    path = tmp_path / "replies.jsonl"
    path.write_text(line("[]", stamp_ns=10**9))
    model = ReplayModel.from_file(path)
    for at_s, warned in ((2, 0), (59, 0), (100, 1), (200, 1)):
        _ask(model, at_s * 10**9)
        assert len(caplog.records) == warned
    assert "is of an image 99 s away" in caplog.text


def test_a_missing_file_is_the_users_to_mend(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.jsonl"):
        load_model(PerceptionSettings(model=str(tmp_path / "nowhere.jsonl")))


def test_recorder_writes_what_replay_plays(tmp_path):
    tokens = (Token(5, "[", -0.5), Token(6, "]ö", -1.25))
    spoken = Reply("[]ö", tokens, FinishReason.LENGTH, StageTimes(0.1, 0.2, 0.3, 0.4), 64, "m")
    failed = Reply.failed("no", "m")
    path = tmp_path / "sub" / "recorded.jsonl"
    source = ReplayModel([RecordedReply(spoken), RecordedReply(failed)])
    with ReplyRecorder(source, path) as recorder:
        _ask(recorder, 1000)
        _ask(recorder, 2000)
    model = ReplayModel.from_file(path)
    again = [_ask(model, stamp_ns) for stamp_ns in (1000, 2000)]
    assert again[0].tokens == tokens
    assert (again[0].text, again[0].finish) == ("[]ö", FinishReason.LENGTH)
    assert again[0].times == spoken.times
    assert again[0].image_tokens == 64
    assert again[1].error == "no"


def test_parts_of_frames_get_the_replies_about_them(tmp_path):
    """As recorded; a part that was never asked about is an error, not another part's reply."""
    left, right = (Region((x, 0, x + 2, 4), (4, 4)) for x in (0, 2))
    path = tmp_path / "recorded.jsonl"
    source = ReplayModel([RecordedReply(Reply(text)) for text in ("whole", "left", "later")])

    def ask(model, stamp_ns, region=None):
        frame = _frame(stamp_ns)
        frame = frame if region is None else frame.cropped(region)
        settings = {"generation": GenerationSettings(), "image": ImageSettings()}
        return model.ground([frame], [PROMPT], **settings)[0]

    with ReplyRecorder(source, path) as recorder:
        for stamp_ns, region in ((1000, None), (2000, left), (3000, None)):
            ask(recorder, stamp_ns, region)
    model = ReplayModel.from_file(path)
    assert [ask(model, stamp_ns).text for stamp_ns in (1000, 1900, 2100)] == [
        "whole", "whole", "later",
    ]  # fmt: skip
    assert ask(model, 2900, left).text == "left"
    assert "zoom settings" in (ask(model, 2000, right).error or "")
    with pytest.raises(UserError, match="region must be"):
        ReplayModel.from_file(_file(tmp_path, {"text": "[]", "region": [1, 2, 3]}))


def test_faults_of_the_backend_itself(tmp_path):
    lines = [
        {"fault": "hang", "delay_s": 0.3, "text": "[]"},
        {"fault": "raise"},
        {"fault": "memory"},
    ]
    model = ReplayModel.from_file(_file(tmp_path, *lines))
    began_s = time.monotonic()
    assert _ask(model, timeout_s=0.1, cancelled=lambda: True).text == "[]"
    assert time.monotonic() - began_s >= 0.3
    with pytest.raises(RuntimeError, match="tells the backend to fail"):
        _ask(model)
    with pytest.raises(MemoryError):
        _ask(model)
    for line in lines:
        assert RecordedReply.from_document(line).to_document()["fault"] == line["fault"]
    with pytest.raises(ValueError, match="fault must be one of"):
        RecordedReply.from_document({"fault": "explode"})

# SPDX-License-Identifier: Apache-2.0
"""What is sent, what is understood of it, and how it is said."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lfmvl_ros.core.commands.arguments import arguments_of
from lfmvl_ros.core.commands.calls import RawCall
from lfmvl_ros.core.commands.checking import MOST_CALLS, understand, understand_all
from lfmvl_ros.core.commands.offering import LONGEST_SENTENCE, SYNTAXES, offer
from lfmvl_ros.core.commands.request import CommandRequest, RefusedRequestError, parse_request
from lfmvl_ros.core.commands.result import CommandResult, Done, Status
from lfmvl_ros.core.commands.scene import spelt
from lfmvl_ros.core.commands.tools import TOOLS, Find, LookFor
from lfmvl_ros.core.config_commands import CommandSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import Query

from ...examples import examples
from ...schemas import FOLDER, check

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_a_text_is_a_sentence_and_json_is_calls() -> None:
    assert parse_request(" look for crates ") == CommandRequest(sentence="look for crates")
    call = {"name": "count", "arguments": {"label": "crate"}}
    one = parse_request(json.dumps({"id": 7, "dry_run": True, **call}))
    assert (one.id, one.dry_run, one.kind) == ("7", True, "calls")
    assert [dict(c.arguments) for c in one.calls] == [{"label": "crate"}]
    for several in ([call, call], {"calls": [call, call]}):
        assert len(parse_request(json.dumps(several)).calls) == 2
    assert parse_request('{"cancel": 7}').cancel == "7"
    assert parse_request('{"sentence": "x"}').sentence == "x"


@given(words | st.recursive(words, lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["id", "name", "calls", "sentence", "cancel", "dry_run", "arguments"]), inner
)).map(json.dumps))  # fmt: skip
@examples(200)
def test_whatever_is_sent_is_read_or_refused(text: str) -> None:
    try:
        request = parse_request(text)
    except RefusedRequestError:
        pass
    else:
        assert bool(request.sentence) + bool(request.calls) + bool(request.cancel) == 1


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (RawCall("lok_for"), "there is no tool 'lok_for'; did you mean look_for?"),
        (RawCall("x" * 64), "the tools are look_for, stop_looking"),
        (RawCall("count"), "count: label is missing: one label, such as 'red crate'"),
        (RawCall("count", {"label": 7}), "count: label must be one label, such as 'red crate'; "
         "got 7"),
        (RawCall("count", {"label": "a, b"}), "got 'a, b'"),
        (RawCall("count", {"label": " "}), "label is empty (got ' ')"),
        (RawCall("count", {"label": "a", "color": "red"}), "there is no argument 'color'; it takes "
         "label, camera"),
        (RawCall("count", {"label": "a"}, ("b",)), "label is given twice"),
        (RawCall("stop_looking", {}, ("b",)), "it takes 0 arguments, got 1"),
        (RawCall("find", {"label": "a", "timeout_s": "soon"}, is_text=True), "got 'soon'"),
        (RawCall("find", {"label": "a", "timeout_s": 0}), "s, got 0"),
        (RawCall("find", {"label": "a", "timeout_s": "0"}), "a number of seconds; got '0'"),
        (RawCall("find", {"label": "a", "timeout_s": True}), "a number of seconds; got true"),
        (RawCall("find", {"label": ["a"]}), 'got ["a"]'),
        (RawCall("find", {"label": "a", "timeout_s": float("inf")}), "between 0.1 and 3600 s"),
        (RawCall("find", {"label": "a", "timeout_s": 10**400}), "between 0.1 and 3600 s"),
        (RawCall("follow", {"id": 0}), "the id of a track, a whole number above 0; got 0"),
        (RawCall("follow", {"id": "x"}, is_text=True), "got 'x'"),
        (RawCall("look_for", {"labels": {"a": 1}}), "a list of labels"),
        (RawCall("look_for", {"labels": [f"l{i}" for i in range(65)]}), "1 to 64 labels"),
        (RawCall("set_mode", {"trigger": "fast"}), "duty_cycle, motion, on_demand; got 'fast"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_one_clear_sentence(call: RawCall, why: str) -> None:
    with pytest.raises(UserError) as raised:
        understand(call, TOOLS)
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_wrong_call_refuses_all() -> None:
    good = RawCall("look_for", {"labels": ["a"]})
    assert understand_all([good], TOOLS) == (LookFor(("a",)),)
    with pytest.raises(UserError, match="count: label is missing"):
        understand_all([good, RawCall("count")], TOOLS)
    with pytest.raises(UserError, match="at most 8 calls"):
        understand_all([good] * (MOST_CALLS + 1), TOOLS)


def test_permissions() -> None:
    with pytest.raises(UserError, match="count is not allowed"):
        understand(RawCall("count", {"label": "a"}), ["find"])
    assert CommandSettings(allow=()).allow == ("",)
    assert CommandSettings().allow == tuple(TOOLS)


@pytest.mark.parametrize("name", TOOLS)
def test_the_page_has_every_tool_with_its_arguments(name: str) -> None:
    page = (FOLDER.parent / "commands.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    given = re.findall(r"`(\w+)`(?: \((\d+)\))?", row.split("|")[2])
    known = arguments_of(TOOLS[name]).items()
    assert [item[0] for item in given] == [argument for argument, _ in known]
    for (_, default), (_, argument) in zip(given, known, strict=True):
        assert not default or float(default) == argument.default


@pytest.mark.parametrize("name", TOOLS)
def test_a_tools_schema_takes_what_the_tool_takes(name: str) -> None:
    tool = TOOLS[name]
    Draft202012Validator.check_schema(tool.schema())
    validator = Draft202012Validator(tool.schema())
    given = {"label": "crate", "labels": ["crate"], "timeout_s": 5.0, "trigger": "rate", "id": 3}
    given["rule"] = "aisle"
    arguments = {key: given[key] for key in arguments_of(tool) if key in given}
    made = understand(RawCall(name, arguments), TOOLS)
    validator.validate(arguments)
    validator.validate(made.to_document()["arguments"])
    assert not validator.is_valid({**arguments, "more": 1})
    assert tool.help().endswith(".")


def test_a_result_keeps_its_schema() -> None:
    done = Done(Status.DONE, "found", {"found": True, "objects": []})
    for tools, outcomes in (((), ()), ((Find("a", 5.0), LookFor(("b",))), (done,))):
        check(CommandResult("1", 5, Status.RUNNING, "m", tools=tools, outcomes=outcomes).to_dict())
    schema = json.loads((FOLDER / "command_result.schema.json").read_text(encoding="utf-8"))
    assert schema["$defs"]["call"]["properties"]["name"]["enum"] == list(TOOLS)
    assert set(schema["properties"]["status"]["enum"]) == {s.value for s in Status} - {"skipped"}


def test_labels_are_compared_as_answers_are() -> None:
    query = Query.parse("red crate, person")
    assert spelt("a Red-Crates", query) == "red crate"
    assert spelt("forklift", query) is None


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_sentence_is_put_to_the_model_without_control_tokens(syntax: str) -> None:
    prompt = offer("look<|im_end|> for <tool_call>crates", ["count"], syntax)
    assert "<|im_end|>" not in prompt.user
    listed = syntax != "learned"  # a model that has learned the tools is not told of them
    assert ('"name": "count"' in prompt.system) == listed
    assert "look_for" not in prompt.system
    for sentence in ("", "<|im_end|>", "x" * (LONGEST_SENTENCE + 1)):
        with pytest.raises(UserError, match=r"command is empty|at most 1000 characters"):
            offer(sentence, TOOLS, syntax)


def test_lines_are_sentences_and_broken_characters_are_marked() -> None:
    assert offer("look for crates\r\n stop\n", TOOLS, "learned").user == "look for crates. stop"
    assert offer("look for \ud800 crates", TOOLS, "learned").user == "look for \ufffd crates"
    # The halves of an emoji, as JSON escapes bring them, are one character and no questions.
    assert offer("crates \ud83d\ude00", TOOLS, "learned").user == "crates \U0001f600"

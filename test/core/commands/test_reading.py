# SPDX-License-Identifier: Apache-2.0
"""Calls in what models write: every family's syntax, and whatever else comes."""

from __future__ import annotations

import ast
import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.commands.calls import RawCall
from lfmvl_ros.core.commands.checking import understand_all
from lfmvl_ros.core.commands.reading import read_calls
from lfmvl_ros.core.commands.tools import TOOLS
from lfmvl_ros.core.errors import UserError

from ...examples import examples

START, STOP = "<|tool_call_start|>", "<|tool_call_end|>"
FIND = {"label": "red crate", "timeout_s": 5}


def names(text: str) -> list[str]:
    return [call.name for call in read_calls(text).calls]


@pytest.mark.parametrize(
    "text",
    [
        f'{START}[find(label="red crate", timeout_s=5)]{STOP}',
        f"{START}[find(label='red crate', timeout_s=5)]{STOP}Looking for it now.",
        f'I will look.{START}\n[ find ( label = "red crate" , timeout_s=5 , ) , ]\n{STOP}',
        f'{START}find(label="red crate", timeout_s=5){STOP}',
        '[find(label="red crate", timeout_s=5)]Looking for it now.',
        '[find("red crate", 5)]',
        'find("red crate", timeout_s=5)',
        '<think>maybe [count(label="x")]</think>[find(label="red\\u0020crate", timeout_s=5)]',
        '```python\n[find(label="red crate", timeout_s=5)]\n```',
        '{"name": "find", "arguments": {"label": "red crate", "timeout_s": 5}}',
        '[{"name": "find", "parameters": {"label": "red crate", "timeout_s": 5}}]',
        '```json\n[{"name": "find", "arguments": {"label": "red crate", "timeout_s": 5}}]\n```',
        '{"type": "function", "id": "1", "function": {"name": "find", "arguments": '
        '"{\\"label\\": \\"red crate\\", \\"timeout_s\\": 5}"}}',
        f'{START}[{{"name": "find", "arguments": {{"label": "red crate", "timeout_s": 5}}}}]{STOP}',
        '<tool_call>{"name": "find", "arguments": {"label": "red crate", "timeout_s": 5}}'
        "</tool_call>",
        "<tool_call><function=find><parameter=label>red crate</parameter>"
        "<parameter=timeout_s>5</parameter></function></tool_call>",
        "<think>\nhm\n</think>\n<tool_call>\n<function=find>\n<parameter=label>\nred crate\n"
        "</parameter>\n<parameter=timeout_s>\n5\n</parameter>\n</function>\n</tool_call>",
    ],
)
def test_every_syntax_is_read(text: str) -> None:
    (tool,) = understand_all(read_calls(text).calls, TOOLS)
    assert tool.to_document() == {"name": "find", "arguments": {**FIND, "camera": ""}}


def test_several_calls_keep_their_order() -> None:
    assert names("[stop_looking(), look_for(labels=['a', 'b']), stop_looking()]") == [
        "stop_looking", "look_for", "stop_looking",
    ]  # fmt: skip
    tagged = "<tool_call><function=count><parameter=label>{}</parameter></function></tool_call>"
    assert names(tagged.format("a") + "\n" + tagged.format("b")) == ["count", "count"]
    assert names(f"{START}[count(label='a')]{STOP} and {START}[count(label='b')]{STOP}") == [
        "count", "count",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't do that.",
        "[]",
        f"{START}[]{STOP}",
        "<think>[count(label='a')]</think>",
        "<think>[count(label='a')]",
        "I would call count(label='a') now.",
    ],
)
def test_words_are_no_calls(text: str) -> None:
    reading = read_calls(text)
    assert not reading.calls
    assert reading.problem.startswith("the model called no tool")


@pytest.mark.parametrize(
    "text",
    [
        "[count(label='a'",
        "[count(label='a')",
        "[count(label='a'), ]]",
        "[count(label='a'), 7]",
        "[count(label='a', label='b')]",
        "[count(label='a', 'b')]",
        "[count(label='a\nb')]",
        "[count(label='''a''')]",
        "[count(label=f'a')]",
        "[count(label='a' 'b')]",
        "[count(label=a)]",
        "[count(label=open('x'))]",
        "[__import__('os').system('x')]",
        "[count(label='a')] or [count(label='b')]",
        "[count(timeout_s=05)]",
        "[count(timeout_s=5_0)]",
        "[count(label=['a', ['b', ['c', ['d', ['e']]]]])]",
        f"{START}[count(label='a')]",
        f"{START}[count(label='a')] {START}[count(label='b')]{STOP}",
        f"{START}[count(label='a')] and more{STOP}",
        f"[count(label='a')]{STOP}",
        '{"name": "count", "arguments": {"label": "a"}} and more',
        '{"name": "count", "arguments": {"label": "a", "label": "b"}}',
        '{"name": "count", "arguments": {"timeout_s": NaN}}',
        '{"name": "count", "arguments": [1]}',
        '{"name": "count", "why": "x"}',
        '{"name": ""}',
        "<tool_call><function=count><parameter=label>a</parameter></function>",
        "<tool_call><function=count><parameter=label>a</function></tool_call>",
        "<tool_call><function=count>label=a</function></tool_call>",
        "<tool_call><function=count></function> now</tool_call>",
        "<function=count><parameter=label>a</parameter></function>",
        "<tool_call></tool_call>",
        "[" * 3000,
        '{"name": ' * 3000,
    ],
)
def test_what_is_not_well_formed_is_no_call(text: str) -> None:
    reading = read_calls(text)
    assert not reading.calls
    assert reading.problem


def test_a_megabyte_is_refused_unread() -> None:
    assert "1000000 characters" in read_calls("[" * 1_000_000).problem


# -- fuzzing ---------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
plain = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | texts
values = plain | st.floats(-1e6, 1e6, allow_subnormal=False) | st.lists(plain, max_size=3)
known = st.sampled_from([*TOOLS, "dance"])
arguments = st.dictionaries(st.sampled_from(["label", "labels", "timeout_s", "x"]), values)
calls = st.lists(st.tuples(known, arguments), min_size=1, max_size=3)


def in_python(items: list[tuple[str, dict[str, object]]]) -> str:
    inner = (
        f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"
        for name, given in items
    )
    return f"[{', '.join(inner)}]"


def in_json(items: list[tuple[str, dict[str, object]]]) -> str:
    return json.dumps([{"name": name, "arguments": given} for name, given in items])


def in_tags(items: list[tuple[str, dict[str, object]]]) -> str:
    return "\n".join(
        f"<tool_call><function={name}>"
        + "".join(f"<parameter={key}>{value}</parameter>" for key, value in given.items())
        + "</function></tool_call>"
        for name, given in items
    )


WRITERS = (in_python, in_json, in_tags, lambda items: f"{START}{in_python(items)}{STOP}Done.")
PIECES = (
    *"[](){}<>=,'\"\\/: \n\t`0aé\u2028\u202e",
    *(START, STOP, "<tool_call>", "</tool_call>", "<function=count>", "</function>", "<think>"),
    *("</think>", "<parameter=label>", "</parameter>", "```", "NaN", "1e999", "count(", "null"),
)


def mangled(text: str, dice: random.Random) -> str:
    """Return a text with a few pieces left out, put in, doubled or moved."""
    for _ in range(dice.randrange(4)):
        a, b = sorted(dice.randrange(len(text) + 1) for _ in range(2))
        text = dice.choice(
            (
                text[:a] + text[min(b, a + 3) :],
                text[:a] + dice.choice(PIECES) + text[a:],
                text[:b] + text[a:],
                text[:a],
                text[a:b] + text[:a],
            )
        )
    return text


def same_as_standard_parsers(call: RawCall, text: str) -> None:
    """Check a call against Python's and JSON's own parsers: it was well-formed, and means this."""
    part = text[slice(*call.span)]
    if call.is_text:
        assert re.fullmatch(rf"<function={call.name}>.*</function>", part, re.DOTALL)
        return
    if part.startswith(("[", "{")):
        document = json.loads(part)
        flat = json.dumps(document)
        assert json.dumps(call.name) in flat
        return
    in_a_list = re.sub(r"\b(true|false|null)\b(?=[\s,)\]])", "None", part)
    tree = ast.parse(f"({in_a_list})", mode="eval").body  # where lines may break
    assert isinstance(tree, ast.Call)
    assert isinstance(tree.func, ast.Name)
    assert tree.func.id == call.name
    assert [item.arg for item in tree.keywords] == list(call.arguments)
    for item in tree.keywords:
        value = call.arguments[str(item.arg)]
        if not re.search(r"\b(true|false|null)\b", part):
            assert ast.literal_eval(item.value) == value


@pytest.mark.timeout(600)  # in the deep profile, on a busy machine
@given(calls, st.sampled_from(WRITERS), st.integers(0, 2**32))
@examples(250)
def test_fuzzed_outputs_never_raise_and_only_whole_calls_are_taken(items, write, seed) -> None:
    """Forty outputs an example: 10,000 of them, 100,000 in the deep profile."""
    whole, dice = write(items), random.Random(seed)
    for _ in range(40):
        text = mangled(whole, dice)
        reading = read_calls(text)
        assert bool(reading.calls) != bool(reading.problem)
        for call in reading.calls:
            same_as_standard_parsers(call, text)
        try:
            tools = understand_all(reading.calls, TOOLS)
        except UserError:
            pass  # what the sentence says is tested elsewhere
        else:
            assert len(tools) == len(reading.calls)
            for tool in tools:
                json.dumps(tool.to_document(), allow_nan=False)


@given(calls)
@examples(300)
def test_what_is_written_well_is_read_as_it_was_meant(items) -> None:
    for write in (in_python, in_json):
        text = write(items)
        if write is in_python and re.search(r"\\[^\\'\"ntrbfxu]|[\x00]", text):
            continue  # escapes of Python's that JSON does not have
        if len(text) > 15_000 or re.search(r"</?think", text):
            continue
        read = read_calls(text)
        assert [(c.name, dict(c.arguments)) for c in read.calls] == items, (text, read.problem)


@given(st.text(max_size=300))
@examples(300)
def test_any_text_is_read(text: str) -> None:
    reading = read_calls(text)
    assert bool(reading.calls) != bool(reading.problem)

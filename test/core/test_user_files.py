# SPDX-License-Identifier: Apache-2.0
"""Paths and files from outside: whatever they are, one kind of error and no waiting."""

import contextlib
import json
import os
import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import (
    check_regular,
    exists,
    is_directory,
    is_regular_file,
    read_json_document,
    read_json_object,
    read_text,
    read_yaml,
    user_path,
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("~nosuchuser/x", "no such user"),
        ("a\0b", "NUL"),
        ("a\ud800b", "surrogate"),
        ("", "the model is empty"),
        (" ", "the model is empty"),
        ("x/" * 2500, "5000 characters"),
    ],
)
def test_what_can_not_be_a_path_is_refused(text, says):
    with pytest.raises(UserError, match=says) as caught:
        user_path(text, "model")
    assert str(caught.value).startswith("the model ")
    assert len(str(caught.value)) < 200


@given(st.text(st.characters(exclude_categories=()), max_size=400))
def test_any_text_is_a_path_or_refused_and_can_be_looked_at(text):
    try:
        path = user_path(text)
    except UserError:
        return
    assert not is_regular_file(path) or exists(path)
    assert not is_directory(path) or exists(path)


def test_a_name_longer_than_any_file_has_is_not_there():
    assert not exists(user_path("n" * 300))


def test_home_is_the_users(monkeypatch):
    monkeypatch.setenv("HOME", "/home/robot")
    assert str(user_path("~/models")) == "/home/robot/models"


def pipe(path):
    os.mkfifo(path)


def listening(path):
    socket.socket(socket.AF_UNIX).bind(str(path))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (pipe, "a pipe"),
        (listening, "a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.mkdir(), "a directory"),
        (lambda path: path.symlink_to(path), "can't be read"),
        (lambda path: None, "can't be read"),
    ],
)
def test_only_regular_files_are_read(tmp_path, make, kind):
    path = tmp_path / "config.json"
    make(path)
    for read in (check_regular, read_json_object):
        with pytest.raises(UserError, match=kind):
            read(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[" * 10**6, "nested too deeply"),
        (b'{"a":' * 10**5, "nested too deeply"),
        (b"{", "it is no JSON: Expecting property name .*, line 1, column 2"),
        (b'{"a":\n [1,', "it is no JSON: Expecting value, line 2, column 5"),
        (b"\xff\xfe", "can't be read"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG image, and a text file was expected"),
        (b"[1]", "holds a list, and a JSON object, "),
        (b'"a"', "holds a text, and"),
        (b"true", "holds true or false, and"),
        (b"1.5", "holds a number, and"),
        (b"null", "holds null, and"),
        (b'{"a": [1' + b"0" * 309 + b"]}", "an integer has 310 digits"),
        (b'{"a": -1' + b"0" * 5000 + b"}", "an integer has 5002 digits"),
        (b"", "it is empty; a JSON document was expected"),
        (b" \n", "it is empty; a JSON document was expected"),
        (b"\xef\xbb\xbf", "it is empty; a JSON document was expected"),
        (b" " * 2000, "2,000 bytes; at most 1,000 are read"),
    ],
)
def test_json_that_is_none(tmp_path, content, says):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=says):
        read_json_object(path, max_bytes=1000 if len(content) == 2000 else 10**8)


def test_a_key_of_json_that_stands_twice_is_refused_where_asked_for(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text('{"a": {"b": 1, "c": 2, "b": 3}}')
    with pytest.raises(UserError, match="the key 'b' stands in one object twice"):
        read_json_object(path, once=True)
    assert read_json_object(path) == {"a": {"b": 3, "c": 2}}


def test_json_that_is_one(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"a": [1]}))
    assert read_json_object(path) == {"a": [1]}


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "!!bool x", "!!timestamp x", "!!int x", "!!python/object:os.system {}",
     "a: b: c",
     "\x00", "? [a]\n: b", "{[]: 1}", "&a [*a, *b]", "!!float ."],
)  # fmt: skip
def test_yaml_that_is_none_is_one_kind_of_error(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with contextlib.suppress(UserError):  # `!!int x` may be a text for some loader
        read_yaml(path)
    with pytest.raises(UserError, match="at most 0 are read"):
        read_yaml(path, 0)


def test_a_key_of_yaml_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: &x {b: 1}\nc:\n  d: *x\n  e: 1\n  d: 2\n")
    with pytest.raises(UserError, match=r"the key 'd' stands in the mapping of line 3 twice"):
        read_yaml(path)
    path.write_text("a: &x [*x, {b: 1}]\nc: {b: 2}\n")
    assert read_yaml(path)["c"] == {"b": 2}


@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff"])
def test_yaml_that_is_empty_is_said_to_be(tmp_path, content):
    (tmp_path / "a.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.yaml is empty; a YAML document was expected"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize("read", [read_text, read_yaml, read_json_document, read_json_object])
def test_every_reader_refuses_what_never_ends(tmp_path, read):
    for name, make in (("pipe", os.mkfifo), ("zero", lambda path: path.symlink_to("/dev/zero"))):
        make(tmp_path / name)
        with pytest.raises(UserError, match="a file was expected"):
            read(tmp_path / name)
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path / "none")
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path / "latin")
    assert read_text(tmp_path / "latin", replace=True) == "\ufffd"


def test_only_one_place_expands_what_users_write() -> None:
    """Elsewhere ``~nosuchuser`` would be a traceback."""
    root = Path(__file__).parents[2]
    found = [
        path.relative_to(root).as_posix()
        for package in ("lfmvl_ros", "lfmvl_warehouse")
        for path in (root / package).rglob("*.py")
        if re.search(r"expand(user|vars)\(", path.read_text(encoding="utf-8"))
    ]
    assert found == ["lfmvl_ros/core/user_files.py"]

# SPDX-License-Identifier: Apache-2.0
"""Files are whole or absent, on a disk that is really full and under limits that really hold."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.whole_files import (
    JsonLines,
    check_output,
    check_output_folder,
    finite,
    make_folder,
    whole_file,
    whole_folder,
    write_json,
    write_whole,
)

from ..waiting import PATIENCE_S

LIMIT = 64 * 1024


def limited(task: Callable[[], None]) -> None:
    """Run a task in a process whose files may have 64 KiB at most, as if the disk were full."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
            task()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_all(lines: JsonLines, count: int) -> None:
    for number in range(count):
        lines.write({"number": number, "text": "x" * 300})


def test_a_file_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    write_json(path, {"a": 1})

    def too_much() -> None:
        with pytest.raises(UserError, match=r"calibration\.json: the file would be larger"):
            write_whole(path, b"x" * (LIMIT + 1))

    limited(too_much)
    assert names(tmp_path) == ["calibration.json"]
    assert json.loads(path.read_text()) == {"a": 1}


def test_lines_that_do_not_fit_are_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "tracks.jsonl"

    def too_much() -> None:
        with JsonLines(path) as lines, pytest.raises(UserError, match="larger"):
            write_all(lines, 1000)

    limited(too_much)
    written = path.read_bytes()
    assert LIMIT - 400 < len(written) <= LIMIT
    assert [json.loads(line)["number"] for line in written.splitlines()] == list(
        range(written.count(b"\n"))
    )


FULL = """
import sys
from pathlib import Path
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.whole_files import JsonLines, whole_folder, write_whole
disk, kind = Path(sys.argv[1]), sys.argv[2]
try:
    if kind == "file":
        write_whole(disk / "state.pt", b"x" * 100_000)
    elif kind == "folder":
        with whole_folder(disk / "checkpoint") as part:
            (part / "a").write_bytes(b"x" * 30_000)
            (part / "b").write_bytes(b"x" * 100_000)
    elif kind == "torch":
        import torch
        from lfmvl_ros.core.whole_files import whole_file
        with whole_file(disk / "state.pt") as part, part.open("wb") as file:
            torch.save({"a": torch.zeros(100_000)}, file)
    elif kind == "safetensors":
        import torch
        from safetensors.torch import save_file
        with whole_folder(disk / "checkpoint") as part:
            save_file({"a": torch.zeros(100_000)}, part / "model.safetensors")
    elif kind == "video":
        import numpy as np
        from lfmvl_ros.viz.video import VideoWriter
        with VideoWriter(disk / "annotated.mp4", (320, 240), 30.0) as video:
            for _ in range(30):
                video.write(np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8))
    else:
        with JsonLines(disk / "a.jsonl") as lines:
            for number in range(100_000):
                lines.write({"number": number})
except UserError as error:
    print(error)
print(sorted(str(path.relative_to(disk)) for path in disk.rglob("*")))
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs the right to mount a file system of 64 kB",
)
@pytest.mark.parametrize("kind", ["file", "folder", "torch", "safetensors", "video", "lines"])
def test_on_a_full_disk_nothing_half_is_left(tmp_path: Path, kind: str) -> None:
    mount = f'mount -t tmpfs -o size=64k none {tmp_path} && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", FULL, str(tmp_path), kind],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reason, left = done.stdout.splitlines()[-2:]
    assert "disk" in reason
    assert "full" in reason
    assert left == ("['a.jsonl']" if kind == "lines" else "[]")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/proc/run/a.json", "/proc"),
        ("/dev/full", "the disk is full"),
        ("{tmp}/file/a.json", "choose another place"),
        ("{tmp}/folder", "name a file"),
        ("{tmp}/" + "x" * 300, "the name is too long"),
        ("{tmp}/loop/a", "loop"),
    ],
)
def test_what_can_not_be_written_is_said_in_a_sentence(
    tmp_path: Path, path: str, says: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match=says):
        write_whole(Path(path.format(tmp=tmp_path)), "text")
    assert names(tmp_path) == ["file", "folder", "loop"]


def test_a_folder_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    target = tmp_path / "checkpoint"
    with whole_folder(target) as part:
        (part / "old").write_text("old")
    with pytest.raises(ZeroDivisionError), whole_folder(target) as part:
        (part / "new").write_text(str(1 // 0))
    assert (names(tmp_path), names(target)) == (["checkpoint"], ["old"])
    with whole_folder(target) as part:
        (part / "new").write_text("new")
    assert (names(tmp_path), names(target)) == (["checkpoint"], ["new"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="file"), whole_folder(tmp_path / "file"):
        pass
    with pytest.raises(UserError, match="file"):
        make_folder(tmp_path / "file")


def test_a_link_stays_a_link_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("before")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", "after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "after"
    os.mkfifo(tmp_path / "pipe")
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_whole(tmp_path / "pipe", "through")
    reader.join(PATIENCE_S)
    assert heard == ["through"]
    assert names(tmp_path) == ["link", "pipe", "real"]


def test_readers_find_a_whole_file_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_whole(path, b"0" * 100_000)
    code = (
        "import sys; from pathlib import Path\n"
        "from lfmvl_ros.core.whole_files import write_whole\n"
        "for number in range(10**6): write_whole(Path(sys.argv[1]), b'%d' % (number % 10) * 100000)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
    seen: set[bytes] = set()
    try:
        while len(seen) < 3:
            content = path.read_bytes()
            assert len(content) == 100_000
            assert len(set(content)) == 1
            seen.add(content[:1])
    finally:
        writer.kill()  # in the middle of anything
        writer.wait()
    assert len(path.read_bytes()) == 100_000


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refused(name: str) -> float:
    raise AssertionError(f"{name} is not JSON")


@given(DOCUMENTS)
def test_what_is_printed_is_json(document: object) -> None:
    text = json.dumps(finite(document), allow_nan=False)
    assert finite(json.loads(text, parse_constant=refused)) == finite(json.loads(text))


@given(st.floats())
def test_only_numbers_that_are_none_become_null(value: float) -> None:
    assert finite([value]) == [value if math.isfinite(value) else None]


def test_the_part_keeps_the_suffix_and_goes_away(tmp_path: Path) -> None:
    with whole_file(tmp_path / ("ä" * 120 + ".mp4")) as part:
        assert part.suffix == ".mp4"
        part.write_text("x")
    assert names(tmp_path) == ["ä" * 120 + ".mp4"]


@pytest.mark.parametrize("name", ["a.json", "new/deep/a.json"])
def test_a_check_of_an_output_leaves_nothing(tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    check_output(tmp_path / name)
    check_output_folder(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "there.json").write_text("kept")
    check_output(tmp_path / "there.json", (".json",))
    assert (tmp_path / "there.json").read_text() == "kept"
    check_output(Path("/dev/stdout"))


def test_a_check_says_what_writing_would_say(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    for path, says in (
        (tmp_path, "there is a folder of this name"),
        (tmp_path / "file" / "a.json", "there is a file of this name|is a file, not a folder"),
        (tmp_path / ("n" * 300), "the name is too long"),
        (tmp_path / "loop", "loop"),
        (Path("/proc/x/a.json"), "nothing can be written below /proc"),
    ):
        with pytest.raises(UserError, match=says):
            check_output(path)
        with pytest.raises(UserError):
            write_whole(path, "x")
    with pytest.raises(UserError, match=r"ending in \.json or \.yaml was expected"):
        check_output(tmp_path / "a.txt", (".yaml", ".json"))
    with pytest.raises(UserError, match="there is a file of this name"):
        check_output_folder(tmp_path / "file")

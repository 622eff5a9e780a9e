# SPDX-License-Identifier: Apache-2.0
"""GGUF files by name: the right ones of a repository, fetched once, or written from a package's."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.gguf.local_files import choose_files, local_files
from lfmvl_ros.models.load import check_model, load_model
from lfmvl_ros.models.model_name import QuantisedName, split_name

FILES = [
    "README.md", "LFM2.5-VL-450M-Q4_0.gguf", "LFM2.5-VL-450M-Q8_0.gguf", "LFM2.5-VL-450M-F16.gguf",
    "mmproj-LFM2.5-VL-450M-F16.gguf", "mmproj-LFM2.5-VL-450M-Q8_0.gguf",
]  # fmt: skip
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_names_with_a_quantisation() -> None:
    found = split_name("lfm2.5-vl-450m:Q4_0").quantised
    assert found is not None
    assert (found.entry.id, found.kind) == ("LiquidAI/LFM2.5-VL-450M", "q4_0")
    for other in ("bundled", "a/b:q4_0", "http://host:8080/v1", "unix:/a.sock", "x.gguf", ""):
        assert split_name(other).quantised is None
    with pytest.raises(UserError, match=r"'tiny' is not a quantisation of bundled"):
        split_name("bundled:tiny")


def test_the_mmproj_of_the_same_kind_is_preferred() -> None:
    stem = "LFM2.5-VL-450M"
    assert choose_files(FILES, "q4_0", "x") == (f"{stem}-Q4_0.gguf", f"mmproj-{stem}-Q8_0.gguf")
    assert choose_files(FILES, "f16", "x") == (f"{stem}-F16.gguf", f"mmproj-{stem}-F16.gguf")
    with pytest.raises(UserError, match="x has no q5_k_m among its GGUF files; it has f16, q4_0"):
        choose_files(FILES, "q5_k_m", "x")
    with pytest.raises(UserError, match="no mmproj"):
        choose_files(FILES[:4], "q4_0", "x")


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as fetching a file needs."""

    asked: list[str] = []  # noqa: RUF012  (of the class: a handler lives for one request)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        name = self.path.rsplit("/", 1)[-1]
        if self.path.startswith("/api/models/"):
            listed = [{"type": "file", "path": file, "size": 9, "oid": "0"} for file in FILES]
            content = json.dumps(listed).encode()
        elif name in FILES:
            content = name.encode() * 9
        else:
            self.send_error(404)
            return
        if body:
            self.asked.append(name)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[_Hub]]:
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    _Hub.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield _Hub
        server.shutdown()


def test_two_files_are_fetched_once(hub: type[_Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    name = split_name("lfm2.5-vl-450m:q4_0").quantised
    assert name is not None
    text, mmproj = local_files(name)
    assert (text.name, mmproj.name) == (FILES[1], FILES[5])
    assert text.read_bytes() == FILES[1].encode() * 9
    fetched = [file for file in hub.asked if file.endswith(".gguf")]
    assert sorted(fetched) == sorted((FILES[1], FILES[5]))
    assert local_files(name) == (text, mmproj)
    assert [file for file in hub.asked if file.endswith(".gguf")] == fetched
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    again = local_files(name)
    assert [path.read_bytes() for path in again] == [text.read_bytes(), mmproj.read_bytes()]
    with pytest.raises(UserError, match="has no q8_0 among its GGUF files; it has q4_0"):
        local_files(replace(name, kind="q8_0"))


def test_what_can_not_be_had_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = split_name("lfm2.5-vl-450m:q4_0").quantised
    assert name is not None
    with pytest.raises(UserError, match="GGUF is not on this machine, and can't be fetched"):
        local_files(name)
    lfm3 = find("lfm3-vl-2b")
    assert lfm3 is not None
    with pytest.raises(UserError, match="knows no GGUF files of lfm3-vl-2b"):
        local_files(QuantisedName(lfm3, "q4_0"))


def test_the_bundled_checkpoint_is_written_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("gguf")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    name = split_name("bundled:q8_0").quantised
    assert name is not None
    text, mmproj = local_files(name)
    written = text.stat().st_mtime_ns
    assert local_files(name) == (text, mmproj)
    assert text.stat().st_mtime_ns == written
    with pytest.raises(UserError, match="can be written as f32, f16, q8_0, q4_0, not as 'q5_k_m'"):
        local_files(replace(name, kind="q5_k_m"))


def test_a_name_and_a_quantisation_are_all_it_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("xllamacpp")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = PerceptionSettings(model="bundled:f16", device="cpu")
    check_model(settings)
    model = load_model(settings)
    try:
        assert (model.name, model.template.scale) == ("bundled", "0-1")
        assert "no captions" in model.remark
    finally:
        model.close()

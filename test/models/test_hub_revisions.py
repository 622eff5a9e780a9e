# SPDX-License-Identifier: Apache-2.0
"""Which commit of a hub's checkpoint is used: from a small real hub, and from copies."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.core.ask import ask
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.query import Query
from lfmvl_ros.finetune.start import find_start
from lfmvl_ros.models import hub
from lfmvl_ros.models.load import check_model, load_model

HUB_ID = "lfmvl-test/tiny"
V1, MAIN = "1" * 40, "2" * 40


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that downloads go to."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def copies(cache: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As earlier downloads of two commits left them, on a machine without a network."""
    folder = cache / "models--lfmvl-test--tiny"
    for name, commit in (("v1", V1), ("main", MAIN)):
        shutil.copytree(checkpoint, folder / "snapshots" / commit)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / name).write_text(commit)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as a download needs; its folders are set by the fixture."""

    folders: dict[str, Path] = {}  # noqa: RUF012  (of the class: a handler lives for one request)
    names = {"v1": V1, "main": MAIN, V1: V1, MAIN: MAIN}  # noqa: RUF012
    sent: list[str] = []  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.asked.append(self.path)
        parts = self.path.split("?")[0].strip("/").split("/")
        listing = parts[:2] == ["api", "models"]
        revision = (parts[5] if len(parts) > 5 else "main") if listing else parts[3]
        commit = self.names.get(revision)
        if commit is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "RevisionNotFound")
            self.end_headers()
            return
        if listing:
            files = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": "0"}
                for path in sorted(self.folders[commit].iterdir())
            ]
            about = files if parts[4] == "tree" else {"id": HUB_ID, "sha": commit}
            content = json.dumps(about).encode()
        else:
            content = (self.folders[commit] / parts[-1]).read_bytes()
            if body:
                self.sent.append(parts[-1])
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(
    cache: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[_Hub]]:
    """A hub whose v1 is the tiny checkpoint; main has since become one of another family."""
    newest = shutil.copytree(checkpoint, tmp_path / "newest")
    document = json.loads((newest / "config.json").read_text())
    (newest / "config.json").write_text(json.dumps({**document, "model_type": "llava"}))
    _Hub.folders = {V1: checkpoint, MAIN: newest}
    _Hub.sent.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield _Hub
        server.shutdown()


def test_a_revision_is_fetched_used_and_reported(served: type[_Hub]) -> None:
    settings = PerceptionSettings(model=HUB_ID, device="cpu", revision="v1")
    model = load_model(settings)
    assert "model.safetensors" in served.sent
    frame = Frame(np.zeros((64, 64, 3), np.uint8), 0)
    short = settings.updated({"generation.max_new_tokens": 8})
    (grounding,) = ask(model, [frame], Query.parse("red tote"), short)
    assert grounding.to_dict()["revision"] == V1
    assert Pipeline(model, settings).status().revision == V1
    model.close()


def test_weights_of_another_family_are_not_fetched(served: type[_Hub]) -> None:
    with pytest.raises(UserError, match="holds a model of type 'llava'"):
        load_model(PerceptionSettings(model=HUB_ID, device="cpu"))
    assert not any(name.endswith(".safetensors") for name in served.sent)


def test_a_revision_that_the_hub_does_not_have(served: type[_Hub]) -> None:
    with pytest.raises(UserError, match="tiny has no revision 'v9'"):
        hub.local_folder(HUB_ID, "v9")
    assert not served.sent


def test_a_commit_that_is_here_is_not_looked_up_again(served: type[_Hub]) -> None:
    folder = hub.local_folder(HUB_ID, V1)
    served.asked.clear()
    assert hub.local_folder(HUB_ID, V1) == folder
    assert served.asked == []
    assert hub.local_folder(HUB_ID, "v1") == folder
    assert served.asked  # a tag can move
    served.asked.clear()
    (folder / "model.safetensors").unlink()
    assert (hub.local_folder(HUB_ID, V1) / "model.safetensors").is_file()
    assert served.asked


@pytest.mark.parametrize(
    "lost", ["tokenizer.json", "tokenizer_config.json", "processor_config.json"]
)
def test_a_commit_whose_copy_lacks_a_small_file_is_fetched(served: type[_Hub], lost: str) -> None:
    folder = hub.local_folder(HUB_ID, V1)
    (folder / lost).unlink()
    assert (hub.local_folder(HUB_ID, V1) / lost).is_file()


def test_a_shard_without_its_index_is_no_complete_copy(copies: Path) -> None:
    folder = copies / "snapshots" / V1
    assert hub._complete_copy(HUB_ID, V1) == folder
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    assert hub._complete_copy(HUB_ID, V1) is None
    names = dict.fromkeys(("a", "b"), "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert hub._complete_copy(HUB_ID, V1) == folder


def test_copies_without_a_network(copies: Path) -> None:
    assert hub.local_folder(HUB_ID) == copies / "snapshots" / MAIN
    for name in ("v1", V1):
        assert hub.local_folder(HUB_ID, name) == copies / "snapshots" / V1
    start = find_start(HUB_ID, "v1")
    assert (start.name, start.revision) == (HUB_ID, V1)
    with pytest.raises(UserError, match="revision v9 of lfmvl-test/tiny is not on this machine"):
        hub.local_folder(HUB_ID, "v9")


@pytest.mark.parametrize("model", ["bundled", "bundled:q8_0", "http://127.0.0.1:1", "a.jsonl", "."])
def test_a_revision_of_what_comes_from_no_hub(model: str) -> None:
    with pytest.raises(UserError, match="does not come from a hub: leave revision empty"):
        check_model(PerceptionSettings(model=model, revision="v1"))


@pytest.mark.parametrize("revision", ["../../x", "/etc/passwd", "a b", "-x", "a//b", "x" * 201])
def test_what_is_no_revision(revision: str) -> None:
    with pytest.raises(UserError, match="is not a branch, tag or commit"):
        PerceptionSettings(revision=revision)


def test_the_bundled_checkpoint_is_not_a_folder_that_happens_to_lie_there(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(checkpoint, tmp_path / "bundled")
    assert hub.local_folder("bundled") != Path("bundled")
    check_model(PerceptionSettings(model="bundled"))
    assert hub.local_folder("./bundled") == Path("bundled")

# SPDX-License-Identifier: Apache-2.0
"""A hub that is not there is noticed once and within seconds; a copy on this machine is used."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models import hub


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[socket.socket]]:
    """A hub that takes connections and never says a word; returns them."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield taken
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for connection in taken:
        connection.close()


def test_a_silent_hub_is_asked_once(silent: list[socket.socket]) -> None:
    began_s = time.monotonic()
    with pytest.raises(UserError, match=r"no/such is not on this machine.*within 5 s"):
        hub.fetched_folder("no/such")
    assert time.monotonic() - began_s < 60
    assert len(silent) == 1


def test_without_a_server_the_reason_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(UserError, match="refused"):
        hub.fetched_folder("no/such")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        hub.fetched_folder("no/such")


def test_any_answer_shows_that_the_hub_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Missing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        assert not hub.why_unreachable("no/such")
        with pytest.raises(UserError, match="no/such"):
            hub.fetched_folder("no/such")
        server.shutdown()

# SPDX-License-Identifier: Apache-2.0
"""The page's server: who may ask what."""

from __future__ import annotations

import http.client
import json
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.review import ReviewAnswer, ReviewVerdict
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.review.server import MAX_BODY_BYTES, ReviewServer, token_of
from lfmvl_ros.review.store import ReviewStore

from ..core.review.items import item
from ..waiting import PATIENCE_S

YES = json_text(ReviewAnswer("0" * 16, ReviewVerdict.YES).to_dict())


class Site:
    """A server with one item, and what it was told."""

    def __init__(self, folder: Path) -> None:
        self.store, self.told = ReviewStore(folder / "review.db"), []
        self.store.take("/lfmvl/review", json_text(item().to_dict()))
        self.server = ReviewServer(self.store, token_of(folder), 0, self.told.append)
        self.port, self.token = self.server.server_address[1], self.server.token
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def ask(self, path, method="GET", body=None, **headers):
        """Return status, body and headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def own(self, path, method="GET", body=None, **headers):
        return self.ask(f"/{self.token}/{path}", method, body, **headers)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.store.close()


def test_page_items_crop_and_answer(site: Site) -> None:
    status, page, headers = site.own("")
    assert (status, headers["Referrer-Policy"]) == (200, "no-referrer")
    assert b"http:" not in page
    assert b"https:" not in page  # nothing from a network
    found = json.loads(site.own("items")[1])
    assert (found["waiting"], found["items"][0]["label"]) == (1, "person")
    assert "jpeg" not in found["items"][0]
    assert site.own("crop/" + "0" * 16)[1] == item().jpeg
    assert site.own("answer", "POST", YES)[0] == 200
    assert [answer.verdict for answer in site.told] == [ReviewVerdict.YES]
    assert site.own("answer", "POST", YES)[0] == 409
    assert len(site.told) == 1


@pytest.mark.parametrize("path", ["/", "/items", "/wrong/items", "/%s/items" % ("a" * 32), "//"])
def test_nothing_without_the_token(site: Site, path: str) -> None:
    status, body, _ = site.ask(path)
    assert status == 403
    assert b"needs the token" in body
    assert site.ask("/answer", "POST", YES)[0] == 403
    assert site.told == []


def test_other_hosts_and_other_pages_are_refused(site: Site) -> None:
    for host in (
        "evil.example",
        f"evil.example:{site.port}",
        "127.0.0.1",
        f"127.0.0.2:{site.port}",
    ):
        assert site.own("items", Host=host)[0] == 403, host
    assert site.own("items", Host=f"localhost:{site.port}")[0] == 200
    assert site.own("answer", "POST", YES, Origin="http://evil.example")[0] == 403
    assert site.own("answer", "POST", YES, Origin="null")[0] == 403
    assert site.told == []
    assert site.own("answer", "POST", YES, Origin=f"http://127.0.0.1:{site.port}")[0] == 200


@pytest.mark.parametrize(
    "path",
    ["../token", "..%2ftoken", "crop/../../token", "crop/" + "0" * 15, "crop/" + "1" * 16,
     "page.html", "/etc/passwd", "review.db", "items/"],
)  # fmt: skip
def test_paths_lead_nowhere_else(site: Site, path: str) -> None:
    status, body, _ = site.own(path)
    assert status == 404
    assert site.token.encode() not in body


def test_bodies_are_bounded_and_checked(site: Site) -> None:
    assert site.own("answer", "POST", b"x" * (MAX_BODY_BYTES + 1))[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE_S)
    connection.putrequest("POST", f"/{site.token}/answer")
    connection.endheaders()
    assert connection.getresponse().status == 411
    connection.close()
    for body in (b"", b"[]", b"\xff", b"{}", YES.replace("yes", "maybe").encode()):
        status, told, _ = site.own("answer", "POST", body)
        assert status == 400
        assert json.loads(told)["problem"]
    assert site.own("answer", "PUT", YES)[0] == 501
    assert site.told == []


def test_the_token_stays_and_is_its_owners(tmp_path: Path) -> None:
    token = token_of(tmp_path)
    assert token_of(tmp_path) == token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    (tmp_path / "token").write_text("short")
    assert token_of(tmp_path) not in ("short", token)


def test_a_port_in_use_is_a_sentence(site: Site) -> None:
    with pytest.raises(UserError, match="choose another --port"):
        ReviewServer(site.store, site.token, site.port, site.told.append)


def test_clients_that_leave_before_their_answer_are_no_traceback(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    request = f"GET /{site.token}/ HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n\r\n".encode()
    reset = struct.pack("ii", 1, 0)  # close with a reset, and not in order
    for length in (len(request), len(request) - 1, 5, 0) * 10:
        client = socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE_S)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        client.sendall(request[:length])
        client.close()
    assert site.own("")[0] == 200
    time.sleep(0.2)
    assert capfd.readouterr().err == ""


def test_a_request_that_fails_is_one_line(
    site: Site, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr(site.store, "open_items", fails)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        site.own("items")
    error = capfd.readouterr().err
    assert error == "lfmvl review: a request failed: ZeroDivisionError: x\n"

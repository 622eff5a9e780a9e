# SPDX-License-Identifier: Apache-2.0
"""The page's server: on this machine only, for who knows the token, and for nothing else.

Every address begins with the token. The Host header must name this server, so that a page of
another site can't reach it under a name of its own (DNS rebinding); Origin, where a browser sends
it, as well. Nothing is read from the file system but the page itself.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.review import ReviewAnswer, read_answer
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.core.user_files import is_regular_file, read_text
from lfmvl_ros.core.whole_files import make_folder, writing
from lfmvl_ros.review.store import ReviewStore

HOST = "127.0.0.1"
PORT = 8642
MAX_BODY_BYTES = 16_384
_PATIENCE_S = 10.0
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
_POLICY = (
    "default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def token_of(folder: Path) -> str:
    """Return the folder's token, which only its owner can read; it is made at the first call.

    Raises:
        UserError: it can't be written.
    """
    path = folder / "token"
    if is_regular_file(path):
        text = read_text(path, 1024, replace=True).strip()
        if _TOKEN.fullmatch(text):
            return text
    text = secrets.token_urlsafe(24)
    make_folder(folder)
    with writing(path):
        path.unlink(missing_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(f"{text}\n", encoding="ascii")
    return text


class ReviewServer(ThreadingHTTPServer):
    """Serves the page and takes answers.

    Args:
        store: of the items.
        token: that every address begins with.
        port: to listen on; 0 for a free one.
        on_answer: is called with each answer, once it is on the disk.

    Raises:
        UserError: the port can't be used.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        store: ReviewStore,
        token: str,
        port: int,
        on_answer: Callable[[ReviewAnswer], None],
    ) -> None:
        self.store, self.token, self.on_answer = store, token, on_answer
        self.page = (Path(__file__).parent / "page.html").read_bytes()
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UserError(
                f"can't listen on {HOST}:{port} ({error}); choose another --port"
            ) from error

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Say on one line what went wrong; nothing where a client has left before its answer."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, (ConnectionError, TimeoutError)):
            print(f"lfmvl review: a request failed: {describe(error)}", file=sys.stderr)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_address[1]}/{self.token}/"

    @property
    def names(self) -> tuple[str, ...]:
        """What a Host header may say."""
        port = self.server_address[1]
        return f"{HOST}:{port}", f"localhost:{port}"


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: ReviewServer
    timeout = _PATIENCE_S
    server_version, sys_version = "lfmvl", ""

    def do_GET(self) -> None:
        """Send the page, the list of items, or a crop."""
        path = self._allowed()
        store = self.server.store
        if path is None:
            return
        if path == "":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page)
        elif path == "items":
            found = {
                "items": store.open_items(),
                "labels": store.labels(),
                **asdict(store.counts()),
            }
            self._send(HTTPStatus.OK, "application/json", json_text(found).encode())
        elif re.fullmatch(r"crop/[0-9a-f]{16}", path) and (item := store.item(path[5:])):
            self._send(HTTPStatus.OK, "image/jpeg", item.jpeg)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:
        """Take an answer."""
        path = self._allowed()
        if path is None:
            return
        if path != "answer":
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
            return
        body = self._body()
        if body is None:
            return
        try:
            answer = read_answer(body.decode("utf-8"))
        except (UserError, UnicodeDecodeError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        if problem := self.server.store.answer(answer):
            self._refuse(HTTPStatus.CONFLICT, problem)
            return
        self.server.on_answer(answer)
        self._send(HTTPStatus.OK, "application/json", b"{}")

    def _allowed(self) -> str | None:
        """Return the path behind the token; None, and an answer is sent, for who may not ask."""
        names = self.server.names
        origin = self.headers.get("Origin")
        if self.headers.get_all("Host") not in [[name] for name in names]:
            self._refuse(HTTPStatus.FORBIDDEN, "not for this host name")
            return None
        if origin is not None and origin not in [f"http://{name}" for name in names]:
            self._refuse(HTTPStatus.FORBIDDEN, "not for other pages")
            return None
        token, _, path = self.path.removeprefix("/").partition("/")
        given = token.encode("utf-8", "replace")
        if not secrets.compare_digest(given, self.server.token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "the address needs the token that was printed")
            return None
        return path

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 9:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
            return None
        if int(length) > MAX_BODY_BYTES:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY_BYTES} bytes are read"
            )
            return None
        body = self.rfile.read(int(length))
        return body if len(body) == int(length) else None

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True
        self._send(status, "application/json", json.dumps({"problem": reason}).encode())

    def _send(self, status: HTTPStatus, kind: str, data: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(data))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", _POLICY),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Say nothing: addresses have the token in them."""

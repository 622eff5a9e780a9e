# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server that does what a real one does only when it is broken."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = '[{"label": "tote", "bbox": [0.25, 0.25, 0.50, 0.75]}]'


def events(text=ANSWER, *, logprob=-0.01, finish="stop", prompt_tokens=0, tokens=True):
    """Return the lines of a stream, one event for each character."""
    found = []
    for character in text:
        entry = {"id": ord(character), "token": character, "bytes": list(character.encode()),
                 "logprob": logprob}  # fmt: skip
        choice = {"index": 0, "delta": {"content": character}, "finish_reason": None}
        if tokens:
            choice["logprobs"] = {"content": [entry]}
        found.append({"choices": [choice]})
    found.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if prompt_tokens:
        found.append({"choices": [], "usage": {"prompt_tokens": prompt_tokens}})
    return [f"data: {json.dumps(event)}\n\n".encode() for event in found] + [b"data: [DONE]\n\n"]


class Scripted:
    """What the server does.

    Attributes:
        chat: called with (handler, request document) for a chat completion; sends the answer.
        models, props: documents of these paths; None is 404.
        count: called with a request document; returns its tokens. None: it has no such path.
        usage: of a completion of one token; None: what ``count`` does by default.
        requests: every (path, headers, document) that came.
        gone: set once a streamed answer found its connection closed.
        unread: set while the bodies of requests are not read.
        hung_up: set when the server ends, for answers that wait on purpose.
    """

    def __init__(self, chat=None):
        self.chat = chat or (lambda handler, _: handler.stream(events()))
        self.models = {"data": [{"id": "lfm2.5-vl-450m"}]}
        self.props = None
        self.count = lambda document: 20 + tokens_of(document)
        self.usage = None
        self.requests = []
        self.gone = threading.Event()
        self.unread = threading.Event()
        self.hung_up = threading.Event()


def tokens_of(document):
    """Return how many squares of 32x32 pixels the BMP or PNG of a request holds."""
    import base64

    import cv2
    import numpy as np

    url = document["messages"][0]["content"][0]["image_url"]["url"]
    raw = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    height, width = cv2.imdecode(raw, cv2.IMREAD_COLOR).shape[:2]
    return height * width // 1024


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Scripted

    def log_message(self, *_):
        pass

    def answer(self, status, document, kind="application/json", **headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, lines, pause=None):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for line in lines:
                self.wfile.write(line)
                self.wfile.flush()
                if pause:
                    pause()
        except OSError:
            self.script.gone.set()

    def do_GET(self):
        self.script.requests.append((self.path, dict(self.headers), None))
        found = {"/v1/models": self.script.models, "/props": self.script.props}.get(self.path)
        if callable(found):
            found(self)
        elif found is None:
            self.answer(404, {"error": {"message": "File Not Found"}})
        else:
            self.answer(200, found)

    def do_POST(self):
        if self.script.unread.is_set():
            self.script.hung_up.wait(600)
            self.close_connection = True
            return
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.script.requests.append((self.path, dict(self.headers), document))
        if self.path.endswith("/input_tokens"):
            count = self.script.count(document) if self.script.count else None
            if count is None:
                self.answer(404, {"error": {"message": "File Not Found"}})
            else:
                self.answer(200, {"input_tokens": count})
        elif document.get("max_tokens") == 1:
            usage = {"prompt_tokens": 20 + tokens_of(document)}
            self.answer(200, {"usage": usage if self.script.usage is None else self.script.usage})
        else:
            self.script.chat(self, document)


@contextlib.contextmanager
def serving(script, port=0):
    """Serve on a port of this machine; yields the ``model`` setting that means it."""
    handler = type("Handler", (_Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    # Small, so that a body that isn't read fills it.
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        script.hung_up.set()
        server.shutdown()
        server.server_close()
        thread.join()

# SPDX-License-Identifier: Apache-2.0
"""Requests to the page of ``lfmvl review``: sound ones, damaged ones, and what comes back."""

from __future__ import annotations

import contextlib
import json
import socket
from random import Random

from faults_case import strict_json
from faults_mutations import mutated
from faults_watch import Tally


def one_request(
    tally: Tally, port: int, request: bytes, waiting: list[socket.socket], rng: Random
) -> None:
    """Send a request, and judge what comes back; now and then, leave in the middle or never."""
    tally.cases += 1
    if rng.random() < 0.05:
        held = socket.create_connection(("127.0.0.1", port), 20.0)
        held.sendall(request[: rng.randrange(len(request) + 1)])
        waiting.append(held)
        if len(waiting) > 20 or rng.random() < 0.3:
            waiting.pop(0).close()
        return
    told = ask(port, request)
    if not told:  # it has closed the connection: a request without a first line, a reset
        return
    tally.used += told.startswith(b"HTTP/1.0 200")
    head, _, body = told.partition(b"\r\n\r\n")
    if told[:5] == b"HTTP/" and b"\nContent-Type: application/json" in head:
        try:
            strict_json(body.decode())
        except ValueError as error:
            tally.failures.append(f"what it has sent is no JSON: {error}")


def request_of(rng: Random, port: int, token: str) -> bytes:
    """Return a sound request, a damaged one, or one with a damaged answer."""
    path = rng.choice(("", "items", f"crop/{0:016x}", f"crop/{1:016x}", "answer", "../token", "x"))
    answer = {"schema": "lfmvl/review_answer/1", "id": f"{1:016x}", "verdict": "yes"}
    body = json.dumps(answer).encode()
    if rng.random() < 0.6:
        body, _ = mutated(body, ".json", rng)
    if rng.random() < 0.4:
        return _post(body[:100_000], port, token)
    whole = good(path, port, token) if rng.random() < 0.7 else _post(body, port, token)
    lines = whole.split(b"\r\n")
    if rng.random() < 0.5:
        number = rng.randrange(len(lines))
        lines[number], _ = mutated(lines[number], rng.choice((".txt", ".bin")), rng)
        return b"\r\n".join(lines)[:1_000_000]
    return mutated(whole, rng.choice((".txt", ".bin")), rng)[0][:1_000_000]


def good(path: str, port: int, token: str) -> bytes:
    """Return a sound request."""
    return f"GET /{token}/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


def _post(body: bytes, port: int, token: str) -> bytes:
    head = f"POST /{token}/answer HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def ask(port: int, request: bytes) -> bytes:
    """Return all that comes back; nothing where the connection is reset."""
    told = b""
    reset = contextlib.suppress(OSError)  # ENOTCONN as well: closed before our end of the stream
    with socket.create_connection(("127.0.0.1", port), 30.0) as connection:
        with reset:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        with reset:
            while piece := connection.recv(1 << 16):
                told += piece
    return told

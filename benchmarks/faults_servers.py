# SPDX-License-Identifier: Apache-2.0
"""``lfmvl mcp`` and the page of ``lfmvl review`` among clients that send nonsense.

Each is a process. What was sent to one that failed is kept as it was: ``lfmvl mcp`` reads it from
standard input, the page from a socket.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from faults_case import strict_json
from faults_files import write_review
from faults_mutations import mutated
from faults_requests import ask, good, one_request, request_of
from faults_time import Share, left_behind, marked
from faults_watch import Tally
from measuring import rss_mb

SERVERS = ("lines to mcp", "requests to the page of reviews")
MOST_GROWTH_MB = 300.0
_PATIENCE_S, _SESSION_LINES, _PAUSE_S = 60.0, 200, 0.002
_HELLO = {
    "jsonrpc": "2.0", "id": 0, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {},
               "clientInfo": {"name": "faults", "version": "1"}},
}  # fmt: skip
_INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_PING = {"jsonrpc": "2.0", "id": "the last", "method": "ping"}


def try_server(name: str, work: Path, keep: Path, seed: int, share: Share) -> Tally:
    """Send nonsense to a server for a while; return what became of it."""
    work.mkdir(parents=True, exist_ok=True)
    tally, rng = Tally(name), Random(f"{seed}/{name}")
    one = _session if name == SERVERS[0] else _page
    number = 0
    while not tally.failures and (number == 0 or share.left_s > 0):
        sent = bytearray()
        before = len(tally.failures)
        share = one(tally, work / str(number), rng, share, sent)
        if left := left_behind(work / str(number)):
            tally.failures.append(f"processes were left behind: {left[:5]}")
        if len(tally.failures) > before:
            keep.mkdir(parents=True, exist_ok=True)
            kept = keep / f"{name.replace(' ', '_')}-{number}.bytes"
            kept.write_bytes(sent)
            tally.failures[-1] += f" [{kept}]"
        number += 1
    return tally


class _Server:
    """A process of ``lfmvl`` that serves."""

    def __init__(self, tally: Tally, work: Path, *words: str) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.tally, self.log = tally, work / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lfmvl_ros.cli.main", *words], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, env=marked(work),
            )  # fmt: skip
        self._start_mb = 0.0

    def sample(self) -> None:
        """Note the memory of the process."""
        if self.process.poll() is None:
            here_mb = rss_mb(self.process.pid)
            self._start_mb = self._start_mb or here_mb
            self.tally.start_mb = self.tally.start_mb or here_mb
            grown_mb = here_mb - self._start_mb
            self.tally.most_mb = max(self.tally.most_mb, self.tally.start_mb + grown_mb)

    def ended(self, codes: tuple[int, ...]) -> None:
        """Wait for its end, and judge it."""
        failures = self.tally.failures
        try:
            code = self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            failures.append("it did not end within a minute")
            return
        log = self.log.read_text(errors="replace")
        if code not in codes:
            failures.append(f"exit code {code}: {log[-700:]}")
        if "Traceback" in log:
            failures.append(f"a traceback: {log[log.index('Traceback') :][:1500]}")
        if "\x1b[2J" in log or "\u202e" in log:
            failures.append("control characters that were sent are in the log")
        grown_mb = self.tally.most_mb - self.tally.start_mb
        if grown_mb > MOST_GROWTH_MB:
            failures.append(f"memory grew by {grown_mb:.0f} MB")


# -- lfmvl mcp ------------------------------------------------------------------------------------


def _session(tally: Tally, work: Path, rng: Random, share: Share, sent: bytearray) -> Share:
    """One session: it answers to the end whatever comes before, and ends with its client."""
    server = _Server(tally, work, "mcp", "--namespace", "/faults_of_mcp")
    process, greeted = server.process, rng.random() < 0.8
    lines = [json.dumps(one).encode() + b"\n" for one in (_HELLO, _INITIALIZED) if greeted]
    answers = _Lines(process)
    try:
        begun_s = time.monotonic()
        for line in lines:
            _send(process, line, sent)
        if greeted and not answers.come(lambda one: one.get("id") == 0, share.patience_s):
            if share.is_over:
                return _cut(tally, server, share)
            tally.failures.append("it has not answered the first request")
        server.sample()
        share = share if tally.cases else share.begun()
        for _ in range(_SESSION_LINES):
            if share.left_s == 0.0 and tally.cases:
                break
            _send(process, _line(rng), sent)
            tally.cases += 1
            answers.read(_PAUSE_S)
        greeting = [] if greeted else [_HELLO, _INITIALIZED]
        for one in (*greeting, _PING):
            _send(process, b"\n" + json.dumps(one).encode() + b"\n", sent)
        if not answers.come(lambda one: one.get("id") == _PING["id"], share.patience_s):
            if share.is_over:
                return _cut(tally, server, share)
            tally.failures.append("it does not answer any more")
        server.sample()
        tally.slowest_s = max(tally.slowest_s, time.monotonic() - begun_s)
    except BrokenPipeError:
        tally.failures.append("it has closed its standard input")
    except ValueError as error:
        tally.failures.append(f"it has printed what is no JSON: {error}")
    tally.used += answers.results
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()  # type: ignore[union-attr]
    answers.drain()
    server.ended((0,))
    return share


def _cut(tally: Tally, server: _Server, share: Share) -> Share:
    """End a session whose time is over."""
    server.process.kill()
    server.process.wait()
    tally.cut += 1
    return share


def _line(rng: Random) -> bytes:
    """Return a damaged message, or bytes that are none."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.choice((1, 40, 5000))) + b"\n"
    tools = ("find", "count", "look_for", "describe", "show_image", "where_is", "follow", "none")
    arguments = rng.choice(({}, {"label": "tote"}, {"labels": ["tote"], "timeout_s": 1}))
    calls: tuple[dict[str, Any], ...] = (
        {"method": "tools/call", "params": {"name": rng.choice(tools), "arguments": arguments}},
        {"method": "tools/list", "params": {}},
        {"method": "ping"}, _HELLO,
        {"method": "resources/read", "params": {"uri": "file:///etc/passwd"}},
        {"method": "notifications/cancelled", "params": {"requestId": 1, "reason": "x"}},
        {"method": "completion/complete", "params": {}}, {"result": {}}, {"error": {"code": 1}},
    )  # fmt: skip
    message = {"jsonrpc": "2.0", "id": rng.randrange(1, 10**6), **rng.choice(calls)}
    data, _ = mutated(json.dumps(message).encode(), ".json", rng)
    return data[:1_000_000] + b"\n"


def _send(process: subprocess.Popen[bytes], data: bytes, sent: bytearray) -> None:
    sent += data
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


class _Lines:
    """What a process prints on standard output: JSON, a document a line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._file = process.stdout.fileno()
        os.set_blocking(self._file, False)
        self._pending = b""
        self.results = 0

    def read(self, patience_s: float) -> list[Any]:
        """Return documents that have come; wait so long for some."""
        if not select.select([self._file], [], [], patience_s)[0]:
            return []
        piece = os.read(self._file, 1 << 20)
        *lines, self._pending = (self._pending + piece).split(b"\n")
        found = [strict_json(line.decode()) for line in lines if line.strip()]
        self.results += sum("result" in one for one in found if isinstance(one, dict))
        return found

    def come(self, wanted: Callable[[Any], bool], patience_s: float) -> bool:
        """Return whether a document that is wanted comes in time."""
        end_s = time.monotonic() + patience_s
        while time.monotonic() < end_s:
            if any(isinstance(one, dict) and wanted(one) for one in self.read(0.2)):
                return True
        return False

    def drain(self) -> None:
        """Take the rest, so that nobody waits for us."""
        end_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end_s:
            if select.select([self._file], [], [], 0.2)[0] and not os.read(self._file, 1 << 20):
                return


# -- the page of lfmvl review ---------------------------------------------------------------------


def _page(tally: Tally, work: Path, rng: Random, share: Share, sent: bytearray) -> Share:
    """One server for all the time: after any request it answers a sound one."""
    work.mkdir(parents=True, exist_ok=True)
    write_review(work)
    server = _Server(tally, work, "review", "--port", "0", "--out", str(work), "--topic",
                     "/faults_of_review/review")  # fmt: skip
    line = server.process.stdout.readline().decode()  # type: ignore[union-attr]
    found = re.search(r"http://127\.0\.0\.1:(\d+)/(\S+)/", line)
    try:
        if found is None:
            tally.failures.append(f"it has not said where the page is: {line[:200]}")
            return share
        port, token = int(found[1]), found[2]
        waiting: list[socket.socket] = []
        ask(port, good("items", port, token))
        server.sample()
        share = share.begun()
        while (share.left_s > 0 or not tally.cases) and not tally.failures:
            request = request_of(rng, port, token)
            sent[:] = request
            begun_s = time.monotonic()
            one_request(tally, port, request, waiting, rng)
            tally.slowest_s = max(tally.slowest_s, time.monotonic() - begun_s)
            if tally.cases % 50 == 0:
                server.sample()
        for one in waiting:
            one.close()
        told = ask(port, good("items", port, token))
        if not told.startswith(b"HTTP/1.0 200"):
            tally.failures.append(f"it does not answer a sound request any more: {told[:200]!r}")
        server.sample()
    except OSError as error:
        tally.failures.append(f"it is not reached: {error!r}")
    finally:
        server.process.send_signal(2)
        server.ended((0, 130))
    return share

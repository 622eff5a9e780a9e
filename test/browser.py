# SPDX-License-Identifier: Apache-2.0
"""A real browser for tests: Debian's chromium without a window, driven over its DevTools pipe.

The protocol: https://chromedevtools.github.io/devtools-protocol. With ``--remote-debugging-pipe``
chromium reads commands from file descriptor 3 and writes to 4, JSON documents that end with NUL.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .waiting import PATIENCE_S

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """A tab of a browser; every request that it makes is kept in :attr:`requests`."""

    def __init__(self, process: subprocess.Popen[bytes], to_fd: int, from_fd: int) -> None:
        self._process, self._to, self._from = process, to_fd, from_fd
        self._number, self._buffer, self._session = 0, b"", ""
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Network", "Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def wait_for(self, event: str) -> None:
        while self._read().get("method") != event:
            pass

    def _read(self) -> dict[str, Any]:
        deadline_s = time.monotonic() + PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline_s - time.monotonic()))
            assert ready, f"chromium says nothing for {PATIENCE_S} s"
            data = os.read(self._from, 1 << 20)
            assert data, f"chromium has ended with {self._process.wait(10)}"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        document = json.loads(text)
        params = document.get("params", {})
        if document.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif document.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif document.get("method") == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"]["text"])
        return document

    def open(self, path: Path, width_px: int, *, height_px: int = 900) -> None:
        self.resize(width_px, height_px)
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def resize(self, width_px: int, height_px: int = 900) -> None:
        mobile = width_px < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width_px, height=height_px,
                  deviceScaleFactor=2 if mobile else 1, mobile=mobile)  # fmt: skip

    def value(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def click(self, selector: str) -> None:
        """Press the mouse where an element is, as a person would."""
        x, y = self.value(
            f"(() => {{ const e = document.querySelector({selector!r});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start chromium with a profile of its own, and end it."""
    assert PROGRAM is not None
    to_child, to_us = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
                 "--remote-debugging-pipe", f"--user-data-dir={profile}")  # fmt: skip
        command = f'exec "$0" "$@" 3<&{to_child[0]} 4>&{to_us[1]}'
        process = subprocess.Popen(
            ["bash", "-c", command, PROGRAM, *flags], pass_fds=(to_child[0], to_us[1]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield Browser(process, to_child[1], to_us[0])
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            for end in (*to_child, *to_us):
                os.close(end)

# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: keys, boxes, reload and restart, a phone's width."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfmvl_ros.core.review import ReviewVerdict
from lfmvl_ros.core.safe_text import json_text
from lfmvl_ros.review.server import ReviewServer, token_of
from lfmvl_ros.review.store import ReviewStore

from ..browser import PROGRAM, Browser, browser
from ..core.review.items import item
from ..domains import next_port
from ..waiting import until

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium (apt install chromium)")


class Site:
    """A folder of items, and a server that can be started again on the same port."""

    def __init__(self, folder: Path, items: int) -> None:
        self.folder, self.told, self.port = folder, [], next_port()
        store = ReviewStore(folder / "review.db")
        pixels = np.full((480, 640, 3), 120, np.uint8)
        cv2.rectangle(pixels, (256, 192), (320, 288), (200, 60, 40), -1)
        for number in range(items):
            made = item(number, pixels=pixels, asked_unix_s=time.time(), timeout_s=600.0)
            store.take("/lfmvl/review", json_text(made.to_dict()))
        store.close()
        self.start()

    def start(self) -> None:
        self.store = ReviewStore(self.folder / "review.db")
        self.server = ReviewServer(self.store, token_of(self.folder), self.port, self.told.append)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.store.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, 5)
    yield made
    made.stop()


def shows(tab: Browser, expression: str) -> None:
    """Wait until the page is so."""
    until(lambda: tab.value(expression), told=lambda: f"{expression} never holds")


def go(tab: Browser, url: str, width_px: int) -> None:
    tab.resize(width_px)
    tab.call("Page.navigate", url=url)
    tab.wait_for("Page.loadEventFired")
    shows(
        tab, "!document.querySelector('#panel').hidden && document.querySelector('#crop').complete"
    )


def press(tab: Browser, key: str) -> None:
    text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
    code = 13 if key == "Enter" else 27 if key == "Escape" else ord(key.upper()[0])
    for kind in ("keyDown", "keyUp"):
        more = text if kind == "keyDown" else {}
        tab.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **more)


def drag(tab: Browser, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw over the crop, from and to shares of it, once it is there: before, it has no height."""
    shows(tab, "(c => c.complete && c.naturalHeight > 0)(document.querySelector('#crop'))")
    left, top, width, height = tab.value(
        "(() => { const r = document.querySelector('#crop').getBoundingClientRect();"
        " return [r.x, r.y, r.width, r.height]; })()"
    )
    for kind, (u, v) in (("mousePressed", begin), ("mouseMoved", end), ("mouseReleased", end)):
        x, y = left + u * width, top + v * height
        tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1,
                 clickCount=1)  # fmt: skip


def draw(tab: Browser) -> None:
    """Draw a box, after asking for it again where the next item has taken the place of this one."""
    if not tab.value("document.querySelector('#view').classList.contains('drawing')"):
        press(tab, "b")
    drag(tab, (0.25, 0.5), (0.75, 1.0))


def told(site: Site, count: int) -> None:
    until(lambda: len(site.told) >= count, told=lambda: f"{len(site.told)} of {count} came")


def test_a_person_answers(site: Site) -> None:
    counts = "document.querySelector('#counts').textContent"
    with browser() as tab:
        go(tab, site.server.url, 1280)
        assert tab.value("document.querySelector('#question').textContent") == "Is this: person?"
        press(tab, "y")
        told(site, 1)
        shows(tab, f"{counts} === '4 waiting, 1 answered'")
        press(tab, "w")
        for letter in "tote":
            tab.call("Input.insertText", text=letter)
        press(tab, "Enter")
        told(site, 2)
        shows(tab, f"{counts} === '3 waiting, 2 answered'")

        press(tab, "b")
        drag(tab, (0.25, 0.5), (0.75, 1.0))
        looks = itertools.count(1)
        until(  # drawn again, after seconds, where the crop came in the middle of it
            lambda: tab.value("!document.querySelector('#send-box').disabled"),
            doing=lambda: next(looks) % 150 == 0 and draw(tab),
        )
        press(tab, "Enter")
        told(site, 3)
        shows(tab, f"{counts} === '2 waiting, 3 answered'")

        site.stop()  # while the page is open; then the same folder and port
        shows(tab, "!document.querySelector('#problem').hidden")
        site.start()
        shows(tab, "document.querySelector('#problem').hidden")
        go(tab, site.server.url, 390)  # a reload, on a phone
        assert tab.value(counts) == "2 waiting, 3 answered"
        assert tab.value("document.documentElement.scrollWidth") <= 390
        tab.click("#no")
        told(site, 4)
        shows(tab, f"{counts} === '1 waiting, 4 answered'")
        own = site.server.url.rsplit("/", 2)[0]
        assert all(url.startswith((own, "data:", "about:")) for url in tab.requests)

        assert [text for text in tab.errors if "Security" in text] == []

    yes, wrong, box, no = site.told
    assert [a.verdict for a in (yes, wrong, box, no)] == [
        *(ReviewVerdict.YES, ReviewVerdict.WRONG_LABEL, ReviewVerdict.BOX, ReviewVerdict.NO)
    ]
    assert wrong.label == "tote"
    assert len({answer.id for answer in site.told}) == 4
    left, top, right, bottom = item(pixels=np.zeros((480, 640, 3), np.uint8)).crop
    width, height = right - left, bottom - top
    drawn = (left + width / 4, top + height / 2, right - width / 4, bottom)
    assert box.bbox is not None
    assert np.abs(np.array(box.bbox) - drawn).max() < 0.005

# SPDX-License-Identifier: Apache-2.0
"""Images wait for what belongs to them, and not longer than they may."""

import threading
import time

import pytest

from lfmvl_ros.ros.sensors.waiting import MAX_WAITING, Readiness, WaitingRoom

LONG_S = 60.0


class Room:
    """A waiting room of numbers; what has come for each is in ``have``."""

    def __init__(self):
        self.have, self.handled = {}, []
        self.came = threading.Condition()
        self.room = WaitingRoom(self.prepare, self.handle)

    def prepare(self, image):
        return self.have.get(image, Readiness("nothing", ready=False, complete=False))

    def handle(self, image, inputs):
        with self.came:
            self.handled.append((image, inputs))
            self.came.notify_all()
        if image == "fails":
            raise RuntimeError("as a test")

    def wait(self, count):
        with self.came:
            assert self.came.wait_for(lambda: len(self.handled) >= count, LONG_S), self.handled
        return self.handled

    def complete(self, image, **options):
        self.have[image] = Readiness(f"for {image}", ready=True, complete=True, **options)


@pytest.fixture
def room():
    made = Room()
    made.room.start()
    yield made
    made.room.stop()


def test_an_image_waits_until_what_belongs_to_it_has_come(room):
    room.room.put(1, LONG_S)
    time.sleep(0.05)
    assert room.handled == []
    room.complete(1)
    room.room.notice()
    assert room.wait(1) == [(1, "for 1")]
    assert room.room.superseded == 0


def test_time_is_over_without_it(room):
    room.room.put(1, 0.05)
    assert room.wait(1) == [(1, "nothing")]


def test_the_newest_complete_one_wins_and_older_ones_are_counted(room):
    for image in (1, 2, 3, 4):
        room.room.put(image, LONG_S)
    room.complete(1)
    room.complete(3)
    room.have[4] = Readiness("no depth", ready=True, complete=False)
    room.room.notice()
    assert room.wait(2) == [(3, "for 3"), (4, "no depth")]
    assert room.room.superseded == 2


def test_images_after_one_that_blocks_are_not_asked_about(room):
    room.have[1] = Readiness("no transform", ready=False, complete=False, blocks=True)
    room.complete(2)
    room.room.put(1, 2.0)
    room.room.put(2, LONG_S)
    assert room.wait(1)[0][0] == 2  # once 1 is overdue, 2 is looked at and preferred
    assert room.room.superseded == 1


def test_it_is_bounded_cleared_and_survives_what_fails(room):
    for image in range(MAX_WAITING + 3):
        room.room.put(image, LONG_S)
    assert room.room.superseded == 3
    room.room.clear()
    room.complete("fails")
    room.room.put("fails", LONG_S)
    room.wait(1)
    room.complete("next")
    room.room.put("next", LONG_S)
    assert room.wait(2)[1] == ("next", "for next")

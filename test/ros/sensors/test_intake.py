# SPDX-License-Identifier: Apache-2.0
"""The thread between camera callback and consumer: newest wins, every drop has its reason."""

import queue
import threading

import numpy as np
import pytest

from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.timeline import RUN, Verdict
from lfmvl_ros.ros.sensors.intake import FrameIntake
from lfmvl_ros.ros.sensors.pixels import ConversionError

from ...waiting import PATIENCE_S, until

SECOND = 10**9
PIXELS = np.zeros((2, 3, 3), np.uint8)


def convert(message):
    if isinstance(message, Exception):
        raise message
    return Frame(PIXELS, message)


class Consumer:
    """Takes frames; can be held up."""

    def __init__(self):
        self.frames, self.verdicts, self.now_ns = queue.Queue(), [], 0
        self.go = threading.Event()
        self.go.set()
        self.warnings = []
        self.intake = FrameIntake(
            convert,
            self,
            lambda: 2 * SECOND,
            self.warnings.append,
            receipt_ns=lambda: self.now_ns,
        )

    def __call__(self, frame, verdict):
        self.go.wait(PATIENCE_S)
        self.verdicts.append(verdict)
        self.frames.put(frame.stamp_ns)

    def settle(self):
        def settled():
            status = self.intake.status()
            every = status.frames + sum(status.dropped.values())
            return status if status.received == every else None

        return until(settled, told=self.intake.status, every_s=0.005)

    def feed(self, *messages):
        for message in messages:
            self.intake.put(message)
            status = self.settle()
        return status


@pytest.fixture
def consumer():
    found = Consumer()
    found.intake.start()
    yield found
    found.go.set()
    found.intake.stop(PATIENCE_S)


def taken(consumer, count):
    return [consumer.frames.get(timeout=PATIENCE_S) for _ in range(count)]


def test_frames_in_order_all_arrive(consumer):
    status = consumer.feed(1, 2, 3)
    assert taken(consumer, 3) == [1, 2, 3]
    assert (status.received, status.frames, sum(status.dropped.values())) == (3, 3, 0)
    assert status.wh == (3, 2)


def test_the_newest_wins_while_the_consumer_is_busy(consumer):
    consumer.go.clear()
    consumer.feed(1)  # the consumer holds it
    for stamp in (2, 3, 4):
        consumer.intake.put(stamp)
    consumer.go.set()
    assert taken(consumer, 2) == [1, 4]
    assert consumer.settle().dropped["superseded"] == 2


def test_bad_messages_are_counted_and_told_once_a_reason(consumer):
    bad = [ConversionError("short"), ConversionError("short again")]
    status = consumer.feed(*bad, ConversionError("8UC3", "unsupported_encoding"), 5)
    assert taken(consumer, 1) == [5]
    assert status.dropped["corrupt"] == 2
    assert status.dropped["unsupported_encoding"] == 1
    assert status.problem == "8UC3"
    assert [line.split(":")[0] for line in consumer.warnings] == [
        "image dropped (corrupt)",
        "image dropped (unsupported_encoding)",
    ]


def test_out_of_order_is_dropped_and_a_jump_back_starts_anew(consumer):
    status = consumer.feed(10 * SECOND, 9 * SECOND, 10 * SECOND, 8 * SECOND)
    assert status.dropped["out_of_order"] == 3
    assert status.jumps_back == 0
    status = consumer.feed(8 * SECOND - 1, 8 * SECOND)
    assert status.jumps_back == 1
    assert taken(consumer, 3) == [10 * SECOND, 8 * SECOND - 1, 8 * SECOND]
    assert any("jumped back by 2.000 s" in line for line in consumer.warnings)


def test_a_bag_shorter_than_the_window_loops(consumer):
    stamps = [10 * SECOND + i * SECOND // 10 for i in range(15)]
    consumer.feed(*stamps)
    status = consumer.feed(*stamps)
    assert (status.dropped["out_of_order"], status.jumps_back) == (RUN - 1, 1)
    assert taken(consumer, 15 + 15 - RUN + 1) == stamps + stamps[RUN - 1 :]
    assert consumer.verdicts[15:17] == [Verdict.RESTARTED, Verdict.NEWER]
    assert consumer.warnings[-1] == "stamps jumped back by 1.000 s; tracking restarts"


def test_a_zero_stamp_between_stamps_is_dropped_and_counted(consumer):
    consumer.now_ns = 99 * SECOND
    status = consumer.feed(SECOND, 0, 2 * SECOND, 0, 0)
    assert taken(consumer, 2) == [SECOND, 2 * SECOND]
    assert (status.dropped["unstamped"], status.without_stamp) == (3, 0)
    assert "the stamp is zero, and messages before had one" in status.problem
    assert sum("(unstamped)" in line for line in consumer.warnings) == 1


def test_a_camera_that_never_stamps_gets_the_time_of_receipt_and_one_warning(consumer):
    status = consumer.feed(0)
    assert status.dropped["unstamped"] == 1  # simulated time has not begun
    assert "/clock" in status.problem
    for consumer.now_ns in (5 * SECOND, 6 * SECOND, 6 * SECOND, 7 * SECOND, 2 * SECOND):
        status = consumer.feed(0)
    assert taken(consumer, 4) == [5 * SECOND, 6 * SECOND, 7 * SECOND, 2 * SECOND]
    assert (status.without_stamp, status.jumps_back, status.dropped["out_of_order"]) == (4, 1, 1)
    assert sum("without a stamp" in line for line in consumer.warnings) == 1


def test_a_camera_that_begins_to_stamp_is_followed_by_its_stamps(consumer):
    consumer.now_ns = 50 * SECOND
    stamps = [90 * SECOND + i for i in range(RUN + 1)]
    status = consumer.feed(0, *stamps)
    assert taken(consumer, 3) == [50 * SECOND, *stamps[-2:]]
    assert (status.jumps_back, status.dropped["out_of_order"]) == (1, RUN - 1)
    assert consumer.warnings[-1] == "messages have a stamp now; tracking restarts"


def test_a_driver_that_no_longer_stamps_needs_a_new_start(consumer):
    consumer.now_ns = 50 * SECOND
    assert consumer.feed(40 * SECOND, 0).dropped["unstamped"] == 1
    consumer.intake.stop(PATIENCE_S)
    consumer.intake.start()
    consumer.feed(0)
    assert taken(consumer, 2) == [40 * SECOND, 50 * SECOND]
    assert consumer.verdicts == [Verdict.NEWER] * 2


def test_a_failing_consumer_does_not_end_the_stream():
    seen = []

    def handle(frame, _verdict):
        seen.append(frame.stamp_ns)
        if frame.stamp_ns == 1:
            raise RuntimeError("a defect")

    consumer = Consumer()
    consumer.intake = FrameIntake(convert, handle, lambda: SECOND)
    consumer.intake.start()
    consumer.feed(1, 2)
    consumer.intake.stop(PATIENCE_S)
    assert seen == [1, 2]


def test_it_can_be_started_again_and_forgets_what_waited(consumer):
    consumer.feed(1)
    consumer.intake.stop(PATIENCE_S)
    consumer.intake.put(2)
    consumer.intake.stop(PATIENCE_S)
    consumer.intake.start()
    consumer.intake.put(3)
    assert taken(consumer, 2) == [1, 3]
    assert consumer.intake.status().silent_s is not None

# SPDX-License-Identifier: Apache-2.0
"""Rates between frames: every one is used or counted, and diagnostics say what is missing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.timeline import RUN, Verdict
from lfmvl_ros.core.tracking import Intrinsics
from lfmvl_ros.ros.diagnostics.health import OK, WARN
from lfmvl_ros.ros.diagnostics.rate_health import Placement, RateMonitor
from lfmvl_ros.ros.sensors.rates import RateLog

MS = 1_000_000
LENS = Intrinsics(500.0, 500.0, 320.0, 240.0)
PLACED = Placement("imu", "lens")
QUARTER = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def new_log():
    return RateLog(lambda: 2000 * MS)


def filled(start_ms=0, end_ms=100, step_ms=5, rad_s=(0.1, 0.2, 0.3)):
    log = new_log()
    for stamp_ms in range(start_ms, end_ms, step_ms):
        assert log.put(stamp_ms * MS, rad_s) is Verdict.NEWER
    return log


def test_a_frame_takes_what_has_come_in_the_axes_of_the_camera():
    log = filled()
    ego = log.at_frame(100 * MS, LENS, QUARTER)
    assert ego.lens == LENS
    np.testing.assert_allclose(ego.rates_rad_s, [[-0.2, 0.1, 0.3]] * 20)
    assert log.put(102 * MS, (1.0, 0.0, 0.0)) is Verdict.NEWER
    later = log.at_frame(103 * MS, LENS, QUARTER)
    assert later.stamps_ns[-1] == 102 * MS
    assert len(later.stamps_ns) == 21
    assert log.at_frame(104 * MS, LENS, QUARTER) is later  # nothing has come
    status = log.status()
    assert (status.received, status.used, sum(status.dropped.values())) == (21, 21, 0)
    assert (status.frames, status.frames_known) == (3, 3)
    assert status.ahead_s == pytest.approx(-0.002)


def test_another_lens_keeps_the_rates_and_another_mount_does_not():
    log, other = filled(), Intrinsics(400.0, 400.0, 320.0, 240.0)
    log.at_frame(100 * MS, LENS, np.eye(3))
    ego = log.at_frame(101 * MS, other, np.eye(3))
    assert (ego.lens, len(ego.stamps_ns)) == (other, 20)
    assert len(log.at_frame(102 * MS, other, QUARTER).stamps_ns) == 0


@pytest.mark.parametrize(
    ("lens", "turn", "reason"), [(None, np.eye(3), "no_lens"), (LENS, None, "no_mount")]
)
def test_without_lens_or_mount_nothing_is_known_and_all_is_counted(lens, turn, reason):
    log = filled()
    assert log.at_frame(100 * MS, lens, turn) is None
    status = log.status()
    assert status.dropped[reason] == status.received == 20
    assert status.frames_known == 0
    assert log.put(110 * MS, (0.0, 0.0, 0.0)) is Verdict.NEWER
    assert len(log.at_frame(111 * MS, LENS, np.eye(3)).stamps_ns) == 1


def test_repeated_and_late_stamps_are_left_out_and_a_jump_back_starts_anew():
    log = filled(start_ms=60_000, end_ms=60_100)
    for stamp_ms in (60_095, 60_095, 60_000, 58_500):
        assert log.put(stamp_ms * MS, (9.0, 9.0, 9.0)) is Verdict.OUT_OF_ORDER
    assert len(log.at_frame(60_100 * MS, LENS, np.eye(3)).stamps_ns) == 20
    assert log.status().dropped["out_of_order"] == 4
    assert log.put(60_101 * MS, (0.0, 0.0, 0.0)) is Verdict.NEWER
    assert log.put(1_000 * MS, (0.5, 0.0, 0.0)) is Verdict.RESTARTED  # a bag loops
    assert log.put(1_005 * MS, (0.5, 0.0, 0.0)) is Verdict.NEWER
    ego = log.at_frame(1_006 * MS, LENS, np.eye(3))
    assert ego.stamps_ns.tolist() == [1_000 * MS, 1_005 * MS]
    status = log.status()
    assert (status.jumps_back, status.dropped["superseded"]) == (1, 1)


def test_a_loop_shorter_than_the_window_starts_from_nothing():
    log = filled(start_ms=60_000, end_ms=60_100)
    log.at_frame(60_100 * MS, LENS, np.eye(3))
    verdicts = [log.put((60_000 + i) * MS, (0.5, 0.0, 0.0)) for i in range(RUN)]
    assert verdicts == [Verdict.OUT_OF_ORDER] * (RUN - 1) + [Verdict.RESTARTED]
    ego = log.at_frame(60_005 * MS, LENS, np.eye(3))
    assert ego.stamps_ns.tolist() == [(60_000 + RUN - 1) * MS]


def test_a_gyroscope_without_stamps_and_one_that_forgets_one():
    log = new_log()
    for receipt_ms in (1000, 1005):
        assert log.put(receipt_ms * MS, (0.1, 0.0, 0.0), stamped=False) is Verdict.NEWER
    assert log.status().without_stamp == 2
    log = filled()
    assert log.put(1000 * MS, (9.0, 0.0, 0.0), stamped=False) is Verdict.UNSTAMPED
    told = report(log)
    assert told.level == WARN
    assert "rates dropped: 1 unstamped; the stamp is zero" in told.message
    assert log.at_frame(100 * MS, LENS, np.eye(3)).rates_rad_s[:, 0].max() == 0.1
    assert log.status().without_stamp == 0


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 20_000)),
            st.tuples(st.just("frame"), st.integers(0, 20_000)),
            st.tuples(st.just("blind"), st.integers(0, 20_000)),
            st.tuples(st.just("reject"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_whatever_comes_in_whatever_order_is_used_or_counted(events):
    log = new_log()
    for kind, stamp_ms in events:
        if kind == "put":
            log.put(stamp_ms * MS, (0.1, 0.0, 0.0))
        elif kind == "reject":
            log.reject("corrupt", "odd")
        else:
            log.at_frame(stamp_ms * MS, LENS if kind == "frame" else None, np.eye(3))
    log.at_frame(30_000 * MS, LENS, np.eye(3))
    status = log.status()
    assert status.received == status.used + sum(status.dropped.values())


def test_rates_that_no_frame_takes_are_bounded():
    log = filled(end_ms=9000, step_ms=1)
    assert log.status().dropped["superseded"] == 9000 - 8192
    assert log.at_frame(9000 * MS, LENS, np.eye(3)).stamps_ns[0] == (9000 - 8192) * MS


def report(log, placed=PLACED, *, now_s=1.0, silent_s=0.0, monitor=None):
    status = replace(log.status(), silent_s=silent_s)
    return (monitor or RateMonitor("/imu", 0.0)).report(status, placed, now_s)


def test_health_of_a_gyroscope_that_works():
    log = filled()
    log.at_frame(100 * MS, LENS, np.eye(3))
    told = report(log)
    assert (told.level, told.part, told.message) == (OK, "imu", "20 rates per second")
    assert told.values["frames_known"] == told.values["frames"] == 1
    assert (
        RateMonitor("/i", 0.0, "front").report(log.status(), Placement(), 1.0).part == "imu front"
    )


@pytest.mark.parametrize(
    ("placed", "words"),
    [
        (Placement(lens_problem="no camera_info has been received yet"), "no camera_info"),
        (Placement(mount_problem="no static transforms"), "no static transforms"),
    ],
)
def test_health_says_what_keeps_rates_from_being_used(placed, words):
    log = filled()
    log.at_frame(100 * MS, None, None)
    told = report(log, placed)
    assert told.level == WARN
    assert f"rates are not used: {words}" in told.message


def test_health_of_silence_faults_and_clocks_that_differ():
    log, monitor = new_log(), RateMonitor("/imu", 0.0)
    assert report(log, now_s=0.5, silent_s=None, monitor=monitor).level == OK
    told = report(log, now_s=1.5, silent_s=None, monitor=monitor)
    assert (told.level, told.message) == (WARN, "no angular velocity yet on /imu")
    log = filled()
    assert log.reject("not_provided", "it says so")
    assert not log.reject("not_provided", "it says so")
    told = report(log, monitor=monitor, now_s=2.0)
    assert (told.level, told.message) == (WARN, "rates dropped: 2 not_provided; it says so")
    told = report(log, monitor=monitor, now_s=3.0)
    assert told.level == OK
    told = report(log, monitor=monitor, now_s=4.0, silent_s=1.4)
    assert (told.level, told.message) == (WARN, "no angular velocity for 1.4 s on /imu")
    for stamp_ms in range(500_000, 500_100, 25):  # an IMU that counts from its start
        log.at_frame(stamp_ms * MS, LENS, np.eye(3))
    told = report(log, monitor=monitor, now_s=5.0)
    assert told.level == WARN
    assert "no rate belongs to 4 of 4 images; the newest is -499.980 s off" in told.message

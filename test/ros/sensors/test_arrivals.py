# SPDX-License-Identifier: Apache-2.0
"""Images that did not arrive are counted, and nothing else is."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.ros.sensors.arrivals import ArrivalMonitor, ArrivalStatus, LossWatch, StampGaps

START_NS = 1_795_000_000 * 10**9
PERIODS_S = st.floats(1 / 120, 1.0)
SEEDS = st.integers(0, 2**32)


def missing(stamps_ns):
    gaps = StampGaps()
    for stamp_ns in stamps_ns:
        gaps.add(stamp_ns)
    return gaps.missing


def stamps(count, period_s, jitter=0.0, seed=0):
    """Stamps of a camera, each off by up to ``jitter`` periods."""
    noise = random.Random(seed)
    return [
        START_NS + int((k + noise.uniform(-jitter, jitter)) * period_s * 1e9) for k in range(count)
    ]


@given(PERIODS_S, st.floats(0, 0.1), SEEDS)
def test_a_camera_whose_images_all_arrive_misses_none(period_s, jitter, seed):
    assert missing(stamps(200, period_s, jitter, seed)) == 0


@given(PERIODS_S, st.floats(0, 0.05), SEEDS, st.floats(0, 0.5))
def test_images_lost_at_random_are_counted(period_s, jitter, seed, share):
    chance, kept = random.Random(seed), [True] * 40
    while len(kept) < 240:
        kept.append(chance.random() >= share or not any(kept[-8:]))  # longer runs are a pause
    kept.append(True)
    sent = stamps(len(kept), period_s, jitter, seed)
    came = list(itertools.compress(sent, kept))
    true = len(sent) - len(came)
    # Equal gaps in a row look like another rate: a few may be left out.
    assert 0.9 * true - 10 <= missing(came) <= true


@given(PERIODS_S, st.integers(1, 8))
def test_one_gap_is_counted_to_the_image(period_s, lost):
    sent = stamps(100, period_s)
    assert missing(sent[:50] + sent[50 + lost :]) == lost


@given(PERIODS_S, st.floats(1.1, 1000.0))
def test_a_pause_is_no_loss(period_s, pause_s):
    before, pause_ns = stamps(50, period_s), int(max(pause_s, 11 * period_s) * 1e9)
    after = [stamp + pause_ns for stamp in stamps(50, period_s)]
    assert missing([*before, *(before[-1] - START_NS + stamp for stamp in after)]) == 0


@given(SEEDS)
def test_a_camera_of_varying_rate_is_left_alone(seed):
    noise, at, came = random.Random(seed), START_NS, []
    for _ in range(400):
        at += int(noise.uniform(0.02, 0.08) * 1e9)
        came.append(at)
    assert missing(came) <= 0.05 * len(came)  # below the share that diagnostics warn of


@given(PERIODS_S, st.floats(1.4, 4.0))
def test_another_rate_is_followed_after_a_few_images(period_s, slower):
    before = stamps(100, period_s)
    after = [before[-1] + int((k + 1) * slower * period_s * 1e9) for k in range(300)]
    assert missing(before + after) <= 6 * 4


@given(PERIODS_S, st.integers(20, 100))
def test_a_bag_that_starts_again_and_images_out_of_order_are_no_loss(period_s, length):
    bag = stamps(length, period_s)
    assert missing(bag * 4) == 0
    gaps = StampGaps()
    for stamp in [*bag[:11], bag[10], bag[9], *bag[11:]]:
        gaps.add(stamp)
    assert gaps.missing == 0


def monitor(sequences, *, lost=0, events=True):
    made = ArrivalMonitor()
    if events:
        made.counts_losses()
    for number in sequences:
        made.arrived(START_NS + number * 33_333_333, number)
    made.lost(lost)
    return made.status()


def test_what_was_lost_is_told_from_what_was_replaced_and_what_was_never_sent():
    everything = range(1, 101)
    assert monitor(everything) == ArrivalStatus(100, 0, 0, 0, pytest.approx(1 / 30))
    gappy = [n for n in everything if n < 50 or n % 3 == 0]
    absent = 100 - len(gappy) - 1  # the one after the last can't be known
    assert monitor(gappy, lost=absent).lost == absent
    assert monitor(gappy, lost=absent).replaced == 0
    slow = monitor(gappy, lost=10)
    assert (slow.lost, slow.replaced, slow.not_sent) == (10, absent - 10, 0)
    assert monitor(gappy, events=False).lost == absent

    skipping = ArrivalMonitor()  # numbers without a gap, stamps with one
    skipping.counts_losses()
    for number, at in enumerate([*range(50), *range(53, 100)], start=1):
        skipping.arrived(START_NS + at * 33_333_333, number)
    assert (skipping.status().lost, skipping.status().not_sent) == (0, 3)


def test_without_numbers_the_stamps_decide_and_images_without_a_stamp_count_as_arrived():
    plain = ArrivalMonitor()
    for number in [*range(50), *range(53, 100)]:
        plain.arrived(START_NS + number * 33_333_333)
    assert (plain.status().lost, plain.status().arrived) == (3, 97)
    for _ in range(5):
        plain.arrived(0)
    assert (plain.status().lost, plain.status().arrived) == (3, 102)


def test_a_publisher_that_starts_again_or_a_second_one_is_no_loss():
    found = monitor([*range(1, 50), *range(1, 50), 10**7, 10**7 + 1])
    assert (found.lost, found.replaced) == (0, 0)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([(30, 0)], ""),
        ([(30, 1)], ""),  # one image is an accident
        ([(100, 4)], ""),  # few
        ([(20, 10)], "10 of 30 images were lost on the way"),
        ([(20, 10), (50, 10), (80, 10)], "10 of 90 images were lost on the way"),
        ([(20, 10)] + [(20 + 30 * k, 10) for k in range(1, 8)], ""),  # long ago
    ],
)
def test_recent_losses_are_told_and_old_ones_forgotten(counts, said):
    watch = LossWatch()
    for arrived, lost in counts:
        watch.add(ArrivalStatus(arrived, lost))
    assert watch.recent() == said

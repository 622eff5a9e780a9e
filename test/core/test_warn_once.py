# SPDX-License-Identifier: Apache-2.0
"""Nonsense does not fill the log: each sentence once, and not without end."""

from lfmvl_ros.core.warn_once import MOST_SENTENCES, WarnOnce


def test_each_sentence_once_and_then_no_more():
    said = []
    warn = WarnOnce(said.append)
    for _ in range(3):
        warn("one\x1b[2J")
        warn("")
    assert said == ["one [2J"]
    for number in range(1000):
        warn(f"message {number} {'x' * 1000}")
    assert len(said) == MOST_SENTENCES + 1
    assert said[-1] == "more warnings of this kind are not logged"
    assert max(map(len, said)) <= 300

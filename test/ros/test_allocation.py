# SPDX-License-Identifier: Apache-2.0
"""Memory of images stays in the process."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from lfmvl_ros.ros.allocation import keep_large_blocks

def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep" and not keep_large_blocks():
    print("none")
    raise SystemExit
for size in (921_600, 6_220_800):
    bytearray(size), bytearray(size)
before = faults()
for _ in range(20):
    blocks = [bytearray(6_220_800) for _ in range(3)]
    del blocks
print(faults() - before)
"""


def faults(mode, **environment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    return done.stdout.strip()


def test_images_are_not_fetched_page_by_page():
    kept = faults("keep")
    if kept == "none":
        pytest.skip("not glibc")
    pages = 20 * 3 * 6_220_800 // 4096
    assert int(kept) < pages / 5


def test_limits_that_the_user_set_are_left_alone():
    assert faults("keep", MALLOC_MMAP_THRESHOLD_="1000000") == "none"

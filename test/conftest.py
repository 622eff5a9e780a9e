# SPDX-License-Identifier: Apache-2.0
"""For all tests: a property holds or it does not, however busy the machine is."""

import os

# Models here are so small that a second thread costs more than it brings, and on a busy machine
# threads that wait for each other take a hundred times as long. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from hypothesis import HealthCheck, settings

# Deadlines and slow generation are about the machine. What may take no longer than so and so has
# a test, with a timeout, that says so. An example that failed is printed, to be run again. CI takes
# the same examples each time, so that it judges the change; everybody else finds new ones.
settings.register_profile(
    "lfmvl",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize="CI" in os.environ,
)
settings.load_profile("lfmvl")

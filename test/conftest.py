# SPDX-License-Identifier: Apache-2.0
"""For all tests: a property holds or it does not, however busy the machine is."""

import os

# Models here are so small that a second thread costs more than it brings, and on a busy machine
# threads that wait for each other take a hundred times as long. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from .examples import register_profiles

register_profiles()

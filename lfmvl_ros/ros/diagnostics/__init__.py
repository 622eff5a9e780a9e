# SPDX-License-Identifier: Apache-2.0
"""What the node reports about itself, and the probe with which ``lfmvl doctor`` checks a topic."""

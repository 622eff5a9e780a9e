# SPDX-License-Identifier: Apache-2.0
"""Training of the bundled checkpoint: a small, genuine LFM2-VL on procedural warehouse scenes."""

# SPDX-License-Identifier: Apache-2.0
"""The transformers backend of LFM2-VL and its decoder. The modules need torch; this one doesn't."""

# SPDX-License-Identifier: Apache-2.0
"""LFM2-VL checkpoints as GGUF files, the format of llama.cpp."""

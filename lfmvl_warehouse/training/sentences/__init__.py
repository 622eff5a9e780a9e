# SPDX-License-Identifier: Apache-2.0
"""The small language model that reads sentences: tokenizer, network, training, card."""

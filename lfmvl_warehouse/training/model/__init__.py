# SPDX-License-Identifier: Apache-2.0
"""The checkpoint under training: its tokenizer, its network, how it starts and grows."""

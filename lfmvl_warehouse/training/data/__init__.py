# SPDX-License-Identifier: Apache-2.0
"""From scenes to batches: sources, captions, examples as token ids, patch grids, the feed."""

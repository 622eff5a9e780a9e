# SPDX-License-Identifier: Apache-2.0
"""Ask a camera topic for objects in words; get tracked boxes, with LFM2-VL models."""

__version__ = "0.1.0"

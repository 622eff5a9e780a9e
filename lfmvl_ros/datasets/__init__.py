# SPDX-License-Identifier: Apache-2.0
"""Images with labelled boxes: reading COCO folders, and questions whose right answers are known."""

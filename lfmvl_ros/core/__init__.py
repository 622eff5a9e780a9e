# SPDX-License-Identifier: Apache-2.0
"""The pure part: frames, queries, replies, boxes, tracks. Imports neither ROS nor torch."""

# SPDX-License-Identifier: Apache-2.0
"""The pure part: frames, queries, replies, boxes, tracks. Knows neither ROS nor torch."""

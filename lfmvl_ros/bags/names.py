# SPDX-License-Identifier: Apache-2.0
"""Names of topics, judged without ROS: a bag takes any, but `ros2 bag play` does not."""

from __future__ import annotations

_MOST = 200  # characters; DDS takes 255, with a prefix and what is put behind a namespace


def is_full_name(name: str) -> bool:
    """Return whether ROS takes a full name such as ``/camera/image_raw``.

    Source: https://design.ros2.org/articles/topic_and_service_names.html
    """
    parts = name[1:].split("/")
    legal = all(part.isidentifier() and part.isascii() and "__" not in part for part in parts)
    return name.startswith("/") and len(name) <= _MOST and legal

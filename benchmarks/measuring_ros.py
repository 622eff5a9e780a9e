# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of ROS processes share: which ROS 2 it is, and its DDS profiles.

Importing this first gives one clear line where ROS 2 is missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from needs import end

try:
    import rclpy.utilities
    import sensor_msgs.msg  # noqa: F401
    import vision_msgs.msg  # noqa: F401
except ImportError as error:
    end(
        f"needs ROS 2 with sensor_msgs and vision_msgs, but {error}; source "
        "/opt/ros/<distro>/setup.bash, or `make setup` and use .venv/bin/python"
    )

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.transport import fast_dds, middleware


def ros() -> dict[str, str]:
    """Return the distribution, where it comes from, and the RMW."""
    found = middleware.find_ros()
    return {
        "ros_distribution": found.distribution if found else "",
        "ros_source": found.source if found else "",
        "rmw": rclpy.utilities.get_rmw_implementation_identifier(),
    }


def environment(profile: str) -> dict[str, str]:
    """Return this process's environment with a DDS profile in place of the one that is set.

    Args:
        profile: ``shipped``, ``none``, or the path of one.
    """
    which = ros()
    settings = middleware.profile_settings(
        which["rmw"], which["ros_distribution"], None if profile == "shipped" else Path(profile)
    )
    ours: Mapping[str, str] = {} if profile == "none" else settings
    names = (*fast_dds.profile_variables(""), middleware.CYCLONE_VARIABLE)
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept | dict(ours)


def with_segment(size_bytes: int, folder: Path) -> Path:
    """Write the shipped Fast DDS profile with another segment; return its path."""
    shipped = middleware.shipped_profile()
    size = fast_dds.read_transport(shipped).segment_bytes
    path = folder / f"segment_{size_bytes}.xml"
    path.write_text(shipped.read_text().replace(f">{size}<", f">{size_bytes}<", 1))
    if fast_dds.read_transport(path).segment_bytes != size_bytes:
        raise UserError(f"{shipped} has no segment_size of {size} to replace")
    return path

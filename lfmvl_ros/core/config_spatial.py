# SPDX-License-Identifier: Apache-2.0
"""Settings of places: where tracked objects are, in metres."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.settings import Group, setting
from lfmvl_ros.core.spatial.select import Selection

_SIDES_M = (0.001, 1000.0)


@dataclass(frozen=True)
class SpatialSettings(Group):
    """Positions of tracked objects in metres."""

    source: str = setting(
        "none",
        "Where positions come from. depth: a depth image registered to the colour image, on "
        "depth/image; for picking. floor: the point where each box meets the floor (z = 0 of "
        "spatial.target_frame); for navigation. size: the known sizes in spatial.sizes; for "
        "people, drums, cones. All need camera_info. none: no positions are published.",
        choices=("none", "depth", "floor", "size"),
        renamed={"off": "none"},
        read_only=True,
    )
    target_frame: str = setting(
        "",
        "Frame that positions are published in, such as base_link or map; transforms come from "
        "/tf and /tf_static. Empty: the optical frame of the image, which needs no transform. "
        "Set it to a fixed frame if the camera moves; only there are positions fused over time.",
    )
    sync_slop_s: float = setting(
        0.02,
        "Largest difference between the stamps of an image and its depth image. If the camera "
        "doesn't take both at once, raise it to half a frame period; fast motion then adds to the "
        "error.",
        unit="s",
        low=0.0,
        high=1.0,
    )
    tf_timeout_s: float = setting(
        0.5,
        "How long an image waits for its transform and its depth image; tracks are not delayed. "
        "Raise it if diagnostics count no_transform or no_depth because they arrive later.",
        unit="s",
        low=0.0,
        high=10.0,
    )
    min_range_m: float = setting(
        0.1,
        "Depth at or below this is ignored. Raise it to the near limit of the depth camera.",
        unit="m",
        low=0.0,
        high=100.0,
    )
    max_range_m: float = setting(
        10.0,
        "Depth at or beyond this is ignored. Lower it if the depth camera is too noisy at a "
        "distance, raise it for a lidar or a wide stereo baseline.",
        unit="m",
        low=0.1,
        high=1000.0,
    )
    sizes: tuple[str, ...] = setting(
        ("",),
        "Known sizes by label, as length x width x height in m: 'blue tote=0.6x0.4x0.3'. Labels "
        "are those of the query. Set them if all objects of a label are alike: depth sees only "
        'one side of an object, and source size needs them. [""] means none.',
    )
    max_sigma_m: float = setting(
        1.0,
        "A position whose standard deviation in any direction is larger than this is not "
        "published. Set it to what your application tolerates.",
        unit="m",
        low=0.001,
        high=100.0,
    )
    max_rate_hz: float = setting(
        15.0,
        "Positions are computed for at most this many images per second. Lower it if the node "
        "takes too much CPU time, raise it if objects or the camera move fast.",
        unit="Hz",
        low=0.1,
        high=240.0,
    )
    select: str = setting(
        "nearest",
        "The object of pick_pose and object_pose: nearest, label:TEXT (the nearest of "
        "that label) or id:NUMBER (a track). The nearest object stays selected while it has a "
        "position, unless another is at least 15 % nearer. Rules with selected: true are about its "
        "label. Set it if the robot must pick a particular object or kind.",
    )
    compressed_depth: bool = setting(
        False,
        "Subscribe to depth/image/compressedDepth instead of depth/image. Set it if the camera is "
        "on another machine.",
        read_only=True,
    )
    publish_tf: bool = setting(
        False,
        "Also publish each object as a frame <label>_<id> on /tf. Set it for tools that only take "
        "transforms; these carry no covariance.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sizes:  # an empty list has no type of its own in ROS: this is what it means
            object.__setattr__(self, "sizes", ("",))
        if self.min_range_m >= self.max_range_m:
            raise UserError(
                f"spatial.min_range_m must be below spatial.max_range_m, "
                f"got {self.min_range_m} and {self.max_range_m}"
            )
        parse_sizes(self.sizes)
        Selection.parse(self.select)


def is_side(length_m: float) -> bool:
    """Return whether an object may be so long: 1 mm to 1 km, as depth is."""
    low, high = _SIDES_M
    return low <= length_m <= high


def parse_sizes(sizes: tuple[str, ...]) -> dict[str, tuple[float, float, float]]:
    """Return full extents in m by label.

    Args:
        sizes: each ``label=LxWxH``; an empty text is skipped.

    Raises:
        UserError: a text is written otherwise, a length is no :func:`is_side`, or a label comes
            twice.

    >>> parse_sizes(("blue tote=0.6x0.4x0.3",))
    {'blue tote': (0.6, 0.4, 0.3)}
    """
    found: dict[str, tuple[float, float, float]] = {}
    for text in filter(None, sizes):
        label, _, extents = text.rpartition("=")
        label = label.strip()
        try:
            length, width, height = (float(side) for side in extents.lower().split("x"))
        except ValueError:
            length = width = height = math.nan
        if not label or not all(map(is_side, (length, width, height))):
            raise UserError(
                f"spatial.sizes: {text!r} is not a label and three lengths of 0.001 to 1000 m; "
                "write it as 'blue tote=0.6x0.4x0.3'"
            )
        if label in found:
            raise UserError(f"spatial.sizes: {label!r} appears twice")
        found[label] = (length, width, height)
    return found

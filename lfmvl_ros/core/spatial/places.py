# SPDX-License-Identifier: Apache-2.0
"""Where tracked objects are, in metres, at the time of one image: places, and reasons for none."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.timeline import check_stamp, stamp_document

# Variance of an unknown angle: uniform over a full turn, rad^2.
UNKNOWN_ROTATION = math.pi**2 / 3


class Refusal(str, Enum):
    """Why an object has no place. Then no position of it is published.

    ``no_intrinsics``: no calibration of the camera has arrived, or it is empty.
    ``no_depth``: no depth image belongs to the stamp of the tracks.
    ``unregistered``: the depth image is not registered to the colour image (size or frame differ).
    ``no_transform``: there is no transform from the camera to the target frame at the stamp.
    ``outside_image``: the box is smaller than 2x2 px or outside the image.
    ``too_few_valid``: too few pixels of the box have depth.
    ``no_foreground``: nothing in the box stands out from its surroundings.
    ``occluded``: only another object, in front of this one, is seen in the box; or the box is
        predicted, and the object has had no position yet.
    ``above_horizon``: the box ends above the horizon, or too close to it, for a point on the floor.
    ``cut_by_border``: the image ends before the object's foot, so that its floor contact is unseen.
    ``unknown_size``: the label has no known size.
    ``too_uncertain``: the standard deviation is above the limit.
    ``failed``: an error of this program, which is logged. Other objects keep their places.
    """

    NO_INTRINSICS = "no_intrinsics"
    NO_DEPTH = "no_depth"
    UNREGISTERED = "unregistered"
    NO_TRANSFORM = "no_transform"
    OUTSIDE_IMAGE = "outside_image"
    TOO_FEW_VALID = "too_few_valid"
    NO_FOREGROUND = "no_foreground"
    OCCLUDED = "occluded"
    ABOVE_HORIZON = "above_horizon"
    CUT_BY_BORDER = "cut_by_border"
    UNKNOWN_SIZE = "unknown_size"
    TOO_UNCERTAIN = "too_uncertain"
    FAILED = "failed"


class PlaceSource(str, Enum):
    """What a place was found from.

    ``depth``: a depth image. ``floor``: where the box ends on the floor. ``size``: the known size
    of the label. ``coasted``: an earlier place, predicted.
    """

    DEPTH = "depth"
    FLOOR = "floor"
    SIZE = "size"
    COASTED = "coasted"


def check_array(owner: str, name: str, value: FloatArray, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless an array is finite float64 of a shape."""
    if value.shape != shape or value.dtype != np.float64 or not np.isfinite(value).all():
        raise ValueError(
            f"{owner}.{name} must be finite float64 {shape}, got {value.dtype} {value.shape}"
        )


def check_covariance(owner: str, name: str, value: FloatArray) -> None:
    """Raise ``ValueError`` unless ``value`` is a ``(3, 3)`` covariance, positive definite."""
    check_array(owner, name, value, (3, 3))
    if np.abs(value - value.T).max() > 1e-9 + 1e-6 * np.abs(value).max():
        raise ValueError(f"{owner}.{name} must be symmetric")
    if np.linalg.eigvalsh(value)[0] <= 0:
        raise ValueError(f"{owner}.{name} must be positive definite")


@dataclass(frozen=True, eq=False)
class PickPoint:
    """A point of the visible surface to approach, against the outward normal.

    Attributes:
        point_m: ``(3,)`` in the frame of the places.
        covariance: ``(3, 3)`` m^2.
        normal: ``(3,)`` unit vector, outward: on the side of the camera.
        normal_sigma_rad: standard deviation of its direction, > 0.
    """

    point_m: FloatArray
    covariance: FloatArray
    normal: FloatArray
    normal_sigma_rad: float

    def __post_init__(self) -> None:
        check_array("PickPoint", "point_m", self.point_m, (3,))
        check_array("PickPoint", "normal", self.normal, (3,))
        check_covariance("PickPoint", "covariance", self.covariance)
        if abs(float(self.normal @ self.normal) - 1) > 1e-6:
            raise ValueError(f"PickPoint.normal must be of length 1, got {self.normal}")
        if not 0 < self.normal_sigma_rad < math.inf:
            raise ValueError(f"PickPoint.normal_sigma_rad must be > 0, got {self.normal_sigma_rad}")

    def moved(self, pose: RigidTransform) -> PickPoint:
        """Return it in the frame in which its own frame has a pose."""
        return PickPoint(
            pose.apply(self.point_m),
            pose.rotate(self.covariance),
            pose.rotation @ self.normal,
            self.normal_sigma_rad,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the part ``pick`` of :meth:`Places.documents`."""
        return {
            "point": _metres(self.point_m),
            "covariance": _squares(self.covariance),
            "normal": np.round(self.normal, 5).tolist(),
            "normal_sigma_rad": round(self.normal_sigma_rad, 5),
        }


@dataclass(frozen=True, eq=False)
class Place:
    """Where one object is, in the frame of its :class:`Places`.

    Attributes:
        centre_m: ``(3,)`` middle of the whole object, including the part that is never seen.
        covariance: ``(3, 3)`` of the centre, m^2.
        surface_m: ``(3,)`` middle of the visible surface; equal to the centre without depth.
        surface_covariance: ``(3, 3)`` m^2.
        size_m: ``(3,)`` full extents along ``axes``, > 0.
        axes: ``(3, 3)`` orientation of the box around the object, as a rotation; columns are its
            axes. Not the object's own orientation, see ``rotation_variance_rad2``.
        rotation_variance_rad2: of the object's own rotation about each axis, in (0, pi^2/3]; pi^2/3
            when unknown.
        velocity_m_s: ``(3,)`` of the centre.
        seen: share of the box where the object was seen with depth, in [0, 1].
        source: what it was found from.
        pick: where to take hold of it; None where no normal could be measured.

    Raises:
        ValueError: shapes, types or ranges differ from what is said above.
    """

    centre_m: FloatArray
    covariance: FloatArray
    surface_m: FloatArray
    surface_covariance: FloatArray
    size_m: FloatArray
    axes: FloatArray = field(default_factory=lambda: np.eye(3))
    rotation_variance_rad2: float = UNKNOWN_ROTATION
    velocity_m_s: FloatArray = field(default_factory=lambda: np.zeros(3))
    seen: float = 0.0
    source: PlaceSource = PlaceSource.DEPTH
    pick: PickPoint | None = None

    def __post_init__(self) -> None:
        for name in ("centre_m", "surface_m", "size_m", "velocity_m_s"):
            check_array("Place", name, getattr(self, name), (3,))
        check_array("Place", "axes", self.axes, (3, 3))
        check_covariance("Place", "covariance", self.covariance)
        check_covariance("Place", "surface_covariance", self.surface_covariance)
        if not (self.size_m > 0).all():
            raise ValueError(f"Place.size_m must be > 0, got {self.size_m}")
        if not 0 <= self.seen <= 1:
            raise ValueError(f"Place.seen must lie in [0, 1], got {self.seen}")
        if not 0 < self.rotation_variance_rad2 <= UNKNOWN_ROTATION:
            raise ValueError(
                f"Place.rotation_variance_rad2 must lie in (0, pi^2/3], "
                f"got {self.rotation_variance_rad2}"
            )

    @property
    def sigma_m(self) -> float:
        """Largest standard deviation of the centre, in any direction."""
        return float(np.sqrt(np.linalg.eigvalsh(self.covariance)[-1]))


@dataclass(frozen=True, eq=False)
class Places:
    """The places of the tracks of one image, and why others have none.

    Attributes:
        stamp_ns: of the image.
        frame_id: the frame of all positions.
        by_id: places by track id.
        refused: reasons by track id; each track is in ``by_id`` or here.

    Raises:
        ValueError: a track is in both, or the stamp is no integer.
    """

    stamp_ns: int
    frame_id: str
    by_id: dict[int, Place] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_stamp("Places.stamp_ns", self.stamp_ns)
        if both := self.by_id.keys() & self.refused.keys():
            raise ValueError(f"Places: tracks {sorted(both)} are both placed and refused")

    def documents(self) -> dict[int, dict[str, Any]]:
        """Return each place as the part ``place`` of ``track_states`` and ``grounding``, by id.

        Metres, m/s and m^2 in ``frame_id``; ``size`` is along the axes of the camera at the stamp.
        """
        return {
            track: {
                "stamp": stamp_document(self.stamp_ns),
                "frame_id": self.frame_id,
                "source": place.source.value,
                "position": _metres(place.centre_m),
                "covariance": _squares(place.covariance),
                "velocity": _metres(place.velocity_m_s),
                "size": _metres(place.size_m),
                "seen": round(place.seen, 3),
                "pick": None if place.pick is None else place.pick.to_dict(),
            }
            for track, place in self.by_id.items()
        }


def _metres(values: FloatArray) -> list[float]:
    return [float(value) for value in np.round(values, 5)]


def _squares(covariance: FloatArray) -> list[list[float]]:
    return [[float(f"{value:.5g}") for value in row] for row in covariance.tolist()]

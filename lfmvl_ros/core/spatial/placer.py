# SPDX-License-Identifier: Apache-2.0
"""From tracks and a depth image to places: one object per camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import DepthImage, sample_patch
from lfmvl_ros.core.spatial.extent import Extent, measure_extent, points_of
from lfmvl_ros.core.spatial.floor import floor_place, sized_place
from lfmvl_ros.core.spatial.foreground import ExpectedDepth, Foreground, find_foreground
from lfmvl_ros.core.spatial.fusion import FusedPlace
from lfmvl_ros.core.spatial.pick import find_pick_point
from lfmvl_ros.core.spatial.places import PickPoint, Place, Places, PlaceSource, Refusal
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.shape import Located, locate
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import Intrinsics, Tracks

# Too few valid pixels: the same limit as in `find_foreground`, for a reason of its own.
_LEAST_VALID = 0.02
_SIZE_GUESS_SIGMA = 0.22


@dataclass(frozen=True)
class PlacerOptions:
    """How places are found.

    Attributes:
        source: ``depth``, ``floor`` or ``size``.
        frame_id: target frame, that places are in.
        sizes_m: full extents (length, width, height) by label.
        max_sigma_m: a place whose largest standard deviation is above is refused.
        coast_s: how long a place is predicted after the last measurement.

    Raises:
        ValueError: a value is outside its range.
    """

    source: PlaceSource = PlaceSource.DEPTH
    frame_id: str = ""
    sizes_m: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    max_sigma_m: float = 1.0
    coast_s: float = 2.0

    def __post_init__(self) -> None:
        if self.source is PlaceSource.COASTED:
            raise ValueError("PlacerOptions.source must be depth, floor or size")
        for label, size in self.sizes_m.items():
            if len(size) != 3 or not all(0 < side < np.inf for side in size):
                raise ValueError(f"the size of {label!r} must be three lengths in m, got {size}")
        if not self.max_sigma_m > 0 or not self.coast_s >= 0:
            raise ValueError(
                f"PlacerOptions needs max_sigma_m > 0 and coast_s >= 0, "
                f"got {self.max_sigma_m} and {self.coast_s}"
            )


@dataclass(frozen=True, eq=False)
class _Measured:
    """One box in the optical frame."""

    located: Located
    fore: Foreground
    extent: Extent
    pick: PickPoint | None


class Placer:
    """Places of one camera's tracks.

    Args:
        options: see :class:`PlacerOptions`.

    Not safe for several threads at once.
    """

    def __init__(self, options: PlacerOptions | None = None) -> None:
        self._options = options or PlacerOptions()
        self._fused: dict[int, FusedPlace] = {}
        self._last: dict[int, Place] = {}
        self._stamp_ns: int | None = None

    def restart(self) -> None:
        """Forget all objects: time has started again, or the tracker has."""
        self._fused.clear()
        self._last.clear()
        self._stamp_ns = None

    def place(
        self,
        tracks: Tracks,
        depth: DepthImage | None,
        lens: Intrinsics | None,
        camera: RigidTransform | None,
    ) -> Places:
        """Return where the tracks are, and why some have no place.

        Args:
            tracks: at the stamp of an image.
            depth: registered to that image; None where none belongs to it.
            lens: of that image; None where it is not known.
            camera: pose of the camera's optical frame in the target frame **at that stamp**; None
                where there is no transform. For source ``floor``, z of the target frame is up and
                0 on the floor.
        """
        stamp = tracks.stamp_ns
        if self._stamp_ns is not None and stamp < self._stamp_ns:
            self.restart()
        self._stamp_ns = stamp
        ids = tracks.ids.tolist()
        for gone in self._fused.keys() - set(ids):
            del self._fused[gone]
            self._last.pop(gone, None)
        placed: dict[int, Place] = {}
        refused: dict[int, Refusal] = {}
        for row, track in enumerate(ids):
            found = self._place_one(tracks, row, depth, lens, camera)
            if isinstance(found, Refusal):
                coasted = self._coast(track, stamp) if camera is not None else None
                found = coasted or found
            if isinstance(found, Place) and found.sigma_m > self._options.max_sigma_m:
                found = Refusal.TOO_UNCERTAIN
            if isinstance(found, Place):
                placed[track] = found
            else:
                refused[track] = found
        return Places(stamp, self._options.frame_id, placed, refused)

    def _place_one(
        self,
        tracks: Tracks,
        row: int,
        depth: DepthImage | None,
        lens: Intrinsics | None,
        camera: RigidTransform | None,
    ) -> Place | Refusal:
        if lens is None:
            return Refusal.NO_INTRINSICS
        if camera is None:
            return Refusal.NO_TRANSFORM
        size = self._options.sizes_m.get(tracks.labels[row])
        known = None if size is None else np.array(size, dtype=np.float64)
        if self._options.source is not PlaceSource.DEPTH:
            return self._without_depth(tracks, row, lens, camera, known)
        missing = _unusable(depth, tracks)
        if depth is None or missing is not None:
            return missing or Refusal.NO_DEPTH
        box, track = tracks.xyxy_px[row], int(tracks.ids[row])
        measured = self._measure(depth, lens, box, known, track, camera, tracks.stamp_ns)
        if isinstance(measured, Refusal):
            return measured
        return self._fuse(track, measured, tracks.stamp_ns, lens, camera)

    def _without_depth(
        self,
        tracks: Tracks,
        row: int,
        lens: Intrinsics,
        camera: RigidTransform,
        known: FloatArray | None,
    ) -> Place | Refusal:
        box, track = tracks.xyxy_px[row], int(tracks.ids[row])
        if self._options.source is PlaceSource.FLOOR:
            found = floor_place(box, lens, tracks.wh, camera)
        elif known is None:
            found = Refusal.UNKNOWN_SIZE
        else:
            found = sized_place(box, lens, tracks.wh, known)
            found = found if isinstance(found, Refusal) else _moved(found, camera)
        return self._fuse_simple(track, found, tracks, camera)

    def _measure(
        self,
        depth: DepthImage,
        lens: Intrinsics,
        box: FloatArray,
        known: FloatArray | None,
        track: int,
        camera: RigidTransform,
        stamp_ns: int,
    ) -> _Measured | Refusal:
        patch = sample_patch(depth.depth_m, box)
        if patch is None:
            return Refusal.OUTSIDE_IMAGE
        if patch.valid < _LEAST_VALID:
            return Refusal.TOO_FEW_VALID
        expected = self._expected(track, camera, stamp_ns)
        if expected is None and known is not None:
            expected = expected_by_size(box, lens, known)
        fore = find_foreground(patch, lens.fx_px, expected)
        if fore is None:
            return Refusal.NO_FOREGROUND
        extent = measure_extent(fore, lens, depth.wh)
        located = locate(fore, extent, lens, known)
        pick = find_pick_point(fore, extent, lens, located.surface_covariance)
        fused = self._fused.get(track)
        if fused is not None:
            fused.predict(stamp_ns)
            side = min(extent.width_m, extent.height_m)
            earlier = fused.points(stamp_ns, camera.apply(located.surface_m), side)
            pooled = _pooled(fore, earlier, lens, camera)
            extent = measure_extent(pooled, lens, depth.wh)
            whole = locate(pooled, extent, lens, known)
            located = replace(
                whole, surface_m=located.surface_m, surface_covariance=located.surface_covariance
            )
        return _Measured(located, fore, extent, pick)

    def _expected(self, track: int, camera: RigidTransform, stamp_ns: int) -> ExpectedDepth | None:
        """Return at what depth the track's surface should be, with room for its own movement."""
        fused, last = self._fused.get(track), self._last.get(track)
        if fused is None or last is None:
            return None
        age_s = max((stamp_ns - fused.measured_ns) * NS, 0.0)
        z = float(camera.inverse().apply(last.surface_m + fused.velocity_m_s * age_s)[2])
        sigma = float(np.sqrt(camera.rotation[:, 2] @ last.covariance @ camera.rotation[:, 2]))
        return ExpectedDepth(z, sigma + 0.04 * abs(z) + 0.1 + 0.5 * age_s)

    def _fuse(
        self,
        track: int,
        measured: _Measured,
        stamp_ns: int,
        lens: Intrinsics,
        camera: RigidTransform,
    ) -> Place:
        found = measured.located
        centre = camera.apply(found.centre_m)
        fused = self._update(
            track, stamp_ns, centre, camera.rotate(found.centre_covariance), camera
        )
        surface = camera.apply(found.surface_m)
        fused.add_points(stamp_ns, surface, camera.apply(points_of(lens, measured.fore)))
        pick = measured.pick
        place = Place(
            fused.centre_m,
            fused.covariance,
            surface,
            camera.rotate(found.surface_covariance),
            found.size_m,
            axes=camera.rotation.copy(),
            velocity_m_s=fused.velocity_m_s,
            seen=min(measured.fore.cover, 1.0),
            pick=None
            if pick is None
            else PickPoint(
                camera.apply(pick.point_m),
                camera.rotate(pick.covariance),
                camera.rotation @ pick.normal,
                pick.normal_sigma_rad,
            ),
        )
        self._last[track] = place
        return place

    def _fuse_simple(
        self, track: int, found: Place | Refusal, tracks: Tracks, camera: RigidTransform
    ) -> Place | Refusal:
        if isinstance(found, Refusal):
            return found
        fused = self._update(track, tracks.stamp_ns, found.centre_m, found.covariance, camera)
        centre, covariance = fused.centre_m, fused.covariance
        place = replace(
            found,
            centre_m=centre,
            covariance=covariance,
            surface_m=centre,
            surface_covariance=covariance,
            velocity_m_s=fused.velocity_m_s,
        )
        self._last[track] = place
        return place

    def _update(
        self,
        track: int,
        stamp_ns: int,
        centre: FloatArray,
        covariance: FloatArray,
        camera: RigidTransform,
    ) -> FusedPlace:
        fused = self._fused.get(track)
        if fused is None:
            fused = self._fused[track] = FusedPlace(stamp_ns, centre, covariance, camera)
        else:
            fused.update(stamp_ns, centre, covariance, camera)
        return fused

    def _coast(self, track: int, stamp_ns: int) -> Place | None:
        """Return the predicted place of a track that could not be measured, for a while."""
        fused, last = self._fused.get(track), self._last.get(track)
        if fused is None or last is None:
            return None
        age_s = (stamp_ns - fused.measured_ns) * NS
        if age_s > self._options.coast_s:
            return None
        shift = fused.velocity_m_s * age_s
        fused.predict(stamp_ns)
        covariance = fused.covariance
        grown = covariance - last.covariance
        surface = last.surface_covariance + (grown if np.linalg.eigvalsh(grown)[0] > 0 else 0.0)
        return replace(
            last,
            centre_m=fused.centre_m,
            covariance=covariance,
            surface_m=last.surface_m + shift,
            surface_covariance=surface,
            velocity_m_s=fused.velocity_m_s,
            seen=0.0,
            source=PlaceSource.COASTED,
            pick=None,
        )


def _unusable(depth: DepthImage | None, tracks: Tracks) -> Refusal | None:
    """Return why a depth image can't serve the tracks' image; None if it can."""
    if depth is None:
        return Refusal.NO_DEPTH
    frames = {depth.frame_id, tracks.frame_id} - {""}
    return Refusal.UNREGISTERED if depth.wh != tracks.wh or len(frames) > 1 else None


def expected_by_size(box: FloatArray, lens: Intrinsics, size_m: FloatArray) -> ExpectedDepth:
    """Return how far away an object of known size is, roughly, by the area of its box."""
    sides = np.sort(size_m)
    area = float((box[2] - box[0]) * (box[3] - box[1]))
    depth = lens.fx_px * float(np.sqrt(sides[2] * sides[1] / area))
    return ExpectedDepth(0.95 * depth, _SIZE_GUESS_SIGMA * depth)


def _moved(place: Place, camera: RigidTransform) -> Place:
    centre, covariance = camera.apply(place.centre_m), camera.rotate(place.covariance)
    return replace(
        place,
        centre_m=centre,
        covariance=covariance,
        surface_m=centre,
        surface_covariance=covariance,
        axes=camera.rotation.copy(),
    )


def _pooled(
    fore: Foreground, earlier_m: FloatArray, lens: Intrinsics, camera: RigidTransform
) -> Foreground:
    """Return the samples of an object with those of earlier images, as this camera sees them."""
    points = camera.inverse().apply(earlier_m)
    points = points[points[:, 2] > 0.05]
    if not len(points):
        return fore
    u = points[:, 0] / points[:, 2] * lens.fx_px + lens.cx_px + 0.5
    v = points[:, 1] / points[:, 2] * lens.fy_px + lens.cy_px + 0.5
    return replace(
        fore,
        u_px=np.concatenate([fore.u_px, u]),
        v_px=np.concatenate([fore.v_px, v]),
        depth_m=np.concatenate([fore.depth_m, points[:, 2]]),
    )

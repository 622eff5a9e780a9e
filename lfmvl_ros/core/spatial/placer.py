# SPDX-License-Identifier: Apache-2.0
"""From tracks and a depth image to places, for one camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.spatial.depth import LEAST_BOX_PX, DepthImage
from lfmvl_ros.core.spatial.failures import Failures
from lfmvl_ros.core.spatial.floor import floor_place, sized_place
from lfmvl_ros.core.spatial.foreground import ExpectedDepth, Foreground
from lfmvl_ros.core.spatial.measure import claim_of, measure
from lfmvl_ros.core.spatial.memory import LONGEST_PAST_S, TrackMemory
from lfmvl_ros.core.spatial.occlusion import Claim, settle
from lfmvl_ros.core.spatial.placer_options import PlacerOptions
from lfmvl_ros.core.spatial.places import Place, Places, PlaceSource, Refusal
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.tracking import Intrinsics, Tracks, TrackState


@dataclass(frozen=True, eq=False)
class _ImageInputs:
    """What belongs to one image: tracks, depth, lens, and the camera's pose in the target frame."""

    tracks: Tracks
    depth: DepthImage | None
    lens: Intrinsics
    camera: RigidTransform

    @cached_property
    def boxes_px(self) -> FloatArray:
        """``(N, 4)`` the boxes of the tracks, cut at the border of the image."""
        return np.clip(self.tracks.xyxy_px, 0.0, np.tile(self.tracks.wh, 2))


class Placer:
    """Finds the places of one camera's tracks.

    Args:
        options: see :class:`PlacerOptions`.

    An error about one of them costs the others nothing (:class:`Failures`). Not safe for several
    threads at once.
    """

    def __init__(self, options: PlacerOptions | None = None) -> None:
        self._options = options or PlacerOptions()
        self._failures = Failures()
        self._memories: dict[int, TrackMemory] = {}
        self._stamp_ns: int | None = None

    def restart(self) -> None:
        """Forget all objects, because time or the tracker has restarted."""
        self._memories.clear()
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
            depth: registered to that image; None if there is none.
            lens: of that image; None if it is not known.
            camera: pose of the camera's optical frame in the target frame **at that stamp**; None
                where there is no transform. For source ``floor``, z of the target frame is up and
                0 on the floor.
        """
        stamp = tracks.stamp_ns
        if self._stamp_ns is not None and stamp < self._stamp_ns:
            self.restart()
        self._stamp_ns = stamp
        ids = tracks.ids.tolist()
        kept = set(ids)
        self._memories = {
            track: memory
            for track, memory in self._memories.items()
            if track in kept and memory.age_s(stamp) <= LONGEST_PAST_S
        }
        found: Mapping[int, Place | Refusal]
        if lens is None:
            found = dict.fromkeys(ids, Refusal.NO_INTRINSICS)
        elif camera is None:
            found = dict.fromkeys(ids, Refusal.NO_TRANSFORM)
        else:
            found = self._place_all(_ImageInputs(tracks, depth, lens, camera))
        placed: dict[int, Place] = {}
        refused: dict[int, Refusal] = {}
        for track in ids:
            result = self._failures.guard(
                track, partial(self._or_coasted, track, found[track], stamp, camera is not None)
            )
            if result is Refusal.FAILED:
                self._memories.pop(track, None)  # it may be half changed
            if isinstance(result, Place):
                placed[track] = result
            else:
                refused[track] = result
        return Places(stamp, self._options.frame_id, placed, refused)

    def _or_coasted(
        self, track: int, found: Place | Refusal, stamp_ns: int, knows_pose: bool
    ) -> Place | Refusal:
        """Return what was found, else the predicted place, if that is certain enough."""
        if found is Refusal.FAILED:
            return found
        if isinstance(found, Refusal) and knows_pose and track in self._memories:
            found = self._memories[track].coasted(stamp_ns, self._options.coast_s) or found
        if isinstance(found, Place) and found.sigma_m > self._options.max_sigma_m:
            return Refusal.TOO_UNCERTAIN
        return found

    def _place_all(self, view: _ImageInputs) -> dict[int, Place | Refusal]:
        tracks = view.tracks
        sizes = [self._options.sizes_m.get(label) for label in tracks.labels]
        known = [None if size is None else np.array(size, dtype=np.float64) for size in sizes]
        ids: list[int] = tracks.ids.tolist()
        if self._options.source is PlaceSource.DEPTH:
            return self._by_depth(view, dict(zip(ids, known, strict=True)))
        return {
            track: self._failures.guard(
                track, partial(self._without_depth, track, view, view.boxes_px[row], known[row])
            )
            for row, track in enumerate(ids)
        }

    def _by_depth(
        self, view: _ImageInputs, known: Mapping[int, FloatArray | None]
    ) -> dict[int, Place | Refusal]:
        tracks, depth = view.tracks, view.depth
        missing = _unusable(depth, tracks)
        if depth is None or missing is not None:
            return dict.fromkeys(known, missing or Refusal.NO_DEPTH)
        found: dict[int, Place | Refusal] = {}
        claims: dict[int, Claim] = {}
        for row, track in enumerate(known):
            claim = self._failures.guard(
                track, partial(self._claim, track, row, depth, known[track], view)
            )
            if isinstance(claim, Claim):
                claims[track] = claim
            else:
                found[track] = claim
        for track, settled in settle(claims, self._failures).items():
            found[track] = (
                self._failures.guard(
                    track, partial(self._fuse, track, settled.fore, known[track], view)
                )
                if isinstance(settled, Claim)
                else settled
            )
        return found

    def _claim(
        self,
        track: int,
        row: int,
        depth: DepthImage,
        known: FloatArray | None,
        view: _ImageInputs,
    ) -> Claim | Refusal:
        """Return what one track claims of a depth image."""
        seen_lately = view.tracks.state[row] is not TrackState.COASTING
        return claim_of(
            depth,
            view.lens,
            view.boxes_px[row],
            known,
            self._remembered(track, view, seen_lately=seen_lately),
            seen_lately=seen_lately,
        )

    def _remembered(
        self, track: int, view: _ImageInputs, *, seen_lately: bool
    ) -> ExpectedDepth | None:
        """Return where a track should be; None without a past that counts.

        If the model sees the track again and again, but never at the remembered place, that place
        is no longer used.
        """
        memory, stamp_ns = self._memories.get(track), view.tracks.stamp_ns
        if memory is None:
            return None
        if seen_lately and memory.age_s(stamp_ns) > self._options.coast_s:
            del self._memories[track]
            return None
        return memory.expected(view.camera, stamp_ns)

    def _without_depth(
        self, track: int, view: _ImageInputs, box: FloatArray, known: FloatArray | None
    ) -> Place | Refusal:
        """Return the place of one track by its box alone."""
        found: Place | Refusal
        if min(box[2:] - box[:2]) < LEAST_BOX_PX:
            return Refusal.OUTSIDE_IMAGE
        if self._options.source is PlaceSource.FLOOR:
            found = floor_place(box, view.lens, view.tracks.wh, view.camera)
        elif known is None:
            found = Refusal.UNKNOWN_SIZE
        else:
            found = sized_place(box, view.lens, view.tracks.wh, known)
            found = found if isinstance(found, Refusal) else _moved(found, view.camera)
        return found if isinstance(found, Refusal) else self._fuse_simple(track, found, view)

    def _fuse(
        self, track: int, fore: Foreground, known: FloatArray | None, view: _ImageInputs
    ) -> Place:
        camera, stamp_ns = view.camera, view.tracks.stamp_ns
        measured = measure(
            fore, view.lens, view.tracks.wh, known, self._memories.get(track), camera, stamp_ns
        )
        found = measured.located
        centre, covariance = camera.apply(found.centre_m), camera.rotate(found.centre_covariance)
        memory = self._update(track, stamp_ns, centre, covariance, camera)
        fused, surface = memory.fused, camera.apply(found.surface_m)
        fused.add_points(stamp_ns, surface, camera.apply(measured.points_m))
        memory.last = Place(
            fused.centre_m,
            fused.covariance,
            surface,
            camera.rotate(found.surface_covariance),
            found.size_m,
            axes=camera.rotation.copy(),
            velocity_m_s=fused.velocity_m_s,
            seen=measured.seen,
            pick=None if measured.pick is None else measured.pick.moved(camera),
        )
        return memory.last

    def _fuse_simple(self, track: int, found: Place, view: _ImageInputs) -> Place:
        stamp_ns, camera = view.tracks.stamp_ns, view.camera
        memory = self._update(track, stamp_ns, found.centre_m, found.covariance, camera)
        centre, covariance = memory.fused.centre_m, memory.fused.covariance
        memory.last = replace(
            found,
            centre_m=centre,
            covariance=covariance,
            surface_m=centre,
            surface_covariance=covariance,
            velocity_m_s=memory.fused.velocity_m_s,
        )
        return memory.last

    def _update(
        self,
        track: int,
        stamp_ns: int,
        centre: FloatArray,
        covariance: FloatArray,
        camera: RigidTransform,
    ) -> TrackMemory:
        memory = self._memories.get(track)
        if memory is None:
            memory = self._memories[track] = TrackMemory(stamp_ns, centre, covariance, camera)
        else:
            memory.fused.update(stamp_ns, centre, covariance, camera)
        return memory


def _unusable(depth: DepthImage | None, tracks: Tracks) -> Refusal | None:
    """Return why a depth image can't serve the tracks' image; None if it can."""
    if depth is None:
        return Refusal.NO_DEPTH
    frames = {depth.frame_id, tracks.frame_id} - {""}
    return Refusal.UNREGISTERED if depth.wh != tracks.wh or len(frames) > 1 else None


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

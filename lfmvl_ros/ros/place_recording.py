# SPDX-License-Identifier: Apache-2.0
"""The positions that a subscriber received, compared with the truth where one was published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lfmvl_ros.core.boxes import FloatArray, iou_matrix
from lfmvl_ros.core.intrinsics import Intrinsics
from lfmvl_ros.core.spatial.rigid import RigidTransform
from lfmvl_ros.core.spatial.transforms import TransformBuffer, TransformError
from lfmvl_ros.viz.annotate import TypicalFrame
from lfmvl_ros.viz.drawing import colour_of, draw_caption
from lfmvl_ros.viz.solids import Solid, TopView, draw_solids
from lfmvl_ros.viz.video import VideoWriter, write_image

if TYPE_CHECKING:  # reads messages, which this file does not
    from lfmvl_ros.ros.spatial.received_solids import ReceivedSolid

Image = NDArray[np.uint8]
Solids = list["ReceivedSolid"]
# A track is that of a true object where their boxes in the image overlap so much.
_SAME_IOU = 0.5
# Squared Mahalanobis distance that nine in ten stay below (chi-square, 3 degrees of freedom).
_REGION = 6.251
_TRAIL_S = 3.0
_KEEP_S = 86400.0
_MARGIN_M = 0.7


@dataclass
class PlaceRecording:
    """All received messages about positions, by stamp in nanoseconds.

    Attributes:
        frame_id: that positions are in; "" before the first.
        camera_frame: of the images.
        lens: of the images; None before the first ``camera_info``.
    """

    frame_id: str = ""
    camera_frame: str = ""
    lens: Intrinsics | None = None
    transforms: TransformBuffer = field(default_factory=lambda: TransformBuffer(_KEEP_S))
    places: dict[int, Solids] = field(default_factory=dict)
    truth: dict[int, Solids] = field(default_factory=dict)
    true_boxes: dict[int, dict[str, FloatArray]] = field(default_factory=dict)

    def errors(self, track_boxes: Callable[[int], Mapping[str, FloatArray]]) -> _Errors:
        """Return how far positions are from the truth, where both are known.

        Args:
            track_boxes: returns the boxes of the tracks at a stamp, px, by id.
        """
        found = _Errors()
        for stamp_ns, solids in self.places.items():
            true = {item.id: item for item in self.truth.get(stamp_ns, ())}
            same = _same(track_boxes(stamp_ns), self.true_boxes.get(stamp_ns, {}))
            for item in solids:
                other = true.get(same.get(item.id, ""))
                if other is not None:
                    found.add(item, other, self.camera_at(stamp_ns))
        return found

    def summary(self, track_boxes: Callable[[int], Mapping[str, FloatArray]]) -> dict[str, Any]:
        """Return the part of the summary about positions; empty when none was published."""
        if not self.places:
            return {}
        placed = {item.id for solids in self.places.values() for item in solids}
        document: dict[str, Any] = {"tracks_with_position": len(placed)}
        errors = self.errors(track_boxes)
        if errors.metres:
            document["position_error_m"] = _pair(errors.metres)
            document["position_error_share"] = _pair(errors.shares)
            hold = np.mean(np.array(errors.squared) < _REGION)
            document["position_regions_hold"] = round(float(hold), 3)
        return document

    def camera_at(self, stamp_ns: int) -> RigidTransform | None:
        """Return the camera's pose in the frame of the positions; None when it is not known."""
        try:
            return self.transforms.lookup(self.frame_id, self.camera_frame, stamp_ns)
        except TransformError:
            return None

    def write(self, folder: Path, image_at: Callable[[int], Image | None], rate_hz: float) -> None:
        """Write ``places.mp4`` and ``places.png``: boxes over the image, and from above.

        Args:
            folder: that exists.
            image_at: returns the image ``(H, W, 3)`` at a stamp, None where there is none.
            rate_hz: of positions.

        Raises:
            UserError: something can't be written.
        """
        stamps = [s for s in sorted(self.places) if self.camera_at(s) is not None]
        first = next((p for s in stamps if (p := image_at(s)) is not None), None)
        if first is None or self.lens is None:
            return
        height, width = first.shape[:2]
        side = round(0.75 * width)
        top, typical = self._top_view((side, height), stamps), TypicalFrame()
        trails: dict[str, list[tuple[int, FloatArray]]] = defaultdict(list)
        with VideoWriter(folder / "places.mp4", (width + side, height), rate_hz) as video:
            for stamp_ns in tqdm(stamps, desc="drawing positions", unit="frame"):
                for item in self.places[stamp_ns]:
                    trails[item.id].append((stamp_ns, item.pose.translation_m))
                pixels = image_at(stamp_ns)
                if pixels is not None:
                    drawn = self._draw(pixels, stamp_ns, trails, top)
                    video.write(drawn)
                    if self.places[stamp_ns]:
                        typical.add(drawn, len(self.places[stamp_ns]))
        if (chosen := typical.choose()) is not None:
            write_image(folder / "places.png", chosen)

    def _draw(
        self,
        pixels: Image,
        stamp_ns: int,
        trails: Mapping[str, list[tuple[int, FloatArray]]],
        top: TopView,
    ) -> Image:
        camera = self.camera_at(stamp_ns)
        assert camera is not None
        assert self.lens is not None
        solids = [_solid(item, trails[item.id], stamp_ns) for item in self.places[stamp_ns]]
        truth = [Solid(t.pose, t.size_m, (0, 0, 0)) for t in self.truth.get(stamp_ns, ())]
        left = draw_solids(pixels, solids, self.lens, camera)
        right = top.draw(solids, truth, camera)
        draw_caption(
            right, "from above: tracks in colour, truth in white" if truth else "from above"
        )
        return np.hstack([left, right])

    def _top_view(self, wh: tuple[int, int], stamps: list[int]) -> TopView:
        """Return a view that shows nearly all positions, and the camera."""
        points = [i.pose.translation_m[:2] for s in stamps for i in self.places[s]]
        poses = [camera for s in stamps if (camera := self.camera_at(s)) is not None]
        eyes = np.array([pose.translation_m[:2] for pose in poses])
        low, high = np.percentile(np.array(points or eyes), [2, 98], axis=0)
        low, high = np.minimum(low, eyes.min(axis=0)), np.maximum(high, eyes.max(axis=0))
        return TopView(wh, low - _MARGIN_M, high + _MARGIN_M)


@dataclass
class _Errors:
    """Of positions: in m, in shares of the distance, and as squared deviations."""

    metres: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    squared: list[float] = field(default_factory=list)

    def add(self, item: ReceivedSolid, true: ReceivedSolid, camera: RigidTransform | None) -> None:
        off = item.pose.translation_m - true.pose.translation_m
        self.metres.append(float(np.linalg.norm(off)))
        if camera is not None:
            distance_m = np.linalg.norm(true.pose.translation_m - camera.translation_m)
            self.shares.append(self.metres[-1] / max(float(distance_m), 0.01))
        try:
            self.squared.append(float(off @ np.linalg.solve(item.covariance, off)))
        except np.linalg.LinAlgError:
            self.squared.append(float("inf"))


def _pair(values: list[float]) -> dict[str, float | None]:
    """Return the median and the 90th percentile; None where there is nothing."""
    if not values:
        return {"p50": None, "p90": None}
    return {f"p{q}": round(float(np.percentile(values, q)), 4) for q in (50, 90)}


def _same(mine: Mapping[str, FloatArray], true: Mapping[str, FloatArray]) -> dict[str, str]:
    """Return the true object of each track whose box overlaps enough, each at most once."""
    if not mine or not true:
        return {}
    overlap = iou_matrix(np.array(list(mine.values())), np.array(list(true.values())))
    found: dict[str, str] = {}
    ids, others = list(mine), list(true)
    for flat in np.argsort(-overlap, axis=None):
        row, column = divmod(int(flat), len(others))
        if overlap[row, column] < _SAME_IOU:
            break
        if ids[row] not in found and others[column] not in found.values():
            found[ids[row]] = others[column]
    return found


def _solid(item: ReceivedSolid, trail: list[tuple[int, FloatArray]], stamp_ns: int) -> Solid:
    recent = [at for taken_ns, at in trail if stamp_ns - taken_ns <= _TRAIL_S * 1e9]
    number = int(item.id) if item.id.isascii() and item.id.isdigit() else 0
    text = f"{item.label} #{item.id}"
    colour = colour_of(number)
    return Solid(item.pose, item.size_m, colour, text, item.covariance, np.array(recent))

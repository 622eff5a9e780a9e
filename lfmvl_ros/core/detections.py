# SPDX-License-Identifier: Apache-2.0
"""The objects of one answer, in pixels of the frame they were seen in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray


@dataclass(frozen=True, eq=False)
class Detections:
    """N objects of one frame.

    Attributes:
        xyxy_px: ``(N, 4)`` float64, x1 < x2 and y1 < y2, pixels, x right and y down.
        labels: N labels, as the model wrote them.
        scores: ``(N,)`` float64 in [0, 1].
        sigma_px: ``(N, 4)`` float64 > 0, standard deviation of each coordinate, for the tracker.

    Raises:
        ValueError: lengths differ, or a value is outside the ranges above.
    """

    xyxy_px: FloatArray
    labels: tuple[str, ...]
    scores: FloatArray
    sigma_px: FloatArray

    def __post_init__(self) -> None:
        n = len(self.labels)
        for name, shape in (("xyxy_px", (n, 4)), ("scores", (n,)), ("sigma_px", (n, 4))):
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float64:
                raise ValueError(
                    f"Detections.{name} must be float64 {shape} for {n} labels, "
                    f"got {array.dtype} {array.shape}"
                )
            if not np.isfinite(array).all():
                raise ValueError(f"Detections.{name} must be finite")
        if n and not (self.xyxy_px[:, :2] < self.xyxy_px[:, 2:]).all():
            raise ValueError("Detections.xyxy_px needs x1 < x2 and y1 < y2 in every row")
        if n and not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError("Detections.scores must lie in [0, 1]")
        if n and not (self.sigma_px > 0).all():
            raise ValueError("Detections.sigma_px must be > 0")

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def empty(cls) -> Detections:
        """Return no objects: the answer "nothing there"."""
        return cls(np.zeros((0, 4)), (), np.zeros(0), np.zeros((0, 4)))

    def take(self, indices: list[int]) -> Detections:
        """Return the rows at ``indices``, in that order."""
        rows = np.asarray(indices, dtype=np.intp)
        return Detections(
            self.xyxy_px[rows],
            tuple(self.labels[i] for i in indices),
            self.scores[rows],
            self.sigma_px[rows],
        )

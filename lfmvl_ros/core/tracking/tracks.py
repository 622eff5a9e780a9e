# SPDX-License-Identifier: Apache-2.0
"""The tracks at one camera frame, as the tracker returns them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, normalise
from lfmvl_ros.core.readings.reading import Texts, text_of
from lfmvl_ros.core.timeline import check_stamp, stamp_document
from lfmvl_ros.core.tracking.opinions import Opinion

SCHEMA = "lfmvl/track_states/1"


class TrackState(str, Enum):
    """State of a track: how well it is confirmed that its object is there now.

    ``tentative``: in too few answers so far. ``confirmed``: in enough answers.
    ``coasting``: confirmed earlier, but missed by the last answer, or not in any for too long; its
    box is only a prediction.
    """

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    COASTING = "coasting"

    @property
    def is_established(self) -> bool:
        """True once confirmed: what ``tracks``, markers and drawings show."""
        return self is not TrackState.TENTATIVE


def _no_ids() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Tracks:
    """N tracked objects at the time of one camera frame.

    Attributes:
        stamp_ns: time that the boxes are predicted to, ROS clock.
        ids: ``(N,)`` int64, positive, unique, never used again for another object.
        labels: N labels, spelt as in the query where it names them.
        scores: ``(N,)`` in [0, 1], probability of existence times that of the label: the lower of
            the model's confidence and of what the labels of all answers say.
        xyxy_px: ``(N, 4)`` boxes, cut at the image border, x1 < x2 and y1 < y2.
        velocity_px_s: ``(N, 2)`` of the centre, x right and y down.
        covariance: ``(N, 4, 4)`` of centre x, centre y, width, height of the box before it is cut
            at the border, px^2, symmetric positive definite.
        state: N states.
        age_s: ``(N,)`` seconds since the first sighting, >= 0.
        frame_id, camera, wh: of the camera frame; ``wh`` is (width, height) in px, (0, 0) before
            the first answer.
        existence: track id -> probability that the track is a real object, whatever its label; may
            have further ids. A track without an entry counts as certain.
        opinions: track id -> what a second model said last about it, where it was asked; may have
            further ids.

    Raises:
        ValueError: shapes, types or ranges differ from what is said above.
    """

    stamp_ns: int
    ids: NDArray[np.int64] = field(default_factory=_no_ids)
    labels: tuple[str, ...] = ()
    scores: FloatArray = field(default_factory=lambda: np.zeros(0))
    xyxy_px: FloatArray = field(default_factory=lambda: np.zeros((0, 4)))
    velocity_px_s: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    covariance: FloatArray = field(default_factory=lambda: np.zeros((0, 4, 4)))
    state: tuple[TrackState, ...] = ()
    age_s: FloatArray = field(default_factory=lambda: np.zeros(0))
    frame_id: str = ""
    camera: str = ""
    wh: tuple[int, int] = (0, 0)
    existence: Mapping[int, float] = field(default_factory=dict)
    opinions: Mapping[int, Opinion] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_stamp("Tracks.stamp_ns", self.stamp_ns)
        n = len(self.ids)
        if self.ids.dtype != np.int64 or len(set(self.ids.tolist())) != n or (self.ids <= 0).any():
            raise ValueError(f"Tracks.ids must be unique positive int64, got {self.ids!r}")
        for name, shape in (
            ("scores", (n,)),
            ("xyxy_px", (n, 4)),
            ("velocity_px_s", (n, 2)),
            ("covariance", (n, 4, 4)),
            ("age_s", (n,)),
        ):
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float64 or not np.isfinite(array).all():
                raise ValueError(
                    f"Tracks.{name} must be finite float64 {shape} for {n} ids, "
                    f"got {array.dtype} {array.shape}"
                )
        if len(self.labels) != n or len(self.state) != n:
            raise ValueError(
                f"Tracks needs one label and one state per id ({n}), "
                f"got {len(self.labels)} and {len(self.state)}"
            )
        self._check_ranges()

    def _check_ranges(self) -> None:
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError(f"Tracks.scores must lie in [0, 1], got {self.scores}")
        if not (self.xyxy_px[:, :2] < self.xyxy_px[:, 2:]).all():
            raise ValueError("Tracks.xyxy_px needs x1 < x2 and y1 < y2 in every row")
        if (self.age_s < 0).any():
            raise ValueError(f"Tracks.age_s must be >= 0, got {self.age_s}")
        if len(self.ids) and min(self.wh) < 1:
            raise ValueError(f"Tracks.wh must be the size of the image in px, got {self.wh}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def established(self) -> list[int]:
        """Rows of the tracks that have been confirmed; the others are tentative."""
        return [i for i, state in enumerate(self.state) if state.is_established]

    def take(self, rows: list[int]) -> Tracks:
        """Return the tracks at ``rows``, in that order."""
        chosen = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            ids=self.ids[chosen],
            labels=tuple(self.labels[i] for i in rows),
            scores=self.scores[chosen],
            xyxy_px=self.xyxy_px[chosen],
            velocity_px_s=self.velocity_px_s[chosen],
            covariance=self.covariance[chosen],
            state=tuple(self.state[i] for i in rows),
            age_s=self.age_s[chosen],
        )

    def to_dict(
        self, places: Mapping[int, Mapping[str, Any]] | None = None, texts: Texts | None = None
    ) -> dict[str, Any]:
        """Return the JSON document of topic ``track_states`` (schema ``lfmvl/track_states/1``).

        ``bbox`` is normalised x1, y1, x2, y2; ``velocity`` (px/s) and ``covariance`` (px^2, rows of
        the 4x4 matrix of centre x, centre y, width, height) are in pixels.

        Args:
            places: where objects are, by id
                (:meth:`lfmvl_ros.core.spatial.places.Places.documents`); the others have none.
            texts: what is written on objects, by id; tracks of another label have none.

        >>> Tracks(stamp_ns=1_500_000_000, camera="left", wh=(640, 480)).to_dict()["stamp"]
        {'sec': 1, 'nanosec': 500000000}
        """
        boxes = normalise(self.xyxy_px, self.wh) if len(self) else self.xyxy_px
        return {
            "schema": SCHEMA,
            "stamp": stamp_document(self.stamp_ns),
            "frame_id": self.frame_id,
            "camera": self.camera,
            "width": self.wh[0],
            "height": self.wh[1],
            "tracks": [
                {
                    "id": number,
                    "label": self.labels[i],
                    "confidence": round(float(self.scores[i]), 4),
                    "state": self.state[i].value,
                    "bbox": np.round(boxes[i], 5).tolist(),
                    "velocity": np.round(self.velocity_px_s[i], 2).tolist(),
                    "covariance": np.round(self.covariance[i], 3).tolist(),
                    "age_s": round(float(self.age_s[i]), 3),
                }
                | ({"place": places[number]} if places and number in places else {})
                | _opinion_field(self.opinions.get(number), self.stamp_ns)
                | _text_fields(texts, number, self.labels[i])
                for i, number in enumerate(self.ids.tolist())
            ],
        }


def _opinion_field(opinion: Opinion | None, now_ns: int) -> dict[str, Any]:
    return {} if opinion is None else {"opinion": opinion.to_dict(now_ns)}


def _text_fields(texts: Texts | None, id_: int, label: str) -> dict[str, Any]:
    found = text_of(texts, id_, label) if texts else None
    return {} if found is None else found.fields()


def confirmed(tracks: Tracks) -> Tracks:
    """Return the tracks without tentative ones."""
    rows = tracks.established
    if len(rows) == len(tracks):
        return tracks
    return tracks.take(rows)

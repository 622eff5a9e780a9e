# SPDX-License-Identifier: Apache-2.0
"""The messages that a subscriber received in a demo run, and files made of them. No ROS here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.encoded_images import encode_jpeg
from lfmvl_ros.core.tracking import TrackState
from lfmvl_ros.core.whole_files import JsonLines
from lfmvl_ros.ros.place_recording import PlaceRecording
from lfmvl_ros.viz.annotate import AnnotatedVideo
from lfmvl_ros.viz.drawing import Mark, colour_of
from lfmvl_ros.viz.lettering import labelled
from lfmvl_ros.viz.video import VideoWriter

JPEG_QUALITY = 90
Image = NDArray[np.uint8]


def percentiles(values: list[float]) -> dict[str, float | None]:
    """Return the median and the 95th percentile, rounded; None without values."""
    if not values:
        return {"p50": None, "p95": None}
    return {f"p{q}": round(float(np.percentile(values, q)), 2) for q in (50, 95)}


@dataclass
class Recording:
    """All received messages, by capture stamp in nanoseconds. Images are kept as JPEG.

    Attributes:
        images, states, groundings: what is written, bounded by the recording's duration.
        skipped: messages that could not be used, by topic.
    """

    images: dict[int, bytes] = field(default_factory=dict)
    states: dict[int, dict[str, Any]] = field(default_factory=dict)
    groundings: list[dict[str, Any]] = field(default_factory=list)
    detection_messages: int = 0
    track_latency_ms: list[float] = field(default_factory=list)
    seen_ns: dict[str, tuple[int, int]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    positions: PlaceRecording = field(default_factory=PlaceRecording)

    def add_image(self, stamp_ns: int, pixels: Image) -> None:
        """Keep a camera frame, ``(H, W, 3)`` RGB.

        Raises:
            ValueError: it is too large for a JPEG.
        """
        self.images[stamp_ns] = encode_jpeg(pixels, JPEG_QUALITY)

    def add_tracks(self, stamp_ns: int, received_ns: int, ids: list[str]) -> None:
        """Count one ``tracks`` message: its latency, and how long each id has lived."""
        self.track_latency_ms.append((received_ns - stamp_ns) / 1e6)
        for key in ids:
            first, _ = self.seen_ns.get(key, (stamp_ns, stamp_ns))
            self.seen_ns[key] = (first, stamp_ns)

    def summary(self) -> dict[str, Any]:
        """Return the JSON document of the last line."""
        lives = [(last - first) / 1e9 for first, last in self.seen_ns.values()]
        answers = [item["timing"]["total_ms"] for item in self.groundings]
        last = self.groundings[-1] if self.groundings else {}
        return {
            "frames": len(self.track_latency_ms),
            "answers": len(self.groundings),
            "outcomes": dict(Counter(item["status"] for item in self.groundings)),
            "tracks": len(lives),
            "tracks_over_5s": sum(life > 5 for life in lives),
            "longest_track_s": round(max(lives, default=0.0), 2),
            "answer_ms": percentiles(answers),
            "track_latency_ms": percentiles(self.track_latency_ms),
            "dropped": self.dropped,
            "skipped": dict(self.skipped),
            **self.positions.summary(self._track_boxes),
            "model": last.get("model"),
        }

    def _track_boxes(self, stamp_ns: int) -> dict[str, FloatArray]:
        """Return the boxes of the tracks at a stamp, px, by id."""
        document = self.states.get(stamp_ns, {"tracks": [], "width": 1, "height": 1})
        scale = np.array([document["width"], document["height"]] * 2)
        return {str(t["id"]): np.array(t["bbox"]) * scale for t in document["tracks"]}

    def write(self, folder: Path, rate_hz: float) -> None:
        """Write the recording into ``folder``.

        ``grounding.jsonl``, ``tracks.jsonl``; ``camera.mp4`` as the camera sent it; and
        ``annotated.mp4`` and ``preview.png`` with the confirmed tracks; where positions were
        published, ``places.mp4`` and ``places.png``.

        Raises:
            UserError: something can't be written; what has been written before stays.
        """
        _write_lines(folder / "grounding.jsonl", self.groundings)
        _write_lines(folder / "tracks.jsonl", [self.states[key] for key in sorted(self.states)])
        query = self.groundings[-1]["query"] if self.groundings else ""
        stamps = sorted(set(self.images) & set(self.states))
        if not stamps:
            return
        height, width = self._image(stamps[0]).shape[:2]
        with (
            VideoWriter(folder / "camera.mp4", (width, height), rate_hz) as camera,
            AnnotatedVideo(folder, rate_hz) as video,
        ):
            for stamp_ns in tqdm(stamps, desc="drawing", unit="frame"):
                pixels = self._image(stamp_ns)
                camera.write(pixels)
                caption = f"{(stamp_ns - stamps[0]) / 1e9:6.2f} s   query: {query}"
                video.add(pixels, _marks(self.states[stamp_ns]), caption)
        share = len(self.positions.places) / max(len(self.states), 1)
        self.positions.write(folder, self._image_at, max(share, 0.01) * rate_hz)

    def _image_at(self, stamp_ns: int) -> Image | None:
        return self._image(stamp_ns) if stamp_ns in self.images else None

    def _image(self, stamp_ns: int) -> Image:
        data = np.frombuffer(self.images[stamp_ns], np.uint8)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1])


def _marks(document: dict[str, Any]) -> dict[int, Mark]:
    """Marks by id of the confirmed tracks of one ``track_states`` document."""
    scale = np.array([document["width"], document["height"]] * 2)
    marks = {}
    for track in document["tracks"]:
        key, state = int(track["id"]), TrackState(track["state"])
        if not state.is_established:
            continue
        marks[key] = Mark(
            tuple((np.asarray(track["bbox"]) * scale).tolist()),
            labelled(track["label"], f"#{key}", f"{track['confidence']:.2f}"),
            colour_of(key),
            dashed=state is TrackState.COASTING,
            velocity_px_s=tuple(track["velocity"]),
        )
    return marks


def _write_lines(path: Path, documents: list[dict[str, Any]]) -> None:
    with JsonLines(path) as lines:
        for document in documents:
            lines.write(document)

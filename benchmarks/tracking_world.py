# SPDX-License-Identifier: Apache-2.0
"""Worlds for the tracking benchmark: rendered frames, exact truth, and a slow model's answers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from needs import optional

from lfmvl_ros.core.boxes import clip
from lfmvl_ros.core.detections import Detections
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply, StageTimes
from lfmvl_ros.core.tracking import Intrinsics
from lfmvl_warehouse.scenes import RenderedScene, SceneVideo
from lfmvl_warehouse.scenes.options import VIDEO
from lfmvl_warehouse.scenes.rooms import Camera

FPS = 25.0
WH = (640, 360)
LABELS = ("person", "forklift", "robot", "tote", "pallet")
LEAST_VISIBLE = 0.3
LEAST_SIDE_PX = 6.0
SCENES = ("static", "crowd", "pan", "turn", "drive", "shake")


@dataclass(frozen=True, eq=False)
class World:
    """T frames: images ``(T, H, W)`` grey, and for each frame ids ``(N,)``, labels, boxes.

    ``ids``, ``xyxy_px``: what a detector should name. ``hidden_px``: boxes of things that are
    mostly covered; a tracker is neither asked for them nor blamed for following them.
    ``gyro``: (time in ns, rates about the camera's axes in rad/s) a hundred times a second.
    """

    name: str
    grey: np.ndarray
    ids: tuple[np.ndarray, ...]
    labels: tuple[tuple[str, ...], ...]
    xyxy_px: tuple[np.ndarray, ...]
    hidden_px: tuple[np.ndarray, ...]
    wh: tuple[int, int] = WH
    fps: float = FPS
    gyro: tuple[tuple[int, np.ndarray], ...] = ()
    lens: Intrinsics | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def stamp_ns(self, index: int) -> int:
        """Time of a frame."""
        return round(index * 1e9 / self.fps)

    def frame(self, index: int) -> Frame:
        """The frame as a tracker gets it."""
        pixels = cv2.cvtColor(self.grey[index], cv2.COLOR_GRAY2RGB)
        return Frame(pixels, self.stamp_ns(index))


@dataclass(frozen=True, eq=False)
class Answer:
    """What the simulated model said about frame ``index``; known from ``arrives_s`` on."""

    index: int
    arrives_s: float
    grounding: Grounding


class _Turning(SceneVideo):
    """A robot that turns on the spot: up to 0.4 rad/s, ten times a gentle pan."""

    def camera_at(self, index: int) -> Camera:
        t = index / self.fps
        return dataclasses.replace(
            super().camera_at(index), yaw=0.38 * float(np.sin(2 * np.pi * t / 6))
        )


class _Shaking(SceneVideo):
    """A robot on a rough floor: a slow pan and a few pixels of vibration."""

    def camera_at(self, index: int) -> Camera:
        t, camera = index / self.fps, super().camera_at(index)
        sway = 0.008 * np.sin(2 * np.pi * 2.3 * t) + 0.005 * np.sin(2 * np.pi * 3.7 * t + 1)
        bob = 4.0 * np.sin(2 * np.pi * 3.1 * t) + 2.0 * np.sin(2 * np.pi * 4.9 * t + 2)
        return dataclasses.replace(
            camera, yaw=camera.yaw + float(sway), horizon_px=camera.horizon_px + float(bob)
        )


def _video(kind: str, seed: int, wh: tuple[int, int], fps: float) -> SceneVideo:
    crowd = dataclasses.replace(VIDEO, kinds=("person",), objects=(10, 12))
    goods = dataclasses.replace(VIDEO, kinds=LABELS, objects=(9, 12))
    if kind == "crowd":
        return SceneVideo(seed, wh=wh, fps=fps, options=crowd, camera="static")
    if kind == "turn":
        return _Turning(seed, wh=wh, fps=fps, options=goods, camera="pan")
    if kind == "shake":
        return _Shaking(seed, wh=wh, fps=fps, options=goods, camera="pan")
    return SceneVideo(seed, wh=wh, fps=fps, options=goods, camera=kind)


def rendered(
    kind: str,
    seed: int,
    seconds: float,
    cache: Path | None = None,
    wh: tuple[int, int] = WH,
    fps: float = FPS,
) -> World:
    """Render a scene of one of :data:`SCENES`, or read it from ``cache`` if it was before."""
    file = None
    if cache is not None:
        size = "" if (wh, fps) == (WH, FPS) else f"-{wh[0]}x{wh[1]}-{fps:g}"
        file = cache / f"{kind}-{seed}-{seconds:g}{size}.npz"
    video, count = _video(kind, seed, wh, fps), round(seconds * fps)
    if file is not None and file.exists():
        with np.load(file) as kept:
            world = world_of(f"{kind}-{seed}", kept["grey"], kept["rows"], wh=wh, fps=fps)
            return _sensed(world, video, seed)
    grey = np.zeros((count, wh[1], wh[0]), np.uint8)
    rows = []
    for i in range(count):
        scene = video.frame(i)
        grey[i] = cv2.cvtColor(scene.pixels, cv2.COLOR_RGB2GRAY)
        rows += truth_rows(i, scene, LABELS)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, grey=grey, rows=np.array(rows))
    world = world_of(f"{kind}-{seed}", grey, np.array(rows), wh=wh, fps=fps)
    return _sensed(world, video, seed)


def _sensed(world: World, video: SceneVideo, seed: int) -> World:
    """The world with its lens and a cheap gyroscope: bias and noise of about half a degree/s."""
    rng = np.random.default_rng((9, seed))
    bias = rng.normal(size=3) * 0.005
    camera, gyro = video.camera_at(0), []
    for step in range(4 * len(world)):
        # The camera's own images have no roll, and its pitch moves the horizon.
        a, b = video.camera_at((step - 0.5) / 4), video.camera_at((step + 0.5) / 4)
        pitch = (b.horizon_px - a.horizon_px) / camera.focal_px
        rate = np.array([pitch, b.yaw - a.yaw, 0.0]) * 4 * world.fps
        gyro.append((round(step * 1e9 / (4 * world.fps)), rate + bias + rng.normal(size=3) * 0.01))
    lens = Intrinsics(camera.focal_px, camera.focal_px, camera.centre_px, camera.horizon_px)
    return dataclasses.replace(world, gyro=tuple(gyro), lens=lens)


def truth_rows(index: int, scene: RenderedScene, labels: tuple[str, ...]) -> list[list[float]]:
    """Frame, id, label, visibility and box of each object of a scene that ``labels`` asks for."""
    return [
        [index, item.id, labels.index(item.kind), item.visibility, *item.visible_xyxy_px]
        for item in scene.objects
        if item.kind in labels
    ]


def world_of(
    name: str,
    grey: np.ndarray,
    rows: np.ndarray,
    asked: tuple[str, ...] = LABELS,
    wh: tuple[int, int] = WH,
    fps: float = FPS,
) -> World:
    """The world of images ``(T, H, W)`` and of the :func:`truth_rows` of all of them."""
    ids, labels, boxes, hidden = [], [], [], []
    for i in range(len(grey)):
        here = rows[rows[:, 0] == i]
        xyxy = clip(here[:, 4:], wh)
        sides = (xyxy[:, 2:] - xyxy[:, :2]).min(axis=1)
        seen = (here[:, 3] >= LEAST_VISIBLE) & (sides >= LEAST_SIDE_PX)
        covered = ~seen & (sides > 1)
        ids.append(here[seen, 1].astype(int))
        labels.append(tuple(asked[int(k)] for k in here[seen, 2]))
        boxes.append(xyxy[seen])
        hidden.append(xyxy[covered])
    return World(name, grey, tuple(ids), tuple(labels), tuple(boxes), tuple(hidden), wh, fps)


def slow_answers(
    world: World, seed: int, *, latency_s: float = 0.25, decimals: int = 2
) -> list[Answer]:
    """Regime B: the model takes the newest frame when it is free and answers late."""
    rng = np.random.default_rng((7, seed))
    return [
        Answer(index, arrives_s, _answer(world, index, rng, took_s, decimals))
        for index, took_s, arrives_s in late_times(len(world), world.fps, rng, latency_s)
    ]


def late_times(
    frames: int, fps: float, rng: np.random.Generator, latency_s: float
) -> Iterator[tuple[int, float, float]]:
    """Yield the frames that a slow model takes: the newest one, whenever it is free.

    With each, how long its answer takes, s, and when it arrives, s after the first frame. They are
    drawn one by one, so that what is drawn for an answer may come from the same ``rng``.
    """
    index = 0
    while index < frames:
        took_s = _took_s(rng, latency_s)
        arrives_s = index / fps + took_s
        yield index, took_s, arrives_s
        index = max(int(np.floor(arrives_s * fps)), index + 1)


def prompt_answers(world: World, seed: int, *, decimals: int = 3) -> list[Answer]:
    """Regime A: an answer to every frame, at once."""
    rng = np.random.default_rng((8, seed))
    return [
        Answer(i, i / world.fps, _answer(world, i, rng, 0.0, decimals)) for i in range(len(world))
    ]


def _answer(
    world: World, index: int, rng: np.random.Generator, took_s: float, decimals: int
) -> Grounding:
    """The truth with a model's defects."""
    wh = np.array([*world.wh, *world.wh], float)
    boxes, labels = [], []
    for box, truth in zip(world.xyxy_px[index], world.labels[index], strict=True):
        if rng.random() < 0.08:
            continue
        label = str(rng.choice(LABELS)) if rng.random() < 0.05 else truth
        for _ in range(1 + (rng.random() < 0.02)):
            size = box[2:] - box[:2]
            centre = (box[:2] + box[2:]) / 2 + rng.normal(size=2) * 0.02 * size
            half = size * np.exp(rng.normal(size=2) * 0.05) / 2
            boxes.append([*(centre - half), *(centre + half)])
            labels.append(label)
    for _ in range(rng.poisson(0.15)):
        size = rng.uniform(0.05, 0.3, 2) * world.wh
        corner = rng.uniform(0, 1, 2) * (np.array(world.wh) - size)
        boxes.append([*corner, *(corner + size)])
        labels.append(str(rng.choice(LABELS)))
    step = 10.0**-decimals
    unit = np.clip(np.array(boxes).reshape(-1, 4) / wh, 0, 1)
    xyxy = np.round(unit / step) * step * wh
    good = (xyxy[:, :2] < xyxy[:, 2:]).all(axis=1)
    xyxy, labels = xyxy[good], [k for k, ok in zip(labels, good, strict=True) if ok]
    sigma = np.broadcast_to(wh * step / np.sqrt(12), xyxy.shape).copy()
    order = rng.permutation(len(xyxy))
    found = Detections(xyxy, tuple(labels), np.ones(len(xyxy)), sigma).take(order.tolist())
    return _grounding(world, index, found, took_s)


def _grounding(world: World, index: int, found: Detections, took_s: float) -> Grounding:
    return Grounding(
        outcome=Outcome.OK if len(found) else Outcome.EMPTY,
        detections=found,
        stamp_ns=world.stamp_ns(index),
        frame_id="camera",
        camera="",
        wh=world.wh,
        query=Query(LABELS),
        reply=Reply("", times=StageTimes(decode_s=took_s)),
    )


def mot15_from_environment() -> Path | None:
    """The folder of MOT15 that ``LFMVL_MOT15`` names; None where it is not set."""
    folder = os.environ.get("LFMVL_MOT15")
    return Path(folder) if folder else None


def tud_campus(mot15: Path | None) -> tuple[World, list[Answer]] | None:
    """MOT15's TUD-Campus with its public detections; no images. None where files are missing.

    Args:
        mot15: folder of the data set, as its archive has it (``train/TUD-Campus/det/det.txt``) or
            flat (``TUD-Campus/det.txt``). The ground truth comes from there or from ``motmetrics``.
    """
    if mot15 is None:
        print("left out: TUD-Campus (give the folder of MOT15 with --mot15, see docs/tracking.md)")
        return None
    found, labelled = _mot15_file(mot15, "det"), _mot15_file(mot15, "gt")
    if found is None:
        print(f"left out: TUD-Campus (no TUD-Campus/det.txt or TUD-Campus/det/det.txt in {mot15})")
        return None
    if labelled is None:
        carrier = optional("motmetrics", "TUD-Campus, whose ground truth motmetrics carries")
        if carrier is None or carrier.__file__ is None:
            return None
        labelled = Path(carrier.__file__).parent / "data/TUD-Campus/gt.txt"
    truth, seen = np.loadtxt(labelled, delimiter=","), np.loadtxt(found, delimiter=",")
    count, wh = int(truth[:, 0].max()), (640, 480)
    rows = [truth[truth[:, 0] == i + 1] for i in range(count)]
    world = World(
        "TUD-Campus",
        np.zeros((count, 1, 1), np.uint8),
        tuple(row[:, 1].astype(int) for row in rows),
        tuple(("person",) * len(row) for row in rows),
        tuple(_from_corner(row) for row in rows),
        (np.zeros((0, 4)),) * count,
        wh,
    )
    answers = []
    for i in range(count):
        row = seen[seen[:, 0] == i + 1]
        boxes = clip(_from_corner(row), wh)
        sigma = np.full(boxes.shape, 1.0)
        told = Detections(boxes, ("person",) * len(row), np.clip(row[:, 6], 0, 1), sigma)
        answers.append(Answer(i, i / FPS, _grounding(world, i, told, 0.0)))
    return world, answers


def delayed(world: World, prompt: list[Answer], seed: int, latency_s: float = 0.25) -> list[Answer]:
    """The answers that a slow model gives of those to every frame, see :func:`slow_answers`."""
    rng = np.random.default_rng((7, seed))
    answers = []
    for index, took_s, arrives_s in late_times(len(world), world.fps, rng, latency_s):
        grounding = prompt[index].grounding
        times = dataclasses.replace(grounding.reply.times, decode_s=took_s)
        reply = dataclasses.replace(grounding.reply, times=times)
        late = dataclasses.replace(grounding, reply=reply)
        answers.append(Answer(index, arrives_s, late))
    return answers


def _took_s(rng: np.random.Generator, latency_s: float) -> float:
    """How long an answer takes: 12 % jitter, and one in twenty 1.3 to 2 times as long."""
    took_s = max(latency_s * (1 + 0.12 * rng.normal()), 0.02)
    return took_s * rng.uniform(1.3, 2.0) if rng.random() < 0.05 else took_s


def _mot15_file(mot15: Path, kind: str) -> Path | None:
    """``det`` or ``gt`` of TUD-Campus in a folder of MOT15; None where there is none."""
    for folder in (mot15 / "train" / "TUD-Campus", mot15 / "TUD-Campus"):
        for file in (folder / kind / f"{kind}.txt", folder / f"{kind}.txt"):
            if file.is_file():
                return file
    return None


def _from_corner(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)

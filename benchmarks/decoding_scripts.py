# SPDX-License-Identifier: Apache-2.0
"""Scene videos, the right answers to them, and writing such an answer whatever the weights say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.drafting.draft_text import AnswerDraft
from lfmvl_ros.core.drafting.drafts import expect_answer
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import Reply
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.tracking import Tracker
from lfmvl_ros.models.lfm2_vl.decoding import Blocks, Proposer, Row, decode_answers
from lfmvl_ros.models.lfm2_vl.draft_tokens import TokenDraft, encoder
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd
from lfmvl_ros.models.lfm2_vl.generating import Generated, Limit
from lfmvl_ros.models.lfm2_vl.model_inputs import ModelInputs
from lfmvl_ros.models.lfm2_vl.token_text import TokenTexts
from lfmvl_warehouse.scenes import SceneVideo
from lfmvl_warehouse.scenes.options import VIDEO

WH, FPS, END = (256, 256), 30.0, 7
GOODS, MOVERS = ("tote", "pallet", "cardboard box", "traffic cone"), ("person", "forklift", "robot")
FOREVER = Limit(float("inf"), lambda: False)


@dataclass(frozen=True)
class Motion:
    """What moves, and how often the model answers (every ``stride`` frames at 30 Hz)."""

    camera: str
    kinds: tuple[str, ...]
    stride: int
    waver: float


MOTIONS = {
    "static": Motion("static", GOODS, 4, 0.0),
    "slow": Motion("static", GOODS[:3] + MOVERS, 4, 0.002),
    "fast": Motion("static", MOVERS, 12, 0.004),
    "pan": Motion("pan", GOODS[:3] + MOVERS, 4, 0.002),
}
COUNTS = (3, 6, 10)


def scenes(motion: Motion, count: int, frames: int, seed: int) -> Iterator[tuple[Frame, list[Any]]]:
    """Frames of a scene, each with the objects that can be seen."""
    options = replace(VIDEO, objects=(count, count), kinds=motion.kinds)
    moving = SceneVideo(seed, wh=WH, fps=FPS, camera=motion.camera, options=options)
    for index in range(frames):
        scene = moving.frame(index * motion.stride)
        seen = [item for item in scene.objects if item.visibility >= 0.25]
        yield Frame(scene.pixels, scene.stamp_ns), seen


def video(motion: Motion, count: int, frames: int, seed: int) -> Iterator[tuple[Frame, list[Any]]]:
    """Frames of a scene, each with the label and normalised box of what can be seen."""
    for frame, seen in scenes(motion, count, frames, seed):
        yield frame, [(item.kind, item.visible_xyxy_px / np.array([*WH, *WH])) for item in seen]


def script(seen: Sequence[Any], waver: float, decimals: int, rng: np.random.Generator) -> str:
    """The right answer to a frame, from left to right, each side off by ``waver``."""
    boxes = [(label, np.clip(box + rng.normal(0, waver, 4), 0, 1)) for label, box in seen]
    boxes.sort(key=lambda item: (round(float(item[1][0]), 2), item[1][1]))
    items = (
        f'{{"label": "{label}", "bbox": [{", ".join(f"{value:.{decimals}f}" for value in box)}]}}'
        for label, box in boxes
    )
    return f"[{', '.join(items)}]"


class Follower:
    """Keeps a camera's tracks and says what the next answer is expected to be, as the node does."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.query = Query(tuple(labels))
        self.prompt = CARD_TEMPLATE.render(self.query)
        self._tracker, self._last = Tracker(), None

    def hint(self, frame: Frame) -> Hint | None:
        """What the answer about this frame is expected to be."""
        return expect_answer(self._last, self.query, self._tracker.at(frame.stamp_ns))

    def learn(self, frame: Frame, reply: Reply) -> None:
        """Take the answer about a frame."""
        grounding = parse_reply(reply, frame=frame, prompt=self.prompt)
        self._last = Answer(grounding, self._tracker.apply(grounding), 0)


class Scripted:
    """Chooses what a script says; looks at the logits all the same, as that takes time."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids, self.done = list(ids), 0

    def choose(self, logits: torch.Tensor, proposed: Sequence[int]) -> list[int]:
        """Choose the script's tokens as far as they are the proposed ones, and one more."""
        logits.argmax(dim=-1).tolist()
        chosen: list[int] = []
        for guess in [*proposed, None]:
            chosen.append(self.ids[self.done])
            self.done += 1
            if guess != chosen[-1] or self.done == len(self.ids):
                break
        return chosen


class Weightless:
    """Stands in for a runner where only the passes are counted."""

    def __init__(self, width: int) -> None:
        self.embedding = torch.zeros(width, 1)
        self._rows = [SimpleNamespace(length=0) for _ in range(8)]

    def rows(self, count: int) -> Any:
        """Rows that remember their length alone."""
        return self._rows[:count]

    def append_rows(self, rows: Any, counts: Any, *_: Any, last: Any = None, **__: Any) -> Any:
        """Logits of nothing."""
        for row, count in zip(rows, counts, strict=True):
            row.length += count
        return torch.zeros(1, 1).expand(sum(last or counts), len(self.embedding))


def scripted(
    motion: Motion, count: int, frames: int, decimals: int, tokenizer: Any
) -> Iterator[tuple[list[int], Proposer]]:
    """Answers of one video as token ids, each with the draft that the node would have."""
    encode, texts, rng = encoder(tokenizer), TokenTexts(tokenizer), np.random.default_rng(count)
    follower, style = Follower(motion.kinds), ""
    for frame, seen in video(motion, count, frames, seed=count):
        text, hint = script(seen, motion.waver, decimals, rng), follower.hint(frame)
        draft = AnswerDraft(hint, style, motion.kinds)
        width = len(tokenizer)
        yield (
            [*encode(text), END],
            TokenDraft(draft, encode=encode, texts=texts, end_id=END, width=width),
        )
        style = text
        follower.learn(frame, Reply(text))


def write(
    runner: Any, embeds: torch.Tensor, ids: list[int], draft: Proposer, blocks: Blocks
) -> Generated:
    """Write a scripted answer behind prompt embeddings ``(1, T, width)``."""
    return write_all(runner, embeds, [(ids, draft)], blocks)[0]


def write_all(
    runner: Any, embeds: torch.Tensor, answers: Sequence[tuple[list[int], Proposer]], blocks: Blocks
) -> list[Generated]:
    """Write several scripted answers side by side behind ``(B, T, width)``."""
    mask = torch.ones(embeds.shape[:2], dtype=torch.int64)
    return decode_answers(
        runner,
        ModelInputs(mask, mask, embeds, (64,) * len(embeds), 0.0, 0.0),
        [Row(draft, Scripted(ids), AnswerEnd((END,), 4096)) for ids, draft in answers],
        blocks=blocks,
        limit=FOREVER,
    )

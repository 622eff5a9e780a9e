# SPDX-License-Identifier: Apache-2.0
"""Replies, frames and prompts for the tests of parsing, and the hand-written corpus."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lfmvl_ros.core.calibration.calibration import Calibration
from lfmvl_ros.core.config import ParsingSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import Prompt
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason, Reply, Token

FOLDER = Path(__file__).parents[1] / "data" / "replies"
_DEFAULTS = ParsingSettings()


def read_lines(name: str) -> list[dict[str, Any]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def read_corpus() -> list[dict[str, Any]]:
    """Return the odd replies written by hand, with what is expected of each."""
    return read_lines("odd_replies.jsonl")


def read_real() -> list[dict[str, Any]]:
    """Return what the bundled checkpoint wrote about rendered scenes: query, finish, text."""
    return read_lines("bundled.jsonl")


@lru_cache
def frame_of(wh: tuple[int, int] = (640, 480)) -> Frame:
    return Frame(np.zeros((wh[1], wh[0], 3), np.uint8), stamp_ns=1_500_000_000, frame_id="cam")


@lru_cache
def prompt_of(query: str, decimals: int) -> Prompt:
    return Prompt("find things", Query.parse(query), decimals)


def parse(
    text: str,
    *,
    finish: str = "stop",
    query: str = "person, red tote",
    wh: tuple[int, int] = (640, 480),
    decimals: int = 2,
    tokens: tuple[Token, ...] = (),
    settings: ParsingSettings | None = None,
    calibration: Calibration | None = None,
) -> Grounding:
    prompt = prompt_of(query, decimals)
    reply = Reply(text, tokens, FinishReason(finish), calibration=calibration)
    return parse_reply(reply, frame=frame_of(wh), prompt=prompt, settings=settings or _DEFAULTS)

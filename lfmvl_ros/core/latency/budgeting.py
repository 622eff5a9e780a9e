# SPDX-License-Identifier: Apache-2.0
"""Connects the latency budget with settings and model: the image tokens of a request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from lfmvl_ros.core.config import ImageSettings, PerceptionSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.latency.budget import Choice, LatencyBudget
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.prompt import Prompt

_log = logging.getLogger(__name__)
_CHARACTERS_A_TOKEN = 4
_MOST_TOKENS = int(ImageSettings.describe()["max_tokens"].high or 0)


def choose_for(
    budget: LatencyBudget,
    model: VisionLanguageModel,
    settings: PerceptionSettings,
    frames: Sequence[Frame],
    prompt: Prompt,
) -> tuple[ImageSettings, Choice | None]:
    """Choose the image tokens, if there is a target and the model knows how many images take.

    Returns:
        The image settings to use, and the choice: the user's own and None without one.
    """
    target_s = settings.image.target_latency_ms / 1e3
    if not target_s:
        return settings.image, None
    try:
        rules = model.image_rules(settings.image)
    except Exception:  # the request itself reports better what is wrong
        _log.exception("no latency budget: the model can't count image tokens")
        return settings.image, None
    if rules is None:
        return settings.image, None
    choice = budget.choose(
        asked_together(frames),
        tuple(frame.wh for frame in frames),
        rules,
        target_s=target_s,
        subject=(model.name, settings.model, settings.device, settings.dtype),
        words=(prompt.text, settings.generation),
        prompt_text_tokens=len(prompt.text) // _CHARACTERS_A_TOKEN,
    )
    return as_image_settings(settings.image, choice.rung.settings), choice


def asked_together(frames: Sequence[Frame]) -> str:
    """Return the name of the stream that these frames belong to.

    A single camera has its own. Batches of equal size share one: their cameras change from call to
    call, and each combination would start from the cheapest choice.
    """
    return frames[0].camera if len(frames) == 1 else f"{len(frames)} together"


def as_image_settings(wanted: ImageSettings, rules: ImageTokenSettings) -> ImageSettings:
    """Return image settings with which a backend uses exactly these rules."""
    return replace(
        wanted,
        min_tokens=min(rules.min_tokens, _MOST_TOKENS),
        max_tokens=min(rules.max_tokens, _MOST_TOKENS),
        split="always" if rules.split else "never",
        max_tiles=rules.max_tiles if rules.split else 0,
    )

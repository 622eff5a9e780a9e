# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's chat template, tried before anything of it is rendered in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.models.template_child import CPU_S

_LIMIT_S = 60.0  # of a child that gets no processor time
_LONGEST = 1_000_000  # characters; published ones have up to 20,000
_QUESTION = "question-2f6c1a"  # a text that no template writes by itself


def user_turn(text: str) -> list[dict[str, Any]]:
    """Return the conversation in which an image and a text are asked about."""
    content = [{"type": "image"}, {"type": "text", "text": text}]
    return [{"role": "user", "content": content}]


def check_chat_template(processor: Any, where: str) -> None:
    """Render the template of a transformers processor once, in a child process with limits.

    Args:
        processor: with ``tokenizer``, and ``chat_template`` where that is not the tokenizer's.
        where: the checkpoint, for the message.

    Raises:
        UserError: there is none, it does not come to an end, it takes too much memory, or what it
            writes does not contain the question.
    """
    tokenizer = processor.tokenizer
    template = getattr(processor, "chat_template", None) or tokenizer.chat_template
    if isinstance(template, Mapping):
        template = template.get("default")
    if not isinstance(template, str) or not template:
        raise UserError(
            f"{where} has no chat template (chat_template.jinja); the download or copy is "
            "incomplete"
        )
    if len(template) > _LONGEST:
        raise _refusal(where, f"it has {len(template):,} characters, more than {_LONGEST:,}")
    special = getattr(tokenizer, "special_tokens_map", {})
    tokens = {key: value for key, value in special.items() if isinstance(value, str)}
    text = _rendered(template, tokens, where)
    if text.count(_QUESTION) != 1:
        raise _refusal(where, f"it writes the question {text.count(_QUESTION)} times, not once")


def _rendered(template: str, tokens: Mapping[str, str], where: str) -> str:
    document = {"template": template, "tokens": tokens, "messages": user_turn(_QUESTION)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lfmvl_ros.models.template_child"],
            input=json.dumps(document).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LIMIT_S,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _refusal(where, f"it has not ended within {_LIMIT_S:g} s") from None
    if done.returncode < 0:  # by the kernel, at a limit
        raise _refusal(where, f"it does not end within {CPU_S} s of processor time")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise _refusal(where, f"rendering it ended with code {done.returncode}") from None
    if "error" in answer:
        raise _refusal(where, answer["error"])
    return str(answer["text"])


def _refusal(where: str, reason: str) -> UserError:
    return UserError(
        f"the chat template of {where} (chat_template.jinja) can't be used: {safe_text(reason)}; "
        "it is damaged or made to do harm: download the checkpoint again"
    )

# SPDX-License-Identifier: Apache-2.0
"""Makes the JSON of a chat completion request from a frame and a prompt."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lfmvl_ros.core.config import GenerationSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_tokens import ImageTokenSettings, smart_size
from lfmvl_ros.core.prompt import Prompt, TextPrompt, keys_of

_CONTEXT = 32768  # tokens, the longest of this family
_PNG_LEVEL = 1  # nine tenths of the saving in a tenth of the time


def resized(frame: Frame, rules: ImageTokenSettings) -> NDArray[np.uint8]:
    """Return the pixels that a model in this process would see, ``(H, W, 3)`` uint8.

    Both sides are multiples of 32 px within the rules' limits, so that a server neither resizes nor
    splits it. The filter is the checkpoint's (bilinear with antialiasing). It equals that of
    transformers, except for differences of 1 in at most one pixel of 400.
    """
    size = smart_size(frame.wh, rules)
    if size == frame.wh:
        return frame.pixels
    image = Image.fromarray(frame.pixels).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image)


def data_url(pixels: NDArray[np.uint8], *, compress: bool) -> str:
    """Return an image as a data URL, without loss: JPEG changes answers.

    Args:
        pixels: ``(H, W, 3)`` uint8, RGB.
        compress: PNG, for a network; else BMP, which is fast to write and read.
    """
    kind, options = (
        (".png", [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL]) if compress else (".bmp", [])
    )
    _, encoded = cv2.imencode(kind, np.ascontiguousarray(pixels[:, :, ::-1]), options)
    return f"data:image/{kind[1:]};base64,{base64.b64encode(encoded.tobytes()).decode()}"


def messages(url: str, text: str) -> list[dict[str, Any]]:
    """Return the conversation: the image, then the text, as in training."""
    image = {"type": "image_url", "image_url": {"url": url}}
    return [{"role": "user", "content": [image, {"type": "text", "text": text}]}]


def completion(
    url: str, prompt: Prompt, generation: GenerationSettings, *, model: str
) -> dict[str, Any]:
    """Return the request about an image."""
    document = _request(messages(url, prompt.text), generation, model)
    if generation.grammar == "always":
        schema = {"name": "objects", "schema": answer_schema(prompt)}
        document["response_format"] = {"type": "json_schema", "json_schema": schema}
    return document


def text_completion(
    prompt: TextPrompt, generation: GenerationSettings, *, model: str
) -> dict[str, Any]:
    """Return the request of a question without an image."""
    turns = [("system", prompt.system), ("user", prompt.user)]
    words = [{"role": role, "content": text} for role, text in turns if text]
    return _request(words, generation, model)


def _request(
    conversation: list[dict[str, Any]], generation: GenerationSettings, model: str
) -> dict[str, Any]:
    """Return what all requests have; everything is stated, as servers have defaults of their own.

    Names differ between servers, and unknown ones are ignored: both names of the repetition penalty
    are sent (llama.cpp's, vLLM's).
    """
    samples = generation.temperature > 0
    document: dict[str, Any] = {
        "messages": conversation,
        "stream": True,
        "stream_options": {"include_usage": True},
        "logprobs": True,
        "top_logprobs": 1,
        "max_tokens": generation.max_new_tokens,
        "temperature": generation.temperature,
        "top_k": generation.top_k if samples else 0,
        "top_p": generation.top_p if samples else 1.0,
        "min_p": generation.min_p if samples else 0.0,
        "cache_prompt": False,  # reused prefixes change the last digits of an answer
    }
    if model:
        document["model"] = model
    if generation.repetition_penalty != 1.0:
        document["repeat_penalty"] = generation.repetition_penalty
        document["repetition_penalty"] = generation.repetition_penalty
        document["repeat_last_n"] = _CONTEXT  # all of it, as transformers has it
    return document


def answer_schema(prompt: Prompt) -> Mapping[str, Any]:
    """Return the JSON Schema of a list of objects with labels of the query."""
    label, box = keys_of(prompt)
    kind = "number" if prompt.decimals else "integer"
    numbers = {"type": "array", "items": {"type": kind}, "minItems": 4, "maxItems": 4}
    labels = {"type": "string", "enum": list(dict.fromkeys(prompt.query.labels))}
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {label: labels, box: numbers},
            "required": [label, box],
            "additionalProperties": False,
        },
    }


def encoded(document: Mapping[str, Any]) -> bytes:
    """Return the body of a request."""
    return json.dumps(document).encode()

# SPDX-License-Identifier: Apache-2.0
"""The tool ``describe``: a sentence about an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lfmvl_ros.core.commands.controls import Controls, Steps, wait_for
from lfmvl_ros.core.commands.result import Done, Status
from lfmvl_ros.core.commands.tools import Describe
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.pipeline.errands import Ask, free_generation
from lfmvl_ros.core.prompt import Prompt
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason, Reply
from lfmvl_ros.core.safe_text import quoted, shortened
from lfmvl_ros.core.timeline import stamp_document

_CAPTION = "Describe this image in one short sentence."
_LONGEST_CAPTION = 1000  # characters


def describe_image(tool: Describe, controls: Controls) -> Steps:
    """Ask the model for a sentence about the newest frame of a camera.

    Raises:
        UserError: the node is not active, no frame has come, or the model wrote no description.
    """
    pipeline = controls.running()
    camera = tool.camera or controls.scene.cameras[0]
    frame = pipeline.newest_frame(camera)
    query = pipeline.query
    future = pipeline.request_reply(_caption_of(frame, query))
    reply = yield from wait_for(future, controls)
    text = shortened(reply.text, _LONGEST_CAPTION)
    if reply.error is not None or reply.finish is FinishReason.DEADLINE:
        raise UserError(f"no description: {reply.error or 'the model took too long'}")
    if not text or text[0] in "[{<":
        wrote = f", but generated {quoted(text)}" if text else ""
        raise UserError(f"the model gave no description{wrote}")
    stamp = stamp_document(frame.stamp_ns)
    facts = {"caption": text, "camera": camera, "image_stamp": stamp, "model": reply.model}
    return Done(Status.DONE, text, facts)


def _caption_of(frame: Frame, query: Query) -> Ask:
    def ask(model: Any, settings: Any, cancelled: Callable[[], bool]) -> Reply:
        (reply,) = model.ground(
            [frame],
            [Prompt(_CAPTION, query)],
            generation=free_generation(settings),
            image=settings.image,
            cancelled=cancelled,
        )
        assert isinstance(reply, Reply)
        return reply

    return ask

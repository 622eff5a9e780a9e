# SPDX-License-Identifier: Apache-2.0
"""The services: what a request does to the pipeline, and what the caller is told."""

from __future__ import annotations

from std_srvs.srv import SetBool, Trigger

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.safe_text import json_text, safe_text

_NOT_CONFIGURED = "the node is not configured"


def enable(
    pipeline: Pipeline | None, request: SetBool.Request, response: SetBool.Response
) -> SetBool.Response:
    """Pause or resume asking the model; tracks go on meanwhile, and fade."""
    if pipeline is None:
        response.success, response.message = False, _NOT_CONFIGURED
        return response
    pipeline.enabled = request.data
    response.success, response.message = True, "enabled" if request.data else "paused"
    return response


def ground_once(
    pipeline: Pipeline | None, camera: str, response: Trigger.Response
) -> Trigger.Response:
    """Ask about a camera's newest frame and wait.

    ``message`` is the answer as JSON, or what is wrong.

    ``success`` is true when the answer says something about the scene, be it that it is empty.
    """
    try:
        if pipeline is None:
            raise UserError(_NOT_CONFIGURED)
        # Another answer may be under way, and takes its time first.
        timeout_s = 2 * pipeline.settings.generation.timeout_s + 1
        answer = pipeline.ground_once(camera, timeout_s)
    except UserError as error:
        response.success, response.message = False, safe_text(str(error))
        return response
    document = answer.grounding.to_dict(answer.applied.id_texts)
    response.success = answer.grounding.outcome.is_evidence
    response.message = json_text(document)
    return response

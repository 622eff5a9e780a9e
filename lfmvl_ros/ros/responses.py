# SPDX-License-Identifier: Apache-2.0
"""The services: their effect on the pipeline, and their responses."""

from __future__ import annotations

from std_srvs.srv import SetBool, Trigger

from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.report import Answer
from lfmvl_ros.core.safe_text import json_text, safe_text
from lfmvl_ros.ros.outputs import PlaceDocuments

NOT_CONFIGURED = "the node is not configured"


def enable(
    pipeline: Pipeline | None, request: SetBool.Request, response: SetBool.Response
) -> SetBool.Response:
    """Pause or resume inference; while paused, tracks coast and end."""
    if pipeline is None:
        response.success, response.message = False, NOT_CONFIGURED
        return response
    pipeline.enabled = request.data
    response.success, response.message = True, "enabled" if request.data else "paused"
    return response


def answered(
    response: Trigger.Response, answer: Answer, places: PlaceDocuments
) -> Trigger.Response:
    """Fill the response of ``ground_once``: ``message`` is the answer as JSON.

    ``success`` is true if the answer is evidence about the scene, also if it is empty.
    """
    response.success = answer.grounding.outcome.is_evidence
    response.message = json_text(answer.grounding.to_dict(answer.applied.id_texts, places))
    return response


def refusal(response: Trigger.Response, reason: str) -> Trigger.Response:
    """Fill a response with the reason why there is no answer."""
    response.success, response.message = False, safe_text(reason)
    return response

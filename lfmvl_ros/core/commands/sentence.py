# SPDX-License-Identifier: Apache-2.0
"""Asks the node's model which tool calls a sentence means."""

from __future__ import annotations

from collections.abc import Generator

from lfmvl_ros.core.commands.controls import Controls, wait_for
from lfmvl_ros.core.commands.offering import SYNTAXES, offer
from lfmvl_ros.core.commands.policy import Policy
from lfmvl_ros.core.commands.request import EXAMPLE
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.pipeline.errands import Ask, free_generation
from lfmvl_ros.core.prompt import TextPrompt
from lfmvl_ros.core.reply import FinishReason

_UNFINISHED = {
    FinishReason.DEADLINE: "its time was over; raise generation.timeout_s where the computer is "
    "slow or busy",
    FinishReason.LENGTH: "they became too long; say less in one sentence",
    FinishReason.REPETITION: "it repeated itself; say it in other words",
}


def ask_model(sentence: str, policy: Policy, controls: Controls) -> Generator[None, None, str]:
    """Return what a model writes about a sentence; yields while it waits.

    Raises:
        UserError: no model here can do it, or it did not end its calls.
    """
    if not policy.model:
        raise UserError("no model is loaded yet; send the sentence again when it is")
    if policy.syntax not in SYNTAXES:
        raise UserError(
            f"{policy.model} can't turn sentences into tool calls, as far as is "
            f"known; send a tool call such as {EXAMPLE}"
        )
    prompt = offer(
        sentence, policy.allowed, policy.syntax,
        names=controls.names(), constrained=policy.constrained,
    )  # fmt: skip
    future = controls.running().request_reply(_calls_for(prompt))
    reply = yield from wait_for(future, controls)
    if reply.error is not None:
        raise UserError(f"the model could not read the sentence: {reply.error}")
    if reply.finish is not FinishReason.STOP:
        why = _UNFINISHED.get(reply.finish, f"finish {reply.finish.value}")
        raise UserError(f"the model did not end its calls: {why}, or send a tool call as JSON")
    return reply.text


def _calls_for(prompt: TextPrompt) -> Ask:
    return lambda model, settings, cancelled: model.write(
        prompt,
        generation=free_generation(settings),
        cancelled=cancelled,
    )

# SPDX-License-Identifier: Apache-2.0
"""The saved state of a training run, and whether a run can continue from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.finetune.run_folder import STATE_FILE
from lfmvl_warehouse.training.model.growth import can_grow
from lfmvl_warehouse.training.run.train_settings import TrainSettings

TOKENIZER_DIRECTORY = "tokenizer"


def check_state(state: Mapping[str, Any], settings: TrainSettings) -> None:
    """Make sure that a run with these settings can continue from a saved state.

    A state with fewer vision blocks will do: the run continues with more.

    Raises:
        UserError: the state is of another model shape or seed.
    """
    shape = state["shape"]
    fits = shape == asdict(settings.shape) or can_grow(shape, settings.shape)
    if not fits or state["seed"] != settings.seed:
        raise UserError(
            f"{settings.out / STATE_FILE} was trained with {state['shape']}, seed "
            f"{state['seed']}; resume it with the same ones or choose another directory"
        )


def remembered(settings: TrainSettings) -> dict[str, Any]:
    """Facts about a run that its state keeps, for runs that continue from it and the model card."""
    return {
        "shape": asdict(settings.shape),
        "seed": settings.seed,
        "settings": {
            "planned_minutes": settings.minutes,
            "planned_steps": settings.steps,
            "device": settings.device,
            "processes": settings.processes,
            "max_objects": settings.max_objects,
        },
        "recipe": {
            "start": settings.start,
            "rate": settings.rate,
            "mix": settings.mix,
            "data": settings.data,
        },
    }

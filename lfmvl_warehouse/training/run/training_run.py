# SPDX-License-Identifier: Apache-2.0
"""Start the processes of a run, let them find each other, and turn the result into a checkpoint."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import ProcessRaisedException, start_processes

from lfmvl_ros.child_processes import interrupts_kept_from_children, worker_processes
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.whole_files import make_folder, whole_folder, write_json
from lfmvl_ros.datasets.coco import facts_with_present_keys
from lfmvl_ros.finetune.run_folder import (
    CHECKPOINT_DIRECTORY,
    LOG_FILE,
    STATE_FILE,
    check_resume,
    claim,
    judgements,
    read_state,
    using_state,
)
from lfmvl_ros.models.checkpoint_labels import FACTS_FILE
from lfmvl_warehouse.scenes.translations import TRANSLATIONS
from lfmvl_warehouse.training.data.sources import asked_labels, warehouse_vocabulary
from lfmvl_warehouse.training.model.build import (
    ModelShape,
    build_model,
    build_processor,
    count_parameters,
    save_checkpoint,
)
from lfmvl_warehouse.training.model.words import known_languages
from lfmvl_warehouse.training.run.card import write_card
from lfmvl_warehouse.training.run.plan import RunOverrides, TrainingPlan, make_plan
from lfmvl_warehouse.training.run.processes import end_with_parent
from lfmvl_warehouse.training.run.start import load_tokenizer
from lfmvl_warehouse.training.run.state import TOKENIZER_DIRECTORY
from lfmvl_warehouse.training.run.train_settings import TrainSettings

_USER_ERROR = re.compile(r"^lfmvl_ros\.core\.errors\.UserError: (.*)$", re.MULTILINE)


def quiet_threads() -> None:
    """One thread a process that sleeps while it waits; to be called before torch does any work.

    Spinning OpenMP threads on contended cores cost a factor of five in training speed.
    """
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")


def train(
    settings: TrainSettings, *, resume: bool = False, overrides: RunOverrides | None = None
) -> dict[str, Any]:
    """Run a training to its end.

    Args:
        settings: the run.
        resume: continue from the state in the run directory.
        overrides: other data than the warehouse scenes, a checkpoint to start from.

    Returns:
        The facts of the training that the card states.

    Raises:
        UserError: there is nothing to resume, or a state that a new run would overwrite; data,
            checkpoint or state can't be used.
    """
    check_resume(settings.out, resume=resume)
    quiet_threads()
    plan = make_plan(settings, overrides or RunOverrides(), resume=resume)
    if plan.folder is not None:
        print(plan.folder.describe(), flush=True)
    make_folder(settings.out)
    try:
        with tempfile.TemporaryDirectory(prefix="lfmvl-train-") as directory:
            arguments = (plan, f"file://{directory}/meeting")
            if settings.processes == 1:
                _process(0, *arguments)
            else:
                _run_processes(arguments, settings.processes)
    except ProcessRaisedException as error:
        message = user_error_in(str(error))
        if message is None:
            raise
        raise UserError(message) from error
    return export(settings.out, settings.out / CHECKPOINT_DIRECTORY)


def _run_processes(arguments: tuple[Any, ...], number: int) -> None:
    """Run the processes to their end; whatever interrupts this ends them too."""
    with worker_processes():
        with interrupts_kept_from_children():
            running = start_processes(
                _process, arguments, nprocs=number, start_method="spawn", join=False
            )
        while not running.join():
            pass


def user_error_in(traceback: str) -> str | None:
    """Return the message of a UserError in a traceback, or None if it was another error."""
    found = _USER_ERROR.search(traceback)
    return found[1] if found else None


def _process(rank: int, plan: TrainingPlan, meeting: str) -> None:
    torch.set_num_threads(1)
    settings = plan.settings
    with claim(settings.out) if rank == 0 else nullcontext():
        if settings.processes == 1:
            plan.trainer(rank).run()
            return
        end_with_parent()
        dist.init_process_group(
            "gloo", init_method=meeting, rank=rank, world_size=settings.processes
        )
        plan.trainer(rank).run()
        dist.destroy_process_group()


def export(run: Path, target: Path) -> dict[str, Any]:
    """Turn the averaged weights of a run's state into a checkpoint directory with its card.

    Returns:
        The facts of the training that the card states.

    Raises:
        UserError: the run has no state yet.
    """
    if not (run / STATE_FILE).exists():
        raise UserError(f"{run / STATE_FILE} does not exist; train first")
    state = read_state(run, key="shape")
    tokenizer = load_tokenizer(run / TOKENIZER_DIRECTORY)
    with using_state(run):
        model = build_model(ModelShape(**state["shape"]), vocabulary=len(tokenizer))
        model.load_state_dict(state["average"])
        facts = {
            **{name: state[name] for name in ("step", "samples", "seconds", "seed", "shape")},
            **state.get("settings", {}),
            "parameters": count_parameters(model),
            **_learnt(state.get("recipe", {}), run),
            "languages": known_languages(tokenizer, TRANSLATIONS),
        }
        facts["labels"] = asked_labels(facts)
    with whole_folder(target) as fresh:
        save_checkpoint(model, build_processor(tokenizer), fresh)
        write_json(fresh / FACTS_FILE, facts)
        with using_state(run):  # which says what the card does
            write_card(fresh)
    return facts


def _learnt(recipe: dict[str, Any], run: Path) -> dict[str, Any]:
    """What the run was about: words; data, start and scores where they are not the usual ones.

    Paths stay at home.
    """
    words = warehouse_vocabulary()
    data = recipe.get("data")
    facts: dict[str, Any] = {}
    kinds, colours = list(words.kinds), list(words.colours)
    if data is not None:
        own = list(data["boxes_by_category"])
        kinds = list(dict.fromkeys((*own, *(kinds if recipe["mix"] else ()))))
        colours = colours if recipe["mix"] else []
        facts["data"] = facts_with_present_keys(data)
        facts["data"].pop("path", None)
    if data is not None or recipe.get("start"):
        facts |= {name: recipe[name] for name in ("start", "rate", "mix")}
        scores = judgements(run / LOG_FILE)
        facts["held_out"] = scores if len(scores) < 2 else [scores[0], scores[-1]]
    return {"kinds": kinds, "colours": colours, **facts}


def with_smallest_shape(settings: TrainSettings) -> TrainSettings:
    """The same run with a model so small that it only shows that training works."""
    return replace(settings, shape=ModelShape(64, 1, 64, "ca", 64))

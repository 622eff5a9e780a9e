# SPDX-License-Identifier: Apache-2.0
"""What a run is to do, known before its processes start: data, start, what a state remembers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import is_directory, user_path
from lfmvl_ros.datasets.coco import CocoFolder, facts_with_present_keys
from lfmvl_ros.datasets.coco_reading import read_folder
from lfmvl_ros.finetune.run_folder import STATE_FILE, read_state, using_state
from lfmvl_warehouse.training.data.coco_scenes import CocoScenes
from lfmvl_warehouse.training.data.mixed import MixedScenes
from lfmvl_warehouse.training.data.sources import SceneSource, WarehouseScenes
from lfmvl_warehouse.training.model.build import ModelShape
from lfmvl_warehouse.training.run.start import (
    TrainingStart,
    find_start,
    fine_tuning,
    load_tokenizer,
    load_weights,
    name_of,
)
from lfmvl_warehouse.training.run.state import TOKENIZER_DIRECTORY, check_state
from lfmvl_warehouse.training.run.train_settings import TrainSettings
from lfmvl_warehouse.training.run.trainer import Trainer

WAREHOUSE = "the warehouse scenes"


@dataclass(frozen=True)
class RunOverrides:
    """What a person may ask for; None for what the state remembers, or the default.

    Attributes:
        data: folder in COCO format; without, the warehouse scenes.
        start: checkpoint to start from; without, random weights.
        rate: factor of the learning rates: 1.
        mix: share of warehouse scenes beside the images of ``data``: 0.
    """

    data: Path | None = None
    start: str | None = None
    rate: float | None = None
    mix: float | None = None


@dataclass(frozen=True)
class TrainingPlan:
    """Everything a process of the run needs; can be sent to it.

    Attributes:
        settings: of the run.
        resume: whether it continues the state in the run directory.
        folder: images to learn from, or None for the warehouse.
        start: checkpoint to begin with; None where there is none, or a state to resume.
    """

    settings: TrainSettings
    resume: bool = False
    folder: CocoFolder | None = None
    start: TrainingStart | None = None

    def source(self) -> SceneSource:
        """Where the scenes come from."""
        if self.folder is None:
            return WarehouseScenes()
        images = CocoScenes(self.folder)
        if not self.settings.mix:
            return images
        return MixedScenes(images, WarehouseScenes(video_frames=0), self.settings.mix)

    def trainer(self, rank: int) -> Trainer:
        """The trainer of one process, at the state it is to continue from."""
        tokenizer = weights = None
        if self.start is not None:
            tokenizer, weights = load_tokenizer(self.start.directory), load_weights(self.start)
        elif self.resume:  # the run keeps its own copy
            tokenizer = load_tokenizer(self.settings.out / TOKENIZER_DIRECTORY)
        own = self.resume and self.start is None
        with using_state(self.settings.out, TOKENIZER_DIRECTORY) if own else nullcontext():
            trainer = Trainer(
                self.settings,
                self.source(),
                rank=rank,
                tokenizer=tokenizer,
                weights=weights,
                make_source=self.source,
            )
        if self.resume:
            trainer.resume()
        return trainer


def make_plan(settings: TrainSettings, overrides: RunOverrides, *, resume: bool) -> TrainingPlan:
    """Look at the data, the checkpoint to start from, and the state to resume.

    Raises:
        UserError: one of them can't be used, or the state is of another run than asked for.
    """
    if resume:
        return _resumed(settings, overrides)
    if overrides.mix and overrides.data is None:
        raise UserError("--mix adds warehouse scenes to the images of --data; name a folder")
    rate, mix = 1.0 if overrides.rate is None else overrides.rate, overrides.mix or 0.0
    settings = _checked(settings, rate=rate, mix=mix)
    start = None
    if overrides.start is not None:
        start = find_start(overrides.start)
        settings = fine_tuning(replace(settings, shape=start.shape), start.name)
    folder = None if overrides.data is None else read_folder(overrides.data)
    return TrainingPlan(_with_data(settings, folder), False, folder, start)


def _resumed(settings: TrainSettings, overrides: RunOverrides) -> TrainingPlan:
    """Go on with what the state remembers; states from before there was a choice have nothing."""
    path = settings.out / STATE_FILE
    state = read_state(settings.out, key="shape", mmap=True)
    with using_state(settings.out):
        recipe = {"start": "", "rate": 1.0, "mix": 0.0, "data": None, **state.get("recipe", {})}
        recipe |= {name: float(recipe[name]) for name in ("rate", "mix")}
    for name, given in (("rate", overrides.rate), ("mix", overrides.mix)):
        if given is not None and given != recipe[name]:
            raise UserError(
                f"{path} was trained with --{name} {recipe[name]:g}, which a resumed run keeps; "
                f"leave out --{name}, or start a new run with another --out"
            )
    if overrides.start is not None and _named(overrides.start) != recipe["start"]:
        raise UserError(
            f"{path} was started from {recipe['start'] or 'nothing'}, not from {overrides.start}; "
            "leave out --from, or start a new run with another --out"
        )
    settings = _checked(settings, rate=recipe["rate"], mix=recipe["mix"])
    if recipe["start"]:
        with using_state(settings.out):
            shape = ModelShape(**state["shape"])
        settings = fine_tuning(replace(settings, shape=shape), recipe["start"])
    with using_state(settings.out):
        check_state(state, settings)
    folder = _same_folder(path, recipe["data"], overrides.data)
    return TrainingPlan(_with_data(settings, folder), True, folder)


def _named(start: str) -> str:
    directory = user_path(start, "checkpoint")
    return name_of(directory) if is_directory(directory) else find_start(start).name


def _checked(settings: TrainSettings, **changes: Any) -> TrainSettings:
    try:
        return replace(settings, **changes)
    except ValueError as error:
        raise UserError(f"{error}; see lfmvl train --help") from error


def _with_data(settings: TrainSettings, folder: CocoFolder | None) -> TrainSettings:
    if folder is None:
        return settings
    return replace(settings, data={**folder.facts(), "path": str(folder.directory.resolve())})


def _same_folder(
    state: Path, known: Mapping[str, Any] | None, given: Path | None
) -> CocoFolder | None:
    """The folder the state was trained on, wherever it is now; None for the warehouse."""
    if known is None:
        if given is not None:
            raise UserError(
                f"{state} was trained on {WAREHOUSE}, not on {given}; leave out --data, or start "
                f"a new run from its checkpoint: --from {state.parent / 'checkpoint'} --out NEW"
            )
        return None
    directory = given or Path(known["path"])
    if not directory.is_dir():
        raise UserError(
            f"{state} was trained on images in {directory}, which is not there any more; "
            "give their new folder with --data"
        )
    folder = read_folder(directory)
    if folder.fingerprint() != known["fingerprint"]:
        before = _numbers(facts_with_present_keys(known))
        raise UserError(
            f"{state} was trained on {before}; {directory} holds other images or boxes "
            f"now ({_numbers(folder.facts())}). Give the same ones, or start a new run from its "
            f"checkpoint: --from {state.parent / 'checkpoint'} --out NEW"
        )
    return folder


def _numbers(facts: Mapping[str, Any]) -> str:
    kinds = len(facts["boxes_by_category"])
    return f"{facts['name']}: {facts['images']} images, {facts['boxes']} boxes, {kinds} names"

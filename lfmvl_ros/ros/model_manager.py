# SPDX-License-Identifier: Apache-2.0
"""The model in use, and its replacement: loaded in the background, then swapped in."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import describe
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.pipeline import Pipeline
from lfmvl_ros.core.report import Answer
from lfmvl_ros.models.load import notice_of
from lfmvl_ros.ros.model_loading import Loading

Key = tuple[str, str, str, str]


def _same_model(
    first: PerceptionSettings, settings: Callable[[], PerceptionSettings]
) -> Callable[[], bool]:
    return lambda: settings().model_key == first.model_key


class ModelManager:
    """Holds model and pipeline from configure to cleanup.

    Args:
        log: logger of the node.
        revert: called in a thread of its own with the values in force of
            :data:`~lfmvl_ros.core.config.MODEL_SETTINGS` if the requested ones can't be loaded.

    Attributes:
        pipeline: None while there is no model.
        problem: why the last swap failed, "" if it did not. It stays until the next swap.
    """

    def __init__(self, log: Any, revert: Callable[[Key], None]) -> None:
        self._log, self._revert = log, revert
        self._lock = threading.Lock()
        self._model: VisionLanguageModel | None = None
        self._loaded: Key | None = None
        self._requested: PerceptionSettings | None = None
        self._loader: threading.Thread | None = None
        self.pipeline: Pipeline | None = None
        self.problem = ""

    @property
    def loading(self) -> str:
        """Name of the model that is being loaded in the background; "" when none is."""
        requested = self._requested
        return requested.model if requested is not None else ""

    def configure(
        self,
        settings: Callable[[], PerceptionSettings],
        on_answer: Callable[[Answer], None],
    ) -> str:
        """Load the model and create the pipeline, which is slow. Return the model's name.

        Raises:
            UserError: it can't be loaded, with the reason. Other exceptions of a backend pass.
        """
        model = None
        while model is None:  # another one was requested while the first hangs
            first = settings()
            model = Loading(first).result(_same_model(first, settings))
        try:  # settings may have changed while it was loading
            pipeline = Pipeline(model, settings(), on_answer)
        except BaseException:
            model.close()
            raise
        with self._lock:
            self._model, self._loaded = model, first.model_key
            self.pipeline, self.problem = pipeline, ""
        self._pass_on_notice(model)
        self.request(settings())
        return model.name

    def request(self, settings: PerceptionSettings) -> None:
        """Swap the model if the settings name another one; the newest settings count."""
        with self._lock:
            if self._loaded is None or settings.model_key == self._loaded:
                self._requested = None
                return
            if self._requested is not None and self._requested.model_key == settings.model_key:
                return
            self._requested, self.problem = settings, ""
            if self._loader is None:
                self._loader = threading.Thread(target=self._run, name="model loader", daemon=True)
                self._loader.start()

    def _pass_on_notice(self, model: VisionLanguageModel) -> None:
        if notice := notice_of(model):
            self._log.info(notice)

    def release(self, stopped: bool) -> None:
        """Free the weights, unless a call that did not stop still uses them."""
        with self._lock:
            model, self._model, self.pipeline = self._model, None, None
            self._loaded = self._requested = None
            self.problem = ""
        if model is not None and stopped:
            model.close()

    def _run(self) -> None:
        while True:
            with self._lock:
                requested = self._requested
                if requested is None:
                    self._loader = None
                    return
            self._log.info(f"loading {requested.model} on {requested.device} in the background ...")
            model, problem = None, ""
            try:
                model = Loading(requested).result(functools.partial(self._is_requested, requested))
            except BaseException as error:
                problem = describe(error)
            self._settle(requested, model, problem)

    def _is_requested(self, settings: PerceptionSettings) -> bool:
        return self._requested is settings

    def _settle(
        self, requested: PerceptionSettings, model: VisionLanguageModel | None, problem: str
    ) -> None:
        """Use a model that has been loaded, or report why there is none."""
        unused = model
        with self._lock:
            if self._requested is not requested:  # another one was requested meanwhile
                problem = ""
            else:
                self._requested = None
                if model is not None and self.pipeline is not None:
                    unused, old = None, self._model
                    self._model, self._loaded = model, requested.model_key
                    self.pipeline.swap_model(model, lambda: old.close() if old else None)
                    self._log.info(f"{model.name} answers from now on")
                    self._pass_on_notice(model)
            loaded = self._loaded
            if problem and loaded is not None:
                self.problem = f"{requested.model} can't be used, {loaded[0]} stays: {problem}"
        if unused is not None:
            unused.close()
        if problem and loaded is not None:
            self._log.warning(self.problem)
            self._revert(loaded)

# SPDX-License-Identifier: Apache-2.0
"""Loads a model in a thread of its own, so that a load that hangs can be abandoned.

A thread can't be killed: a load that waits for a pipe or a network drive stays, and if it returns
later, its model is closed. The number of such threads is limited.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.models.load import load_model

OVERTAKE_S = 5.0
MOST_HANGING = 4
_LOOK_S = 0.1
_hanging: set[Loading] = set()


class Loading:
    """A load that starts when it is created.

    Args:
        settings: what to load.
        load: loads it.

    Raises:
        UserError: too many earlier ones hang.
    """

    def __init__(
        self,
        settings: PerceptionSettings,
        load: Callable[[PerceptionSettings], VisionLanguageModel] | None = None,
    ) -> None:
        if len(_hanging) >= MOST_HANGING:
            raise UserError(
                f"{MOST_HANGING} models are still loading and do not finish; restart the node again"
            )
        self._settings, self._began_s = settings, time.monotonic()
        self._load_model = load
        self._lock, self._done = threading.Lock(), threading.Event()
        self._model: VisionLanguageModel | None = None
        self._error: BaseException | None = None
        self._given_up = False
        threading.Thread(target=self._load, name="model loading", daemon=True).start()

    def result(self, is_wanted: Callable[[], bool]) -> VisionLanguageModel | None:
        """Return the model; None if it takes long and is not wanted any more.

        Raises:
            BaseException: whatever :func:`~lfmvl_ros.models.load.load_model` raised.
        """
        while not self._done.wait(_LOOK_S):
            if not is_wanted() and time.monotonic() - self._began_s > OVERTAKE_S:
                with self._lock:
                    if not self._done.is_set():
                        self._given_up = True
                        _hanging.add(self)
                        return None
        if self._error is not None:
            raise self._error
        return self._model

    def _load(self) -> None:
        model = error = None
        try:
            model = (self._load_model or load_model)(self._settings)
        except BaseException as raised:
            error = raised
        with self._lock:
            self._model, self._error = model, error
            self._done.set()
            _hanging.discard(self)
        if self._given_up and model is not None:
            model.close()

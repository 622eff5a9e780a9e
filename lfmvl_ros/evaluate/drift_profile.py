# SPDX-License-Identifier: Apache-2.0
"""What is normal for a model and a query, learnt while they are evaluated, for the node's drift."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.drift import ReferenceLearner, features_of
from lfmvl_ros.core.grounding import Grounding


class DriftProfile:
    """Learns from the answers to one query; those to a translated one are left out."""

    def __init__(self) -> None:
        self._learner = ReferenceLearner()
        self._query = self._model = ""

    def add(self, grounding: Grounding, pixels: NDArray[np.uint8]) -> None:
        """Take an answer, and the pixels ``(H, W, 3)`` that it is about."""
        if not self._query:
            self._query, self._model = grounding.query.text, grounding.reply.model
        if grounding.query.text == self._query:
            self._learner.add(features_of(grounding, pixels))

    def document(self) -> dict[str, Any]:
        """Return the profile, for JSON."""
        return self._learner.reference(self._query, self._model).to_dict()

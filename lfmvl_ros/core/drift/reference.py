# SPDX-License-Identifier: Apache-2.0
"""What is normal: mean and spread of each feature over blocks of answers, learned or read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2

from lfmvl_ros.core.drift.features import LOGARITHMIC, names_of
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.numbers import is_number
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import read_json_object

SCHEMA = "lfmvl/drift_profile/1"
BLOCK = 20
"""Answers that are averaged before they are compared: consecutive ones resemble each other."""
LEAST_BLOCKS = 10
_LARGEST_FILE = 4 << 20
_LARGEST_EXPONENT = 12.0
_NAMED = 5  # in an error
_WRITE_AGAIN = "write it again with `lfmvl evaluate --drift-profile`"
_CONFIDENT = 0.01  # the spread is smaller than its upper limit but for one feature in a hundred
_MOST_CORRELATED = 0.8
# The least spread of a block's mean: a difference below it matters to nobody.
_LEAST_SIGMA = {"brightness": 0.01, "sharpness": 0.03, "latency_s": 0.02, "temperature_c": 5.0}
_LEAST_SIGMA_OTHER = 0.02


@dataclass(frozen=True)
class Normal:
    """A feature in the reference.

    Attributes:
        mean: of the feature.
        sigma: standard deviation of the mean of :data:`BLOCK` answers, upper limit; > 0.
        blocks: how many were seen, at least :data:`LEAST_BLOCKS`.
    """

    mean: float
    sigma: float
    blocks: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"mean must be finite and sigma > 0, got {self.mean}, {self.sigma}")
        if self.blocks < LEAST_BLOCKS:
            raise ValueError(f"blocks must be {LEAST_BLOCKS} or more, got {self.blocks}")


@dataclass(frozen=True)
class Reference:
    """What is normal for a query and a model.

    Attributes:
        query: text of the query.
        model: name of the model, as it names itself.
        features: by name.
    """

    query: str
    model: str
    features: Mapping[str, Normal]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document ``lfmvl/drift_profile/1``."""
        return {
            "schema": SCHEMA,
            "query": self.query,
            "model": self.model,
            "block": BLOCK,
            "features": {
                name: {"mean": item.mean, "sigma": item.sigma, "blocks": item.blocks}
                for name, item in self.features.items()
            },
        }


def read_reference(path: Path) -> Reference:
    """Read a profile.

    Raises:
        UserError: it can't be read, is not a profile, compares nothing, or has a feature that no
            answer to its query can have.
    """
    document = read_json_object(path, _LARGEST_FILE)
    if document.get("schema") != SCHEMA or document.get("block") != BLOCK:
        raise UserError(
            f"{path} is not a drift profile ({SCHEMA}); `lfmvl evaluate --drift-profile` writes one"
        )
    try:
        features = {
            str(name): _read_normal(str(name), each) for name, each in document["features"].items()
        }
        query, model = document["query"], document["model"]
        if not (isinstance(query, str) and isinstance(model, str)):
            raise ValueError("query and model must be texts")
        known = names_of(Query.parse(query).labels)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, UserError) as error:
        raise UserError(f"{path} is a damaged drift profile ({error}); {_WRITE_AGAIN}") from error
    if not features:
        raise UserError(f"{path} has no features, so nothing would be compared; {_WRITE_AGAIN}")
    unknown = [name for name in features if name not in known]
    if unknown:
        names = ", ".join(quoted(name) for name in unknown[:_NAMED])
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise UserError(
            f"{path} has features that no answer to its query {quoted(query)} has: {names}{more}; "
            f"correct or delete them (docs/drift.md lists them), or {_WRITE_AGAIN}"
        )
    return Reference(query, model, features)


def _read_normal(name: str, each: Mapping[str, Any]) -> Normal:
    values = [each["mean"], each["sigma"], each["blocks"]]
    if not all(map(is_number, values)):
        raise ValueError(f"mean, sigma and blocks of {name} must be numbers")
    found = Normal(float(values[0]), float(values[1]), int(values[2]))
    if name in LOGARITHMIC and abs(found.mean) > _LARGEST_EXPONENT:
        raise ValueError(f"mean of {name} is a logarithm, got {found.mean:g}")
    return found


class BlockMeans:
    """Averages each feature over blocks of :data:`BLOCK` answers that have it."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, features: Mapping[str, float]) -> dict[str, float]:
        """Take the features of an answer; return the means of the blocks that end with it."""
        ended = {}
        for name, value in features.items():
            total, count = self._sums.get(name, (0.0, 0))
            if count + 1 < BLOCK:
                self._sums[name] = (total + value, count + 1)
            else:
                ended[name] = (total + value) / BLOCK
                del self._sums[name]
        return ended


class ReferenceLearner:
    """Learns a reference from answers.

    Memory: one number for each feature and :data:`BLOCK` answers.
    """

    def __init__(self) -> None:
        self.answers = 0
        self._blocks = BlockMeans()
        self._means: dict[str, list[float]] = {}

    def add(self, features: Mapping[str, float]) -> None:
        """Take the features of an answer."""
        self.answers += 1
        for name, mean in self._blocks.add(features).items():
            self._means.setdefault(name, []).append(mean)

    def reference(self, query: str, model: str) -> Reference:
        """Return the learned reference; those with less than :data:`LEAST_BLOCKS` are omitted."""
        features = {
            name: _normal(name, np.asarray(means))
            for name, means in self._means.items()
            if len(means) >= LEAST_BLOCKS
        }
        return Reference(query, model, features)


def _normal(name: str, means: np.ndarray[Any, np.dtype[np.float64]]) -> Normal:
    """Return mean and spread of the means of blocks ``(M,)``.

    The spread is its upper confidence limit, so that few blocks make no alarms, and larger where
    consecutive blocks resemble each other: by the factor that makes the variance of their sum that
    of a first-order autoregressive process.
    """
    blocks, mean = len(means), float(means.mean())
    off = means - mean
    square = float(off @ off)
    variance = square / float(chi2.ppf(_CONFIDENT, blocks - 1))
    alike = float(off[1:] @ off[:-1]) / square if square > 0 else 0.0
    alike = min(max(alike, 0.0), _MOST_CORRELATED)
    variance *= (1 + alike) / (1 - alike)
    least = _LEAST_SIGMA.get(name, _LEAST_SIGMA_OTHER)
    if name in ("unusable", "mended"):  # rare ones may have been missed altogether
        rate = min(max(mean, 1 / (blocks * BLOCK)), 0.5)
        least = max(least, math.sqrt(rate * (1 - rate) / BLOCK))
    return Normal(mean, max(math.sqrt(variance), least), blocks)

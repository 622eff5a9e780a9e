# SPDX-License-Identifier: Apache-2.0
"""Confidences from the probabilities of the generated tokens.

An object's score is ``p_label * p_exist``: the probability of the label's tokens, times the
probability of the tokens that decided that one more object follows. Coordinates do not enter: a
checkpoint trained with soft coordinate labels spreads them by design. Their spread is returned
separately, as measurement noise for the tracker and as evidence for a calibration, in which a box
with uncertain sides for its size may get a lower confidence.

The score ranks the objects of a checkpoint. Only after calibration, which a reply has if its
checkpoint has one, it is a frequency. ``Grounding.confidence_kind`` states which it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import erfcinv, erfinv

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.calibration.calibration import Calibration, Evidence
from lfmvl_ros.core.reply import Reply

TOKEN = "token"
"""The score comes from token probabilities."""
CALIBRATED = "calibrated"
"""Token probabilities, mapped to the share of such boxes that were right on held-out scenes."""
CONSTANT = "constant"
"""The backend gave no tokens: every score is :data:`CONSTANT_SCORE`."""
CONSTANT_SCORE = 0.5
"""In the middle, because nothing is known."""

_LEAST_LOGPROB = -50.0
_LEAST_BIN_LOGPROB = math.log(1e-6)  # wider spreads than 4e5 bins are limited to this
Span = tuple[int, int]


@dataclass(frozen=True)
class ObjectSpans:
    """Position of an object in the reply's text; spans are ``[start, end)`` in characters.

    Attributes:
        gate: from the end of the object before it (or the bracket that opens the list) up to and
            including its own first character: the tokens that decided that it follows.
        label: the label with the quote that closes it, which tells "box" from "box lid"; None when
            the model did not write one.
        numbers: the four numbers of the box.
    """

    gate: Span
    label: Span | None
    numbers: tuple[Span, Span, Span, Span]


@dataclass(frozen=True, eq=False)
class Confidence:
    """Scores of N objects, their kind, and what they come from.

    Attributes:
        kind: token, calibrated or constant.
        scores: ``(N,)`` in [0, 1].
        sigma_steps: ``(N, 4)`` standard deviation of each printed number in units of its last
            digit; 0 where nothing is known.
        label, exist: ``(N,)`` probabilities whose product the token score is.
    """

    kind: str
    scores: FloatArray
    sigma_steps: FloatArray
    label: FloatArray
    exist: FloatArray

    def calibrated(self, calibration: Calibration | None, looseness: FloatArray) -> Confidence:
        """Return it calibrated, if there are tokens and a calibration for them.

        Args:
            calibration: of the checkpoint; None where it has none.
            looseness: ``(N,)`` of the boxes, see
                :class:`lfmvl_ros.core.calibration.calibration.Evidence`.
        """
        if calibration is None or self.kind != TOKEN:
            return self
        evidence = Evidence(self.scores, self.label, self.exist, looseness)
        return replace(self, kind=CALIBRATED, scores=calibration.apply(evidence))


class TokenTrack:
    """Finds the tokens of a stretch of text by bisection, and their joint probability."""

    def __init__(self, texts: Sequence[str], logprobs: Sequence[float], offset: int = 0) -> None:
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        self._ends = np.cumsum(lengths) - offset
        self._starts = self._ends - lengths
        self._logprobs = np.clip(np.array(logprobs, dtype=np.float64), _LEAST_LOGPROB, 0.0)

    @classmethod
    def of(cls, reply: Reply) -> TokenTrack | None:
        """Return the tokens of a reply; None when it has none that spell its text."""
        texts = [token.text for token in reply.tokens]
        offset = "".join(texts).find(reply.text)
        if not texts or not reply.text or offset < 0:
            return None
        return cls(texts, [token.logprob for token in reply.tokens], offset)

    def probability(self, span: Span) -> float:
        """Return the product of the probabilities of all tokens that touch ``span``; 1 for none."""
        return math.exp(self.logprob(span))

    def logprob(self, span: Span) -> float:
        """Return the sum of the log-probabilities (<= 0) of all tokens that touch ``span``.

        A token without text directly before the first one belongs to it: it is a part of a
        character that takes several tokens.
        """
        first = int(np.searchsorted(self._ends, span[0], side="right"))
        last = int(np.searchsorted(self._starts, span[1], side="left"))
        while 0 < first < last and self._starts[first - 1] == self._ends[first - 1]:
            first -= 1
        # Summed again each time: differences of running sums cost the small ones their digits.
        return math.fsum(self._logprobs[first:last]) if first < last else 0.0


def spread_of_bin(logprob: float) -> float:
    """Return the deviation, in bins, of a normal distribution whose middle bin has this mass.

    The number a model prints is one bin of its last digit. If its belief is normal around that
    bin, the bin's probability ``p = erf(1 / (sqrt(8) sigma))`` gives sigma back. For a sharp
    belief that depends on ``1 - p``, which a float ``p`` near 1 rounds away (9 % of it at a sigma
    of 1/16). The logarithm of ``p`` keeps it, so that is the argument.

    Args:
        logprob: natural logarithm of the probability, <= 0; 0 is certain.

    Returns:
        The standard deviation in bins, 0 to 4e5; a wider belief returns 4e5.

    >>> round(spread_of_bin(math.log(0.3829)), 2), spread_of_bin(0.0)
    (1.0, 0.0)
    """
    if logprob >= 0.0:
        return 0.0
    logprob = max(logprob, _LEAST_BIN_LOGPROB)
    mass, rest = math.exp(logprob), -math.expm1(logprob)
    return math.sqrt(0.125) / float(erfinv(mass) if mass < 0.5 else erfcinv(rest))


def object_confidence(reply: Reply, objects: Sequence[ObjectSpans]) -> Confidence:
    """Return token score and coordinate spread of each object of a reply.

    A backend without tokens (or whose tokens do not spell its text) gets the constant score.
    """
    n = len(objects)
    label, exist, spreads = np.ones(n), np.ones(n), np.zeros((n, 4))
    track = TokenTrack.of(reply)
    if track is None:
        return Confidence(CONSTANT, np.full(n, CONSTANT_SCORE), spreads, label, exist)
    for i, spans in enumerate(objects):
        exist[i] = track.probability(spans.gate)
        if spans.label is not None:
            label[i] = track.probability(spans.label)
        spreads[i] = [spread_of_bin(track.logprob(number)) for number in spans.numbers]
    return Confidence(TOKEN, label * exist, spreads, label, exist)

# SPDX-License-Identifier: Apache-2.0
"""Decides which object a surface belongs to, if boxes overlap or something stands in front.

A box contains more than its object. If the object is hidden, its box may contain only what hides
it; the distance to that must not become the distance of the track.

1. Each box claims the samples that look like its object
   (:mod:`~lfmvl_ros.core.spatial.foreground`).
2. Claims are settled one after another, the strongest first: the one whose surface fits its box
   best. A weaker claim to the same surface gets the rest of its box.
3. A first position needs a box in which the model has just seen the object.
4. A surface that is not where the track was, and does not fit the box as a whole object would, is
   in front of the object, or was behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from lfmvl_ros.core.boxes import FloatArray, iou_matrix
from lfmvl_ros.core.spatial.depth import BoolArray
from lfmvl_ros.core.spatial.failures import Failures
from lfmvl_ros.core.spatial.foreground import ExpectedDepth, Foreground, find_foreground
from lfmvl_ros.core.spatial.places import Refusal

# A claim is contested if more than this share of it is the surface of another object.
_CONTESTED = 0.5
# Boxes with at least this IoU are one object with two labels, which share its surface.
_SAME_OBJECT = 0.6
# A box with at least this share inside another may show a part of its object (a helmet).
_PART = 0.85
# Two samples of one surface differ by less than this share of their inverse depth.
_SAME_SURFACE = 0.06
# A surface with at least this purity and fit stands in its box as a whole object does.
_WHOLE_PURITY, _WHOLE_FIT = 0.8, 0.5
# A surface further from the predicted depth than this many standard deviations is another object.
_ELSEWHERE = 3.0
# Of what is left of a box, an object covers at least this share.
_LEAST_COVER = 0.2
_LEAST_PURITY = 0.6
# With less of a box than this visible, there is no position.
_LEAST_SEEN = 0.06
# Samples beside those of another object may be mixtures of both.
_BESIDE = np.ones((3, 3), np.uint8)
# A predicted box claims this much less than one that was just seen.
_PREDICTED_PRIOR = 0.3


@dataclass(frozen=True, eq=False)
class Claim:
    """The samples in one box that look like its object.

    Attributes:
        box_px: ``(4,)`` the box x1, y1, x2, y2.
        fore: the samples.
        focal_px: focal length.
        remembered: depth predicted from the track's past; None without a past.
        expected: depth predicted from the track's past, else from its known size.
        seen_lately: whether the model has just seen the object; otherwise the box is predicted.
    """

    box_px: FloatArray
    fore: Foreground
    focal_px: float
    remembered: ExpectedDepth | None
    expected: ExpectedDepth | None
    seen_lately: bool

    @property
    def strength(self) -> float:
        """How strong the claim is, in [0, 1.25]; the strongest is settled first."""
        return self.fore.score * (1.0 if self.seen_lately else _PREDICTED_PRIOR)


def settle(claims: Mapping[int, Claim], failures: Failures) -> dict[int, Claim | Refusal]:
    """Return the samples of each track, or why it has none.

    That is ``occluded``, ``no_foreground`` or ``failed``.

    Args:
        claims: of the tracks of one image, by track id.
        failures: takes what goes wrong with one of them.
    """
    order = sorted(claims, key=lambda track: (-claims[track].strength, track))
    boxes = np.array([claims[track].box_px for track in order]).reshape(-1, 4)
    iou = iou_matrix(boxes, boxes)
    owners: list[tuple[int, Claim]] = []
    settled: dict[int, Claim | Refusal] = {}
    for row, track in enumerate(order):
        claim = claims[track]
        shared = _SAME_OBJECT if claim.seen_lately else np.inf
        rivals = [owner for k, owner in owners if 0 < iou[row, k] < shared]
        result = failures.guard(track, partial(_settle_one, claim, rivals))
        settled[track] = result
        if isinstance(result, Claim):
            owners.append((row, result))
    return {track: settled[track] for track in claims}


def _settle_one(claim: Claim, rivals: Sequence[Claim]) -> Claim | Refusal:
    """Return a claim as it stands beside stronger ones."""
    if claim.remembered is None and not claim.seen_lately:
        return Refusal.OCCLUDED  # nothing shows that the object is visible in this box
    taken = [_samples_of(rival, claim) for rival in rivals]
    mine = claim.fore.mask
    size = int(np.count_nonzero(mine))
    owned = np.zeros(mine.shape, dtype=bool)
    for samples in taken:
        owned |= samples
    if np.count_nonzero(owned & mine) <= _CONTESTED * size:
        return _where_it_was(claim)
    rest = _without(claim, owned)
    if rest is not None:
        return rest
    part = any(
        np.count_nonzero(samples & mine) > _CONTESTED * size and _is_within(claim, rival)
        for samples, rival in zip(taken, rivals, strict=True)
    )
    return _where_it_was(claim) if part and claim.seen_lately else Refusal.OCCLUDED


def _samples_of(rival: Claim, claim: Claim) -> BoolArray:
    """Return ``(R, C)`` which samples of a claim's patch are on the surface of a rival."""
    patch, other = claim.fore.patch, rival.fore.patch
    columns = np.rint((patch.u_px - other.u_px[0]) / other.stride_px).astype(np.intp)
    rows = np.rint((patch.v_px - other.v_px[0]) / other.stride_px).astype(np.intp)
    height, width = other.inverse.shape
    within_x, within_y = (columns >= 0) & (columns < width), (rows >= 0) & (rows < height)
    at = np.ix_(np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1))
    near = np.abs(patch.inverse - other.inverse[at]) < _SAME_SURFACE * other.inverse[at]
    return np.asarray(rival.fore.mask[at] & near & within_y[:, None] & within_x[None])


def _without(claim: Claim, taken: BoolArray) -> Claim | None:
    """Return the claim to what is left of its box; None where nothing left is its object."""
    patch = claim.fore.patch
    taken = cv2.dilate(taken.view(np.uint8), _BESIDE).view(np.bool_)
    fore = find_foreground(patch, claim.focal_px, claim.expected, taken)
    if fore is None or fore.on_plane or fore.purity < _LEAST_PURITY or fore.cover < _LEAST_SEEN:
        return None
    left = np.count_nonzero(~taken[patch.inside])
    if np.count_nonzero(fore.mask[patch.inside]) < _LEAST_COVER * left:
        return None
    if claim.remembered is not None and _off(fore, claim.remembered) > _ELSEWHERE:
        return None
    return replace(claim, fore=fore)


def _where_it_was(claim: Claim) -> Claim | Refusal:
    """Return the claim, unless it is to a surface in front of the object, or behind it."""
    fore, remembered = claim.fore, claim.remembered
    if remembered is None or _off(fore, remembered) <= _ELSEWHERE:
        return claim
    if fore.purity >= _WHOLE_PURITY and fore.fit >= _WHOLE_FIT and claim.seen_lately:
        return claim  # it has moved
    nearer = fore.median_m < remembered.depth_m
    return Refusal.OCCLUDED if nearer else Refusal.NO_FOREGROUND


def _off(fore: Foreground, expected: ExpectedDepth) -> float:
    return abs(fore.median_m - expected.depth_m) / expected.sigma_m


def _is_within(claim: Claim, other: Claim) -> bool:
    """Tell whether nearly all of a claim's box is inside another's."""
    x0, y0, x1, y1 = claim.box_px.tolist()
    a0, b0, a1, b1 = other.box_px.tolist()
    both = max(min(x1, a1) - max(x0, a0), 0.0) * max(min(y1, b1) - max(y0, b0), 0.0)
    return bool(both >= _PART * (x1 - x0) * (y1 - y0))

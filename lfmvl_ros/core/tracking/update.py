# SPDX-License-Identifier: Apache-2.0
"""Applies one answer to the tracks: a pure function of table and answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.boxes import FloatArray, cxcywh_to_xyxy
from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.grounding import Grounding
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.timeline import NS
from lfmvl_ros.core.tracking import evidence, life
from lfmvl_ros.core.tracking.association import (
    IntArray,
    Likeness,
    Pairs,
    associate,
    new_object_density,
    with_overlapping,
)
from lfmvl_ros.core.tracking.birth import births
from lfmvl_ros.core.tracking.colour import ColourImage, blended, foreground, likeness
from lfmvl_ros.core.tracking.correction import MOST_UNLIKELY_NIS, corrected
from lfmvl_ros.core.tracking.ego_motion import EgoMotion, turned
from lfmvl_ros.core.tracking.hypotheses import (
    all_means,
    judged,
    over,
    with_sides,
    without_flow,
)
from lfmvl_ros.core.tracking.life import Cadence
from lfmvl_ros.core.tracking.measurement import Measurements, label_key, measure
from lfmvl_ros.core.tracking.pauses import NO_PAUSES, Pauses
from lfmvl_ros.core.tracking.regions import in_view, life_factor, of_tracks_beyond
from lfmvl_ros.core.tracking.step import Step
from lfmvl_ros.core.tracking.table import (
    Table,
    all_true,
    are_well_inside,
    boxes_in_image,
    share_in_image,
)

Carry = Callable[[Table, int, TrackerSettings], Table]
Look = Callable[[int], ColourImage | None]
# An object has left when less than this share of its box is inside the image.
LEFT_SHARE = 0.25


def carried(
    table: Table,
    stamp_ns: int,
    settings: TrackerSettings,
    ego: EgoMotion | None = None,
    pauses: Pauses = NO_PAUSES,
) -> Table:
    """Return the tracks predicted to ``stamp_ns``, not before the table's own time.

    With ``ego``, boxes also move by the camera's rotation, and velocities are those of the objects.
    While the image stands still, tracks rest and become no less certain.
    """
    moving_ns = stamp_ns - pauses.still_ns(table.stamp_ns, stamp_ns)
    if moving_ns <= table.stamp_ns or not len(table):
        return table.changed(stamp_ns=max(stamp_ns, table.stamp_ns))
    step = over(table, table.stamp_ns, moving_ns, settings)
    mean = with_sides(step.of_mean(table.mean))
    covariance = step.of_covariance(table.covariance, table.noise)
    if ego is not None:
        rotation = ego.rotation(table.stamp_ns, stamp_ns)
        elapsed_s = (stamp_ns - table.stamp_ns) * NS
        mean, covariance = turned(mean, covariance, rotation, ego.lens, elapsed_s)
        with_sides(mean)
    return table.changed(stamp_ns=stamp_ns, mean=mean, covariance=covariance)


def is_alive(
    table: Table,
    wh: tuple[int, int],
    cadence: Cadence,
    settings: TrackerSettings,
    pauses: Pauses = NO_PAUSES,
) -> NDArray[np.bool_]:
    """Which tracks, ``(N,)``, were seen recently, are likely enough and still in the image.

    Time in which the model was not asked on purpose doesn't count.
    """
    unseen_s = (table.stamp_ns - table.seen_ns) * NS
    if pauses:
        unseen_s = unseen_s - pauses.between_s(table.seen_ns, table.stamp_ns)
    life_s = cadence.life_s(settings)
    # Mostly all tracks pass the first, cheaper test of a kind; nothing passes it that must not.
    alive = unseen_s <= life_s + cadence.delay_s
    if not all_true(alive):
        alive = unseen_s <= life_factor(table) * life_s + cadence.delay_s
    if not all_true(are_well_inside(table.mean, wh)):
        alive &= share_in_image(table.mean, wh) >= LEFT_SHARE
    alive &= table.log_odds > life.GONE
    return np.asarray(alive)


def apply_answer(
    table: Table,
    grounding: Grounding,
    cadence: Cadence,
    settings: TrackerSettings,
    *,
    new_id: Callable[[int], int | None],
    banned: frozenset[int] = frozenset(),
    exchanges: Mapping[int, int] | None = None,
    carry: Carry = carried,
    look: Look = lambda _: None,
    pauses: Pauses = NO_PAUSES,
) -> Step:
    """Move the tracks to the answer's frame and correct them with the answer.

    Args:
        table: the tracks after the answer before.
        grounding: the answer.
        cadence: of the answers so far.
        settings: of the tracker.
        new_id: gives the id for a track born from a detection (its index), or for what was
            exchanged in place; None: no new track.
        banned: ids of tracks that must end.
        exchanges: old id -> new id of what was exchanged when answers were applied before.
        carry: moves tracks to a later time.
        look: returns the small colour copy of a frame, None where it is not kept.
        pauses: when the model was not asked.
    """
    before, known = table, exchanges or {}
    table = carry(table, grounding.stamp_ns, settings)
    table = table.take(is_alive(table, grounding.wh, cadence, settings, pauses))
    table, exchanged = _without_banned(table, banned, known)
    ids: tuple[int, ...] = (0,) * len(grounding.detections)
    born: dict[int, int] = {}
    if grounding.outcome.is_evidence:
        image = look(grounding.stamp_ns) if settings.bridge == "flow" else None
        table, seen = _measured(table, grounding, settings, image)
        beyond = of_tracks_beyond(table, seen, grounding.region)
        columns = evidence.columns(table, seen)
        table, pairs = _match(table, seen, columns, grounding, settings, image)
        table = corrected(table, seen, pairs, columns, grounding, cadence, settings)
        table, renamed = evidence.renamed(
            table,
            pairs.tracks,
            lambda pair, old: known.get(old) or new_id(seen.first[pairs.boxes[pair]]),
        )
        exchanged |= renamed
        newborn, born = births(table, seen, pairs, grounding, cadence, settings, new_id, beyond)
        ids = _ids_of_detections(table, seen, pairs, born)
        if newborn is not None:
            table = table.joined(newborn)
        table = table.take(is_alive(table, grounding.wh, cadence, settings, pauses))
        table = _answers_only(table) if image is None else coloured(table, grounding.wh, image)
    kept = set(table.ids.tolist())
    ended = tuple([key for key in before.ids.tolist() if key not in kept])
    return Step(evidence.pruned(table), ids, born, ended, exchanged)


def _without_banned(
    table: Table, banned: frozenset[int], exchanges: Mapping[int, int]
) -> tuple[Table, dict[int, int]]:
    """The tracks without the banned ones; and old id -> new id of what was exchanged again."""
    if not banned:
        return table, {}
    table, exchanged = evidence.exchanged_again(table, banned, exchanges)
    free = [key not in banned for key in table.ids.tolist()]
    return table.take(np.array(free, dtype=np.bool_)), exchanged


def _measured(
    table: Table, grounding: Grounding, settings: TrackerSettings, image: ColourImage | None
) -> tuple[Table, Measurements]:
    """The answer's boxes as measurements, and the tracks with its labels in their vocabulary.

    With ``image`` (the small colour copy of its frame), also with the state that answers alone
    predict for its time; without, that state is the same as the tracks' own.
    """
    seen = measure(
        grounding.detections,
        settings.box_jitter,
        table.jitter,
        calibrated=grounding.confidence_kind == "calibrated",
    )
    table = evidence.with_labels(table, seen, grounding.query)
    if image is None:
        return table, seen
    mean, covariance = without_flow(table, grounding.stamp_ns, settings)
    return table.changed(
        alone_mean=mean, alone_covariance=covariance, alone_ns=grounding.stamp_ns
    ), seen


def _answers_only(table: Table) -> Table:
    """The tracks where flow has measured nothing: their state is from answers only."""
    return table.changed(
        alone_mean=np.repeat(table.mean[:, None], 2, axis=1),
        alone_covariance=table.covariance,
        alone_ns=table.stamp_ns,
    )


def _ids_of_detections(
    table: Table, seen: Measurements, pairs: Pairs, born: Mapping[int, int]
) -> tuple[int, ...]:
    """Return the track of each detection, 0 for none; repetitions have that of their box."""
    of_rows = np.zeros(len(seen), dtype=np.int64)
    of_rows[pairs.boxes] = table.ids[pairs.tracks]
    row_ids = of_rows.tolist()
    for detection, key in born.items():
        row_ids[seen.source[detection]] = key
    return tuple([row_ids[row] for row in seen.source])


def of_query(table: Table, query: Query) -> Table:
    """Return the tracks whose label is in ``query``."""
    asked = {label_key(label) for label in query.labels}
    wanted = np.array([key in asked for key in table.vocabulary], dtype=np.bool_)
    return table.take(wanted[table.label] if len(table) else np.zeros(0, dtype=np.bool_))


def _match(
    table: Table,
    seen: Measurements,
    columns: IntArray,
    grounding: Grounding,
    settings: TrackerSettings,
    image: ColourImage | None,
) -> tuple[Table, Pairs]:
    """Match tracks with boxes, and update the hypotheses with the matched boxes.

    Args:
        table: the tracks at the answer's frame.
        seen: the boxes.
        columns: ``(M,)`` of their labels in the vocabulary.
        grounding: the answer.
        settings: of the tracker.
        image: small colour image of the answer's frame; None where flow has not seen it.
    """
    region = grounding.region
    rows = None if region is None else np.flatnonzero(in_view(table, region))
    viewed = table if rows is None else table.take(rows)
    label_share = evidence.agreeing(viewed, columns)
    otherwise = alike = None
    if image is not None:
        otherwise = all_means(viewed), viewed.alone_covariance, viewed.weight
        alike = _alike(image, viewed, cxcywh_to_xyxy(seen.boxes), grounding.wh)
    pairs = associate(
        viewed.mean,
        viewed.covariance,
        viewed.sighted,
        label_share,
        seen.boxes,
        seen.error,
        gate_probability=settings.gate_probability,
        density=new_object_density(grounding.wh if region is None else region.size_wh),
        otherwise=otherwise,
        likeness=alike,
    )
    pairs = with_overlapping(pairs, viewed.mean, label_share, seen.boxes, MOST_UNLIKELY_NIS)
    if rows is not None:
        pairs = replace(pairs, tracks=rows[pairs.tracks])
    return (table if image is None else judged(table, seen, pairs)), pairs


def _alike(image: ColourImage, table: Table, boxes: FloatArray, wh: tuple[int, int]) -> Likeness:
    """How much the pixels of boxes ``(M, 4)`` xyxy, px, look like tracks; see :func:`associate`."""
    shares = boxes / np.array([*wh, *wh], dtype=np.float64)

    def alike(tracks: IntArray, chosen: IntArray) -> FloatArray:
        return likeness(image, table.colour[tracks], shares[chosen])

    return alike


def coloured(table: Table, wh: tuple[int, int], image: ColourImage | None) -> Table:
    """Return ``table`` with the colours of the boxes just seen, where the image is kept."""
    rows = np.flatnonzero(table.seen_ns == table.stamp_ns)
    if image is None or not rows.size:
        return table
    boxes = boxes_in_image(table.mean[rows], wh) / np.array([*wh, *wh], dtype=np.float64)
    new, colour = foreground(image, boxes), table.colour.copy()
    old = table.born_ns[rows] < table.stamp_ns
    colour[rows[old]] = blended(colour[rows[old]], new[old])
    colour[rows[~old]] = new[~old]
    return table.changed(colour=colour)

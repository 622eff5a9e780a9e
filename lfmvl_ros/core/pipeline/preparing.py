# SPDX-License-Identifier: Apache-2.0
"""Prepares a call of the model from the jobs of the cameras: regions, hints, prompt, budget."""

from __future__ import annotations

from collections.abc import Sequence

from lfmvl_ros.core.ask import Request
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.drafting.answer_text import Hint
from lfmvl_ros.core.drafting.drafts import expect_answer, seen_through
from lfmvl_ros.core.latency.budget import LatencyBudget
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.pipeline.lane import Job
from lfmvl_ros.core.pipeline.lanes import Lanes
from lfmvl_ros.core.query import Query


def prepared(
    lanes: Lanes,
    jobs: Sequence[Job],
    model: VisionLanguageModel,
    settings: PerceptionSettings,
    query: Query,
    budget: LatencyBudget,
) -> tuple[list[Job], Request]:
    """Decide which jobs are about a region, and make the request; not with the lock held.

    Args:
        lanes: of the jobs.
        jobs: at least one.
        model: to be called.
        settings: in force.
        query: in force.
        budget: chooses the image tokens. A region is shown at the size of the whole image, so the
            same choice is right for both.

    Returns:
        The jobs with their regions, and the request; its frames are in the order of the jobs.
    """
    aimed = lanes.aim(jobs, settings.zoom, query)
    drafts = settings.generation.draft != "none"
    request = Request.prepare(
        model,
        settings,
        query,
        [job.shown for job in aimed],
        hints=[_hint(job, query) if drafts else None for job in aimed],
        budget=budget,
    )
    return aimed, request


def _hint(job: Job, query: Query) -> Hint | None:
    seen = job.last_seen()
    if seen is None:
        return None
    tracks = seen_through(seen[1], job.region)
    if job.region is not None and not len(tracks):
        return None  # what the whole image shows is not what the region does
    return expect_answer(seen[0], query, tracks)

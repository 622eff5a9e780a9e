# SPDX-License-Identifier: Apache-2.0
"""Checks settings by trying them out, before a pipeline uses them."""

from __future__ import annotations

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.prompt import PromptTemplate
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.tracking import check_follower


def usable_query(settings: PerceptionSettings, template: PromptTemplate) -> Query:
    """Return the query of settings that a pipeline can run with.

    Args:
        settings: to be used.
        template: of the model that will be asked.

    Raises:
        UserError: the query or ``tracker.follower`` can't be used.
    """
    query = Query.parse(settings.query)
    template.render(query)
    check_follower(settings.tracker.follower)
    return query

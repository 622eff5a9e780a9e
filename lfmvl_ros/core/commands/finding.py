# SPDX-License-Identifier: Apache-2.0
"""The tool ``find``: looks for a label that the query may lack, until an object is confirmed."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from lfmvl_ros.core.commands.controls import Controls, Steps
from lfmvl_ros.core.commands.result import Done, Status
from lfmvl_ros.core.commands.scene import certain, in_words, spelt
from lfmvl_ros.core.commands.search import Search
from lfmvl_ros.core.commands.tools import Find
from lfmvl_ros.core.errors import UserError


class Finder:
    """Runs searches, and the labels that are in the query only for them.

    Args:
        controls: of the node.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._stops = 0
        self._temporary: Counter[str] = Counter()  # label -> number of its running searches

    def query_was_set(self) -> None:
        """Somebody has set the query: searches remove nothing from it."""
        self._temporary.clear()

    def stop(self) -> None:
        """End all searches, at their next step."""
        self._stops += 1

    def find(self, tool: Find) -> Steps:
        """Request answers until an object of a label is confirmed, or until the time is over.

        Raises:
            UserError: the node is not active, or the query was changed meanwhile.
        """
        self._controls.running()
        began_s, stops = time.monotonic(), self._stops
        label, temporary = self._add_label(tool.label)
        search = Search(self._controls.scene, tool.camera)
        found: list[dict[str, Any]] = []
        try:
            while not found:
                pipeline = self._controls.running()
                if spelt(tool.label, pipeline.query) is None:
                    raise UserError(f"the query was changed and no longer contains {label!r}")
                if self._stops != stops:
                    raise UserError("it was ended by stop_looking")
                elapsed_s = time.monotonic() - began_s
                found = certain(search.objects(label, tool.label))
                if not found and elapsed_s >= tool.timeout_s:
                    return search.nothing(label, elapsed_s)
                if not found:
                    search.ask(pipeline)
                    yield search.progress(label, elapsed_s, tool.timeout_s)
            text = "; ".join(in_words(item) for item in found)
            elapsed_s = round(time.monotonic() - began_s, 3)
            facts = {"found": True, "label": label, "elapsed_s": elapsed_s, "objects": found}
            return Done(Status.DONE, f"found after {elapsed_s:.1f} s: {text}", facts)
        finally:
            search.close()
            if temporary:
                self._remove_label(label, keep=bool(found))

    def _add_label(self, requested: str) -> tuple[str, bool]:
        """Add a label to the query if it lacks it.

        Returns:
            The label as the query spells it, and whether it is there for searches only.
        """
        query = self._controls.running().query
        label = spelt(requested, query)
        if label is None:
            self._controls.set({"query": ", ".join((*query.labels, requested))})
            label = spelt(requested, self._controls.running().query) or requested
            self._temporary[label] = 0
        if label not in self._temporary:
            return label, False
        self._temporary[label] += 1
        return label, True

    def _remove_label(self, label: str, *, keep: bool) -> None:
        """End a search; the last one for a label removes it from the query, unless it was found."""
        if label not in self._temporary:  # look_for has set another query
            return
        self._temporary[label] -= 1
        if keep:
            del self._temporary[label]
        elif not self._temporary[label]:
            del self._temporary[label]
            pipeline = self._controls.pipeline()
            if pipeline is not None:
                left = [other for other in pipeline.query.labels if other != label]
                if left and len(left) < len(pipeline.query.labels):
                    self._controls.change({"query": ", ".join(left)})

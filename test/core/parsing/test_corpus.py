# SPDX-License-Identifier: Apache-2.0
"""Odd replies written by hand, each with the outcome and the objects a person would expect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lfmvl_ros.core.boxes import normalise
from lfmvl_ros.core.config import ParsingSettings

from ..replies import parse, read_corpus

CORPUS = read_corpus()


@pytest.mark.parametrize("case", CORPUS, ids=[case["name"] for case in CORPUS])
def test_odd_reply(case: dict[str, Any]) -> None:
    wh = tuple(case.get("wh", (640, 480)))
    options = {key: case[key] for key in ("finish", "query", "decimals") if key in case}
    settings = ParsingSettings(unknown_labels=case.get("unknown_labels", "keep"))
    found = parse(case["text"], wh=wh, settings=settings, **options)
    report = f"{found.outcome}, repairs {found.repairs}, rejected {found.rejected}"

    assert found.outcome.value == case["outcome"], report
    expected = case["objects"]
    assert len(found.detections) == case.get("count", len(expected)), report
    if "count" not in case:
        assert list(found.detections.labels) == [item[0] for item in expected], report
        boxes = np.array([item[1:] for item in expected]).reshape(-1, 4)
        np.testing.assert_allclose(normalise(found.detections.xyxy_px, wh), boxes, atol=1e-9)
    for kind in ("repairs", "rejected"):
        if kind in case:
            assert case[kind] in " | ".join(getattr(found, kind)), report
    assert found.caption == case.get("caption")
    assert list(found.unknown_labels) == case.get("unknown", list(found.unknown_labels))
    if case["outcome"] == "ok":
        assert not found.repairs, report


def test_corpus_names_are_unique_and_every_outcome_but_error_is_there() -> None:
    assert len({case["name"] for case in CORPUS}) == len(CORPUS) >= 100
    outcomes = {case["outcome"] for case in CORPUS}
    assert outcomes == {"ok", "empty", "repaired", "truncated", "unparseable", "timeout"}

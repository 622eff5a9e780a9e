# SPDX-License-Identifier: Apache-2.0
"""Figures of tracks: perfect, with a switch, of another label, about something hidden."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trackeval", reason="trackeval is not installed")

from lfmvl_ros.datasets.films import TrueBoxes
from lfmvl_ros.evaluate.track_figures import Followed, track_figures
from lfmvl_ros.evaluate.track_metrics import combined, measured

BOXES = np.array([[0.0, 0, 10, 10], [50, 50, 70, 70]])


def truth(*, visible: float = 1.0) -> TrueBoxes:
    return TrueBoxes(("a", "b"), ("tote", "person"), BOXES, np.array([1.0, visible]))


def followed(*ids: int, labels: tuple[str, ...] = ("Tote", "person")) -> Followed:
    rows = len(ids)
    return Followed(np.array(ids, np.int64), labels[:rows], BOXES[:rows])


def values(found: list[Followed], *, label: str = "", visible: float = 1.0) -> dict[str, float]:
    figures = track_figures([truth(visible=visible)] * len(found), found, label)
    return {name: each["value"] for name, each in figures.items()}


def test_right_tracks_are_perfect() -> None:
    found = values([followed(4, 9)] * 5)
    assert found == {"hota": 1, "deta": 1, "assa": 1, "mota": 1, "idf1": 1, "id_switches": 0}


def test_a_switch_is_counted() -> None:
    found = values([followed(4, 9)] * 3 + [followed(4, 8)] * 3)
    assert found["id_switches"] == 1
    assert found["idf1"] == pytest.approx(0.75)
    assert found["deta"] == 1 > found["assa"]


def test_a_track_of_another_label_is_wrong() -> None:
    found = values([followed(4, 9, labels=("tote", "robot"))] * 4)
    assert found["idf1"] == pytest.approx(0.5)
    assert values([followed(4, 9, labels=("tote", "robot"))] * 4, label="tote")["idf1"] == 1


def test_what_is_mostly_hidden_counts_neither_way() -> None:
    for found in ([followed(4)] * 4, [followed(4, 9)] * 4):
        assert values(found, visible=0.1)["mota"] == 1
    assert values([followed(4)] * 4, visible=0.5)["mota"] == 0.5


def test_without_objects_there_is_no_figure() -> None:
    empty = TrueBoxes((), (), np.zeros((0, 4)), np.zeros(0))
    assert track_figures([empty], [followed(1)])["hota"]["value"] is None


def test_films_one_after_the_other_give_the_figures_of_all_together() -> None:
    """With ids of their own, a sum over one long film is what trackeval combines of several."""
    rng, films = np.random.default_rng(1), []
    for film in range(3):
        frames = range(int(rng.integers(5, 12)))
        ids = [[f"{film}/{i}" for i in range(int(rng.integers(1, 4)))] for _ in frames]
        tracks = [(rng.permutation(4)[: int(rng.integers(1, 4))] + 10 * film).tolist()
                  for _ in frames]  # fmt: skip
        alike = [rng.uniform(0, 1, (len(a), len(b))) for a, b in zip(ids, tracks, strict=True)]
        films.append((ids, tracks, alike))
    together = combined([measured(*film) for film in films])
    ids, tracks, alike = ([each for film in films for each in film[part]] for part in range(3))
    one = measured(ids, tracks, alike)
    for name in ("HOTA", "DetA", "AssA"):
        np.testing.assert_allclose(one.hota[name], together.hota[name], atol=1e-12)
    for name in ("MOTA", "IDSW"):
        assert one.clear[name] == pytest.approx(together.clear[name])
    assert one.identity["IDF1"] == pytest.approx(together.identity["IDF1"])

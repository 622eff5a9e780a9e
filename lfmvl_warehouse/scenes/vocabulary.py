# SPDX-License-Identifier: Apache-2.0
"""The words of the procedural warehouse: kinds, colours, attributes and the names a query may use.

Nothing here draws. A kind lists the colours it comes in (with weights), its attribute choices and
other words people use for it, so that training, truth and queries share one vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# sRGB mean of each colour word; appearances jitter around it.
PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (190, 38, 40),
    "blue": (40, 84, 178),
    "green": (46, 138, 72),
    "grey": (134, 138, 143),
    "yellow": (236, 198, 42),
    "orange": (236, 112, 30),
    "brown": (178, 128, 78),
    "black": (42, 42, 46),
    "white": (230, 230, 226),
}
COLOURS: tuple[str, ...] = tuple(PALETTE)


@dataclass(frozen=True)
class KindSpec:
    """What a kind may look like.

    colours: colour word -> weight. attributes: the choices, of which an object has exactly one
    (empty: the kind has none). aliases: other words for the kind. height_m, width_m: typical
    size of the upright object, for placing it on a floor.
    """

    colours: dict[str, float]
    attributes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    height_m: float = 1.0
    width_m: float = 1.0


KIND_SPECS: dict[str, KindSpec] = {
    "cardboard box": KindSpec(
        {"brown": 6, "white": 1.5, "red": 1, "blue": 1},
        ("closed", "open"),
        ("box",),
        0.45,
        0.6,
    ),
    "tote": KindSpec(
        {"red": 1, "blue": 1.3, "green": 1, "grey": 1, "yellow": 1, "orange": 0.5, "black": 0.5},
        (),
        (),
        0.35,
        0.65,
    ),
    "pallet": KindSpec({"brown": 4, "blue": 1}, ("empty", "loaded"), (), 0.6, 1.2),
    "person": KindSpec(
        {
            "orange": 2,
            "yellow": 2,
            "red": 1,
            "blue": 1,
            "green": 1,
            "grey": 1,
            "black": 1,
            "white": 1,
        },
        ("wearing a vest", "without a vest"),
        ("worker",),
        1.75,
        0.6,
    ),
    "forklift": KindSpec(
        {"yellow": 3, "orange": 2, "red": 1, "blue": 1, "green": 1}, (), (), 2.1, 2.6
    ),
    "traffic cone": KindSpec(
        {"orange": 5, "blue": 1, "yellow": 1, "red": 1}, (), ("cone",), 0.7, 0.42
    ),
    "barrel": KindSpec(
        {"blue": 2, "red": 1, "yellow": 1, "black": 1, "green": 1, "grey": 0.7},
        (),
        ("drum",),
        0.9,
        0.6,
    ),
    "crate": KindSpec({"brown": 4, "green": 1, "grey": 1}, (), (), 0.55, 0.8),
    "hand truck": KindSpec(
        {"red": 1, "blue": 1, "green": 1, "yellow": 0.7, "black": 1}, (), (), 1.25, 0.55
    ),
    "bag": KindSpec({"white": 1, "brown": 1, "black": 1, "blue": 1}, (), ("sack",), 0.45, 0.6),
    "tape roll": KindSpec(
        {"brown": 2, "yellow": 1, "white": 1, "black": 1, "red": 1}, (), (), 0.15, 0.18
    ),
    "fire extinguisher": KindSpec({"red": 1}, (), (), 0.6, 0.25),
    "robot": KindSpec(
        {"white": 2, "orange": 1, "blue": 1, "grey": 1, "black": 1, "yellow": 0.7}, (), (), 0.5, 0.9
    ),
    "shelf": KindSpec({"grey": 2, "blue": 1, "white": 1, "orange": 0.7}, (), (), 1.9, 1.2),
}
KINDS: tuple[str, ...] = tuple(KIND_SPECS)
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    k: s.attributes for k, s in KIND_SPECS.items() if s.attributes
}


_IRREGULAR = {"person": "people", "cardboard box": "cardboard boxes", "shelf": "shelves"}
PLURALS: dict[str, str] = {kind: _IRREGULAR.get(kind, f"{kind}s") for kind in KINDS}
"""Kind -> several of it."""


def object_names(kind: str, colour: str, attributes: tuple[str, ...]) -> tuple[str, ...]:
    """Every name a query may use for an object, the plain kind first.

    >>> object_names("tote", "red", ())
    ('tote', 'red tote')
    >>> object_names("person", "orange", ("wearing a vest",))[:3]
    ('person', 'person in orange', 'person wearing a vest')
    >>> "open box" in object_names("cardboard box", "brown", ("open",))
    True
    """
    names: list[str] = []
    for word in (kind, *KIND_SPECS[kind].aliases):
        names.append(word)
        names.append(
            f"person in {colour}" if kind == "person" and word == kind else f"{colour} {word}"
        )
        if kind == "person" and word != kind:
            names[-1] = f"{word} in {colour}"
        for attribute in attributes:
            after = attribute.startswith(("wearing", "without", "with"))
            names.append(f"{word} {attribute}" if after else f"{attribute} {word}")
    return tuple(names)


def known_names() -> frozenset[str]:
    """Every name of every kind that :func:`object_names` gives, in every colour."""
    return frozenset(
        name
        for kind in KINDS
        for colour in COLOURS
        for name in object_names(kind, colour, ATTRIBUTES.get(kind, ()))
    )


def sample_colour(rng: np.random.Generator, kind: str) -> str:
    """A colour word the kind comes in, by weight."""
    colours = KIND_SPECS[kind].colours
    weights = np.fromiter(colours.values(), float)
    return list(colours)[int(np.searchsorted(np.cumsum(weights / weights.sum()), rng.random()))]


def sample_attributes(rng: np.random.Generator, kind: str) -> tuple[str, ...]:
    """The attributes of one object of this kind (none, or one of its choices)."""
    choices = KIND_SPECS[kind].attributes
    return (choices[int(rng.integers(len(choices)))],) if choices else ()


def paint(rng: np.random.Generator, colour: str, spread: float = 10.0) -> NDArray[Any]:
    """An RGB (3,) float64 near the colour word's mean, 0..255."""
    base = np.array(PALETTE[colour], float) * rng.uniform(0.86, 1.1) + rng.normal(
        0, spread * 0.4, 3
    )
    return np.clip(base, 8, 250)

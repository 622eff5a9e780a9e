# SPDX-License-Identifier: Apache-2.0
"""One thing that has a licence, and the list of licences that a person has looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import read_yaml
from lfmvl_ros.licences.spdx import LFM, from_words

KNOWN_FILE = Path(__file__).parent / "known.yaml"
_LARGEST = 1 << 20
DEMANDS: Mapping[str, tuple[str, ...]] = {
    LFM: (
        "commercial use is free for organisations with less than 10 million USD of annual revenue; "
        "others need a licence from Liquid AI",
        "non-profit organisations may use it for research and non-commercial work at any revenue",
        "whoever gets the weights, or weights fine-tuned from them, must get a copy of this "
        "licence; changed files say that they were changed; notices of origin stay",
        "the licence, with its limit, also holds for weights fine-tuned from these",
    ),
}
"""What licences of weights demand, in short; their text decides."""


@dataclass(frozen=True)
class Licensed:
    """A package, weights or a data set.

    Attributes:
        kind: ``package``, ``weights`` or ``data``.
        name, version: of it; version is "" where it has none.
        licence: SPDX expression; "" where it is unknown.
        source: where that is from, or why it is unknown.
    """

    kind: str
    name: str
    version: str
    licence: str
    source: str

    def __post_init__(self) -> None:
        if self.kind not in ("package", "weights", "data"):
            raise ValueError(f"kind is package, weights or data, got {self.kind!r}")

    @property
    def demands(self) -> tuple[str, ...]:
        """What the licence of weights demands, where it is more than the usual."""
        return DEMANDS.get(self.licence, ())

    def to_dict(self) -> dict[str, object]:
        """Return it for JSON; ``licence`` is null where it is unknown."""
        return {**asdict(self), "licence": self.licence or None, "demands": list(self.demands)}


def read_known(path: Path) -> dict[str, str]:
    """Read a YAML file of names and the SPDX expressions that a person has looked up.

    Returns:
        Folded name -> expression.

    Raises:
        UserError: it can't be read, or has something else in it.
    """
    document = read_yaml(path, _LARGEST)
    if not isinstance(document, dict):
        raise UserError(f"{path} must hold lines such as `tokenizers: Apache-2.0`")
    known = {}
    for name, words in document.items():
        licence = from_words(words) if isinstance(words, str) else ""
        if not licence:
            raise UserError(f"{path}: {name}: {words!r} is not an SPDX expression like Apache-2.0")
        known[folded(str(name))] = licence
    return known


def folded(name: str) -> str:
    """Return a name as names are compared: case, and - or _, do not matter."""
    return name.casefold().replace("_", "-")

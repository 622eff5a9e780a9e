# SPDX-License-Identifier: Apache-2.0
"""The wording of one language: nouns, colours, how noun phrases are built, sentences with slots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lfmvl_warehouse.scenes.vocabulary import ATTRIBUTES, COLOURS, KIND_SPECS, object_names

FOLDER = Path(__file__).resolve().parent / "phrases"
OPTIONAL = ("place", "time", "camera", "please")
"""Slots of a template that may be filled with nothing."""
AROUND = ("before", "after", "camera_first", "time_first", "time_after", "numbers")
"""Texts that stand before or after a sentence, and words for numbers from one on."""
PEOPLE = ("person", "worker")
IN_COLOUR = "person in colour"
"""Key of the forms of people who wear a colour."""
SLOT = re.compile(r"\{(\w+)\}")
"""A slot of a template; group 1 is its name."""
UNWANTED = "other_"
"""Before the name of a slot: the object is not wanted."""
_COLOUR = re.compile(r"\{C(?:\.(\w+))?\}")


def plain_labels() -> tuple[str, ...]:
    """Return each label without colour and attribute: kinds and their other names."""
    return tuple(word for kind, spec in KIND_SPECS.items() for word in (kind, *spec.aliases))


def attributed_labels() -> tuple[str, ...]:
    """Return each label with an attribute."""
    plain = {*plain_labels()}
    names = (
        name
        for kind, attributes in ATTRIBUTES.items()
        for name in object_names(kind, "red", attributes)
    )
    return tuple(n for n in names if n not in plain and "red" not in n.split())


@dataclass(frozen=True)
class Noun:
    """A word for an object: singular, plural, and the class that its articles follow."""

    one: str
    many: str
    class_: str

    @classmethod
    def parse(cls, text: str) -> Noun:
        """Read ``"crate | crates | n"``.

        Raises:
            ValueError: it has another form.
        """
        parts = [part.strip() for part in text.split("|")]
        if len(parts) != 3 or not all(parts):
            raise ValueError(f"expected 'singular | plural | class', got {text!r}")
        return cls(*parts)


@dataclass(frozen=True)
class PhraseFile:
    """One language.

    Attributes:
        language: ISO 639-1 code.
        colours: colour -> key -> form.
        phrases: slot -> class of noun -> patterns with ``{N}`` and ``{C.key}``.
        nouns: label -> its words.
        attributed: label with an attribute -> slot -> forms.
        unknown: words for objects that are no labels.
        wrong_property: phrases with a property that labels can't have.
        joins: what stands before the last item of a list.
        fillers: texts of the optional slots, and those of :data:`AROUND`.
        repairs: regular expressions and replacements, applied to each sentence.
        templates: intent -> sentences with slots.

    Raises:
        ValueError: a part is missing, or a template has a slot that can't be filled.
    """

    language: str
    colours: Mapping[str, Mapping[str, str]]
    phrases: Mapping[str, Mapping[str, tuple[str, ...]]]
    nouns: Mapping[str, tuple[Noun, ...]]
    attributed: Mapping[str, Mapping[str, tuple[str, ...]]]
    unknown: tuple[Noun, ...]
    wrong_property: tuple[str, ...]
    joins: tuple[str, ...]
    fillers: Mapping[str, tuple[str, ...]]
    repairs: tuple[tuple[re.Pattern[str], str], ...]
    templates: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        missing = set(COLOURS) - set(self.colours)
        missing |= {*attributed_labels(), IN_COLOUR} - set(self.attributed)
        missing |= set(KIND_SPECS) - set(self.nouns)
        missing |= {*OPTIONAL, *AROUND} - {key for key, texts in self.fillers.items() if texts}
        if missing:
            raise ValueError(f"{self.language}: nothing for {', '.join(sorted(missing))}")
        strange = set(self.nouns) - set(plain_labels())
        if strange:
            raise ValueError(f"{self.language}: no labels: {', '.join(sorted(strange))}")
        known = {*self.phrases, *OPTIONAL, "list", "id", "rule", "first", "second"}
        around = {key: self.fillers[key] for key in ("before", "after")}
        for intent, texts in (*self.templates.items(), *around.items()):
            for text in texts:
                slots = {slot.removeprefix(UNWANTED) for slot in slots_of(text)}
                if slots - known:
                    unfit = ", ".join(sorted(slots - known))
                    raise ValueError(f"{self.language}: {intent}: {text!r}: no slot {unfit}")
        for noun in (*self.unknown, *(n for words in self.nouns.values() for n in words)):
            for slot, classes in self.phrases.items():
                if noun.class_ not in classes:
                    raise ValueError(f"{self.language}: {noun}: no class in {slot}")

    def coloured(self, pattern: str, colour: str) -> str:
        """Fill the colour of a pattern; without one, its place goes."""
        if not colour:
            return re.sub(r"\s*\{C(?:\.\w+)?\}", "", pattern)
        forms = self.colours[colour]

        def form(match: re.Match[str]) -> str:
            return forms[match[1]] if match[1] else next(iter(forms.values()))

        return _COLOUR.sub(form, pattern)

    def repaired(self, text: str) -> str:
        """Tidy spaces and commas that empty slots left, and apply the language's repairs."""
        text = re.sub(r"\s+", " ", text).strip()
        text = re.sub(r"\s+([,.?!;:،؟])", r"\1", text)
        text = re.sub(r"^[,،、]\s*", "", text)
        text = re.sub(r"[,،、]\s*([.?!؟。]|$)", r"\1", text)
        for pattern, replacement in self.repairs:
            text = pattern.sub(replacement, text)
        return text


def slots_of(template: str) -> list[str]:
    """Return the names of a template's slots, in their order."""
    return SLOT.findall(template)


def is_plural(slot: str) -> bool:
    """True for a slot of noun phrases about several objects."""
    return "many" in slot


def _tuples(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {str(key): tuple(map(str, values)) for key, values in document.items()}


def parse(document: Mapping[str, Any]) -> PhraseFile:
    """Return the wording in a document as :data:`FOLDER` has them.

    Raises:
        ValueError: see :class:`PhraseFile`.
    """
    return PhraseFile(
        language=document["language"],
        colours={
            colour: {"": forms} if isinstance(forms, str) else forms
            for colour, forms in document["colours"].items()
        },
        phrases={slot: _tuples(classes) for slot, classes in document["phrases"].items()},
        nouns={
            label: tuple(Noun.parse(text) for text in texts)
            for label, texts in document["nouns"].items()
        },
        attributed={label: _tuples(slots) for label, slots in document["attributed"].items()},
        unknown=tuple(Noun.parse(text) for text in document["unknown"]),
        wrong_property=tuple(document["wrong_property"]),
        joins=tuple(document["and"]),
        fillers={key: tuple(map(str, document[key])) for key in (*OPTIONAL, *AROUND)},
        repairs=tuple((re.compile(old), new) for old, new in document.get("replace") or ()),
        templates=_tuples(document["templates"]),
    )


@lru_cache(maxsize=1)
def languages() -> tuple[PhraseFile, ...]:
    """Return the wording of every language, English first."""
    files = sorted(FOLDER.glob("*.yaml"), key=lambda path: (path.stem != "en", path.stem))
    return tuple(parse(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in files)

# SPDX-License-Identifier: Apache-2.0
"""The known checkpoints: one YAML file each in ``catalog/`` or registered by another package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lfmvl_ros import registry
from lfmvl_ros.core.coordinate_scales import has_integers
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.prompt import TEMPLATES, PromptTemplate
from lfmvl_ros.core.user_files import is_directory, user_path

FOLDER = Path(__file__).resolve().parent / "catalog"
_GENERATION = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
ANSWERS = ("yes", "no", "unknown")
TOOLS = ("none", "unknown", "lfm2", "lfm2.5", "lfm3", "learned")
IMAGE_RULES = ("lfm2_vl", "qwen2_vl")
SERVERS = ("llama.cpp", "vllm", "sglang")


@dataclass(frozen=True)
class CatalogEntry:
    """What is known about a checkpoint without opening it.

    Attributes:
        name: short name, as ``model`` may give it.
        template: prompt, and the scale and decimals of its coordinates.
        id: hub id, "" for one that comes with a package.
        directory: path of its folder, "" for one on the hub.
        aliases: other names it answers to; case never matters.
        boxes: ``yes``, ``no`` or ``unknown``: does its publisher promise bounding boxes?
        captions: likewise: does it describe an image in words?
        thinking: likewise: does it write its thoughts before it answers?
        tools: how it is given functions and calls them, one of :data:`TOOLS`; ``learned``: it
            was trained on the tools of this package, and is given none.
        sentences: path of the folder of a language model that reads sentences in its place; "" if
            it does that itself, or not at all.
        tools_with_images: may a question about an image lead to function calls?
        placeholders: what stands for an image in its chat format, with the markers around it.
        image_rules: whose image processor it has, one of :data:`IMAGE_RULES`.
        min_tokens, max_tokens: its image token limits, 0 where only its configuration says.
        recommended: sampling settings that Liquid AI recommends, by names of ``generation``.
        languages: ISO 639-1 codes.
        servers: of :data:`SERVERS`, those that are known to run it.
        gguf: hub id of its GGUF files, "" for none.
        language_tower, vision_tower, licence, notes: for people.

    Raises:
        ValueError: an attribute is out of the range above.
    """

    name: str
    template: PromptTemplate
    id: str = ""
    directory: str = ""
    aliases: tuple[str, ...] = ()
    boxes: str = "unknown"
    captions: str = "unknown"
    thinking: str = "unknown"
    tools: str = "unknown"
    sentences: str = ""
    tools_with_images: str = "unknown"
    placeholders: tuple[str, ...] = ()
    image_rules: str = "lfm2_vl"
    min_tokens: int = 0
    max_tokens: int = 0
    recommended: Mapping[str, float] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    gguf: str = ""
    language_tower: str = ""
    vision_tower: str = ""
    licence: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a catalogue entry needs a name")
        if bool(self.id) == bool(self.directory):
            raise ValueError(
                f"{self.name}: give either id (on the hub) or directory (of a package)"
            )
        if self.id and self.id.count("/") != 1:
            raise ValueError(f"{self.name}: id must look like owner/name, got {self.id!r}")
        for key in ("boxes", "captions", "thinking", "tools_with_images"):
            self._check(key, ANSWERS)
        self._check("tools", TOOLS)
        self._check("image_rules", IMAGE_RULES)
        if set(self.servers) - set(SERVERS):
            raise ValueError(f"{self.name}: servers are among {SERVERS}, got {self.servers}")
        if not 0 <= self.min_tokens <= self.max_tokens:
            raise ValueError(
                f"{self.name}: image tokens need 0 <= min <= max, "
                f"got {self.min_tokens} and {self.max_tokens}"
            )
        unknown = set(self.recommended) - set(_GENERATION)
        if unknown:
            raise ValueError(f"{self.name}: recommended takes {_GENERATION}, got {unknown}")

    def _check(self, key: str, allowed: tuple[str, ...]) -> None:
        value = getattr(self, key)
        if value not in allowed:
            raise ValueError(f"{self.name}: {key} is one of {', '.join(allowed)}, got {value!r}")

    @property
    def remark(self) -> str:
        """What it can't do, or does differently than most, for its users; "" for nothing."""
        remarks = []
        if self.boxes == "no":
            remarks.append(
                "Liquid AI promises no bounding boxes: expect wrong or no boxes unless it was "
                "fine-tuned for them"
            )
        if self.captions == "no":
            remarks.append("it writes no captions")
        if self.thinking == "yes":
            remarks.append(
                "it thinks before it answers: thoughts are ignored, but count against "
                "generation.max_new_tokens"
            )
        return "; ".join(remarks)

    @property
    def source(self) -> str:
        """What transformers loads: the hub id, or the folder."""
        return self.id or self.directory

    def image_tokens(self) -> ImageTokenSettings:
        """Return its token rules; those of the architecture where the entry doesn't say."""
        split = self.image_rules == "lfm2_vl"
        if not self.max_tokens:
            return ImageTokenSettings(split=split)
        return ImageTokenSettings(
            min_tokens=self.min_tokens, max_tokens=self.max_tokens, split=split
        )

    def answers_to(self, name: str) -> bool:
        """True when ``name`` means this checkpoint; case is ignored."""
        return name.casefold() in {n.casefold() for n in (self.name, self.id, *self.aliases) if n}


def _template(name: str, prompt: Mapping[str, Any]) -> PromptTemplate:
    published = TEMPLATES.get(prompt.get("name", ""))
    if published is None and "text" not in prompt:
        raise ValueError(f"{name}: prompt needs a text, or a name among {sorted(TEMPLATES)}")
    text = published.text if published is not None else ""
    stated = prompt.get("scale", "unknown")
    scale = "" if stated == "unknown" else stated
    decimals = published.decimals if published is not None else 2
    if has_integers(scale):
        decimals = 0
    return PromptTemplate(
        prompt.get("name", name),
        prompt.get("text", text),
        prompt.get("decimals", decimals),
        scale,
    )


def entry_from(document: Mapping[str, Any]) -> CatalogEntry:
    """Build an entry from the content of a YAML file.

    Raises:
        ValueError: a key is unknown or missing, or a value out of range.
    """
    values = dict(document)
    image, prompt = dict(values.pop("image", {})), values.pop("prompt", {})
    known = {f.name for f in fields(CatalogEntry)} - {
        "template",
        "min_tokens",
        "max_tokens",
        "image_rules",
    }
    rules = image.pop("rules", "lfm2_vl")
    unknown = (set(values) - known) | (set(image) - {"min_tokens", "max_tokens"})
    unknown |= set(prompt) - {"name", "text", "decimals", "scale"}
    if unknown or "name" not in values:
        raise ValueError(f"unknown keys {sorted(unknown)}, or no name, in a catalogue entry")
    for key in ("aliases", "languages", "placeholders", "servers"):
        values[key] = tuple(values.get(key, ()))
    values["notes"] = str(values.get("notes", "")).strip()
    template = _template(values["name"], prompt)
    return CatalogEntry(template=template, image_rules=rules, **values, **image)


@lru_cache(maxsize=1)
def catalog() -> tuple[CatalogEntry, ...]:
    """Return every known checkpoint, by file name."""
    registered = (
        Path(registry.load(registry.MODELS, name)) for name in registry.names(registry.MODELS)
    )
    files = sorted((*FOLDER.glob("*.yaml"), *registered), key=lambda path: path.name)
    return tuple(_read(path) for path in files)


def _read(path: Path) -> CatalogEntry:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in ("directory", "sentences"):
        if document.get(key):
            document[key] = str(path.parent / document[key])
    return entry_from(document)


def find(name: str) -> CatalogEntry | None:
    """Return the entry that a name, alias or hub id means, or None.

    >>> find("liquidai/lfm2.5-vl-450m").template.name
    'card'
    """
    return next((entry for entry in catalog() if entry.answers_to(name)), None)


def directory_of(model: str) -> Path | None:
    """Return the directory on this machine of a ``model`` setting; None where there is none.

    The name of a checkpoint that comes with a package means that one, whatever lies in the working
    directory: ``./bundled`` is the folder there. Any other directory wins over the catalogue.

    Raises:
        UserError: it is not a path.
    """
    entry, folder = find(model), user_path(model, "model")
    if entry is not None and entry.directory:
        return Path(entry.source)
    return folder if is_directory(folder) else None


def copy_of(folder: str) -> CatalogEntry | None:
    """Return the published checkpoint with the name of a directory, or None.

    >>> copy_of("/data/LFM2.5-VL-3B").template.scale
    '0-1000'
    """
    entry = find(Path(folder).name)
    return entry if entry is not None and entry.id else None

# SPDX-License-Identifier: Apache-2.0
"""What a client has to know about a checkpoint and a server does not report.

Servers report neither the prompt a checkpoint was trained with, nor how many image tokens it takes,
nor what its probabilities stand for. These facts come from the catalogue, from a checkpoint's
directory, or from the JSON file that ``lfmvl export`` writes beside a GGUF file.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lfmvl_ros.core.calibration.calibration import Fitted, calibration_from
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.prompt import CARD_TEMPLATE, PromptTemplate
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.core.user_files import is_regular_file, read_json_object, user_path
from lfmvl_ros.core.whole_files import write_json
from lfmvl_ros.models.calibration_file import CHECKPOINT, FITTED_ON, read_calibration
from lfmvl_ros.models.catalog import CatalogEntry, copy_of, find
from lfmvl_ros.models.checkpoint_files import image_rules
from lfmvl_ros.models.checkpoint_labels import trained_on

SCHEMA = "lfmvl/gguf/1"
FAMILY_RULES = ImageTokenSettings(split=False)
"""Those of the architecture, where nothing else is known."""
_LOSSLESS = ("f32", "f16")
_QUANTISATION = re.compile(r"[-.:](i?q\d\w*|f16|f32|bf16|fp8|int[48]|awq|gptq)$", re.IGNORECASE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """A checkpoint, as seen by a client.

    Attributes:
        name: what it is called here; "" for a checkpoint that nothing is known about.
        template: how it is asked for boxes.
        rules: its image token limits. Never split: tiles are made by the server, if at all.
        calibration: of its confidences, where it has one.
        remark: what it can't do; "" for nothing.
        has_own_calibration: false where the calibration was fitted on other weights than these.
    """

    name: str = ""
    template: PromptTemplate = CARD_TEMPLATE
    rules: ImageTokenSettings = FAMILY_RULES
    calibration: Fitted | None = None
    remark: str = ""
    has_own_calibration: bool = True


def facts_of(name: str) -> ModelFacts | None:
    """Return what is known about a catalogue name, a hub id, a checkpoint directory or an export.

    Args:
        name: one of these; an export is named by its JSON file or its ``.gguf`` file.

    Returns:
        None where nothing is known under that name.

    Raises:
        UserError: a file of the checkpoint or export is damaged.
    """
    entry = find(name)
    if entry is not None and entry.directory:
        return _directory(Path(entry.source), entry.name, entry)
    path = user_path(name, "model")
    if path.suffix == ".gguf" and is_regular_file(path.with_suffix(".json")):
        path = path.with_suffix(".json")
    if path.suffix == ".json" and is_regular_file(path):
        return read_facts(path)
    if is_regular_file(path / "config.json"):
        return _directory(path, name, copy_of(str(path)))
    if entry is None:
        return None
    rules = replace(entry.image_tokens(), split=False)
    return ModelFacts(entry.id, entry.template, rules, remark=entry.remark)


def spellings(id_: str) -> tuple[str, ...]:
    """Return catalogue names that a server's or a file's name for a model may stand for.

    >>> spellings("LiquidAI/LFM2.5-VL-450M-GGUF:Q4_0")[-1]
    'LFM2.5-VL-450M'
    """
    last = id_.rsplit("/", 1)[-1].removesuffix(".gguf")
    bare = re.sub(r"[-:]GGUF.*$", "", _QUANTISATION.sub("", last), flags=re.IGNORECASE)
    return tuple(dict.fromkeys((id_, last, bare)))


def _directory(folder: Path, name: str, entry: CatalogEntry | None) -> ModelFacts:
    rules = replace(image_rules(folder), split=False)
    template = entry.template if entry else CARD_TEMPLATE
    calibration = read_calibration(folder)
    return ModelFacts(name, template, rules, calibration, entry.remark if entry else "")


def write_facts(path: Path, folder: Path, *, name: str, kind: str) -> Path:
    """Write the facts of a checkpoint into a JSON file; see :func:`facts_document`."""
    write_json(path, facts_document(folder, name=name, kind=kind))
    return path


def facts_document(folder: Path, *, name: str, kind: str) -> dict[str, Any]:
    """Return the facts of the checkpoint in ``folder``, exported as ``kind``, as a JSON object.

    Args:
        folder: directory of the checkpoint.
        name: its catalogue name, "" where it has none.
        kind: precision of the export.

    Raises:
        UserError: a file of the checkpoint is damaged.
    """
    entry = find(name) if name else copy_of(str(folder))
    known = _directory(folder, name or folder.name, entry)
    template, rules = known.template, known.rules
    return {
        "schema": SCHEMA,
        "name": known.name,
        "type": kind,
        "prompt": {
            "name": template.name,
            "text": template.text,
            "decimals": template.decimals,
            "scale": template.scale,
        },
        "remark": known.remark,
        "image": {"min_tokens": rules.min_tokens, "max_tokens": rules.max_tokens},
        "trained_on": trained_on(str(folder)),
        "calibration": {**known.calibration.to_document(), FITTED_ON: CHECKPOINT}
        if known.calibration
        else None,
    }


def write_export_calibration(path: Path, found: Fitted, facts: dict[str, Any]) -> Path:
    """Put a calibration that was fitted on an export itself into its JSON file.

    Args:
        path: the JSON file beside the GGUF files.
        found: the calibration.
        facts: how it was made; kept with it.

    Raises:
        UserError: the file is damaged, or can't be written; it stays as it was.
    """
    read_facts(path)
    document = read_json_object(path)
    calibration = {**found.to_document(), FITTED_ON: document["type"], **facts}
    write_json(path, {**document, "calibration": calibration})
    return path


def read_facts(path: Path) -> ModelFacts:
    """Read what :func:`write_facts` wrote.

    A calibration that was fitted on other weights (the checkpoint's, or another type) is used, too,
    with a note in the log: their probabilities differ a little.

    Raises:
        UserError: the file is damaged, or of another kind.
    """
    document = read_json_object(path)
    if document.get("schema") != SCHEMA:
        raise UserError(
            f"{path} is not the JSON file that `lfmvl export` writes beside a GGUF file (schema "
            f"{SCHEMA}, got {document.get('schema')!r}); export the checkpoint again"
        )
    try:
        calibration = _calibration(document)
        facts = ModelFacts(
            str(document["name"]),
            _template(document["prompt"]),
            ImageTokenSettings(split=False, **document["image"]),
            calibration,
            str(document.get("remark", "")),
        )
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} can't be used ({error}); export the checkpoint again") from error
    kind = str(document.get("type"))
    fitted_on = str((document.get("calibration") or {}).get(FITTED_ON, CHECKPOINT))
    exact = fitted_on == kind or (fitted_on == CHECKPOINT and kind in _LOSSLESS)
    if calibration is not None and not exact:
        _log.warning(
            "%s: its confidences were calibrated on %s, and those of %s differ a little; "
            "`lfmvl calibrate --model` with this file fits its own",
            path.stem,
            "the weights of the checkpoint" if fitted_on == CHECKPOINT else safe_text(fitted_on),
            safe_text(kind),
        )
        return replace(facts, has_own_calibration=False)
    return facts


def _template(document: Any) -> PromptTemplate:
    """Return the template of a document.

    Raises:
        TypeError, ValueError: it is none.
    """
    kinds = {"name": str, "text": str, "decimals": int, "scale": str}
    wrong = [
        key for key, value in document.items() if not isinstance(value, kinds.get(key, object))
    ]
    if wrong:
        raise TypeError(f"prompt.{wrong[0]} is of another type")
    return PromptTemplate(**document)


def _calibration(document: dict[str, Any]) -> Fitted | None:
    found = document.get("calibration")
    return None if found is None else calibration_from(found)

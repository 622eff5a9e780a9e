# SPDX-License-Identifier: Apache-2.0
"""The published JSON Schemas, as tests use them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"


@lru_cache
def validator(name: str) -> Draft202012Validator:
    """Return the validator of a document's ``schema`` value, such as ``lfmvl/grounding/1``."""
    _, topic, version = name.split("/")
    schema = json.loads((FOLDER / f"{topic}.schema.json").read_text(encoding="utf-8"))
    assert schema["$id"] == f"urn:lfmvl:{topic}:{version}"
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def problems(document: dict[str, Any]) -> list[str]:
    """Return what is wrong with a document, one line each; nothing when it is valid."""
    found = validator(document["schema"]).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


def check(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document; an AssertionError says where it breaks its schema."""
    assert not problems(document), f"{problems(document)} in {json.dumps(document)[:1500]}"
    return document


def undescribed(document: Any, schema: dict[str, Any], root: dict[str, Any]) -> set[str]:
    """Return the keys of a document that its schema does not name."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    found: set[str] = set()
    if isinstance(document, dict):
        known = schema.get("properties", {})
        found |= set(document) - set(known)
        for key in set(document) & set(known):
            found |= undescribed(document[key], known[key], root)
    elif isinstance(document, list):
        for item in document:
            found |= undescribed(item, schema.get("items", {}), root)
    return found

# SPDX-License-Identifier: Apache-2.0
"""Reads YAML texts that people and programs wrote; all that can go wrong is a ``ValueError``.

PyYAML raises what its code happens to meet: a KeyError for ``!!bool x``, an AttributeError for
``!!timestamp x``, a RecursionError for a thousand brackets.
"""

from __future__ import annotations

from typing import Any

import yaml

from lfmvl_ros.core.document_checks import refuse_keys_twice

TOO_DEEP = "its YAML is nested too deeply"


def compose_yaml(text: str, loader: Any = yaml.SafeLoader) -> yaml.Node | None:
    """Return the syntax tree of a YAML text, which has the line of each value; None if it is empty.

    Args:
        text: of the document.
        loader: a class of PyYAML.

    Raises:
        yaml.YAMLError: it is not YAML. A ``MarkedYAMLError`` knows the line.
        ValueError: it is nested too deeply, or not YAML in another way.
    """
    try:
        return yaml.compose(text, Loader=loader)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error


def parse_yaml(text: str, loader: Any = yaml.SafeLoader, *, once: bool = False) -> Any:
    """Return the document of a YAML text.

    Args:
        text: of the document.
        loader: a class of PyYAML.
        once: refuse a key that stands in one mapping twice, of which PyYAML keeps the last.

    Raises:
        ValueError: it is not YAML, or nested too deeply.
    """
    try:
        node = compose_yaml(text, loader)
        if node is None:
            return None
        if once:
            refuse_keys_twice(node)
        return loader("").construct_document(node)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error
    except Exception as error:
        name = "" if type(error) is ValueError else f"{type(error).__name__}: "
        raise ValueError(" ".join(f"{name}{error}".split())[:300]) from error

# SPDX-License-Identifier: Apache-2.0
"""The second model of ``opinion.model``: where its crops go, and how it is loaded."""

from __future__ import annotations

from lfmvl_ros.core.config import ImageSettings, PerceptionSettings
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.models.load import check_model, load_model
from lfmvl_ros.models.server.address import (
    OPINION_KEY_VARIABLE,
    api_key,
    is_server,
    parse_address,
)


def second_settings(settings: PerceptionSettings) -> PerceptionSettings:
    """Return settings with which the second model is loaded: its own name, the same device."""
    return settings.updated(
        {"model": settings.opinion.model.strip(), "revision": "", "dtype": "auto"}
    )


def check_second(settings: PerceptionSettings) -> None:
    """Raise the errors of loading the second model that can be found without loading it.

    Raises:
        UserError: there is no such model, or its address can't be read.
    """
    check_model(second_settings(settings))


def load_second(settings: PerceptionSettings) -> VisionLanguageModel:
    """Load the second model.

    A server gets the key in :data:`OPINION_KEY_VARIABLE`, never that of the first model's server.

    Args:
        settings: of :func:`second_settings`.

    Raises:
        UserError: it can't be loaded or reached.
    """
    if is_server(settings.model):
        from lfmvl_ros.models.server.connect import connect

        key = api_key(OPINION_KEY_VARIABLE)
        return connect(parse_address(settings.model), ImageSettings(), key=key)
    return load_model(settings)


def where_to(model: str) -> tuple[str, bool]:
    """Return where crops go, without keys, and whether that is on this machine.

    >>> where_to("https://vision.example/v1#large")
    ('https://vision.example:443#large', False)
    >>> where_to("bundled")
    ('bundled', True)
    """
    if not is_server(model):
        return safe_text(model.strip()), True
    address = parse_address(model)
    name = f"#{address.model}" if address.model else ""
    return safe_text(address.where + name), address.is_local

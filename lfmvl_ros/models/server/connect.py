# SPDX-License-Identifier: Apache-2.0
"""From an address to a model: which one it serves, and whether it takes images as we send them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lfmvl_ros.core.config import ImageSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_rules import wanted_rules
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.models.server.address import API_KEY_VARIABLE, ServerAddress, api_key
from lfmvl_ros.models.server.errors import LOADING, message_of, refusal
from lfmvl_ros.models.server.facts import ModelFacts, facts_of, spellings
from lfmvl_ros.models.server.http import Response, fetch
from lfmvl_ros.models.server.model import ServerModel, limits_advice
from lfmvl_ros.models.server.request import data_url, messages

_LISTEN_S = 5.0  # a server that was started at the same moment listens by then
_LOAD_S = 120.0  # a server that says it is loading may take this long
_ANSWER_S = 60.0  # one token about one image
_AGAIN_S = 0.25
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerInfo:
    """What a server says about itself.

    Attributes:
        ids: models it serves; empty where it does not list them.
        properties: llama.cpp's ``/props``; empty elsewhere.
    """

    ids: tuple[str, ...]
    properties: dict[str, Any]

    @property
    def model_path(self) -> str:
        """File of the model on the server's machine; "" where it doesn't say."""
        path = self.properties.get("model_path")
        return path if isinstance(path, str) else ""


def connect(address: ServerAddress, image: ImageSettings, *, key: str | None = None) -> ServerModel:
    """Return the model behind an address, once the server is ready and was found to take images.

    Args:
        address: server.
        image: limits of the images that will be sent.
        key: of the server, "" for none; None: the one in the environment.

    Raises:
        UserError: it can't be reached, does not serve such a model, or does not take images.
    """
    if key is None:
        key = api_key()
    info = ask_server(address, key)
    model_id, facts = choose_model(address, info)
    rules = wanted_rules(facts.rules, ImageSettings(image.min_tokens, image.max_tokens))
    problem = check_images(address, info, model_id, key, rules)
    name = facts.name or address.model or Path(model_id).name or address.where
    return ServerModel(
        address,
        facts,
        name=safe_text(name),
        model_id=model_id,
        key=key,
        notice=announcement(address, key),
        problem=problem,
    )


def announcement(address: ServerAddress, key: str) -> str:
    """Return what leaves this process, and where it goes."""
    text = (
        f"images of the camera, resized, and the query's words are sent to {address.where}; "
        "nothing else leaves this process"
    )
    if not address.is_local and address.scheme == "http":
        what = f"images and the key in {API_KEY_VARIABLE}" if key else "images"
        text += f". The connection is not encrypted: {what} can be read on the way"
    return text


def ask_server(
    address: ServerAddress, key: str, *, alive: Callable[[], bool] | None = None
) -> ServerInfo:
    """Wait until a server is ready, and return what it says about itself.

    Args:
        address: server.
        key: its key, "" for none.
        alive: whether its process still runs, where that is known: it may then take as long as a
            server that says it is loading.

    Raises:
        UserError: it can't be reached, or refuses.
    """
    began_s, last_state = time.monotonic(), ""
    while True:
        response = fetch(address, f"{address.path}/models", key=key)
        waited_s = time.monotonic() - began_s
        loading = response.status == LOADING
        refused = response.failure is not None and response.failure.refused
        starting = refused and (waited_s < _LISTEN_S if alive is None else alive())
        if not (loading or starting) or waited_s > _LOAD_S:
            break
        state = "is loading its model" if loading else "does not listen yet"
        if state != last_state and alive is None:  # what was started here takes its second
            _log.warning("%s %s; waiting", address.where, state)
            last_state = state
        time.sleep(_AGAIN_S)
    if response.failure is not None:
        raise UserError(
            f"the server {address.where} can't be reached ({response.failure.sentence}); start it, "
            "or correct the address in model"
        )
    if response.status not in (200, 404, 405):  # some list no models
        raise UserError(f"{address.where}: {refusal(response.status, response.content)}")
    properties = fetch(address, f"{address.root}/props", key=key).document()
    return ServerInfo(_ids(response), properties if isinstance(properties, dict) else {})


def _ids(response: Response) -> tuple[str, ...]:
    document = response.document() if response.status == 200 else None
    found = document.get("data") if isinstance(document, dict) else None
    items = found if isinstance(found, list) else []
    ids = [item.get("id") for item in items if isinstance(item, dict)]
    return tuple(id_ for id_ in ids if isinstance(id_, str))


def choose_model(address: ServerAddress, info: ServerInfo) -> tuple[str, ModelFacts]:
    """Return what the server calls the model, and what is known about it.

    What follows ``#`` is a model that the server lists, or says what its only model is here: a
    catalogue name, the directory of a checkpoint, or an exported file. Without it, the server's own
    name is looked up, and on this machine the file that it loaded.

    Raises:
        UserError: the server lists no such model, or several without one being named.
    """
    requested, known = address.model, facts_of(address.model) if address.model else None
    listed = ", ".join(map(safe_text, info.ids))
    if requested in info.ids:
        return requested, known or _guess(address, requested, info)
    same = [id_ for id_ in info.ids if known and known.name and _means(id_, known.name)]
    if len(same) == 1:
        return same[0], known or ModelFacts()
    if requested and (known is None or len(info.ids) > 1):
        raise UserError(
            f"the server {address.where} has no model {requested!r}, and the catalogue and this "
            f"machine know none; it serves: {listed or 'none that it lists'}"
        )
    if not requested and len(info.ids) > 1:
        raise UserError(
            f"the server {address.where} serves several models; name one after #: {listed}"
        )
    id_ = info.ids[0] if info.ids else ""
    return id_, known or _guess(address, id_, info)


def _guess(address: ServerAddress, id_: str, info: ServerInfo) -> ModelFacts:
    for name in (info.model_path if address.is_local else "", *spellings(id_)):
        found = facts_of(name) if name else None
        if found is not None:
            return found
    _log.warning(
        "%s: nothing is known about the model %r; it is asked with the prompt of the LFM2.5-VL "
        "card, and its confidences are not calibrated. If it is in the catalogue, name it after #",
        address.where, safe_text(id_),
    )  # fmt: skip
    return ModelFacts()


def _means(id_: str, name: str) -> bool:
    short = name.rsplit("/", 1)[-1].casefold()
    return short in {spelling.rsplit("/", 1)[-1].casefold() for spelling in spellings(id_)}


def check_images(
    address: ServerAddress,
    info: ServerInfo,
    model_id: str,
    key: str,
    rules: ImageTokenSettings,
) -> str:
    """Find out whether the server takes images, and makes as many tokens of them as we do.

    Returns:
        What differs, with the flags that change it; "" where nothing does.

    Raises:
        UserError: it takes no images, or refuses.
    """
    modalities = info.properties.get("modalities")
    if isinstance(modalities, dict) and modalities.get("vision") is False:
        raise UserError(
            f"the model behind {address.where} takes no images; start llama-server with --mmproj "
            "and the model's mmproj file, or serve a vision-language model"
        )
    small, large = _shape(rules.min_tokens), _shape(rules.max_tokens)
    counts = [_prompt_tokens(address, shape, model_id, key, rules) for shape in (small, large)]
    expected = large[0] * large[1] - small[0] * small[1]
    if not all(counts):
        return "it does not count the tokens of a prompt: whether it tiles images is not known"
    if expected and counts[0] == counts[1]:
        text = "images of any size cost the same: it ignores them, or resizes all to one size; "
        return text + limits_advice(rules)
    if counts[1] - counts[0] != expected:
        return (
            f"an image of {large[0] * large[1]} tokens takes {counts[1] - counts[0]} more than one "
            f"of {small[0] * small[1]}, not {expected}: it resizes or tiles images by rules of its "
            f"own; {limits_advice(rules)}"
        )
    return ""


def _shape(tokens: int) -> tuple[int, int]:
    """Return rows and columns of the squarest image with this many tokens."""
    rows = next(n for n in range(int(tokens**0.5), 0, -1) if tokens % n == 0)
    return rows, tokens // rows


def _prompt_tokens(
    address: ServerAddress,
    shape: tuple[int, int],
    model_id: str,
    key: str,
    rules: ImageTokenSettings,
) -> int:
    """Return how many tokens the server makes of a grey image and a word; 0 if it doesn't say."""
    grey = np.full((shape[0] * rules.unit_px, shape[1] * rules.unit_px, 3), 127, np.uint8)
    document: dict[str, Any] = {
        "messages": messages(data_url(grey, compress=not address.is_local), "tote"),
        "max_tokens": 1,
        "temperature": 0.0,
    }
    if model_id:
        document["model"] = model_id
    path = f"{address.path}/chat/completions"
    counted = fetch(address, f"{path}/input_tokens", document, key=key, limit_s=_ANSWER_S)
    found = counted.document() if counted.status == 200 else None
    if isinstance(found, dict) and isinstance(found.get("input_tokens"), int):
        return int(found["input_tokens"])
    answer = fetch(address, path, document, key=key, limit_s=_ANSWER_S)
    if answer.failure is not None:
        raise UserError(
            f"the server {address.where} did not answer ({answer.failure.sentence}); look at its "
            "log"
        )
    if answer.status != 200:
        raise UserError(f"{address.where}: {refusal(answer.status, answer.content)}")
    found = answer.document()
    if isinstance(found, dict) and found.get("error"):
        raise UserError(f"{address.where}: {message_of(answer.content)}; look at its log")
    usage = found.get("usage") if isinstance(found, dict) else None
    count = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return count if isinstance(count, int) else 0

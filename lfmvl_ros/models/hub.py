# SPDX-License-Identifier: Apache-2.0
"""Checks once, within seconds, whether the Hugging Face hub can be reached.

transformers and huggingface_hub try each file of a checkpoint, with five retries each. Without a
network that takes most of a minute, and behind a firewall that drops packets many minutes.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import is_directory, user_path
from lfmvl_ros.models.catalog import find

TIMEOUT_S = 5.0


def endpoint() -> str:
    """Return the address of the hub that checkpoints are fetched from."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def is_offline() -> bool:
    """Return whether the user has disabled the hub (``HF_HUB_OFFLINE``)."""
    given = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(word.upper() in ("1", "ON", "YES", "TRUE") for word in given)


def why_unreachable(hub_id: str, timeout_s: float = TIMEOUT_S) -> str:
    """Request a file's headers from the hub; return why it can't be reached, "" if it can.

    Any response counts, also that there is no such checkpoint. The proxies of the environment are
    used.
    """
    if is_offline():
        return "HF_HUB_OFFLINE is set"
    address = f"{endpoint()}/{hub_id}/resolve/main/config.json"
    request = urllib.request.Request(address, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=timeout_s).close()
    except urllib.error.HTTPError:
        return ""
    except TimeoutError:
        return f"no answer from {endpoint()} within {timeout_s:g} s"
    except (OSError, ValueError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return f"no answer from {endpoint()} within {timeout_s:g} s"
        return f"{endpoint()} can't be reached: {getattr(reason, 'strerror', None) or reason}"
    return ""


def source_within_reach(hub_id: str) -> str:
    """Return the hub id, or the directory of a local copy if the hub can't be reached.

    Raises:
        UserError: the hub can't be reached, and there is no copy.
    """
    why = why_unreachable(hub_id)
    if not why:
        return hub_id
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return str(snapshot_download(hub_id, local_files_only=True))
    except HFValidationError as error:
        raise UserError(f"{hub_id!r} is no id of a hub: {error}") from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{hub_id} is not on this machine, and can't be fetched: {why}; connect the machine "
            "once, give the directory of a copy made elsewhere, or use 'bundled'"
        ) from error


def local_folder(model: str) -> Path:
    """Return the directory of a checkpoint, downloaded if need be.

    Args:
        model: a directory, a catalogue name, or a hub id.

    Raises:
        UserError: there is none, or it can't be fetched; says what to do.
    """
    folder = user_path(model, "model")
    if is_directory(folder):
        return folder
    entry = find(model)
    if entry is not None and entry.directory:
        return Path(entry.source)
    hub_id = entry.id if entry is not None else model
    if hub_id.count("/") != 1 or hub_id.startswith((".", "/", "~")):
        raise UserError(
            f"there is no checkpoint {model!r}; give a directory, a catalogue name or a hub id"
        )
    source = source_within_reach(hub_id)
    if source != hub_id:
        return Path(source)
    try:
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(hub_id, allow_patterns=["*.json", "*.jinja", "*.safetensors"])
        )
    except Exception as error:  # the hub's client has many kinds
        raise UserError(why_not_fetched(hub_id, error)) from error


def why_not_fetched(hub_id: str, error: Exception) -> str:
    """Return a sentence on what the hub's client raised, with what to do about it."""
    kind = type(error).__name__
    if kind == "GatedRepoError":
        return (
            f"the checkpoint {hub_id} is gated: accept its licence at {endpoint()}/{hub_id}, then "
            "log in with `hf auth login`, or set HF_TOKEN"
        )
    if kind in ("RepositoryNotFoundError", "RevisionNotFoundError"):
        return (
            f"{endpoint()} has no checkpoint {hub_id}, or only for those who are logged in; check "
            "the name, or log in with `hf auth login`"
        )
    reason = (str(error).splitlines() or [kind])[0][:200]
    return (
        f"the checkpoint {hub_id} can't be fetched ({reason}); check the name and the network, or "
        "give the directory of a downloaded copy"
    )

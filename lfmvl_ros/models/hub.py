# SPDX-License-Identifier: Apache-2.0
"""Fetches checkpoints from the Hugging Face hub; checks once, within seconds, if it can be reached.

transformers and huggingface_hub try each file of a checkpoint, with five retries each. Without a
network that takes most of a minute, and behind a firewall that drops packets many minutes.
"""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from pathlib import Path

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.models.catalog import directory_of, find
from lfmvl_ros.models.checkpoint_files import check_architecture, read_json
from lfmvl_ros.models.incomplete import INDEX_FILE, refuse_incomplete

TIMEOUT_S = 5.0
_FULL_COMMIT = re.compile(r"[0-9a-f]{40}")
_SMALL = ["*.json", "*.jinja"]  # files of a checkpoint beside its weights
_NEEDED = ("config.json", "tokenizer_config.json", "tokenizer.json", "*.safetensors")
_PROCESSORS = ("processor_config.json", "preprocessor_config.json")
_SHARD = "*-of-*.safetensors"  # without the index nothing says which others there are


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


def fetched_folder(hub_id: str, revision: str = "") -> Path:
    """Return the directory of a hub's checkpoint on this machine, downloaded if need be.

    Its name is the commit (:func:`commit_of`). The configuration comes first: the weights of a
    family that does not run here are not fetched. Where the hub is not there, a copy of an earlier
    download is used; so is a complete copy of a full commit, which never changes.

    Args:
        hub_id: such as ``owner/name``.
        revision: branch, tag or commit; "" for the newest.

    Raises:
        UserError: it can't be fetched, and there is no copy; says what to do.
    """
    from huggingface_hub import snapshot_download

    if _FULL_COMMIT.fullmatch(revision) and (copy := _complete_copy(hub_id, revision)) is not None:
        return copy
    named = f"{hub_id} at {revision}" if revision else hub_id
    if why := why_unreachable(hub_id):
        return copied_folder(hub_id, revision, why)
    try:
        small = Path(
            snapshot_download(
                hub_id, revision=revision or None, allow_patterns=_SMALL, endpoint=endpoint()
            )
        )
        model_type = read_json(small / "config.json").get("model_type")
        check_architecture(model_type, named)
        return Path(
            snapshot_download(
                hub_id,
                revision=commit_of(small) or revision or None,
                allow_patterns=[*_SMALL, "*.safetensors"],
                endpoint=endpoint(),
            )
        )
    except UserError:
        raise
    except Exception as error:  # the hub's client has many kinds
        raise UserError(why_not_fetched(hub_id, error, revision)) from error


def copied_folder(hub_id: str, revision: str, why: str) -> Path:
    """Return the directory of a copy that an earlier download left.

    Args:
        hub_id: such as ``owner/name``.
        revision: as of :func:`fetched_folder`.
        why: the hub can't be asked.

    Raises:
        UserError: there is none.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, revision=revision or None, local_files_only=True))
    except HFValidationError as error:
        raise UserError(f"{hub_id!r} is not a hub id: {error}") from error
    except (LocalEntryNotFoundError, OSError) as error:
        named = f"revision {revision} of {hub_id}" if revision else hub_id
        raise UserError(
            f"{named} is not on this machine, and can't be fetched: {why}; connect the machine "
            "once, give the directory of a copy made elsewhere, or use 'bundled'"
        ) from error


def _complete_copy(hub_id: str, commit: str) -> Path | None:
    """Return the copy of a commit that has all that loading reads; None if no copy is complete."""
    try:
        folder = copied_folder(hub_id, commit, "")
        refuse_incomplete(folder)
    except UserError:
        return None
    whole = all(any(folder.glob(name)) for name in _NEEDED)
    processor = any((folder / name).is_file() for name in _PROCESSORS)
    shards = any(folder.glob(_SHARD)) and not (folder / INDEX_FILE).is_file()
    return folder if whole and processor and not shards else None


def commit_of(path: Path) -> str:
    """Return the commit that a file or directory in the hub's cache is of; "" for any other.

    >>> commit_of(Path("/c/models--a--b/snapshots/0123456789abcdef0123456789abcdef01234567/x.gguf"))
    '0123456789abcdef0123456789abcdef01234567'
    """
    for folder in (path, *path.parents):
        if folder.parent.name == "snapshots" and _FULL_COMMIT.fullmatch(folder.name):
            return folder.name
    return ""


def local_folder(model: str, revision: str = "") -> Path:
    """Return the directory of a checkpoint, downloaded if need be.

    Args:
        model: a directory, a catalogue name, or a hub id.
        revision: branch, tag or commit of a hub's checkpoint; "" for the newest.

    Raises:
        UserError: there is none, or it can't be fetched; says what to do.
    """
    folder = directory_of(model)
    if folder is not None:
        if revision:
            raise UserError(
                f"revision is {quoted(revision)}, and {quoted(model)} does not come from a hub: "
                "leave revision empty, or give a hub id"
            )
        return folder
    entry = find(model)
    hub_id = entry.id if entry is not None else model
    if hub_id.count("/") != 1 or hub_id.startswith((".", "/", "~")):
        raise UserError(
            f"there is no checkpoint {model!r}; give a directory, a catalogue name or a hub id"
        )
    return fetched_folder(hub_id, revision)


def why_not_fetched(hub_id: str, error: Exception, revision: str = "") -> str:
    """Return a sentence on what the hub's client raised, with what to do about it."""
    kind = type(error).__name__
    if kind == "RevisionNotFoundError":
        return (
            f"{hub_id} has no revision {revision!r} at {endpoint()}; give one of its branches, "
            "tags or commits, or leave revision empty for the newest"
        )
    if kind == "GatedRepoError":
        return (
            f"the checkpoint {hub_id} is gated: accept its licence at {endpoint()}/{hub_id}, then "
            "log in with `hf auth login`, or set HF_TOKEN"
        )
    if kind == "RepositoryNotFoundError":
        return (
            f"{endpoint()} has no checkpoint {hub_id}, or only for those who are logged in; check "
            "the name, or log in with `hf auth login`"
        )
    reason = (str(error).splitlines() or [kind])[0][:200]
    return (
        f"the checkpoint {hub_id} can't be fetched ({reason}); check the name and the network, or "
        "give the directory of a downloaded copy"
    )

# SPDX-License-Identifier: Apache-2.0
"""Checks once, within seconds, whether the Hugging Face hub can be reached.

transformers and huggingface_hub try each file of a checkpoint, with five retries each. Without a
network that takes most of a minute, and behind a firewall that drops packets many minutes.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request

from lfmvl_ros.core.errors import UserError

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

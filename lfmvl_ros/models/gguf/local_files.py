# SPDX-License-Identifier: Apache-2.0
"""GGUF files by the catalogue name of their checkpoint and a quantisation: ``lfm2.5-vl-450m:q4_0``.

A published checkpoint's files are fetched from its publisher's ``…-GGUF`` repository. Those of a
checkpoint that comes with a package are written once, into the user's cache.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.core.user_files import is_regular_file, user_path
from lfmvl_ros.models.calibration_file import fingerprint
from lfmvl_ros.models.gguf.export import KINDS, ExportedFiles, export_gguf
from lfmvl_ros.models.hub import copied_folder, endpoint, why_not_fetched, why_unreachable
from lfmvl_ros.models.model_name import QUANTISATION, QuantisedName

_MMPROJ_KINDS = ("q8_0", "f16", "bf16", "f32")  # where there is none of the same kind
_log = logging.getLogger(__name__)


def local_files(name: QuantisedName, revision: str = "") -> tuple[Path, Path]:
    """Return the two GGUF files, text and mmproj; they are fetched or written where missing.

    Args:
        name: checkpoint and precision.
        revision: branch, tag or commit of the repository of its GGUF files; "" for the newest.

    Raises:
        UserError: there are none, they can't be fetched, or not be written.
    """
    if name.entry.directory:
        written = _exported(name)
        return written.text, written.mmproj
    if not name.entry.gguf:
        raise UserError(
            f"the catalogue knows no GGUF files of {name.entry.name}; run the checkpoint itself, "
            "or give the path of a .gguf file"
        )
    return _fetched(name.entry.gguf, name.kind, revision)


def _exported(name: QuantisedName) -> ExportedFiles:
    """Write the files of a package's checkpoint into the cache, once for these weights."""
    if name.kind not in KINDS:
        raise UserError(
            f"{name.entry.name} can be written as {', '.join(KINDS)}, not as {name.kind!r}"
        )
    folder, short = Path(name.entry.source), name.entry.name
    out = user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "cache") / "lfmvl_ros" / "gguf"
    out /= f"{short}-{fingerprint(folder)[:12]}"
    stem = f"{short}-{name.kind}"
    files = ExportedFiles(out / f"{stem}.gguf", out / f"mmproj-{stem}.gguf", out / f"{stem}.json")
    if all(map(is_regular_file, (files.text, files.mmproj, files.facts))):
        return files
    try:
        return export_gguf(folder, out, name.kind, name=short, catalogue_name=short)
    except OSError as error:
        raise UserError(
            f"the GGUF files of {short} can't be written to {out} ({describe(error)}); set "
            "XDG_CACHE_HOME to a directory that can be written, or use `lfmvl export`"
        ) from error


def _fetched(repository: str, kind: str, revision: str) -> tuple[Path, Path]:
    try:
        from huggingface_hub import HfApi, hf_hub_download
    except ImportError as error:
        raise UserError(
            f"fetching GGUF files needs the package huggingface_hub ({error}); install it with "
            "`pip install huggingface_hub`, or download them and give the path of the .gguf file"
        ) from error
    if why := why_unreachable(repository):
        folder = copied_folder(repository, revision, why)
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.gguf")]
        text, mmproj = choose_files(names, kind, repository)
        return folder / text, folder / mmproj
    try:
        names = HfApi(endpoint=endpoint()).list_repo_files(repository, revision=revision or None)
        chosen = choose_files(names, kind, repository)
        _log.info("fetching %s and %s of %s, unless they are on this machine", *chosen, repository)
        text_path, mmproj_path = (
            Path(hf_hub_download(repository, file, revision=revision or None, endpoint=endpoint()))
            for file in chosen
        )
    except UserError:
        raise
    except Exception as error:
        if type(error).__name__ == "RevisionNotFoundError":
            raise UserError(why_not_fetched(repository, error, revision)) from error
        raise UserError(
            f"the GGUF files of {repository} can't be fetched "
            f"({safe_text(describe(error))[:200]}); check the network and the free space, or give "
            "the path of a .gguf file"
        ) from error
    return text_path, mmproj_path


def choose_files(names: Sequence[str], kind: str, repository: str) -> tuple[str, str]:
    """Return which of a repository's files are text and mmproj of a quantisation.

    The mmproj of the same quantisation is preferred, then the smallest that loses little.

    >>> choose_files(["a-Q4_0.gguf", "a-F16.gguf", "mmproj-a-Q8_0.gguf"], "q4_0", "x/a-GGUF")
    ('a-Q4_0.gguf', 'mmproj-a-Q8_0.gguf')

    Raises:
        UserError: one of them is not there; says which quantisations are.
    """
    texts: dict[str, str] = {}
    projectors: dict[str, str] = {}
    for name in names:
        stem = PurePosixPath(name).name
        found = re.fullmatch(rf"(.+)[-_.]({QUANTISATION})\.gguf", stem, re.IGNORECASE)
        if found is None:
            continue
        group = projectors if stem.lower().startswith("mmproj") else texts
        group.setdefault(found[2].lower(), name)
    if kind not in texts:
        there = ", ".join(sorted(texts)) or "none"
        raise UserError(f"{repository} has no {kind} among its GGUF files; it has {there}")
    wanted = [found for found in (kind, *_MMPROJ_KINDS, *projectors) if found in projectors]
    if not wanted:
        raise UserError(f"{repository} has no mmproj file, and without it a model sees nothing")
    return texts[kind], projectors[wanted[0]]

# SPDX-License-Identifier: Apache-2.0
"""Chooses and loads the backend for a ``model`` setting."""

from __future__ import annotations

from pathlib import Path

from lfmvl_ros import registry
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.file_kinds import kind_of
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.prompt import CARD_TEMPLATE
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.user_files import (
    check_regular,
    exists,
    is_directory,
    is_regular_file,
    user_path,
)
from lfmvl_ros.models.catalog import CatalogEntry, catalog, copy_of, directory_of, find
from lfmvl_ros.models.checkpoint_files import check_directory, check_transformers
from lfmvl_ros.models.model_name import INT8, resolved, split_name
from lfmvl_ros.models.server.address import is_gguf, is_server, parse_address


def load_model(
    settings: PerceptionSettings | str, *, device: str = "auto", dtype: str = "auto"
) -> VisionLanguageModel:
    """Load a model: a catalogue name, hub id, directory, GGUF or replay file, or a server.

    A catalogue name with a quantisation (``lfm2.5-vl-450m:q4_0``) means GGUF files; a checkpoint
    with ``:int8`` behind it is loaded with int8 weights.

    An existing directory takes precedence over a hub id of the same name, but not over a checkpoint
    that comes with a package (:func:`~lfmvl_ros.models.catalog.directory_of`). A directory with the
    name of a published checkpoint gets that one's prompt template, and a checkpoint that is not in
    the catalogue gets that of the LFM2.5-VL card.

    Args:
        settings: what to load, or only its name.
        device: with a name: as the setting ``device``.
        dtype: with a name: as the setting ``dtype``.

    Raises:
        UserError: it can't be loaded; the message says why and what to do.
    """
    if isinstance(settings, str):
        settings = PerceptionSettings(model=settings, device=device, dtype=dtype)
    settings = resolved(settings)
    model = settings.model.strip()
    _check_revision(settings)
    if model.endswith(".jsonl"):
        from lfmvl_ros.models.replay import ReplayModel

        return ReplayModel.from_file(user_path(model, "recording"))
    if is_server(model):
        from lfmvl_ros.models.server.connect import connect

        return connect(parse_address(model), settings.image)
    if split_name(model).quantised is not None or is_gguf(model):
        return _served_here(settings)
    return _checkpoint(settings)


def _served_here(settings: PerceptionSettings) -> VisionLanguageModel:
    """Start llama.cpp's server for GGUF files: the paths of two, or a name with a quantisation."""
    from lfmvl_ros.models.hub import commit_of
    from lfmvl_ros.models.server.managed import ManagedModel, check_program, find_files

    by_name = split_name(settings.model.strip()).quantised
    if by_name is not None:
        from lfmvl_ros.models.gguf.local_files import local_files

        check_program()  # before anything is fetched
        text, mmproj = local_files(by_name, settings.revision)
        settings = settings.updated({"model": f"{text}#{mmproj}", "revision": ""})
    managed = ManagedModel.load(settings)
    managed.revision = commit_of(find_files(settings.model)[0])
    return managed


def _checkpoint(settings: PerceptionSettings) -> VisionLanguageModel:
    """Load a checkpoint with torch: a catalogue name, hub id or directory."""
    model = settings.model.strip()
    entry = find(model)
    source = _source(model, entry)
    check_transformers()
    try:
        from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend
    except ImportError as error:
        raise UserError(
            f"the Python packages torch and transformers can't be imported ({error}); "
            "install them to match, or replay recorded answers from a .jsonl file"
        ) from error
    known = entry or copy_of(source)
    from lfmvl_ros.models.hub import commit_of, fetched_folder  # imports HTTP, TLS and e-mail

    folder = Path(source) if Path(source).is_dir() else fetched_folder(source, settings.revision)
    backend = Lfm2VlBackend.load(
        str(folder),
        name=entry.id or entry.name if entry else model,
        template=known.template if known else CARD_TEMPLATE,
        device=settings.device,
        dtype=settings.dtype,
    )
    backend.remark, backend.revision = known.remark if known else "", commit_of(folder)
    if entry is not None and entry.sentences:
        from lfmvl_ros.models.lfm2_vl.sentences import SentenceModel

        backend.sentences = SentenceModel(entry.sentences, backend.name, settings.device)
    return backend


def notice_of(model: VisionLanguageModel) -> str:
    """Return a notice for the log when this model is loaded.

    Such as where images are sent, and what the checkpoint can't do.
    """
    notices = (str(getattr(model, name, "")) for name in ("notice", "remark"))
    return ". ".join(filter(None, notices))


def check_model(settings: PerceptionSettings) -> None:
    """Raise the errors of :func:`load_model` that can be found without loading weights.

    Hub ids and server addresses are not checked: that takes a connection.

    Raises:
        UserError: there is no such file, directory, name or device, or no checkpoint in the
            directory.
    """
    settings = resolved(settings)
    model = settings.model.strip()
    _check_revision(settings)
    if model.endswith(".jsonl"):
        recording = user_path(model, "recording")
        if not exists(recording):
            raise UserError(f"the recording {quoted(model)} can't be read: there is no such file")
        check_regular(recording, or_pipe=True)
        return
    if is_server(model):
        parse_address(model)
        return
    if split_name(model).quantised is not None or is_gguf(model):
        from lfmvl_ros.models.server.managed import check_program, find_files

        check_program()
        if is_gguf(model):
            find_files(model)
        return
    _source(model, find(model))
    check_transformers()
    if settings.device in ("auto", "cpu") and settings.dtype != INT8:
        return  # there without torch, which takes seconds to import
    try:
        from lfmvl_ros.models.lfm2_vl.loading import choose_device
        from lfmvl_ros.models.lfm2_vl.precision import choose_precision
    except ImportError:
        return  # load_model has the better message
    choose_precision(settings.dtype, choose_device(settings.device))


def _check_revision(settings: PerceptionSettings) -> None:
    """Refuse a revision for a model that does not come from a hub: it would be silently ignored."""
    model = settings.model.strip()
    if not settings.revision:
        return
    by_name = split_name(model).quantised
    if by_name is not None:
        from_hub = bool(by_name.entry.gguf)
    else:
        elsewhere = model.endswith(".jsonl") or is_server(model) or is_gguf(model)
        from_hub = not elsewhere and directory_of(model) is None
    if not from_hub:
        raise UserError(
            f"revision is {quoted(settings.revision)}, and {quoted(model)} does not come from a "
            "hub: leave revision empty, or give a hub id"
        )


def _source(model: str, entry: CatalogEntry | None) -> str:
    """Return the directory or hub id to load from."""
    if not model:
        raise UserError("no model is named; give a hub id, a directory, or 'bundled'")
    folder = user_path(model, "model")
    directory = directory_of(model)
    if directory is not None:
        if entry is not None and entry.directory and not is_directory(directory):
            raise UserError(
                f"the {entry.name} checkpoint is not part of this installation ({directory} is "
                "missing); install the package again, or make one with `lfmvl train`"
            )
        check_directory(directory)
        return str(directory)
    if entry is not None:
        return entry.id
    looks_like_path = model.startswith((".", "/", "~")) or model.count("/") != 1
    if is_regular_file(folder):
        raise UserError(
            f"{model} is {kind_of(folder) or 'a file'}, and a model is the directory of a "
            "checkpoint (config.json, *.safetensors), a .gguf file or a .jsonl recording"
        )
    if looks_like_path or exists(folder):
        if model in ("bundled", "warehouse"):
            registry.load(registry.MODELS, "bundled")  # raises: it is not installed
        names = ", ".join(known.name for known in catalog())
        raise UserError(
            f"there is no model {quoted(model)}: no such directory, and the catalogue has {names}; "
            "give one of these, a directory, or a hub id like owner/name"
        )
    return model

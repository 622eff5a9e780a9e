# SPDX-License-Identifier: Apache-2.0
"""Writes a checkpoint as two GGUF files that llama.cpp's server loads, with PyPI's gguf package."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.core.whole_files import make_folder, write_json
from lfmvl_ros.models.checkpoint_files import ARCHITECTURE, check_directory
from lfmvl_ros.models.gguf.metadata import (
    CheckpointFacts,
    add_text_metadata,
    add_vision_metadata,
)
from lfmvl_ros.models.gguf.names import TEXT, VISION, tensor_name
from lfmvl_ros.models.gguf.safetensors import FloatArray, StoredTensor, checkpoint_tensors
from lfmvl_ros.models.server.facts import facts_document

KINDS = ("f32", "f16", "q8_0", "q4_0")
"""Precision of the weights. q4_0 keeps the embedding, vision tower and projector in q8_0."""

_INSTALL = "install it with `pip install gguf` (it needs numpy, pyyaml, tqdm and requests)"
_TIED = "lm_head.weight"  # in this family it is the embedding, which llama.cpp knows


@dataclass(frozen=True)
class ExportedFiles:
    """Paths of what was written: language tower, mmproj, and what the client needs to know."""

    text: Path
    mmproj: Path
    facts: Path


def export_gguf(
    folder: Path, out: Path, kind: str, *, name: str, catalogue_name: str = ""
) -> ExportedFiles:
    """Write ``<name>-<kind>.gguf``, ``mmproj-<name>-<kind>.gguf`` and a JSON file of facts.

    Each file appears whole or not at all: it is written beside its place and renamed.

    Args:
        folder: directory of an LFM2-VL checkpoint.
        out: directory to write to; made if missing.
        kind: one of :data:`KINDS`.
        name: of the checkpoint, and the stem of the files.
        catalogue_name: what the catalogue calls it, where it does: its prompt goes with it.

    Raises:
        UserError: gguf is missing, or the checkpoint is damaged or of another family.
    """
    if kind not in KINDS:
        raise UserError(f"--type must be one of {', '.join(KINDS)}; got {kind!r}")
    try:
        import gguf
    except ImportError as error:
        raise UserError(
            f"writing GGUF files needs the package gguf, which can't be imported ({error}); "
            f"{_INSTALL}"
        ) from error
    check_directory(folder, only=ARCHITECTURE)
    tensors = _translated(folder)
    shapes = {tensor.name: tensor.stored.shape for tensor in tensors}
    facts = CheckpointFacts.read(folder, name, shapes)
    _check_shapes(folder, shapes, facts.patch_px)
    about = facts_document(folder, name=catalogue_name, kind=kind)
    files = ExportedFiles(
        out / f"{name}-{kind}.gguf", out / f"mmproj-{name}-{kind}.gguf", out / f"{name}-{kind}.json"
    )
    text, mmproj = gguf.GGUFWriter(None, "lfm2"), gguf.GGUFWriter(None, "clip")
    add_text_metadata(text, facts, kind)  # everything is checked before anything is written
    add_vision_metadata(mmproj, facts, kind)
    make_folder(out)
    for writer, path, file in ((text, files.text, TEXT), (mmproj, files.mmproj, VISION)):
        of_file = [tensor for tensor in tensors if tensor.file == file]
        _write(writer, path, of_file, kind, facts.patch_px, folder)
    write_json(files.facts, about)
    return files


@dataclass(frozen=True, eq=False)
class _Translated:
    """A tensor of the checkpoint, the file it goes to and its name there."""

    stored: StoredTensor
    file: str
    name: str


def _translated(folder: Path) -> list[_Translated]:
    found = []
    for stored in checkpoint_tensors(folder):
        if stored.name == _TIED:
            continue
        ours = tensor_name(stored.name)
        if ours is None:
            raise UserError(
                f"{folder} has a tensor {stored.name!r}, which llama.cpp's LFM2-VL does not know; "
                "only plain LFM2-VL checkpoints can be exported (merge adapters first)"
            )
        found.append(_Translated(stored, ours.file, ours.name))
    names = {tensor.name for tensor in found}
    for needed in ("token_embd.weight", "blk.0.ffn_gate.weight", "v.patch_embd.weight"):
        if needed not in names:
            raise UserError(f"the weights in {folder} are incomplete: there is no {needed}")
    return found


def _check_shapes(folder: Path, shapes: Mapping[str, tuple[int, ...]], patch_px: int) -> None:
    """Refuse tensors that :func:`arranged` could not arrange, and shapes that no tensor has."""
    expected: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (0, 3 * patch_px**2),
        "blk.0.ffn_gate.weight": (0, 0),
    }
    for name, shape in shapes.items():
        wanted = expected.get(name)
        if name.endswith("shortconv.conv.weight"):
            wanted = (0, 1, 0)
        fits = wanted is None or (
            len(shape) == len(wanted)
            and all(needed in (0, side) for needed, side in zip(wanted, shape, strict=True))
        )
        if not fits or min(shape, default=1) < 1:
            raise UserError(
                f"the tensor {name} of {folder} has the shape {shape}, which does not go with its "
                f"config.json (patch_size {patch_px}); download or copy the checkpoint again"
            )


def arranged(name: str, values: FloatArray, patch_px: int) -> FloatArray:
    """Return a tensor with its axes as llama.cpp has them.

    Short convolutions lose their axis of length 1, ``(C, 1, K) -> (C, K)``; the patch embedding,
    a linear layer over ``(rows, columns, colours)`` of a patch in transformers, becomes a
    convolution ``(C, colours, rows, columns)``.
    """
    if name.endswith("shortconv.conv.weight"):
        return values[:, 0]
    if name == "v.patch_embd.weight":
        return values.reshape(len(values), patch_px, patch_px, 3).transpose(0, 3, 1, 2)
    return values


def stored_type(name: str, shape: tuple[int, ...], kind: str) -> Any:
    """Return the ``gguf.GGMLQuantizationType`` of a tensor.

    As llama.cpp's own converter has it: vectors, short convolutions, position embeddings and, among
    quantised weights, the patch embedding stay in float32. Quantised rows come in blocks of 32:
    others are kept in float16.
    """
    from gguf import GGMLQuantizationType as Type

    small = len(shape) < 2 or "shortconv.conv" in name or "position_embd" in name
    if kind == "f32" or small or (kind != "f16" and len(shape) > 2):
        return Type.F32
    if kind == "f16" or shape[-1] % 32:
        return Type.F16
    fine = name.startswith(("token_embd", "v.", "mm."))
    return Type.Q8_0 if kind == "q8_0" or fine else Type.Q4_0


def _write(
    writer: Any,
    path: Path,
    tensors: Sequence[_Translated],
    kind: str,
    patch_px: int,
    folder: Path,
) -> None:
    """Write one file, a tensor at a time: memory stays that of the largest one."""
    from gguf import quants

    def packed(tensor: _Translated) -> NDArray[Any]:
        values = arranged(tensor.name, tensor.stored.values(), patch_px)
        stored = stored_type(tensor.name, values.shape, kind)
        return np.ascontiguousarray(
            quants.quantize(np.ascontiguousarray(values, dtype=np.float32), stored)
        )

    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        for tensor in tensors:
            blank = np.broadcast_to(np.float32(0), tensor.stored.shape)
            shape = arranged(tensor.name, blank, patch_px).shape
            stored = stored_type(tensor.name, shape, kind)
            bytes_each, values_each = _block(stored)
            size = math.prod(shape) // values_each * bytes_each
            writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), size, raw_dtype=stored)
        writer.write_header_to_file(path=Path(beside))
        _write_metadata(writer, folder)
        writer.write_ti_data_to_file()
        for tensor in tensors:
            writer.write_tensor_data(packed(tensor))
        writer.close()
        Path(beside).chmod(0o644)
        Path(beside).replace(path)
    finally:
        Path(beside).unlink(missing_ok=True)


def _write_metadata(writer: Any, folder: Path) -> None:
    """Write what describes the tensors.

    Raises:
        UserError: a value of the checkpoint has no place in a GGUF file; names its key.
    """
    try:
        writer.write_kv_data_to_file()
    except OSError:
        raise
    except Exception as error:  # of struct and gguf, whatever a value brings
        raise UserError(
            f"the GGUF files of {folder} can't be written: {_unusable_key(writer)} can't be stored "
            f"({describe(error)}); download or copy the checkpoint again"
        ) from error


def _unusable_key(writer: Any) -> str:
    """Return the first key of a writer whose value can't be written alone."""
    import gguf

    for key, value in writer.kv_data[0].items():
        alone = gguf.GGUFWriter(os.devnull, writer.arch)
        alone.kv_data[0] = {key: value}
        try:
            alone.write_header_to_file()
            alone.write_kv_data_to_file()
        except Exception:
            return str(key)
        finally:
            alone.close()
    return "its description"


def _block(stored: Any) -> tuple[int, int]:
    """Return bytes and values of a block of this type."""
    from gguf import GGML_QUANT_SIZES

    values, size = GGML_QUANT_SIZES[stored]
    return size, values

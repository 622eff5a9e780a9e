# SPDX-License-Identifier: Apache-2.0
"""Reads the tensors of a checkpoint with numpy alone.

The format is a length, a JSON header and raw numbers
(https://github.com/huggingface/safetensors#format). The package of that name can't give bfloat16
to numpy, and torch takes seconds to import.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.core.errors import UserError

FloatArray = NDArray[np.float32]
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_LARGEST_HEADER = 100 << 20  # bytes, as in the reference implementation


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor in a file: its shape at once, its values when asked for.

    Attributes:
        name: as transformers calls it.
        shape: of the tensor.
        kind: element type, in the words of the format.
        raw: ``(bytes,)`` uint8, mapped from the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    raw: NDArray[np.uint8]

    def values(self) -> FloatArray:
        """Return the values as float32."""
        if self.kind == "BF16":  # the upper half of a float32
            whole = (self.raw.view("<u2").astype("<u4") << 16).view("<f4")
        else:
            whole = self.raw.view(_TYPES[self.kind]).astype("<f4")
        return whole.reshape(self.shape)


def checkpoint_tensors(folder: Path) -> list[StoredTensor]:
    """Return every tensor in a checkpoint's ``*.safetensors`` files, in the order of the files.

    Raises:
        UserError: a file is damaged, or holds numbers of another kind than floating point.
    """
    found: list[StoredTensor] = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found += _file_tensors(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} can't be read ({error}); download or copy the checkpoint again"
            ) from error
    return found


def _file_tensors(path: Path) -> Iterator[StoredTensor]:
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    length = int(raw[:8].view("<u8")[0])
    if length > min(len(raw) - 8, _LARGEST_HEADER):
        raise ValueError("its header is longer than the file")
    data = raw[8 + length :]
    for name, info in json.loads(bytes(raw[8 : 8 + length])).items():
        if name == "__metadata__":
            continue
        (start, end), kind = info["data_offsets"], info["dtype"]
        shape = tuple(int(side) for side in info["shape"])
        if kind not in _BYTES:
            raise ValueError(f"tensors of type {kind} are not supported; save it in floating point")
        if not 0 <= start <= end <= len(data) or end - start != math.prod(shape) * _BYTES[kind]:
            raise ValueError(f"the file is too short for tensor {name}")
        yield StoredTensor(name, shape, kind, data[start:end])

# SPDX-License-Identifier: Apache-2.0
"""Two tiny ONNX networks with the interface of cv2.TrackerNano, that follow an object's colour.

The backbone is the mean colour of blocks of 16 px. The head scores how much of 5x5 blocks has the
colour in the middle of the template, and centres a box of fixed size on them. The
files are written here field by field (protobuf, onnx.proto), so that no package is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

FLOAT, INT64 = 1, 7
BLOCK_PX = 16
# An object as wide as high takes half of its template's crop of 127 px.
HALF_PX = 31.75
# From a place of the tracker's grid to the middle of the block there.
MIDDLE_PX = 8.5
SHARPNESS, CERTAINTY = 1e-3, 12.0


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, values: np.ndarray) -> bytes:
    kind = INT64 if values.dtype == np.int64 else FLOAT
    raw = values.astype("<i8" if kind == INT64 else "<f4").tobytes()
    dims = b"".join(_field(1, size) for size in values.shape)
    return dims + _field(2, kind) + _field(8, name) + _field(9, raw)


def _ints(name: str, values: Sequence[int]) -> bytes:
    every = b"".join(_field(8, value) for value in values)
    return _field(5, _field(1, name) + every + _field(20, 7))


def _kernel(side: int) -> bytes:
    return _ints("kernel_shape", (side, side))  # the standard needs none, OpenCV 4 does


def _node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    ends = b"".join(_field(1, name) for name in inputs) + _field(2, output)
    return _field(1, ends + _field(4, kind) + b"".join(attributes))


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_field(1, _field(1, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, FLOAT) + _field(2, dims)))


def _model(
    nodes: bytes,
    weights: dict[str, np.ndarray],
    inputs: dict[str, Sequence[int]],
    outputs: dict[str, Sequence[int]],
) -> bytes:
    graph = nodes + _field(2, "tiny")
    graph += b"".join(_field(5, _tensor(name, each)) for name, each in weights.items())
    graph += b"".join(_field(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_field(12, _value(name, shape)) for name, shape in outputs.items())
    return _field(1, 7) + _field(7, graph) + _field(8, _field(2, 11))


def _backbone() -> bytes:
    mean = np.zeros((3, 3, BLOCK_PX, BLOCK_PX), np.float32)
    for channel in range(3):
        mean[channel, channel] = 1 / BLOCK_PX**2
    step, pads = _ints("strides", (BLOCK_PX, BLOCK_PX)), _ints("pads", (0, 0, 1, 1))
    nodes = _node("Conv", ("input", "mean"), "output", _kernel(BLOCK_PX), step, pads)
    return _model(nodes, {"mean": mean}, {"input": (1, 3, 255, 255)}, {"output": (1, 3, 16, 16)})


def _head(logits: int) -> bytes:
    around = np.arange(-2, 3) * float(BLOCK_PX)
    across, down = np.meshgrid(around, around)
    alike = np.full((1, 3, 1, 1), -SHARPNESS, np.float32)
    score = np.zeros((logits, 1, 5, 5), np.float32)
    score[-1] = CERTAINTY / 12
    weights = {
        "from": np.array([3, 3]),
        "to": np.array([5, 5]),
        "axes": np.array([2, 3]),
        "alike": alike,
        "ones": np.ones((1, 1, 5, 5), np.float32),
        "score": score,
        "level": np.array([0.0] * (logits - 1) + [-CERTAINTY / 2], np.float32),
        "ways": np.stack([-across, -down, across, down])[:, None].astype(np.float32),
        "little": np.full((1, 1, 1, 1), 1e-3, np.float32),
        "half": (HALF_PX + MIDDLE_PX * np.array([-1, -1, 1, 1], np.float32)).reshape(1, 4, 1, 1),
    }
    wide = _kernel(5) + _ints("pads", (2, 2, 2, 2))
    nodes = (
        _node("Slice", ("input1", "from", "to", "axes"), "middle")
        + _node("GlobalAveragePool", ("middle",), "colour")
        + _node("Sub", ("input2", "colour"), "off")
        + _node("Mul", ("off", "off"), "squared")
        + _node("Conv", ("squared", "alike"), "exponent", _kernel(1))
        + _node("Exp", ("exponent",), "mask")
        + _node("Conv", ("mask", "score", "level"), "output1", wide)
        # The boxes are centred on the mask's centroid.
        + _node("Conv", ("mask", "ones"), "sum", wide)
        + _node("Add", ("sum", "little"), "area")
        + _node("Conv", ("mask", "ways"), "moment", wide)
        + _node("Div", ("moment", "area"), "centroid")
        + _node("Add", ("centroid", "half"), "output2")
    )
    inputs = {"input1": (1, 3, 8, 8), "input2": (1, 3, 16, 16)}
    outputs = {"output1": (1, logits, 16, 16), "output2": (1, 4, 16, 16)}
    return _model(nodes, weights, inputs, outputs)


def write_tiny_nets(folder: Path, logits: int = 2) -> Path:
    """Write ``backbone.onnx`` and ``neckhead.onnx``; return the folder.

    Args:
        folder: made where it is missing.
        logits: channels of the score; 2 is right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "backbone.onnx").write_bytes(_backbone())
    (folder / "neckhead.onnx").write_bytes(_head(logits))
    return folder

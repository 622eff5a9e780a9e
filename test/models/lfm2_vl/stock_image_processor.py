# SPDX-License-Identifier: Apache-2.0
"""Run in a process of its own: what transformers' own image processor makes of given images.

    python stock_image_processor.py IN.npz OUT.npz

Where torchvision is missing, the stock class still does everything but three tensor functions
itself: grid, sizes, tiles, patches, padding. Those three are supplied here, written after
torchvision's documentation, so that the stock class can be imported and compared against.
IN holds ``cases`` (a JSON list of options) and ``picture_0``, ``picture_1`` ... (H, W, 3) uint8;
OUT what the stock class returns for all of them as one batch, ``0/pixel_values`` ... by case.
"""

import enum
import importlib.machinery
import json
import sys
import types

import numpy as np
import torch


class InterpolationMode(enum.Enum):
    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def resize(image, size, interpolation, antialias=True):
    """Bilinear, antialiased, as ``torchvision.transforms.v2.functional.resize`` on tensors."""
    assert interpolation is InterpolationMode.BILINEAR
    assert antialias
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    options = {"size": tuple(size), "mode": "bilinear", "antialias": True, "align_corners": False}
    avx2 = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    if image.dtype == torch.uint8 and not avx2:
        return torch.nn.functional.interpolate(image.float(), **options).round().to(torch.uint8)
    return torch.nn.functional.interpolate(image, **options)


def normalize(image, mean, std, inplace=False):
    mean = torch.as_tensor(mean, dtype=image.dtype).view(-1, 1, 1)
    std = torch.as_tensor(std, dtype=image.dtype).view(-1, 1, 1)
    return image.sub(mean).div(std)


def grayscale_to_rgb(image):
    return image if image.shape[-3] >= 3 else image.expand(*image.shape[:-3], 3, -1, -1)


def stand_in_for_torchvision():
    contents = {
        "torchvision": {"__version__": "0.28.0", "__file__": __file__},
        "torchvision.io": {"ImageReadMode": None, "decode_image": None},
        "torchvision.transforms": {"InterpolationMode": InterpolationMode},
        "torchvision.transforms.functional": {"pil_to_tensor": None},
        "torchvision.transforms.v2": {},
        "torchvision.transforms.v2.functional": {
            "InterpolationMode": InterpolationMode,
            "resize": resize,
            "normalize": normalize,
            "grayscale_to_rgb": grayscale_to_rgb,
        },
    }
    for name, members in contents.items():
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        module.__path__ = []
        vars(module).update(members)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def main(source, target):
    try:
        import torchvision.transforms.v2.functional  # noqa: F401
    except Exception:
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        stand_in_for_torchvision()
    from transformers import Lfm2VlImageProcessor

    assert Lfm2VlImageProcessor.__module__.startswith("transformers.")
    with np.load(source) as data:
        drawn = [data[f"picture_{i}"] for i in range(len(data.files) - 1)]
        cases = json.loads(str(data["cases"]))
    results = {}
    for index, options in enumerate(cases):
        processor = Lfm2VlImageProcessor(**options)
        features = dict(processor(images=drawn, return_tensors="pt", return_row_col_info=True))
        features["config"] = json.dumps(processor.to_dict(), default=str, sort_keys=True)
        results.update({f"{index}/{key}": np.asarray(value) for key, value in features.items()})
    np.savez(target, **results)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

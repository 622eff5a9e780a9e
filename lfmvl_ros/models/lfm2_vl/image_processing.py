# SPDX-License-Identifier: Apache-2.0
"""LFM2-VL's image processor without torchvision, and the choice between it and the stock one.

transformers' own ``Lfm2VlImageProcessor`` imports torchvision, which many robots don't have or have
in a build that doesn't fit their torch. :class:`Lfm2VlImageProcessor` here computes the same
tensors, bit for bit, with torch alone: the tiling follows transformers' published behaviour, the
resampling torchvision's (``transforms.v2``: Pillow-like antialiased bilinear, in uint8 on CPUs with
AVX2, else in float32 and rounded). Configurations written by either are read by both.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F

from lfmvl_ros.core.image_tokens import ImageTokenSettings, smart_size, tile_grid
from lfmvl_ros.models.lfm2_vl.torchvision_guard import torchvision_works

TORCHVISION = torchvision_works()  # before transformers looks for it

from transformers.image_processing_utils import BaseImageProcessor, BatchFeature  # noqa: E402
from transformers.image_utils import (  # noqa: E402
    IMAGENET_STANDARD_MEAN,
    IMAGENET_STANDARD_STD,
    ChannelDimension,
    PILImageResampling,
    infer_channel_dimension_format,
    load_image,
)
from transformers.processing_utils import ImagesKwargs  # noqa: E402

_MODES = {
    PILImageResampling.NEAREST: "nearest",
    PILImageResampling.BILINEAR: "bilinear",
    PILImageResampling.BICUBIC: "bicubic",
}


class Lfm2VlImageProcessorKwargs(ImagesKwargs, total=False):  # type: ignore[misc, call-arg]
    """Options, when the processor is built or at each call; see the stock processor."""

    downsample_factor: int
    do_image_splitting: bool
    min_tiles: int
    max_tiles: int
    use_thumbnail: bool
    min_image_tokens: int
    max_image_tokens: int
    encoder_patch_size: int
    tile_size: int
    max_pixels_tolerance: float
    do_pad: bool
    return_row_col_info: bool


def resize(image: torch.Tensor, height: int, width: int, mode: str = "bilinear") -> torch.Tensor:
    """Resample ``(C, H, W)`` to ``(C, height, width)`` as torchvision's v2 ``resize`` does.

    uint8 stays uint8: computed natively on CPUs with AVX2, else in float32, rounded half to even.
    """
    if image.shape[-2:] == (height, width):
        return image
    native = image.device.type == "cpu" and (
        mode == "bicubic" or torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    )
    smooth = mode != "nearest"
    keep = image.dtype in (torch.float32, torch.float64) or (
        image.dtype == torch.uint8 and (native or not smooth)
    )
    source = image[None] if keep else image[None].to(torch.float32)
    result = F.interpolate(
        source,
        size=(height, width),
        mode=mode,
        align_corners=False if smooth else None,
        antialias=smooth,
    )[0]
    if keep:
        return result
    if mode == "bicubic" and image.dtype == torch.uint8:
        result = result.clamp(0, 255)
    if not image.dtype.is_floating_point:
        result = result.round()
    return result.to(image.dtype)


def to_patches(image: torch.Tensor, patch: int) -> torch.Tensor:
    """Cut ``(C, H, W)`` into rows of patches, ``(H/patch * W/patch, patch * patch * C)``."""
    channels, height, width = image.shape
    grid = image.reshape(channels, height // patch, patch, width // patch, patch)
    return grid.permute(1, 3, 2, 4, 0).reshape((height // patch) * (width // patch), -1)


def trim_padding(features: Mapping[str, Any]) -> dict[str, Any]:
    """Cut ``pixel_values`` and its mask to the largest image of the batch.

    The processor pads every image to 1024 patches and the vision tower computes on all of them.
    Only masked patches are removed, so the results are the same, in a quarter of the time for a
    256x256 image.
    """
    trimmed = dict(features)
    shapes = torch.as_tensor(trimmed["spatial_shapes"])
    longest = int(shapes.prod(dim=-1).max())
    for key in ("pixel_values", "pixel_attention_mask"):
        trimmed[key] = trimmed[key][:, :longest]
    return trimmed


class Lfm2VlImageProcessor(BaseImageProcessor):  # type: ignore[misc]
    """Images to patches, as the stock class of the same name; needs torch and Pillow only.

    Gives ``pixel_values`` (crops, patches, 768) float32, ``pixel_attention_mask`` (crops, patches)
    int32 and ``spatial_shapes`` (crops, 2) int64, rows and columns of patches. An image is one
    crop, or its tiles row by row and then a thumbnail.
    """

    downsample_factor = 2
    do_image_splitting = True
    min_tiles = 2
    max_tiles = 10
    use_thumbnail = True
    min_image_tokens = 64
    max_image_tokens = 256
    encoder_patch_size = 16
    tile_size = 512
    max_pixels_tolerance = 2.0
    do_resize = True
    size = {"height": 512, "width": 512}  # noqa: RUF012  (the base class copies it)
    resample = PILImageResampling.BILINEAR
    do_rescale = True
    rescale_factor = 1 / 255
    do_normalize = True
    do_pad = True
    return_row_col_info = False
    image_mean = IMAGENET_STANDARD_MEAN
    image_std = IMAGENET_STANDARD_STD
    valid_kwargs = Lfm2VlImageProcessorKwargs
    model_input_names = ["pixel_values", "pixel_attention_mask", "spatial_shapes"]  # noqa: RUF012

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set_attributes(**kwargs)
        self.max_num_patches = self._most_patches(
            self.max_image_tokens, self.downsample_factor, self.do_image_splitting,
            self.tile_size, self.encoder_patch_size,
        )  # fmt: skip

    @staticmethod
    def _most_patches(max_tokens: int, factor: int, split: bool, tile: int, patch: int) -> int:
        return max(max_tokens * factor**2, (tile // patch) ** 2 if split else 0)

    def fetch_images(self, images: Any) -> Any:
        """Open paths and URLs with Pillow; leave images as they are."""
        if isinstance(images, (list, tuple)):
            return [self.fetch_images(image) for image in images]
        return load_image(images) if isinstance(images, str) else images

    def process_image(
        self,
        image: Any,
        do_convert_rgb: bool | None = None,
        input_data_format: str | ChannelDimension | None = None,
        device: Any = None,
        **_: Any,
    ) -> torch.Tensor:
        """Return one image (Pillow, numpy or torch, any channel order) as a (C, H, W) tensor."""
        if hasattr(image, "convert"):  # Pillow
            image = _pillow_to_rgb(image) if do_convert_rgb else image
            tensor, input_data_format = _from_numpy(image), ChannelDimension.LAST
        else:
            tensor = image if isinstance(image, torch.Tensor) else _from_numpy(image)
        if tensor.ndim == 2:
            tensor, input_data_format = tensor[None], ChannelDimension.FIRST
        if input_data_format is None:
            input_data_format = infer_channel_dimension_format(tensor, num_channels=(1, 3, 4))
        if ChannelDimension(input_data_format) == ChannelDimension.LAST:
            tensor = tensor.permute(2, 0, 1)
        if do_convert_rgb and tensor.shape[0] == 1:
            tensor = tensor.expand(3, -1, -1)
        tensor = tensor.contiguous()
        return tensor if device is None else tensor.to(device)

    def _crops(
        self, image: torch.Tensor, rules: ImageTokenSettings, mode: str
    ) -> tuple[list[torch.Tensor], tuple[int, int], list[int]]:
        """Return the crops of an image, its (rows, columns) of tiles, and its whole size."""
        wh = (image.shape[-1], image.shape[-2])
        width, height = smart_size(wh, rules)
        columns, rows = tile_grid(wh, rules)
        if columns * rows == 1:
            return [resize(image, height, width, mode)], (1, 1), [height, width]
        tile = rules.tile_px
        large = resize(image, rows * tile, columns * tile, mode)
        crops = [
            large[:, row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
            for row in range(rows)
            for column in range(columns)
        ]
        if rules.thumbnail:
            crops.append(resize(image, height, width, mode))
        return crops, (rows, columns), [height, width]

    def _normalised(self, image: torch.Tensor, **k: Any) -> torch.Tensor:
        """Rescale and normalise in one step, in float32, in the stock order of operations."""
        if not k["do_normalize"]:
            return image * k["rescale_factor"] if k["do_rescale"] else image
        scale = 1.0 / k["rescale_factor"] if k["do_rescale"] else 1.0
        mean, std = (
            (torch.tensor(k[name], device=image.device) * scale).to(torch.float32).view(-1, 1, 1)
            for name in ("image_mean", "image_std")
        )
        return image.to(torch.float32).sub(mean).div_(std)

    def _preprocess(
        self,
        images: list[torch.Tensor],
        do_image_splitting: bool,
        do_pad: bool,
        return_row_col_info: bool,
        resample: Any = None,
        return_tensors: Any = None,
        **k: Any,
    ) -> BatchFeature:
        rules, patch = _rules(do_image_splitting, **k), k["encoder_patch_size"]
        mode = _MODES[
            PILImageResampling(PILImageResampling.BILINEAR if resample is None else resample)
        ]
        length = self._most_patches(
            k["max_image_tokens"], k["downsample_factor"], do_image_splitting, k["tile_size"], patch
        )
        values, shapes, grids, sizes = [], [], [], []
        for image in images:
            crops, grid, size = self._crops(image, rules, mode)
            grids.append(grid)
            sizes.append(size)
            values += [to_patches(self._normalised(crop, **k), patch) for crop in crops]
            shapes += [[crop.shape[-2] // patch, crop.shape[-1] // patch] for crop in crops]
        data: dict[str, Any] = {}
        if do_pad:
            # A very thin image may exceed the limit, since no side is less than one patch.
            length = max(length, *map(len, values))
            data["pixel_attention_mask"] = torch.stack([_mask(len(v), length) for v in values])
            data["spatial_shapes"] = torch.tensor(shapes)
            values = [F.pad(v, (0, 0, 0, max(0, length - len(v)))) for v in values]
        data["pixel_values"] = torch.stack(values)
        if return_row_col_info:
            data["image_rows"] = [grid[0] for grid in grids]
            data["image_cols"] = [grid[1] for grid in grids]
            data["image_sizes"] = sizes
        return BatchFeature(data=data, tensor_type=return_tensors)


def _rules(split: bool, **k: Any) -> ImageTokenSettings:
    """The processor's names of the settings -> those of ``core.image_tokens``."""
    if split and k["min_tiles"] > k["max_tiles"]:
        raise ValueError("min_tiles must be less than or equal to max_tiles")
    tiled = split and k["max_tiles"] > 1
    return ImageTokenSettings(
        min_tokens=k["min_image_tokens"],
        max_tokens=k["max_image_tokens"],
        split=tiled,
        min_tiles=max(2, k["min_tiles"]) if tiled else 2,
        max_tiles=k["max_tiles"] if tiled else 2,
        thumbnail=k["use_thumbnail"],
        tile_px=k["tile_size"],
        patch_px=k["encoder_patch_size"],
        downsample=k["downsample_factor"],
        tolerance=k["max_pixels_tolerance"],
    )


def _mask(used: int, length: int) -> torch.Tensor:
    mask = torch.ones(max(used, length), dtype=torch.int32)
    mask[used:] = 0
    return mask


def _from_numpy(image: Any) -> torch.Tensor:
    array = np.asarray(image)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _pillow_to_rgb(image: Any) -> Any:
    """Convert any Pillow mode to RGB, transparency over white."""
    if "A" in image.getbands() or image.info.get("transparency") is not None:
        from PIL import Image

        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def image_processor_class() -> type:
    """Return the stock image processor where torchvision works, else the one of this module.

    Either way ``AutoProcessor`` and ``AutoImageProcessor`` find the same one from here on.
    """
    if TORCHVISION:
        from transformers import Lfm2VlImageProcessor as Stock

        return cast(type, Stock)
    register_image_processor()
    return Lfm2VlImageProcessor


def register_image_processor() -> None:
    """Let transformers' Auto classes find this module's processor. Idempotent.

    Nothing happens where torchvision works: there the stock processor is used.
    """
    if TORCHVISION:
        return
    from transformers import Lfm2VlConfig
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING

    # What AutoImageProcessor.register() does in 5.23; at least up to 5.18 it rejects
    # a configuration of its own family, and is itself hidden where torchvision is missing.
    classes = {"torchvision": Lfm2VlImageProcessor, "pil": Lfm2VlImageProcessor}
    IMAGE_PROCESSOR_MAPPING.register(Lfm2VlConfig, classes, exist_ok=True)
    IMAGE_PROCESSOR_MAPPING._extra_content.setdefault(Lfm2VlConfig, classes)

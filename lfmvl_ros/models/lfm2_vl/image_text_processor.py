# SPDX-License-Identifier: Apache-2.0
"""Chat text and images to tensors, for checkpoints whose stock processor can't be used here.

transformers' ``Lfm3VlProcessor`` loads a video processor as well, which needs torchvision, and many
robots don't have it. This package asks about images only: the checkpoint's tokenizer and image
processor are enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfmvl_ros.models.checkpoint_files import NO_REMOTE_CODE

_MOST_ASPECT = 199  # the image processor refuses images that are 200 times as long as wide


class ImageTextProcessor:
    """Tokenizer and image processor of one checkpoint, called as transformers' processors are.

    Args:
        tokenizer: of the checkpoint, with its chat template.
        image_processor: gives ``pixel_values`` and ``image_grid_thw``, as Qwen2-VL's does.
        image_token: stands for an image in the chat text; repeated once for each image token.
    """

    def __init__(self, tokenizer: Any, image_processor: Any, image_token: str) -> None:
        self.tokenizer, self.image_processor = tokenizer, image_processor
        self._image_token = image_token

    @classmethod
    def load(cls, source: str, image_token_id: int) -> ImageTextProcessor:
        """Load both from a directory or hub id; raises what transformers raises."""
        from transformers import AutoImageProcessor, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(source, **NO_REMOTE_CODE)
        image_processor = AutoImageProcessor.from_pretrained(source, **NO_REMOTE_CODE)
        token = tokenizer.convert_ids_to_tokens(image_token_id)
        if not token:
            raise ValueError(f"the tokenizer has no token {image_token_id}, the image's place")
        return cls(tokenizer, image_processor, token)

    def apply_chat_template(self, conversation: Any, **options: Any) -> str:
        """Return the conversation in the checkpoint's chat format."""
        return str(self.tokenizer.apply_chat_template(conversation, **options))

    def __call__(
        self,
        *,
        text: Sequence[str],
        images: Sequence[Sequence[NDArray[np.uint8]]],
        images_kwargs: Mapping[str, Any],
        text_kwargs: Mapping[str, Any],
        return_tensors: str,
    ) -> dict[str, Any]:
        """Return tensors of a batch: one chat text and one image ``(H, W, 3)`` a row."""
        pixels = [_not_too_thin(image) for row in images for image in row]
        seen = self.image_processor(images=pixels, return_tensors=return_tensors, **images_kwargs)
        merged = self.image_processor.merge_size**2
        counts = (seen["image_grid_thw"].prod(dim=-1) // merged).tolist()
        if [row.count(self._image_token) for row in text] != [1] * len(counts):
            raise ValueError(
                f"the chat template does not put one {self._image_token} into the text for an image"
            )
        texts = [
            row.replace(self._image_token, self._image_token * count)
            for row, count in zip(text, counts, strict=True)
        ]
        # The chat template has written the beginning-of-text token already.
        options = {"add_special_tokens": False, "return_token_type_ids": False, **text_kwargs}
        return {**self.tokenizer(texts, return_tensors=return_tensors, **options), **seen}


def _not_too_thin(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    times = math.ceil(max(height, width) / min(height, width) / _MOST_ASPECT)
    return image if times == 1 else np.repeat(image, times, axis=0 if height < width else 1)

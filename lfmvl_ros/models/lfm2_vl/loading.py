# SPDX-License-Identifier: Apache-2.0
"""Loads model and processor of a checkpoint; everything that can fail has a clear error."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

from lfmvl_ros.core.errors import UserError, describe
from lfmvl_ros.models.chat_template import check_chat_template
from lfmvl_ros.models.checkpoint_files import (
    ARCHITECTURE,
    ARCHITECTURES,
    NO_REMOTE_CODE,
    check_architecture,
    check_directory,
)


def choose_device(name: str) -> torch.device:
    """Return the device for a setting; ``auto`` is CUDA if available.

    Raises:
        UserError: the device is unknown, or CUDA is requested and not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UserError(f"device {name!r} is unknown; give auto, cpu, cuda or cuda:0")
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UserError(
                f"device {name!r} is asked for but this torch ({torch.__version__}) finds no CUDA "
                "device; install a CUDA build of torch, or use device auto"
            )
        if (device.index or 0) >= torch.cuda.device_count():
            raise UserError(
                f"device {name!r} is asked for but there are {torch.cuda.device_count()} CUDA "
                "devices, counted from 0"
            )
    return device


def load_checkpoint(source: str, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return (model, processor) of a directory, in evaluation mode on ``device``.

    Raises:
        UserError: it is missing, of another architecture, or damaged.
    """
    check_directory(Path(source))
    from lfmvl_ros.models.lfm2_vl.image_processing import register_image_processor
    from lfmvl_ros.models.lfm2_vl.image_text_processor import ImageTextProcessor

    register_image_processor()
    quiet_transformers()
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    try:
        config = AutoConfig.from_pretrained(source, **NO_REMOTE_CODE)
        check_architecture(config.model_type, source)
        if config.model_type == ARCHITECTURE:
            processor = AutoProcessor.from_pretrained(source, **NO_REMOTE_CODE)
        else:
            processor = ImageTextProcessor.load(source, config.image_token_id)
        check_chat_template(processor, source)
        model, found = AutoModelForImageTextToText.from_pretrained(
            source,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **NO_REMOTE_CODE,
        )
    except UserError:
        raise
    except Exception as error:
        raise UserError(_why(source, error)) from error
    absent = sorted([*found["missing_keys"], *map(str, found["mismatched_keys"])])
    if absent:
        raise UserError(
            f"the weights of {source} are incomplete: {len(absent)} tensors are missing or of "
            f"another shape, such as {absent[0]}; download or copy the checkpoint again"
        )
    return model.eval().to(device), processor


def load_language_model(source: str, device: torch.device) -> tuple[Any, Any]:
    """Return (model, tokenizer) of a directory with an LFM2 without vision, in float32.

    Raises:
        UserError: it is missing, of another architecture, or damaged.
    """
    quiet_transformers()
    from transformers import AutoTokenizer, Lfm2ForCausalLM

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **NO_REMOTE_CODE)
        model = Lfm2ForCausalLM.from_pretrained(source, dtype=torch.float32, use_safetensors=True)
    except Exception as error:
        raise UserError(_why(source, error)) from error
    return model.eval().to(device), tokenizer


def quiet_transformers() -> None:
    """Keep progress bars and advice out of the log, unless TRANSFORMERS_VERBOSITY is set."""
    from transformers.utils import logging as chatter

    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        chatter.set_verbosity_error()
        chatter.disable_progress_bar()


def _why(source: str, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return (
            f"the checkpoint {source} brings Python files of its own, which this package never "
            f"runs; choose a checkpoint of the families {' and '.join(ARCHITECTURES.values())}"
        )
    reason = describe(error).rstrip(". ")
    return (
        f"the checkpoint at {source} can't be loaded ({reason}); "
        "it is damaged or incomplete: download or copy it again"
    )

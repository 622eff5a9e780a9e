# SPDX-License-Identifier: Apache-2.0
"""The bundled checkpoint in a precision, and never in another one under its name."""

from __future__ import annotations

import sys

from needs import needed_packages

with needed_packages():
    import torch

    from lfmvl_ros.core.model import VisionLanguageModel, precision_of
    from lfmvl_ros.core.prompt import CARD_TEMPLATE
    from lfmvl_ros.models.catalog import find
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend
    from lfmvl_ros.models.lfm2_vl.loading import load_checkpoint
    from lfmvl_ros.models.lfm2_vl.precision import checked_runner
    from lfmvl_ros.models.load import load_model

LANGUAGE = "int8-language"
"""int8 weights in the language tower, float32 in the vision tower."""


def bundled_in(kind: str) -> VisionLanguageModel | None:
    """Return the bundled checkpoint on the CPU in a precision: one of ``dtype``, or `LANGUAGE`.

    Returns:
        None where this machine runs it in another one; a line says so.
    """
    if kind == LANGUAGE:
        return _language_tower()
    model = load_model("bundled", device="cpu", dtype=kind)
    if (used := precision_of(model)) == kind:
        return model
    model.close()
    _left_out(kind, f"this machine runs it in {used}")
    return None


def _language_tower() -> Lfm2VlBackend | None:
    entry = find("bundled")
    assert entry is not None
    model, processor = load_checkpoint(entry.source, torch.device("cpu"), torch.float32)
    found = checked_runner(model)
    if isinstance(found, str):
        _left_out(LANGUAGE, found)
        return None
    runner, _ = found
    return Lfm2VlBackend(model, processor, name=LANGUAGE, template=CARD_TEMPLATE, runner=runner)


def _left_out(kind: str, why: str) -> None:
    print(f"left out: {kind} ({why})", file=sys.stderr, flush=True)

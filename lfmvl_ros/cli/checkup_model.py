# SPDX-License-Identifier: Apache-2.0
"""The model's part of ``lfmvl doctor``: loads a model, and asks it about a rendered image."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lfmvl_ros.cli import checkup_machine
from lfmvl_ros.cli.checkup import FAIL, OK, WARN, Finding, failure
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.user_files import exists, user_path
from lfmvl_ros.models.model_name import resolved, split_name
from lfmvl_ros.models.server.address import is_gguf, is_server

if TYPE_CHECKING:
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.model import VisionLanguageModel
    from lfmvl_ros.core.reply import Reply

SLOW_RATE_HZ = 1.0
"""Fewer answers a second than this are reported as slow."""
_QUERY = "person, forklift, tote"


def model_findings(args: argparse.Namespace) -> Iterator[Finding]:
    """Load the checkpoint and ask it about a rendered image, as the node would."""
    try:
        settings = resolved(
            PerceptionSettings().updated(
                {
                    "model": args.model,
                    "device": args.device,
                    "dtype": args.dtype,
                    "revision": args.revision,
                    "query": _QUERY,
                }
            )
        )
        yield Finding(OK, "device", _device(settings))
        for finding in _download(settings.model, settings.revision):
            yield finding
            if finding.level == FAIL:
                return
        from lfmvl_ros.models.load import load_model

        start_s = time.monotonic()
        model = load_model(settings)
    except UserError as error:
        yield failure("model", error)
        return
    yield Finding(OK, "model", f"{model.name} loaded in {time.monotonic() - start_s:.1f} s")
    yield from _remarks(model, settings)
    yield from _answer(model, settings, args.model)


def _remarks(model: VisionLanguageModel, settings: PerceptionSettings) -> Iterator[Finding]:
    """Report what a loaded model says of itself."""
    from lfmvl_ros.core.model import precision_of

    used = precision_of(model)
    if settings.dtype not in ("auto", used) and used:
        yield Finding(
            WARN, "precision", f"{settings.dtype} does not run here: {used} is used",
            "choose dtype auto, float32 or bfloat16",
        )  # fmt: skip
    if notice := str(getattr(model, "notice", "")):
        yield Finding(OK, "server", notice)
    if remark := str(getattr(model, "remark", "")):
        yield Finding(WARN if "no bounding boxes" in remark else OK, "abilities", remark)
    if problem := str(getattr(model, "problem", "")):
        what, _, advice = problem.partition("; ")
        yield Finding(WARN, "server", what, advice)


def _answer(
    model: VisionLanguageModel, settings: PerceptionSettings, name: str
) -> Iterator[Finding]:
    """Ask a loaded model about a rendered image, and close it."""
    from lfmvl_ros.core.ask import ask

    frame = _image()
    took_s = 0.0
    for _ in range(2):  # the first answer also pays for what is made once
        start_s = time.monotonic()
        (grounding,) = ask(model, [frame], settings.query, settings)
        took_s = time.monotonic() - start_s
    reply = grounding.reply
    model.close()
    what = (
        f"{grounding.outcome.value}, {len(grounding.detections)} objects in a rendered image, "
        f"{took_s * 1e3:.0f} ms, {reply.image_tokens} image tokens, {len(reply.tokens)} written"
    )
    if grounding.outcome.is_evidence:
        yield Finding(OK, "answer", what)
        yield _confidence(reply, name, own=getattr(model, "has_own_calibration", True))
    elif reply.error:
        yield Finding(FAIL, "answer", reply.error, _advice(reply.error, _device(settings)))
    else:
        yield Finding(
            WARN, "answer", f"{what}: {'; '.join(grounding.rejected) or 'not finished in time'}",
            "raise generation.timeout_s if it is slow; does this checkpoint give boxes at all?",
        )  # fmt: skip
    if took_s > 1 / SLOW_RATE_HZ:
        yield Finding(
            WARN, "speed", f"{1 / took_s:.2f} answers per second",
            "tracks get uncertain between answers: a GPU, a smaller checkpoint, or fewer tokens "
            "(`lfmvl tokens`)",
        )  # fmt: skip


def _download(model: str, revision: str) -> Iterator[Finding]:
    """Report problems that loading would only find after minutes."""
    from lfmvl_ros.models.catalog import directory_of, find

    if runs_elsewhere(model) or directory_of(model) is not None:
        return
    entry = find(model)
    hub_id = model if entry is None else entry.id
    is_path = exists(user_path(hub_id, "model")) or hub_id.startswith((".", "/", "~"))
    if hub_id.count("/") != 1 or is_path or hub_id.endswith(".jsonl"):
        return
    cached = checkup_machine.is_cached(hub_id, revision)
    reachable = cached or checkup_machine.is_reachable(checkup_machine.hub_host())
    yield checkup_machine.download(hub_id, cached=cached, reachable=reachable)


def runs_elsewhere(model: str) -> bool:
    """Return whether a server runs a model, so that neither torch nor transformers is needed."""
    return is_server(model) or is_gguf(model) or split_name(model).quantised is not None


def _confidence(reply: Reply, model: str, *, own: bool) -> Finding:
    if reply.calibration is not None and not own:
        return Finding(
            OK, "confidence", "calibrated, but on other weights of the same checkpoint",
            f"`lfmvl calibrate --model {model} --write` fits a calibration of their own",
        )  # fmt: skip
    if reply.calibration is not None:
        return Finding(OK, "confidence", "calibrated for these weights")
    if not reply.tokens:
        return Finding(OK, "confidence", "constant: this backend gives no usable probabilities")
    return Finding(
        OK, "confidence", "the model's own probabilities, not calibrated: fine to rank objects, "
        "no shares of right ones",
    )  # fmt: skip


def _advice(error: str, device: str) -> str:
    """Return what to try after a checkpoint was loaded and could not answer."""
    if "memory" in error.lower():
        return "take a smaller checkpoint, or fewer image tokens (`lfmvl tokens`)"
    if device.startswith("cuda"):
        return "try --device cpu: if it answers there, look at the GPU's driver and memory"
    return "look for another copy of this checkpoint; try --model bundled, which has to answer"


def _device(settings: PerceptionSettings) -> str:
    """Return device and precision that the settings come to."""
    if settings.model.endswith(".jsonl"):
        return "none needed: recorded answers"
    if is_server(settings.model):
        return "that of the server"
    if runs_elsewhere(settings.model):
        return (
            "CPU" if settings.device == "cpu" else "what llama.cpp finds: a GPU if it can use one"
        )
    from lfmvl_ros.models.lfm2_vl.loading import choose_device
    from lfmvl_ros.models.lfm2_vl.precision import choose_precision

    device = choose_device(settings.device)
    return f"{device}, {choose_precision(settings.dtype, device)}"


def _image() -> Frame:
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.registry import SAMPLE_IMAGES, load

    return Frame(load(SAMPLE_IMAGES, "scene")(7, (640, 480))(0), 0)

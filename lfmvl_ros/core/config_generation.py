# SPDX-License-Identifier: Apache-2.0
"""Settings ``generation.*`` and ``image.*``: how the model answers, and what it sees."""

from __future__ import annotations

from dataclasses import dataclass

from lfmvl_ros.core.settings import Group, setting


@dataclass(frozen=True)
class GenerationSettings(Group):
    """How the model generates its answer."""

    max_new_tokens: int = setting(
        512,
        "Longest answer; an object takes about 29 tokens. Raise it if answers with many "
        "objects are truncated; lower it to limit how long a bad answer takes.",
        unit="tokens",
        low=8,
        high=4096,
    )
    temperature: float = setting(
        0.0,
        "0 is greedy decoding: the same frame always gives the same boxes. Raise it (Liquid "
        "AI recommends 0.1) only if a checkpoint repeats itself.",
        low=0.0,
        high=2.0,
    )
    top_k: int = setting(
        0,
        "Only with temperature above 0: only this many of the most likely tokens can be sampled; 0 "
        "is off. Lower it if sampled answers contain nonsense (Liquid AI recommends 50 for "
        "LFM2.5-VL-3B and LFM3-VL).",
        low=0,
        high=1000,
        unit="tokens",
    )
    top_p: float = setting(
        1.0,
        "Only with temperature above 0: only the most likely tokens that together have this "
        "probability can be sampled; 1 is off. Lower it if sampled answers contain nonsense.",
        low=0.01,
        high=1.0,
    )
    min_p: float = setting(
        0.15,
        "Only with temperature above 0: tokens less likely than this fraction of the most "
        "likely token are never sampled. Raise it if sampled answers contain nonsense.",
        low=0.0,
        high=1.0,
    )
    repetition_penalty: float = setting(
        1.0,
        "1 is off. Raise it (Liquid AI recommends 1.05 when sampling) if a checkpoint lists "
        "the same object over and over.",
        low=1.0,
        high=2.0,
    )
    timeout_s: float = setting(
        10.0,
        "An answer that takes longer is cut off; the objects listed so far are kept. Raise it "
        "if a slow machine reports timeouts.",
        unit="s",
        low=0.1,
        high=600.0,
    )
    draft: str = setting(
        "auto",
        "Speculative decoding. auto: the previous answer, with its boxes moved by the "
        "tracker, is verified several tokens per forward pass; faster, with the same answer. "
        "none: one token per forward pass; choose it only to measure the difference.",
        choices=("auto", "none"),
        renamed={"off": "none"},
    )
    grammar: str = setting(
        "none",
        "Constrained decoding. always: the model can only generate the list that the prompt asks "
        "for, with labels of the query; needs the package xgrammar. none: no constraint. Choose "
        "always if a checkpoint often answers in another format.",
        choices=("none", "always"),
        renamed={"off": "none", "on": "always"},
    )


@dataclass(frozen=True)
class ImageSettings(Group):
    """How large an image the model sees: more image tokens show smaller objects and take longer."""

    min_tokens: int = setting(
        0,
        "Smaller images are enlarged to at least this many image tokens; 0 uses the "
        "checkpoint's own value. Raise it if objects in small images are missed.",
        low=0,
        high=1024,
        unit="tokens",
    )
    max_tokens: int = setting(
        0,
        "Larger images (or tiles) are shrunk to at most this many image tokens; 0 uses the "
        "checkpoint's own value. Lower it for faster answers, raise it for small objects.",
        low=0,
        high=1024,
        unit="tokens",
    )
    split: str = setting(
        "checkpoint",
        "Whether large images are cut into tiles of 512x512 pixels (bundled checkpoint: "
        "256x256). Choose always for small objects in large images, never for faster answers; "
        "checkpoint uses the checkpoint's own setting.",
        choices=("checkpoint", "always", "never"),
        renamed={"on": "always", "off": "never"},
    )
    max_tiles: int = setting(
        0,
        "Maximum number of tiles per image when splitting; 0 uses the checkpoint's own value. "
        "Lower it for faster answers.",
        low=0,
        high=64,
        unit="tiles",
    )
    target_latency_ms: float = setting(
        0.0,
        "Image tokens are reduced, down to min_tokens, until 80 % of answers take no longer than "
        "this. 0 is off. Set it if the robot needs answers at a steady rate.",
        unit="ms",
        low=0.0,
        high=600000.0,
    )
    max_input_megapixels: float = setting(
        64.0,
        "Compressed images whose header states more pixels than this are dropped as corrupt, "
        "before memory is allocated for them. Raise it for cameras with more pixels.",
        unit="MP",
        low=0.1,
        high=1000.0,
    )

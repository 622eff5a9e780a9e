# SPDX-License-Identifier: Apache-2.0
"""Every setting of the package, once.

ROS parameters, YAML files, command-line flags and the table in the documentation are all made from
the dataclasses in this file, in ``config_tracker.py``, ``config_spatial.py``, ``config_review.py``
and, for the nodes beside perception, in ``config_camera.py``; a test fails when one of them drifts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lfmvl_ros.core.config_camera import CameraSettings, RecorderSettings
from lfmvl_ros.core.config_review import ReviewSettings
from lfmvl_ros.core.config_spatial import SpatialSettings
from lfmvl_ros.core.config_tracker import EgoMotionSettings, TrackerSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import TEMPLATES
from lfmvl_ros.core.settings import Group, setting

__all__ = [
    "CameraSettings",
    "DiagnosticsSettings",
    "EgoMotionSettings",
    "GenerationSettings",
    "ImageSettings",
    "ParsingSettings",
    "PerceptionSettings",
    "RecorderSettings",
    "ReviewSettings",
    "SpatialSettings",
    "TrackerSettings",
    "TriggerSettings",
]

# What ROS takes for a relative topic name.
_CAMERA_NAME = re.compile(r"[A-Za-z]\w*(/[A-Za-z]\w*)*", re.ASCII)


@dataclass(frozen=True)
class GenerationSettings(Group):
    """How the model generates its answer."""

    max_new_tokens: int = setting(
        512,
        "Longest answer; an object takes about 29 tokens. Raise it when answers with many objects"
        " come back as truncated.",
        unit="tokens",
        low=8,
        high=4096,
    )
    temperature: float = setting(
        0.0,
        "0 is greedy decoding: the same frame always gives the same boxes. Raise it (the "
        "publisher samples at 0.1) only if a checkpoint repeats itself.",
        low=0.0,
        high=2.0,
    )
    top_k: int = setting(
        0,
        "Only with sampling (temperature above 0): choose among this many of the most likely "
        "tokens. 0 is off. The publisher samples LFM2.5-VL-3B and LFM3-VL with 50.",
        low=0,
        high=1000,
        unit="tokens",
    )
    top_p: float = setting(
        1.0,
        "Only with sampling (temperature above 0): choose among the most likely tokens that "
        "together have this probability. 1 is off.",
        low=0.01,
        high=1.0,
    )
    min_p: float = setting(
        0.15,
        "Only with sampling (temperature above 0): tokens below this share of the most likely "
        "token's probability are never chosen.",
        low=0.0,
        high=1.0,
    )
    repetition_penalty: float = setting(
        1.0,
        "1 is off. Raise it (the publisher uses 1.05 with sampling) when a checkpoint names the "
        "same object over and over.",
        low=1.0,
        high=2.0,
    )
    timeout_s: float = setting(
        10.0,
        "An answer that takes longer is cut off; what it named until then counts. Raise it on a "
        "slow machine that reports timeouts.",
        unit="s",
        low=0.1,
        high=600.0,
    )
    draft: str = setting(
        "auto",
        "auto: when the previous answer, with its boxes moved by the tracker, predicts the next "
        "tokens, several are checked in one forward pass; faster, and the answer is the same. "
        "none: one token per forward pass, for comparison.",
        choices=("auto", "none"),
        renamed={"off": "none"},
    )
    grammar: str = setting(
        "none",
        "always: only the list that the prompt asks for, with labels of the query, can be "
        "generated. For checkpoints that often answer in another form; needs the package "
        "xgrammar.",
        choices=("none", "always"),
        renamed={"off": "none", "on": "always"},
    )


@dataclass(frozen=True)
class ImageSettings(Group):
    """How large an image the model sees: more image tokens show smaller objects and take longer."""

    min_tokens: int = setting(
        0,
        "Smaller images are enlarged to at least this many image tokens; 0 keeps the checkpoint's"
        " own. Raise it when small images miss objects.",
        low=0,
        high=1024,
        unit="tokens",
    )
    max_tokens: int = setting(
        0,
        "Images (or tiles) are shrunk to at most this many image tokens; 0 keeps the checkpoint's"
        " own. Lower it for faster answers, raise it for small objects.",
        low=0,
        high=1024,
        unit="tokens",
    )
    split: str = setting(
        "checkpoint",
        "Cut large images into tiles of 512x512 pixels (bundled checkpoint: 256x256). always: for"
        " small objects in large images, at the price of slower answers.",
        choices=("checkpoint", "always", "never"),
        renamed={"on": "always", "off": "never"},
    )
    max_tiles: int = setting(
        0,
        "Most tiles when splitting; 0 keeps the checkpoint's own. Lower it for faster answers.",
        low=0,
        high=64,
        unit="tiles",
    )
    target_latency_ms: float = setting(
        0.0,
        "Shrink images as far as needed, but not below min_tokens, so that four answers out of "
        "five take no longer than this. 0 is off. Set it when a robot needs answers at a steady "
        "rate.",
        unit="ms",
        low=0.0,
        high=600000.0,
    )
    max_input_megapixels: float = setting(
        64.0,
        "Compressed images that state more pixels are dropped as corrupt before memory is taken "
        "for them. Raise it for larger cameras.",
        unit="MP",
        low=0.1,
        high=1000.0,
    )


@dataclass(frozen=True)
class TriggerSettings(Group):
    """Which frames the model sees."""

    mode: str = setting(
        "continuous",
        "continuous: the newest frame whenever the model is free; rate: at most max_rate_hz, to "
        "save power; on_demand: only when the service ground_once is called.",
        choices=("continuous", "rate", "on_demand"),
    )
    max_rate_hz: float = setting(
        2.0,
        "With mode rate: most answers per second for each camera.",
        unit="Hz",
        low=0.01,
        high=60.0,
    )
    max_batch: int = setting(
        4,
        "With several cameras: most frames that go to the model in one call when several wait. "
        "Lower it when memory is short; 1 asks about one frame after the other.",
        low=1,
        high=16,
        unit="frames",
    )


@dataclass(frozen=True)
class ParsingSettings(Group):
    """Which parts of an answer are used."""

    unknown_labels: str = setting(
        "keep",
        "Objects whose label is not in the query: keep them, or drop them. Dropped ones are "
        "listed in the topic grounding.",
        choices=("keep", "drop"),
    )
    min_score: float = setting(
        0.0,
        "Detections with a lower confidence are dropped and listed in the topic grounding. Raise "
        "it when false objects appear, lower it when objects are missed.",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class DiagnosticsSettings(Group):
    """When diagnostics warn."""

    camera_stale_s: float = setting(
        1.0,
        "Warn when no frame has come for this long. Raise it for cameras below 2 Hz.",
        unit="s",
        low=0.05,
        high=600.0,
    )
    answer_stale_s: float = setting(
        5.0,
        "Warn when frames come but no answer has for this long. Raise it when an answer takes "
        "longer than that.",
        unit="s",
        low=0.1,
        high=600.0,
    )


@dataclass(frozen=True)
class PerceptionSettings(Group):
    """Settings of ``perception_node`` and of the commands that run the same pipeline."""

    model: str = setting(
        "LiquidAI/LFM2.5-VL-450M",
        "Hub id, directory, or catalogue name of a checkpoint; 'bundled' is the small "
        "demonstration checkpoint in this package; a catalogue name with a quantisation "
        "(lfm2.5-vl-450m:q4_0) or a .gguf file runs in llama.cpp's server, which is started for "
        "it; http://host:8080/v1#name, https:// or unix:/path.sock is a server that "
        "runs already (docs/models.md); a .jsonl file replays recorded answers. When model, "
        "device or dtype change at run time, the new model is loaded while the old one goes on "
        "answering; if loading fails, the old one stays.",
    )
    device: str = setting("auto", "auto, cpu, cuda or cuda:N. auto uses CUDA where available.")
    dtype: str = setting(
        "auto",
        "Precision of the weights. auto: bfloat16 on CUDA, float32 on a CPU. Choose bfloat16 or "
        "float16 when memory is short.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    query: str = setting("person", "What to find, in words, separated by commas.")
    prompt_template: str = setting(
        "checkpoint",
        "How the query is put to the model. checkpoint: the checkpoint's own prompt; the others "
        "are published prompts, for comparison; card_3_decimals asks for three decimals, for "
        "checkpoints trained for that.",
        choices=("checkpoint", *TEMPLATES),
    )
    autostart: bool = setting(
        True,
        "Configure and activate at start. Set it to false when a lifecycle manager (such as "
        "Nav2's) does that.",
        read_only=True,
    )
    bond_timeout: float = setting(
        0.0,
        "Send a heartbeat to Nav2's lifecycle manager, which considers the node dead after this "
        "long without one; set the same value there. 0 is off. Needs the ROS package bondpy; "
        "takes effect at the next activation.",
        unit="s",
        low=0.0,
        high=600.0,
    )
    compressed_input: bool = setting(
        False,
        "Subscribe to image_raw/compressed instead of image_raw; for cameras on another machine.",
        read_only=True,
    )
    cameras: tuple[str, ...] = setting(
        ("",),
        "Names of several cameras that share one model. Each has its own topics below its name, "
        "such as front/image_raw and front/tracks. A single empty name means one camera without a"
        " name.",
        read_only=True,
    )
    rules_file: str = setting(
        "",
        "YAML file of zones and rules about the tracks (docs/rules.md); what they find is published"
        " on events. It is read again when it changes; while it has mistakes, the rules before stay"
        " in force. Empty: no rules.",
    )
    generation: GenerationSettings = field(default_factory=GenerationSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    parsing: ParsingSettings = field(default_factory=ParsingSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    ego_motion: EgoMotionSettings = field(default_factory=EgoMotionSettings)
    spatial: SpatialSettings = field(default_factory=SpatialSettings)
    review: ReviewSettings = field(default_factory=ReviewSettings)
    diagnostics: DiagnosticsSettings = field(default_factory=DiagnosticsSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cameras:  # an empty list has no type of its own in ROS: this is what it means
            object.__setattr__(self, "cameras", ("",))
        wrong = [name for name in self.cameras if not _CAMERA_NAME.fullmatch(name)]
        if wrong and self.cameras != ("",):
            raise UserError(
                f"cameras: {wrong[0]!r} can't be part of a topic name; use letters, digits and _, "
                "beginning with a letter, and / between parts"
            )
        if len(set(self.cameras)) != len(self.cameras):
            raise UserError(f"cameras: each name once, got {', '.join(self.cameras)}")

    @property
    def model_key(self) -> tuple[str, str, str]:
        """What has to be loaded anew when it changes: model, device, dtype."""
        return self.model, self.device, self.dtype

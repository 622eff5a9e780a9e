# SPDX-License-Identifier: Apache-2.0
"""Every setting of the package, once.

ROS parameters, YAML files, command-line flags and the table in the documentation are all made from
the dataclasses in this file and in the ``config_*.py`` beside it; a test fails when one of them
drifts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lfmvl_ros.core.config_camera import CameraSettings, RecorderSettings
from lfmvl_ros.core.config_commands import CommandSettings
from lfmvl_ros.core.config_drift import DriftSettings
from lfmvl_ros.core.config_review import ReviewSettings
from lfmvl_ros.core.config_spatial import SpatialSettings
from lfmvl_ros.core.config_tracker import EgoMotionSettings, TrackerSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import TEMPLATES
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.settings import Group, setting

__all__ = [
    "CameraSettings",
    "CommandSettings",
    "DiagnosticsSettings",
    "DriftSettings",
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
# What git takes for a name, as far as hubs use it; never a path out of the folder of copies.
_REVISION = re.compile(r"(?!.*(\.\.|//))\w[\w./-]{0,199}", re.ASCII)
MODEL_SETTINGS = ("model", "device", "dtype", "revision")


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
        "tracker, is verified several tokens per forward pass; faster, with the same result. "
        "none: one token per forward pass; choose it only to measure the difference.",
        choices=("auto", "none"),
        renamed={"off": "none"},
    )
    grammar: str = setting(
        "none",
        "always: the model can only generate the list that the prompt asks for, with labels "
        "of the query. Choose it if a checkpoint often answers in another format; needs the "
        "package xgrammar.",
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
        "Most tiles per image when splitting; 0 uses the checkpoint's own value. Lower it for "
        "faster answers.",
        low=0,
        high=64,
        unit="tiles",
    )
    target_latency_ms: float = setting(
        0.0,
        "Image tokens are reduced until 80 % of answers take no longer than this, but not "
        "below min_tokens. 0 is off. Set it if the robot needs answers at a steady rate.",
        unit="ms",
        low=0.0,
        high=600000.0,
    )
    max_input_megapixels: float = setting(
        64.0,
        "Compressed images that state more pixels than this are dropped as corrupt, before "
        "memory is allocated for them. Raise it for larger cameras.",
        unit="MP",
        low=0.1,
        high=1000.0,
    )


@dataclass(frozen=True)
class TriggerSettings(Group):
    """Which frames the model sees."""

    mode: str = setting(
        "continuous",
        "Which frames the model is asked about. continuous: the newest frame whenever the "
        "model is free; rate: at most max_rate_hz, to save power; on_demand: only when the "
        "service ground_once is called.",
        choices=("continuous", "rate", "on_demand"),
    )
    max_rate_hz: float = setting(
        2.0,
        "With mode rate: most answers per second and camera. Lower it to save power, raise it "
        "to react sooner.",
        unit="Hz",
        low=0.01,
        high=60.0,
    )
    max_batch: int = setting(
        4,
        "With several cameras: most frames that the model is given in one call. Lower it if "
        "memory is short; 1 handles one frame after another.",
        low=1,
        high=16,
        unit="frames",
    )


@dataclass(frozen=True)
class ParsingSettings(Group):
    """Which parts of an answer are used."""

    unknown_labels: str = setting(
        "keep",
        "What happens to objects whose label is not in the query. Choose drop if other labels "
        "disturb your application; dropped objects are listed on the topic grounding.",
        choices=("keep", "drop"),
    )
    min_score: float = setting(
        0.0,
        "Detections with a lower confidence are dropped and listed on the topic grounding. "
        "Raise it if false objects appear, lower it if objects are missed.",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class DiagnosticsSettings(Group):
    """When diagnostics warn."""

    camera_stale_s: float = setting(
        1.0,
        "Warn if no image has arrived for this long. Raise it for cameras slower than 2 Hz.",
        unit="s",
        low=0.05,
        high=600.0,
    )
    answer_stale_s: float = setting(
        5.0,
        "Warn if images arrive but there has been no answer for this long. Raise it if a "
        "single answer takes longer.",
        unit="s",
        low=0.1,
        high=600.0,
    )


@dataclass(frozen=True)
class PerceptionSettings(Group):
    """Settings of ``perception_node`` and of the commands that run the same pipeline."""

    model: str = setting(
        "LiquidAI/LFM2.5-VL-450M",
        "Which model to use: a Hugging Face hub id, a directory, or a catalogue name; "
        "'bundled' is the small demonstration checkpoint of this package. A .gguf file, or a "
        "catalogue name with a quantisation (lfm2.5-vl-450m:q4_0), starts llama.cpp's server; "
        "a checkpoint with :int8 behind it is one with dtype int8; "
        "http://host:8080/v1#name, https:// or unix:/path.sock is a "
        "server that already runs (docs/models.md); a .jsonl file replays recorded answers. "
        "If model, device, dtype or revision change at run time, the old model answers until "
        "the new one is loaded, and stays if loading fails.",
    )
    device: str = setting(
        "auto",
        "auto, cpu, cuda or cuda:N. auto uses CUDA if available. Set cuda if an error is "
        "better than falling back to the CPU.",
    )
    dtype: str = setting(
        "auto",
        "Precision of the weights. auto: bfloat16 on CUDA, float32 on a CPU. Choose bfloat16 "
        "or float16 if memory is short, int8 for a published checkpoint on a CPU "
        "(docs/decoding.md).",
        choices=("auto", "float32", "bfloat16", "float16", "int8"),
    )
    revision: str = setting(
        "",
        "Branch, tag or commit of a checkpoint on the hub; empty: the newest. Set a commit so that "
        "a robot keeps the weights that it was tested with. Only for checkpoints of a hub.",
    )
    query: str = setting("person", "What to find: words, separated by commas.")
    prompt_template: str = setting(
        "checkpoint",
        "Sentence in which the query is put to the model. checkpoint: the one that the "
        "checkpoint was trained with; the others are published prompts. Change it if answers "
        "can't be parsed; card_3_decimals is only for checkpoints trained for three decimals.",
        choices=("checkpoint", *TEMPLATES),
    )
    autostart: bool = setting(
        True,
        "Configure and activate the node when it starts. Set it to false if a lifecycle "
        "manager (such as Nav2's) does that.",
        read_only=True,
    )
    bond_timeout: float = setting(
        0.0,
        "Heartbeat for Nav2's lifecycle manager, which considers the node dead after this "
        "long without one; use the manager's own value. 0 is off. Needs the ROS package "
        "bondpy; takes effect at the next activation.",
        unit="s",
        low=0.0,
        high=600.0,
    )
    compressed_input: bool = setting(
        False,
        "Subscribe to image_raw/compressed instead of image_raw. Set it if the camera is on "
        "another machine.",
        read_only=True,
    )
    cameras: tuple[str, ...] = setting(
        ("",),
        "Names of several cameras that share one model. Each has its own topics below its "
        "name, such as front/image_raw and front/tracks. One empty name means a single camera "
        "without a name.",
        read_only=True,
    )
    rules_file: str = setting(
        "",
        "YAML file of zones and rules about tracks (docs/rules.md), which publish on the topic "
        "events. Set it to be notified of what happens in the scene. It is loaded again when it "
        "changes; if it has errors, the previous rules stay in force. Empty: no rules.",
    )
    generation: GenerationSettings = field(default_factory=GenerationSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    parsing: ParsingSettings = field(default_factory=ParsingSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    ego_motion: EgoMotionSettings = field(default_factory=EgoMotionSettings)
    spatial: SpatialSettings = field(default_factory=SpatialSettings)
    review: ReviewSettings = field(default_factory=ReviewSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)
    diagnostics: DiagnosticsSettings = field(default_factory=DiagnosticsSettings)
    drift: DriftSettings = field(default_factory=DriftSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.revision and not _REVISION.fullmatch(self.revision):
            raise UserError(
                f"revision: {quoted(self.revision)} is no branch, tag or commit; use letters, "
                "digits and . _ - / between them"
            )
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
    def model_key(self) -> tuple[str, str, str, str]:
        """What has to be loaded again when it changes: those of :data:`MODEL_SETTINGS`."""
        return self.model, self.device, self.dtype, self.revision

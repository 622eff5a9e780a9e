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
from lfmvl_ros.core.config_collect import CollectSettings
from lfmvl_ros.core.config_commands import CommandSettings
from lfmvl_ros.core.config_drift import DriftSettings
from lfmvl_ros.core.config_generation import GenerationSettings, ImageSettings
from lfmvl_ros.core.config_limits import LimitSettings
from lfmvl_ros.core.config_memory import MemorySettings
from lfmvl_ros.core.config_opinion import OpinionSettings
from lfmvl_ros.core.config_reading import ReadingSettings
from lfmvl_ros.core.config_review import ReviewSettings
from lfmvl_ros.core.config_spatial import SpatialSettings
from lfmvl_ros.core.config_telemetry import TelemetrySettings
from lfmvl_ros.core.config_tracker import EgoMotionSettings, TrackerSettings
from lfmvl_ros.core.config_triggers import TriggerSettings
from lfmvl_ros.core.config_zoom import ZoomSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import TEMPLATES
from lfmvl_ros.core.safe_text import quoted
from lfmvl_ros.core.settings import Group, setting

__all__ = [
    "CameraSettings",
    "CollectSettings",
    "CommandSettings",
    "DiagnosticsSettings",
    "DriftSettings",
    "EgoMotionSettings",
    "GenerationSettings",
    "ImageSettings",
    "LimitSettings",
    "MemorySettings",
    "OpinionSettings",
    "ParsingSettings",
    "PerceptionSettings",
    "ReadingSettings",
    "RecorderSettings",
    "ReviewSettings",
    "SpatialSettings",
    "TelemetrySettings",
    "TrackerSettings",
    "TriggerSettings",
    "ZoomSettings",
]

# What ROS takes for a relative topic name.
_CAMERA_NAME = re.compile(r"[A-Za-z]\w*(/[A-Za-z]\w*)*", re.ASCII)
# What git takes for a name, as far as hubs use it; never a path out of the folder of copies.
_REVISION = re.compile(r"(?!.*(\.\.|//))\w[\w./-]{0,199}", re.ASCII)
MODEL_SETTINGS = ("model", "device", "dtype", "revision")


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
        ":int8 after a checkpoint means dtype int8; "
        "http://host:8080/v1#name, https:// or unix:/path.sock is a "
        "server that is already running (docs/servers.md); a .jsonl file replays recorded answers. "
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
        "a robot keeps the weights that it was tested with. Only for models that are loaded from a "
        "hub.",
    )
    query: str = setting("person", "What to find: words, separated by commas.")
    prompt_template: str = setting(
        "checkpoint",
        "Prompt that the query is inserted into. checkpoint: the one that the checkpoint was "
        "trained with; card and cookbook: of Liquid AI's model card and fine-tuning cookbook. "
        "Change it if answers can't be parsed; card_3_decimals is only for checkpoints trained to "
        "write three decimals.",
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
        "Heartbeat (bond) for Nav2's lifecycle manager, which considers the node dead after this "
        "long without one. Set it to the manager's own bond_timeout; 0 is off. Needs the ROS "
        "package bondpy; takes effect at the next activation.",
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
        'name, such as front/image_raw and front/tracks. [""] means a single camera without a '
        "name.",
        read_only=True,
    )
    rules_file: str = setting(
        "",
        "YAML file of zones and rules about tracks (docs/rules.md); their events are published on "
        "the topic events. Set it to be notified of what happens in the scene. It is loaded again "
        "when it changes; if it has errors, the previous rules stay in force. Empty: no rules.",
    )
    generation: GenerationSettings = field(default_factory=GenerationSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    zoom: ZoomSettings = field(default_factory=ZoomSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    parsing: ParsingSettings = field(default_factory=ParsingSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    ego_motion: EgoMotionSettings = field(default_factory=EgoMotionSettings)
    spatial: SpatialSettings = field(default_factory=SpatialSettings)
    review: ReviewSettings = field(default_factory=ReviewSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)
    diagnostics: DiagnosticsSettings = field(default_factory=DiagnosticsSettings)
    drift: DriftSettings = field(default_factory=DriftSettings)
    collect: CollectSettings = field(default_factory=CollectSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    memory: MemorySettings = field(default_factory=MemorySettings)
    reading: ReadingSettings = field(default_factory=ReadingSettings)
    opinion: OpinionSettings = field(default_factory=OpinionSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.revision and not _REVISION.fullmatch(self.revision):
            raise UserError(
                f"revision: {quoted(self.revision)} is not a branch, tag or commit; use letters, "
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
            names = ", ".join(self.cameras)
            raise UserError(f"cameras: each name may appear only once, got {names}")

    @property
    def model_key(self) -> tuple[str, str, str, str]:
        """What has to be loaded again when it changes: those of :data:`MODEL_SETTINGS`."""
        return self.model, self.device, self.dtype, self.revision

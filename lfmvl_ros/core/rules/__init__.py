# SPDX-License-Identifier: Apache-2.0
"""From tracks to events: a file of zones and rules, applied over time (docs/rules.md)."""

from lfmvl_ros.core.rules.engine import EngineStatus, RuleEngine
from lfmvl_ros.core.rules.event import EndReason, Event, EventState, EventTrack
from lfmvl_ros.core.rules.history import Positions
from lfmvl_ros.core.rules.rule import Kind, Rule, RuleSet, Zone
from lfmvl_ros.core.rules.rules_file import load_rules, parse_rules

__all__ = [
    "EndReason",
    "EngineStatus",
    "Event",
    "EventState",
    "EventTrack",
    "Kind",
    "Positions",
    "Rule",
    "RuleEngine",
    "RuleSet",
    "Zone",
    "load_rules",
    "parse_rules",
]

# SPDX-License-Identifier: Apache-2.0
"""The shipped parameter files name what exists, with values the node takes, and explain them."""

from pathlib import Path

import pytest
import yaml

from lfmvl_ros.cli import main as cli
from lfmvl_ros.core.config import CameraSettings, PerceptionSettings, RecorderSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.settings_text import explain, to_markdown, to_yaml

CONFIG = Path(__file__).parents[2] / "config"
FILES = sorted(CONFIG.glob("*.yaml"))


def parameters(text):
    """Flatten a ROS parameter file as a node sees it."""
    (node,) = yaml.safe_load(text).items()
    assert node[0] == "/**"
    assert list(node[1]) == ["ros__parameters"]

    def walk(prefix, branch):
        for key, value in branch.items():
            if isinstance(value, dict):
                yield from walk(f"{prefix}{key}.", value)
            else:
                yield prefix + key, tuple(value) if isinstance(value, list) else value

    return dict(walk("", node[1]["ros__parameters"]))


def test_the_expected_files_are_there():
    assert {path.name for path in FILES} >= {
        "default.yaml",
        "warehouse_picking.yaml",
        "jetson_orin.yaml",
        "multi_camera.yaml",
        "picking.yaml",
    }


def test_default_yaml_is_what_the_command_prints(capsys):
    assert cli.main(["config"]) == 0
    printed = capsys.readouterr().out
    told = "config/default.yaml is out of date: run `lfmvl config > config/default.yaml`"
    assert (CONFIG / "default.yaml").read_text() == printed, told
    assert parameters(printed) == PerceptionSettings().flat()


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_values_are_valid_and_explained(path):
    text = path.read_text()
    changed = parameters(text)
    settings = PerceptionSettings().updated(changed)
    for name, value in changed.items():
        # Floats must look like floats: ROS would declare 2 as an integer.
        assert type(value) is type(settings.flat()[name]), f"{path.name}: {name} is {value!r}"
    lines = text.splitlines()
    for name in changed:
        leaf = name.split(".")[-1] + ":"  # several groups may have one of this name
        numbers = [i for i, line in enumerate(lines) if line.strip().startswith(leaf)]
        assert numbers
        for number in numbers:
            assert lines[number - 1].strip().startswith("#"), f"{path.name}: {name} not explained"


def test_use_case_files_hold_only_what_differs():
    defaults = PerceptionSettings().flat()
    for path in FILES:
        if path.name != "default.yaml":
            changed = parameters(path.read_text())
            same = {name for name, value in changed.items() if value == defaults[name]}
            # A rate is stated beside the mode that it belongs to, even if it is the default.
            assert same <= {"trigger.max_rate_hz"}, f"{path.name}: {same}"


def test_use_case_files_quote_the_default_they_replace():
    defaults = PerceptionSettings().describe()
    for path in FILES:
        if path.name == "default.yaml":
            continue
        words = " ".join(path.read_text().replace("#", " ").split())
        for name in parameters(path.read_text()):
            default = explain(defaults[name]).rsplit("Default: ", 1)[1].split(" Read")[0]
            assert f"Default: {default}" in words, f"{path.name}: {name} has default {default}"


@pytest.mark.parametrize("group", [PerceptionSettings, CameraSettings, RecorderSettings])
def test_yaml_reads_back_and_the_table_has_every_setting(group):
    changed = {
        name: info.choices[-1] if info.choices else 'a "b": #c\\'
        for name, info in group.describe().items()
        if info.kind is str
    }
    if "spatial.select" in changed:  # has a syntax of its own
        changed["spatial.select"] = f"label:{changed['spatial.select']}"
    if "revision" in changed:  # YAML reads these characters as a number, unless they are quoted
        changed["revision"] = "12345e7"
    settings = group().updated(changed)
    assert parameters(to_yaml(settings)) == settings.flat()
    table = to_markdown(group)
    assert all(f"| `{name}` |" in table for name in group.describe())
    assert {line.replace(r"\|", "").count("|") for line in table.splitlines()} == {8}


def test_yaml_of_some():
    text = to_yaml(PerceptionSettings(query="box"), only=frozenset({"query", "image.split"}))
    assert parameters(text) == {"query": "box", "image.split": "checkpoint"}


@pytest.mark.parametrize(
    ("flag", "group"), [("--camera", CameraSettings), ("--recorder", RecorderSettings)]
)
def test_command_for_the_other_nodes(capsys, flag, group):
    assert cli.main(["config", flag]) == 0
    assert parameters(capsys.readouterr().out) == group().flat()
    assert cli.main(["config", flag, "--markdown"]) == 0
    assert capsys.readouterr().out == to_markdown(group)


def test_a_wrong_value_is_refused_with_its_name():
    text = to_yaml(PerceptionSettings()).replace("max_coast_s: 2.0", "max_coast_s: 99.0")
    with pytest.raises(UserError, match=r"tracker\.max_coast_s must be between 0\.1 and 60"):
        PerceptionSettings().updated(parameters(text))

# SPDX-License-Identifier: Apache-2.0
"""``lfmvl mcp`` where something that it needs is missing; test/ros/test_mcp.py has the rest."""

from __future__ import annotations

from importlib import metadata

import pytest

from lfmvl_ros.cli.main import main


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    for version, why in ((missing, "needs the Python package mcp"), (lambda _: "1.9", "too old")):
        monkeypatch.setattr(metadata, "version", version)
        assert main(["mcp"]) == 2
        error = capsys.readouterr().err
        assert why in error
        assert "pip install 'mcp>=2' (extra lfmvl_ros[mcp])" in error
        assert error.count("\n") == 1

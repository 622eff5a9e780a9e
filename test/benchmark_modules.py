# SPDX-License-Identifier: Apache-2.0
"""A benchmark's module, for tests that use its data or its functions."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def load_benchmark(name: str) -> ModuleType:
    """Return ``benchmarks/<name>.py`` as a module; its neighbours are found as when it is run."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        patch.setitem(sys.modules, name, module)  # where a dataclass looks for its own module
        spec.loader.exec_module(module)
    return module

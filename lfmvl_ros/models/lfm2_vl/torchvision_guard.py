# SPDX-License-Identifier: Apache-2.0
"""Is there a torchvision that works? A broken one would take transformers' model code with it."""

from __future__ import annotations

import importlib
import sys


def torchvision_works() -> bool:
    """True where torchvision imports. A broken one is hidden from this process, as if absent.

    torchvision built for another torch fails on import, and transformers' model code with it,
    since that only looks whether the package is installed. Call before importing transformers.
    """
    try:
        importlib.import_module("torchvision.transforms.v2.functional")
    except Exception:  # a mismatched build raises RuntimeError, OSError, ...
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules["torchvision"] = None  # type: ignore[assignment]  # find_spec() then says: none
        return False
    return True

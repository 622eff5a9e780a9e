# SPDX-License-Identifier: Apache-2.0
"""How many examples a property is tried with.

Two profiles, chosen with ``pytest --hypothesis-profile NAME``:

``default``
    The same examples on every machine and in every run, so that a change is judged by what it
    changes. Nothing is read from or kept in ``.hypothesis``.
``deep``
    Ten times the examples, new ones in every run; ``--hypothesis-seed N`` repeats a run.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

DEFAULT, DEEP = "lfmvl", "deep"
DEEP_FACTOR = 10
_USUAL = 100


def register_profiles() -> None:
    """Register both profiles and load the default one; once, before tests are collected."""
    # Deadlines and slow generation are about the machine, and examples may be slow.
    common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile(
        DEFAULT, max_examples=_USUAL, derandomize=True, database=None, **common
    )
    settings.register_profile(
        DEEP,
        max_examples=DEEP_FACTOR * _USUAL,
        derandomize=False,  # hypothesis derandomizes by itself where CI is set
        database=None,
        print_blob=True,
        **common,
    )
    settings.load_profile(DEFAULT)


def examples(count: int) -> settings:
    """Return the settings of a property that is tried with ``count`` examples, deep with more.

    For properties that need fewer than the usual 100 because one takes long, or more because one
    takes no time.
    """
    return settings(max_examples=scaled(count))


def scaled(count: int) -> int:
    """Return ``count``, times ten in the deep profile: for tests that draw without hypothesis."""
    return DEEP_FACTOR * count if settings.get_current_profile_name() == DEEP else count

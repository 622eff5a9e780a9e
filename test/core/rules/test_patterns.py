# SPDX-License-Identifier: Apache-2.0
"""Regular expressions end soon, whatever they are and whatever they are matched with."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.query import MAX_LABEL_CHARACTERS
from lfmvl_ros.core.rules.condition import TrackCondition
from lfmvl_ros.core.rules.patterns import pattern_test

from ...examples import examples
from ...waiting import PATIENCE_S

ENDLESS = (
    r"(a+)+$", r"(a*)*b", r"(a|aa)+$", r"(a|a?)+$", r"(.*a){20}", r"a?" * 40 + "a" * 40,
    r".*.*.*.*=", r"(?:(?:a+)b?)+$", r"(?=(a+)+$)x", r"(x+x+)+y", r"((a+)(b+))*c",
)  # fmt: skip
USUAL = (
    "per.*", ".*tote", "red.*tote.*", r"(red|blue) tote", r"(red |blue )?tote(s| with lid)?",
    r"tote \d+", r"^[a-z ]+$", r"(?i)person", r"(?!red).*", r"a{3,5}", r"(..)\1",
)  # fmt: skip


@pytest.mark.parametrize("text", ENDLESS)
@pytest.mark.parametrize("whole", [True, False])
def test_what_could_take_years_is_refused(text, whole):
    with pytest.raises(UserError, match="could take too long"):
        pattern_test(text, whole=whole)


@pytest.mark.parametrize("text", USUAL)
def test_what_people_write_is_taken(text):
    test = pattern_test(text, whole=True)
    for label in ("red tote with lid", "person", "tote 12", "aaaa"):
        assert test(label) == bool(re.compile(text).match(label))


@pytest.mark.parametrize(
    "condition",
    ['"{letters}b" =~ "(a+)+$"', r'"{letters}b" =~ "(\x61+)+$"', 'label =~ "x" or "{letters}b" =~~ '
     "'(a+)+$'"],
)  # fmt: skip
def test_constants_are_not_matched_by_the_parser_either(condition):
    """In a process of its own: where it fails, it fails for hours and holds the interpreter."""
    text = condition.replace("{letters}", "a" * 40)
    code = f"""
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.rules.condition import TrackCondition
try:
    TrackCondition({text!r})
except UserError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert "could take too long" in done.stdout


def test_a_label_that_looks_like_a_pattern_is_a_label():
    assert TrackCondition('label == "(a+)+$"').fields == {"label"}
    assert TrackCondition('label == "(" and label =~ "x"').fields == {"label"}


def test_quotes_within_quotes_hide_no_growing_constant():
    with pytest.raises(UserError, match="<<"):
        TrackCondition(r'label == "\"" and 5 << 99999999 > 3 and label == "\""')


_ATOMS = st.sampled_from(["a", "b", ".", "[ab]", r"\w", "(?:a|ab)", "^", "$", r"\b"])
_REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}", "*?", "{0,200}"])
_PARTS = st.tuples(_ATOMS, _REPEATS).map("".join)
_GROUPS = st.lists(_PARTS, min_size=1, max_size=3).map("".join)
_PATTERNS = st.lists(
    _GROUPS | st.tuples(_GROUPS, _REPEATS).map(lambda pair: f"({pair[0]}){pair[1]}"), max_size=3
).map("".join)


@given(_PATTERNS)
@examples(60)
def test_whatever_is_taken_ends(text):
    """It would not return otherwise: the longest labels, of letters that nearly match."""
    try:
        compiled = re.compile(text)
        test = pattern_test(text, whole=False)
    except (re.error, UserError):
        return
    for label in ("a" * (MAX_LABEL_CHARACTERS - 1) + "!", "ab" * (MAX_LABEL_CHARACTERS // 2)):
        assert test(label) == bool(compiled.search(label))

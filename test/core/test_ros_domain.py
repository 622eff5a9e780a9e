# SPDX-License-Identifier: Apache-2.0
"""Which ROS domain the environment names, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.ros_domain import HIGHEST_DOMAIN, domain_of

from ..examples import examples

REFUSED = (
    "1e3", " 1", "1 ", "\n7", "7\n", "1.0", "0x1", "0b1", "010", "00", "007", "-1", "-0", "+1",
    "1_0", "233", "300", "4294967297", "9" * 400, "x", "seven", " ", "１", "٣", "²", "1,2", "nan",
    "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("number", range(HIGHEST_DOMAIN + 1))
def test_every_domain_has_one_spelling(number: int) -> None:
    assert domain_of({"ROS_DOMAIN_ID": str(number)}) == number


@pytest.mark.parametrize("text", REFUSED)
def test_what_ros_would_read_otherwise_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="to be a plain whole number from 0 to 232") as caught:
        domain_of({"ROS_DOMAIN_ID": text})
    assert len(str(caught.value)) < 200
    str(caught.value).encode()


def test_an_environment_may_name_none() -> None:
    assert domain_of({}) is domain_of({"ROS_DOMAIN_ID": ""}) is None


@examples(200)
@given(st.text(max_size=5))
def test_any_text_is_a_domain_or_refused(text: str) -> None:
    try:
        found = domain_of({"ROS_DOMAIN_ID": text})
    except UserError:
        return
    assert text == ("" if found is None else str(found))

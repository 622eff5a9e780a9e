# SPDX-License-Identifier: Apache-2.0
"""Outputs are finished after an error too, and an error of closing doesn't hide the first one."""

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.viz.finishing import FinishedOutput


class Output(FinishedOutput):
    def __init__(self, fault: Exception | None = None) -> None:
        self.fault, self.closed = fault, 0

    def close(self) -> None:
        self.closed += 1
        if self.fault is not None:
            raise self.fault


def test_it_is_closed_at_the_end_and_after_an_error():
    with Output() as output:
        assert output.closed == 0
    assert output.closed == 1
    with pytest.raises(ZeroDivisionError), Output() as output:
        raise ZeroDivisionError
    assert output.closed == 1


def test_an_error_of_closing_comes_out_unless_there_was_one_before():
    with pytest.raises(UserError, match="disk"), Output(UserError("the disk is full")):
        pass
    with pytest.raises(ZeroDivisionError), Output(UserError("the disk is full")):
        raise ZeroDivisionError


def test_an_error_of_the_program_is_never_hidden():
    with pytest.raises(TypeError), Output(TypeError("a mistake")):
        raise ZeroDivisionError

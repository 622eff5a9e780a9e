# SPDX-License-Identifier: Apache-2.0
"""Numbers as codes of int8, each row with a scale of its own."""

import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lfmvl_ros.models.lfm2_vl.int8 import quantised_rows
from lfmvl_ros.models.lfm2_vl.int8_kernels import MOST, PAIR

from ...examples import examples

LEAST = 1e-30  # the least scale of a row

rows = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 40)),
    elements=st.floats(-1e4, 1e4, width=32),
).map(torch.from_numpy)


@given(rows)
@examples(200)
def test_no_number_is_off_by_more_than_half_a_scale(x):
    found = quantised_rows(x)
    assert found.codes.dtype == torch.int8
    assert int(found.codes.abs().max()) <= MOST
    assert bool((found.scales > 0).all())
    half = found.scales[:, None] * 0.5 * (1 + 1e-4)
    assert bool(((found.dequantised() - x).abs() <= half).all())


@given(rows)
@example(torch.tensor([[1.3616e-30]]))  # between half of the least scale and its largest code
@example(torch.tensor([[4e-31]]))
@examples(100)
def test_the_largest_of_a_row_has_the_largest_code(x):
    """But for rows so small that they get the least scale: their codes are smaller, or zero."""
    found = quantised_rows(x)
    for row, codes in zip(x, found.codes, strict=True):
        most, code = float(row.abs().max()), int(codes.abs().max())
        if most > 1.001 * LEAST * MOST:
            assert int(codes[row.abs().argmax()].abs()) == MOST
        elif most > 0.501 * LEAST:
            assert 1 <= code <= MOST
        elif most < 0.499 * LEAST:
            assert code == 0


@given(rows, st.integers(-10, 10))
@examples(100)
def test_sign_and_powers_of_two_do_not_change_codes(x, power):
    found = quantised_rows(x)
    assert torch.equal(quantised_rows(-x).codes, -found.codes)
    if float(x.abs().min()) > 2.0**11 * LEAST * MOST:
        assert torch.equal(quantised_rows(x * 2.0**power).codes, found.codes)


@given(rows)
@examples(100)
def test_a_row_is_quantised_alone_as_among_others(x):
    found = quantised_rows(x)
    for place in range(len(x)):
        alone = quantised_rows(x[place : place + 1])
        assert torch.equal(alone.codes[0], found.codes[place])
        assert alone.scales[0] == found.scales[place]


@given(rows, st.integers(MOST, 2 * MOST))
@examples(200)
def test_neighbouring_codes_stay_below_their_largest_sum(x, pair):
    found = quantised_rows(x, pair)
    codes = torch.nn.functional.pad(found.codes.int(), (0, x.shape[1] % 2)).unflatten(1, (-1, 2))
    assert int(codes.clamp(min=0).sum(2).max()) <= pair
    assert int(codes.clamp(max=0).sum(2).min()) >= -pair
    half = found.scales[:, None] * 0.5 * (1 + 1e-4)
    assert bool(((found.dequantised() - x).abs() <= half).all())
    assert bool((found.scales >= quantised_rows(x).scales).all())


def test_only_rows_with_large_neighbours_get_a_larger_scale():
    x = torch.tensor([[3.0, 0.0, 2.0, -3.0], [3.0, 3.0, 0.0, 0.0]])
    coarse, fine = quantised_rows(x, PAIR), quantised_rows(x)
    assert coarse.scales[0] == fine.scales[0]
    assert coarse.codes.tolist() == [[127, 0, 85, -127], [64, 64, 0, 0]]

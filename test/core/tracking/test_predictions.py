# SPDX-License-Identifier: Apache-2.0
"""All hypotheses of all tracks predicted at once, against one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.config import TrackerSettings
from lfmvl_ros.core.tracking.hypotheses import predictions, without_flow
from lfmvl_ros.core.tracking.table import Table
from lfmvl_ros.core.tracking.update import carried

SETTINGS = TrackerSettings()


def table_of(seed: int, count: int, alone_ns: int) -> Table:
    """Tracks at 1 s of which some coast and some will soon."""
    rng = np.random.default_rng(seed)

    def means(*shape: int) -> np.ndarray:
        mean = rng.normal(size=(count, *shape, 8)) * 50
        mean[..., 2:4] = np.abs(mean[..., 2:4]) + 1
        return mean

    def covariances() -> np.ndarray:
        root = rng.normal(size=(count, 8, 8)) * 5
        return root @ root.transpose(0, 2, 1) + np.eye(8)

    return Table(
        stamp_ns=10**9,
        alone_ns=alone_ns,
        ids=np.arange(1, count + 1),
        mean=means(),
        covariance=covariances(),
        alone_mean=means(2),
        alone_covariance=covariances(),
        noise=rng.uniform(1, 1e4, (count, 4)),
        steady_until_ns=rng.integers(8 * 10**8, 12 * 10**8, count),
    )


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.sampled_from([10**9, 9 * 10**8]),
    st.integers(10**9 + 1, 2 * 10**9),
)
def test_all_at_once_is_the_same_as_one_by_one(
    seed: int, count: int, alone_ns: int, stamp_ns: int
) -> None:
    table = table_of(seed, count, alone_ns)
    before = table.alone_mean.copy()
    ahead, by_all = predictions(table, stamp_ns, SETTINGS), carried(table, stamp_ns, SETTINGS)
    alone_mean, alone_covariance = without_flow(table, stamp_ns, SETTINGS)
    np.testing.assert_array_equal(ahead.mean, by_all.mean)
    np.testing.assert_array_equal(ahead.covariance, by_all.covariance)
    np.testing.assert_array_equal(ahead.alone_mean, alone_mean)
    np.testing.assert_array_equal(ahead.alone_covariance, alone_covariance)
    ahead.alone_mean[:] = 0.0  # it is the caller's
    np.testing.assert_array_equal(table.alone_mean, before)

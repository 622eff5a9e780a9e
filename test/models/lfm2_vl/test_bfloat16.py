# SPDX-License-Identifier: Apache-2.0
"""Whether a processor computes in bfloat16."""

from __future__ import annotations

from lfmvl_ros.models.lfm2_vl.bfloat16 import has_bfloat16


def test_bfloat16_as_linux_reports_it(tmp_path):
    listing = tmp_path / "cpuinfo"
    for flags, expected in (
        ("flags : fpu avx512f avx512_bf16 amx_tile", True),
        ("Features : fp asimd bf16", True),
        ("flags : fpu avx2 avx512f", False),
    ):
        listing.write_text(flags + "\n")
        assert has_bfloat16(listing) is expected
    assert has_bfloat16(tmp_path / "absent") is False

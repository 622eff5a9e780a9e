# SPDX-License-Identifier: Apache-2.0
"""Trained rows of a shared table act as the table with these rows changed would."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.finetune.word_rows import WordRows

from ..examples import examples

VOCABULARY, WIDTH = 12, 5


@given(st.sets(st.integers(0, VOCABULARY - 1)), st.integers(0, 999))
@examples(30)
def test_as_if_the_table_were_changed(ids, seed):
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(VOCABULARY, WIDTH, generator=generator)
    rows = WordRows(sorted(ids), VOCABULARY, WIDTH)
    with torch.no_grad():
        rows.difference.copy_(torch.randn(len(ids), WIDTH, generator=generator))
    changed = rows.table(table)
    tokens = torch.randint(VOCABULARY, (2, 7), generator=generator)
    hidden = torch.randn(4, WIDTH, generator=generator)
    torch.testing.assert_close(rows.embed(tokens, table[tokens]), changed[tokens])
    torch.testing.assert_close(rows.score(hidden, hidden @ table.T), hidden @ changed.T)
    same = [row for row in range(VOCABULARY) if row not in ids]
    assert torch.equal(changed[same], table[same])


def test_gradients_reach_the_rows_from_both_sides():
    rows = WordRows([3, 1, 3], VOCABULARY, WIDTH)
    assert len(rows) == 2
    table = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(1))
    embeds = rows.embed(torch.tensor([[1, 5]]), table[torch.tensor([[1, 5]])])
    logits = rows.score(embeds[0], embeds[0] @ table.T)
    F.cross_entropy(logits, torch.tensor([3, 5])).backward()
    assert (rows.difference.grad != 0).all()

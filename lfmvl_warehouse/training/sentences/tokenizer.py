# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of the sentence model: byte-level BPE, learned from composed sentences."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lfmvl_warehouse.sentences.answers import START, STOP
from lfmvl_warehouse.training.model.tokenizer import CHAT_TEMPLATE

SPECIAL = ("<|pad|>", "<|startoftext|>", "<|im_start|>", "<|im_end|>", START, STOP)
PAD_ID, BOS_ID, IM_START_ID, IM_END_ID = 0, 1, 2, 3
_LONGEST = 12  # bytes of a token: four characters of Chinese, so that no phrase becomes a token

# Words with the space before them, each digit by itself (numbers have to be copied), signs.
_SPLIT = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]|\s+"


def learn(texts: Iterable[str], *, vocabulary: int) -> Tokenizer:
    """Return a tokenizer with the merges of these texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=_LONGEST,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """Return it as transformers takes it, with the chat template of LFM2."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIAL[BOS_ID],
        eos_token=SPECIAL[IM_END_ID],
        pad_token=SPECIAL[PAD_ID],
        model_max_length=1024,
        padding_side="right",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast

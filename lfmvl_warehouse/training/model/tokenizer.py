# SPDX-License-Identifier: Apache-2.0
"""A small tokenizer with LFM2's layout: its special tokens and ids, its way of cutting text.

What behaves like the real one: the ids of the control and image tokens, the pre-tokenizer (numbers
are cut into groups of one to three digits, so ``0.37`` is ``0`` ``.`` ``37``), byte-level BPE (any
text encodes and comes back), and the length of a grounding answer (25 to 30 tokens an object).
What is small: the vocabulary, learned from the published prompts, the answers they ask for, and
the words of a warehouse.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lfmvl_ros.core.prompt import CARD_TEMPLATE, COOKBOOK_TEMPLATE

PAD_ID, BOS_ID, END_OF_TEXT_ID, IM_START_ID, IM_END_ID = 0, 1, 2, 6, 7
IMAGE_ID, THUMBNAIL_ID, IMAGE_START_ID, IMAGE_END_ID = 396, 497, 498, 499

# The split of Llama 3, which LFM2 uses: contractions, words with one leading sign, numbers of at
# most three digits, punctuation runs, line ends, spaces.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] is string -%}{{- message['content'] -}}
{%- else -%}{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}{{- '<image>' -}}
{%- elif part['type'] == 'text' -%}{{- part['text'] -}}{%- endif -%}
{%- endfor -%}{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""
"""ChatML as LFM2 writes it: begin of text once, then role blocks."""

# Words the vocabulary knows besides the scenes' own, so that a later training on wider scenes
# keeps the same tokenizer.
WAREHOUSE_WORDS = [
    "cardboard box",
    "box",
    "tote",
    "pallet",
    "person",
    "worker",
    "forklift",
    "traffic cone",
    "cone",
    "hand truck",
    "shelf",
    "rack",
    "barrel",
    "drum",
    "crate",
    "bag",
    "sack",
    "tape roll",
    "fire extinguisher",
    "robot",
    "ladder",
    "cart",
    "pallet jack",
    "bin",
    "basket",
    "helmet",
    "hard hat",
    "vest",
    "sign",
    "door",
    "table",
    "chair",
    "monitor",
    "open",
    "closed",
    "stacked",
    "damaged",
    "empty",
    "full",
    "large",
    "small",
    "striped",
    "person wearing a vest",
    "person with a helmet",
    "red",
    "green",
    "blue",
    "yellow",
    "orange",
    "white",
    "black",
    "grey",
    "gray",
    "brown",
    "purple",
    "pink",
    "cyan",
    "dark",
    "light",
    "warehouse",
    "floor",
    "wall",
    "left",
    "right",
    "front",
    "behind",
    "near",
]

_PROSE = (
    "Describe the image.",
    "How many are there?",
    "Write a short global_caption.",
    "What is in this image? Answer with one word.",
    "user\n",
    "assistant\n",
    "system\n",
    "You are a helpful assistant. Reply in JSON.",
    '{"objects": [{"label": "box", "confidence": 0.94, "bbox": [0.12, 0.37, 0.45, 0.62]}], '
    '"global_caption": "Worker moving a stacked box near a shelf"}',
)


def special_tokens() -> list[str]:
    """The 500 special tokens in the order of their ids, as LFM2-VL numbers them."""
    tokens = ["<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|fim_pre|>", "<|fim_mid|>"]
    tokens += ["<|fim_suf|>", "<|im_start|>", "<|im_end|>"]
    tokens += [f"<|reserved_{number}|>" for number in range(len(tokens), IMAGE_ID)]
    tokens += ["<image>"]
    tokens += [f"<|img_row_{row}_col_{col}|>" for row in range(1, 11) for col in range(1, 11)]
    return [*tokens, "<|img_thumbnail|>", "<|image_start|>", "<|image_end|>"]


def corpus(names: Sequence[str], *, lines: int = 3000, seed: int = 0) -> Iterator[str]:
    """Text the merges are learned from: both prompts, their answers, names, a little prose."""
    rng = random.Random(seed)
    vocabulary = [*names, *WAREHOUSE_WORDS]
    for _ in range(lines):
        asked = rng.sample(vocabulary, rng.randint(1, 4))
        template = rng.choice((CARD_TEMPLATE, COOKBOOK_TEMPLATE))
        yield template.text.replace("{query}", ", ".join(asked))
        objects = ", ".join(
            f'{{"label": "{rng.choice(asked)}", "bbox": ['
            + ", ".join(f"{rng.random():.{rng.choice((2, 3))}f}" for _ in range(4))
            + "]}"
            for _ in range(rng.randint(0, 6))
        )
        yield f"[{objects}]"
        yield rng.choice(_PROSE)


def _numbers() -> Iterator[str]:
    """Every number of two and three digits: LFM2 has one token for each."""
    for _ in range(500):
        yield from (f"{value:02d}" for value in range(100))
    for _ in range(50):
        yield from (f"{value:03d}" for value in range(1000))


def build_tokenizer(
    names: Sequence[str] = (), *, vocabulary: int = 2560, seed: int = 0
) -> PreTrainedTokenizerFast:
    """Learn the merges and return a tokenizer with LFM2's special tokens and chat template.

    Args:
        names: object names that prompts will hold, beside :data:`WAREHOUSE_WORDS`.
        vocabulary: number of tokens, special ones included; at least 1,900 for the numbers alone.
        seed: of the corpus.

    Raises:
        ValueError: the vocabulary is too small to hold all numbers of up to three digits.
    """
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special_tokens(),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*corpus(names, seed=seed), *_numbers()], trainer)
    known = tokenizer.get_vocab()
    missing = [f"{value:03d}" for value in range(1000) if f"{value:03d}" not in known]
    missing += [f"{value:02d}" for value in range(100) if f"{value:02d}" not in known]
    if missing:
        raise ValueError(
            f"a vocabulary of {vocabulary} has no room for {len(missing)} numbers such as "
            f"{missing[0]}; give at least 2048"
        )
    return wrap(tokenizer)


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers takes it, with LFM2's special tokens and chat template."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|startoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        extra_special_tokens={
            "image_token": "<image>",
            "image_start_token": "<|image_start|>",
            "image_end_token": "<|image_end|>",
            "image_thumbnail_token": "<|img_thumbnail|>",
        },
        model_max_length=32768,
        padding_side="left",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def pair_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Ids of the hundred tokens ``00`` to ``99``: the second half of every coordinate."""
    return [tokenizer.convert_tokens_to_ids(f"{value:02d}") for value in range(100)]


def coordinate_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Ids of ``00`` to ``99`` and ``000`` to ``999``: what follows the point of a coordinate."""
    triples = (tokenizer.convert_tokens_to_ids(f"{value:03d}") for value in range(1000))
    return [*pair_ids(tokenizer), *triples]

# SPDX-License-Identifier: Apache-2.0
"""The model card of a checkpoint that was trained on own images, or from another checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lfmvl_ros.finetune.card_parts import data_row, images, scores_table
from lfmvl_warehouse.training.data.patch_grid import BUDGET
from lfmvl_warehouse.training.run.start import HIDDEN_RATE

_HEAD = """\
---
library_name: transformers
pipeline_tag: image-text-to-text
tags: [lfm2-vl, object-detection]
---

# {title}, {millions:.1f} M parameters

A small `Lfm2VlForConditionalGeneration` with the architecture, processor, special tokens, chat
template and answer format of Liquid AI's LFM2-VL; it is not one of their checkpoints and shares no
weights with them. `lfmvl train` made it from {origin}.

Ask it for: {kinds}.

```
Detect all instances of: {example}. Response must be a JSON array: \
[{{"label": ..., "bbox": [x1, y1, x2, y2]}}, ...]. Coordinates are normalized to [0,1].
```

The answer lists objects from left to right, with the label as asked, and is `[]` when nothing is
there. The processor asks for {least} to {most} image tokens and does not split images into
tiles unless told to.
"""

_MADE = """\
## How it was made

| | |
|---|---|
| {data} |
| start | {start} |
| updates | {step:,} in {minutes:.0f} minutes on {machine}, \
{samples:,} images in all |
| recipe | {rates}, cosine schedule, averaged weights, Muon (hidden |
| | matrices) and AdamW, bfloat16 autocast where the processor has it, |
| | soft labels on coordinates, auxiliary heads for |
| | kind and box of each patch, answers of up to {max_objects} objects, seed {seed} |
"""

_LIMITS = """\
## Limits

- It was evaluated on {evaluated_on}. Other cameras, places and light were not tested.
- It knows the names above and little else; its answers about other things mean nothing.
- Objects smaller than 0.4 % of an image were neither asked for nor counted.
- Its confidences are not calibrated. Coordinates have two decimals, or three where the prompt ends
  with "Write three decimals."

## Licence

Not stated here: it depends on the licence of the images{start_licence}.
Add `license:` to the head of this card before you pass the weights on.
"""


def _scores(facts: Mapping[str, Any], evaluated_on: str) -> str:
    held_out = facts.get("held_out") or []
    if not held_out:
        return "## Scores\n\nNot measured yet: the training has not come to an end.\n"
    lines = [
        "## Scores",
        "",
        f"Greedy answers of the averaged weights to random questions about {evaluated_on}, which",
        "were not used for training. Recall and precision are at IoU 0.5, with the right label.",
        "",
        scores_table(held_out),
    ]
    return "\n".join(lines) + "\n"


def _data_row(facts: Mapping[str, Any]) -> str:
    data = facts.get("data")
    if data is None:
        return "data | the procedural warehouse scenes of `lfmvl_warehouse.scenes`"
    row = data_row(data)
    if facts["mix"]:
        row += f" |\n| mixed in | procedural warehouse scenes, {facts['mix']:.0%} of all images"
    return row


def _rates(facts: Mapping[str, Any]) -> str:
    rates = f"learning rates times {facts['rate']:g}"
    return f"{rates}, those of hidden matrices times {HIDDEN_RATE:g}" if facts["start"] else rates


def render_own_card(facts: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Args:
        facts: of the training, as
            :func:`lfmvl_warehouse.training.run.training_run.export` returns them for a run with
            other data than the warehouse's or with a start.
    """
    data, start = facts.get("data"), facts["start"]
    named = f"the images of {data['name']}" if data else "procedural warehouse scenes"
    evaluated_on = (
        f"{images(data['held_out_images'])} of {data['name']}"
        if data
        else "procedural scenes with seeds of their own"
    )
    head = _HEAD.format(
        title=f"LFM2-VL for {data['name'] if data else 'warehouse scenes'}",
        millions=facts["parameters"] / 1e6,
        origin=f"{named}, from {f'the checkpoint `{start}`' if start else 'random weights'}",
        kinds=", ".join(facts["kinds"]),
        example=", ".join(facts["kinds"][:2]),
        least=BUDGET.min_tokens,
        most=BUDGET.max_tokens,
    )
    made = _MADE.format(
        data=_data_row(facts),
        start=f"the weights of `{start}`" if start else "random weights",
        minutes=facts["seconds"] / 60,
        rates=_rates(facts),
        machine=machine_of(facts),
        **{name: facts[name] for name in ("step", "samples", "max_objects", "seed")},
    )
    limits = _LIMITS.format(
        evaluated_on=evaluated_on,
        start_licence=f" and of the weights it started from, {start}" if start else "",
    )
    return "\n".join([head, _scores(facts, evaluated_on), made, limits])


def machine_of(facts: Mapping[str, Any]) -> str:
    """What a run trained on.

    >>> machine_of({"processes": 2})
    '2 CPU processes of one thread'
    >>> machine_of({"processes": 1, "device": "cuda:0"})
    'one GPU'
    """
    if facts.get("device", "cpu") != "cpu":
        return "one GPU"
    return f"{facts['processes']} CPU processes of one thread"

# SPDX-License-Identifier: Apache-2.0
"""The model card of a fine-tuned checkpoint, and the facts it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lfmvl_ros.core.whole_files import write_whole
from lfmvl_ros.finetune.card_parts import COLUMNS, data_row, scores_table
from lfmvl_ros.finetune.data import TrainingData
from lfmvl_ros.finetune.settings import FinetuneSettings, usual_rate
from lfmvl_ros.finetune.start import Start

_HEAD = """\
---
library_name: transformers
pipeline_tag: image-text-to-text
tags: [{tags}]
---

# {start}, fine-tuned on {data}

`lfmvl finetune` made it from `{start}`, with {method}. Files, names, shapes and precision of the
weights are those of the start.

Ask it for: {categories}.

```
{prompt}
```
"""

_SCORES = """\
## Scores

Greedy answers to questions about held-out images, which were not learnt from. Recall and
precision are at IoU 0.5; label and box must both be right. The best of the run's judgements was
chosen by the score, so it flatters a little.

{table}
"""

_LIMITS = """\
## Limits

- It was evaluated on the held-out images of {data}. Cameras, places and light that are not in them
  were not tried.
- It may have forgotten things that are not in its images.{kept}
- Objects smaller than 0.4 % of an image were neither asked for nor counted.{tokens}
- {confidences}

## Licence

The weights it started from: {licence}. Its own licence depends on that and on the licence of the
images. Add `license:` to the head of this card before you pass the weights on.
"""


def facts_of_run(
    start: Start,
    data: TrainingData,
    settings: FinetuneSettings,
    progress: Mapping[str, Any],
    judgements: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the facts for the card and ``training.json`` of a run, without paths.

    Args:
        start: the checkpoint.
        data: the folders.
        settings: of the run.
        progress: fields of :class:`lfmvl_ros.finetune.trainer.RunProgress`.
        judgements: of the log, in their order.
    """
    best = [record for record in judgements if record["step"] == progress["best_step"]][-1:]
    parts = data.facts()
    return {
        "made_by": "lfmvl finetune",
        "start": start.name,
        "start_revision": start.revision,
        "licence_of_start": start.licence,
        "kinds": list(data.categories),
        "labels": list(data.names),
        "colours": [],
        "data": parts[0],
        "folders": parts,
        "step": progress["best_step"],
        "planned_steps": progress["total"],
        "stopped_early": progress["stopped"],
        "seconds": round(progress["seconds"], 1),
        "parameters": start.parameters,
        "rate": settings.rate or usual_rate(start.parameters, full=settings.full),
        "settings": asdict(settings),
        "held_out": [*judgements[:1], *best],
        "prompt": start.templates[0].text,
    }


def render_card(facts: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    old = any(folder["old"] for folder in facts["folders"])
    names = " and ".join(folder["name"] for folder in facts["folders"] if not folder["old"])
    head = _HEAD.format(
        tags="lfm2-vl, object-detection",
        start=facts["start"],
        data=names,
        method=_method(facts["settings"]),
        categories=", ".join(facts["kinds"]),
        prompt=facts["prompt"].replace("{query}", ", ".join(facts["kinds"][:2])),
    )
    columns = {"score": "score", **COLUMNS, **({"old_recall50": "recall, old"} if old else {})}
    scores = _SCORES.format(table=scores_table(facts["held_out"], columns))
    limits = _LIMITS.format(
        data=names,
        tokens=_image_tokens(facts["settings"]["image_tokens"]),
        kept=" Old images were mixed in against that." if old else "",
        confidences=_confidences(facts),
        licence=facts["licence_of_start"] or "not known here",
    )
    return "\n".join([head, scores, _how_it_was_made(facts), limits])


def _method(settings: Mapping[str, Any]) -> str:
    if settings["full"]:
        return "all of its weights"
    adapters = f"adapters (LoRA) of rank {settings['rank']}"
    if settings.get("towers") == "vision":
        return f"{adapters} in the vision tower and the projector"
    return adapters


def _set_back(settings: Mapping[str, Any]) -> str:
    strength = settings.get("strength", 1.0)
    return "" if strength == 1 else f"set back to {strength:.0%} of the change, "


def _how_it_was_made(facts: Mapping[str, Any]) -> str:
    """The section about data, start, updates and recipe."""
    settings = facts["settings"]
    rows = "\n".join(
        f"| {'old ' if folder['old'] else ''}{data_row(folder, 'whole and cropped at random')}; "
        f"{folder['share']:.0%} of the images of training |"
        for folder in facts["folders"]
    )
    recipe = (
        f"{_method(settings)}, {_set_back(settings)}learning rate {facts['rate']:g}, AdamW, "
        f"cosine schedule, loss of the answers' tokens, "
        f"{settings['negatives']:.0%} of the questions about absent things, seed {settings['seed']}"
    )
    commit = facts.get("start_revision")
    revision = f", commit `{commit}`" if commit else ""
    return (
        "## How it was made\n\n| | |\n|---|---|\n"
        f"{rows}\n| start | `{facts['start']}`{revision} |\n"
        f"| updates | {facts['step']:,} of {facts['planned_steps']:,}, "
        f"{settings['batch']} images with {settings['questions']} questions each; "
        f"{facts['seconds'] / 60:.0f} minutes in all |\n"
        f"| recipe | {recipe} |\n"
    )


def _image_tokens(most: int) -> str:
    if not most:
        return ""
    return (
        f"\n- It was trained and evaluated with at most {most} image tokens and without tiles:\n"
        f"  set `image.max_tokens` to {most} and `image.split` to `never`."
    )


def _confidences(facts: Mapping[str, Any]) -> str:
    calibrated = facts.get("calibrated_on")
    if calibrated:
        return f"Its confidences are calibrated on {calibrated} boxes in the held-out images."
    return "Its confidences are not calibrated: `lfmvl calibrate --data` does that."


def write_card(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write README.md of a checkpoint."""
    write_whole(folder / "README.md", render_card(facts))

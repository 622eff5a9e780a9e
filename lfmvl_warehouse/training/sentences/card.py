# SPDX-License-Identifier: Apache-2.0
"""The card of a sentence model: what it reads, what it writes, how well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lfmvl_ros.models.lfm2_vl.sentences import SURE, WAYS

SCORES_FILE = "scores.json"
_HEAD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
tags: [lfm2, function-calling, synthetic]
---

# Sentences of operators, {parameters:.1f} M parameters

An `Lfm2ForCausalLM`, trained from nothing by `lfmvl train --sentences`. It turns a sentence of an
operator into calls of the package's tools (docs/commands.md), or writes why it can't. It belongs to
the bundled warehouse model and knows that model's objects alone. It is not one of Liquid AI's
checkpoints and shares no weights with them.

It is given the sentence alone, in LFM2's chat format. It writes calls as LFM2.5 does:

```
look for red crates near the door
<|tool_call_start|>[look_for(labels=["red crate"])]<|tool_call_end|>
```

or one of three sentences: `I know no such object.`, `No tool of mine does that.`,
`I did not understand that.` The package puts each sentence to it in {ways} tokenisations, takes the
answer with the largest mean probability, and refuses it as well where that is below {sure}.

* Languages: {languages}.
* Labels are always the English names of the bundled model, whatever the language of the sentence.
* Where an object should be is left out of `look_for`, `find` and `where_is`; a count or a reading
  at a place is refused, and so are negations, conditions, and additions to what is looked for.

## How it was made

{sentences:,} sentences, composed on the way from the phrases in
`lfmvl_warehouse/sentences/phrases`, some of their words cut into other tokens at random, in
{step:,} updates and {minutes:.0f} minutes on one CPU thread, seed {seed}. Shape: {shape}.
"""
_EARLIER = (
    "\nIt began with weights that had been trained on {sentences:,} sentences of earlier phrases,\n"
    "in {step:,} updates and {minutes:.0f} minutes, seed {seed}.\n"
)
_MEAN = (
    "\nThe weights are the mean of what came out of this and of what came out of the run with\n"
    "seed {seed} ({step:,} updates).\n"
)


def write_card(directory: Path, facts: Mapping[str, Any]) -> None:
    """Write README.md; with the scores, where the directory has them."""
    text = _HEAD.format(
        sure=SURE,
        ways=WAYS,
        parameters=facts["parameters"] / 1e6,
        languages=", ".join(facts["languages"]),
        sentences=facts["sentences"],
        step=facts["step"],
        minutes=facts["seconds"] / 60,
        seed=facts["seed"],
        shape=", ".join(f"{key} {value}" for key, value in facts["shape"].items()),
    )
    if facts.get("mean_with"):
        text += _MEAN.format(**facts["mean_with"])
    for run in facts.get("earlier", []):
        text += _EARLIER.format(**run, minutes=run["seconds"] / 60)
    scores = directory / SCORES_FILE
    if scores.exists():
        text += scores_text(json.loads(scores.read_text(encoding="utf-8")))
    (directory / "README.md").write_text(text, encoding="utf-8")


def scores_text(scores: Mapping[str, Mapping[str, int]]) -> str:
    """Return the section about the scores of ``benchmarks/sentences.py``."""
    rows = [
        f"| {language} | {s['sentences']} | {s['right'] / s['sentences']:.1%} "
        f"| {s['wrong_calls'] / s['sentences']:.1%} | {s['refused']} of {s['to_refuse']} |\n"
        for language, s in scores.items()
    ]
    return (
        "\n## Scores\n\nSentences written without a look at the phrases "
        "(`python benchmarks/sentences.py`).\nWhich kinds of phrases were added was chosen after a "
        "look at the failures among every second of them.\n\n"
        "| language | sentences | right | wrong calls | refused, of those to refuse |\n"
        "|---|---|---|---|---|\n" + "".join(rows)
    )

# SPDX-License-Identifier: Apache-2.0
"""How well the bundled model turns sentences of operators into tool calls, and how quickly.

    python benchmarks/sentences.py               # 1,000 sentences in nine languages; two minutes
    python benchmarks/sentences.py --quick       # every tenth
    python benchmarks/sentences.py --half unseen # those that nobody looked at, see below
    python benchmarks/sentences.py --wrong       # print those that are not right
    python benchmarks/sentences.py --card        # write the scores into the checkpoint's card

The sentences (`held_out_sentences/`) were written without a look at the phrases that the model was
trained on. Which kinds of phrases were added to those (names of rules and cameras, lists, reasons
and small talk around a command) was chosen after a look at the failures among every second
sentence (`--half seen`). The node's rules and cameras are those that the sentences of a language
name, together. Right: the same calls with the same arguments, or no call where there is none to
make. A wrong call is one that the node would execute. One CPU thread.

Last line: JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import time
from collections.abc import Mapping
from pathlib import Path

from needs import needed_packages, run_command

with needed_packages():
    import torch
    from measuring import machine, percentile
    from tqdm import tqdm

    from lfmvl_ros.core.commands.offering import offer
    from lfmvl_ros.core.commands.tools import TOOLS
    from lfmvl_ros.core.config import GenerationSettings
    from lfmvl_ros.core.whole_files import write_json
    from lfmvl_ros.models.catalog import find
    from lfmvl_ros.models.checkpoint_labels import FACTS_FILE
    from lfmvl_ros.models.lfm2_vl.sentences import SURE, SentenceModel
    from lfmvl_warehouse.sentences.judging import (
        Judged,
        SentenceScore,
        judge,
        names_of,
        read_sentences,
        total,
    )
    from lfmvl_warehouse.training.sentences.card import SCORES_FILE, write_card

FOLDER = Path(__file__).parent / "held_out_sentences"
HALVES = {"seen": 0, "unseen": 1}
TARGETS = {"en": 0.95, "": 0.90}  # share that is right, by language


class Reader:
    """The model, and the time of each sentence."""

    def __init__(self, directory: str, sure: float) -> None:
        self._model = SentenceModel(directory, "bundled", "cpu", sure=sure)
        self._generation = GenerationSettings(timeout_s=60.0)
        self.ms: list[float] = []

    def write(self, sentence: str, names: Mapping[str, tuple[str, ...]]) -> str:
        """Return what the model writes, on a node with rules and cameras of these names."""
        start_s = time.perf_counter()
        prompt = offer(sentence, TOOLS, "learned", names=names)
        reply = self._model.write(prompt, generation=self._generation)
        self.ms.append(1000 * (time.perf_counter() - start_s))
        return reply.text


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="every tenth sentence")
    parser.add_argument("--half", choices=sorted(HALVES), help="every second sentence")
    parser.add_argument("--wrong", action="store_true", help="print what is not right")
    parser.add_argument("--card", action="store_true", help="write the scores into the card")
    parser.add_argument("--checkpoint", type=Path, help="another one than the bundled")
    parser.add_argument(
        "--sure", type=float, default=SURE, help="least probability that counts; 0: no refusal"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    entry = find("bundled")
    directory = args.checkpoint or Path(entry.sentences if entry else "")
    reader = Reader(str(directory), args.sure)
    reader.write("hello", {})
    reader.ms.clear()

    def show(sentence: Judged, text: str) -> None:
        if args.wrong:
            tqdm.write(f"{sentence.say}\n    meant {[c.to_document() for c in sentence.calls]}")
            tqdm.write(f"    wrote {text}")

    scores: dict[str, SentenceScore] = {}
    for path in sorted(FOLDER.glob("*.yaml"), key=lambda p: (p.stem != "en", p.stem)):
        sentences = read_sentences(path)
        write = functools.partial(reader.write, names=names_of(sentences))
        sentences = sentences[HALVES[args.half] :: 2] if args.half else sentences
        sentences = sentences[:: 10 if args.quick else 1]
        scores[path.stem] = judge(tqdm(sentences, path.stem, leave=False), write, show)
    print("language  sentences  right   target  wrong calls  refused, of those to refuse")
    for language, score in scores.items():
        target = TARGETS.get(language, TARGETS[""])
        print(
            f"{language:8}  {score.sentences:9}  {score.right / score.sentences:6.1%}  "
            f"{target:6.0%}  {score.wrong_calls / score.sentences:11.1%}  "
            f"{score.refused} of {score.to_refuse}"
        )
    documents = {name: dataclasses.asdict(score) for name, score in scores.items()}
    if args.card and not args.quick and not args.half:
        write_json(directory / SCORES_FILE, documents)
        write_card(directory, json.loads((directory / FACTS_FILE).read_text(encoding="utf-8")))
    whole = total(scores)
    times = {f"p{q}": round(percentile(reader.ms, q) or 0.0, 1) for q in (50, 95)}
    print(
        json.dumps(
            {
                "languages": documents,
                "right": round(whole.right / whole.sentences, 4),
                "wrong_calls": round(whole.wrong_calls / whole.sentences, 4),
                "refused": round(whole.refused / whole.to_refuse, 4),
                "ms": times,
                "machine": machine(),
            }
        )
    )


if __name__ == "__main__":
    run_command(main)

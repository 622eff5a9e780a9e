# SPDX-License-Identifier: Apache-2.0
"""CPU time of an answer at the shape of LFM2.5-VL-450M: llama.cpp, this decoder, `generate`.

    python benchmarks/servers_450m.py [--quick] [--rounds N] [--out FILE]

Random weights of the true shape, one thread, 256x256 (64 image tokens): what an answer says does
not change what it costs. For llama.cpp's server (f16, q8_0, q4_0), this decoder (float32,
bfloat16, int8) and `generate`: the time to the first token and of a token. An answer without drafts
is the sum of these. Answers with drafts are written: 1, 5 and 10 objects of scene videos (static,
slow, fast) with two decimals, whose right answers are scripted, with the drafts of the node.

The backends take turns, and CPU time is counted (of the server: its own), so that ratios hold on a
machine that does other things as well. The last line is one JSON object. About five minutes on a
quiet machine, `--quick` (q4_0, int8 and bfloat16, 5 objects, one round) less than two.
"""

from __future__ import annotations

import argparse
import base64
import copy
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from needs import needed_packages, run_command

with needed_packages():
    import cv2
    import numpy as np
    import torch
    from decoding_scripts import (
        END,
        FOREVER,
        GOODS,
        MOTIONS,
        MOVERS,
        Weightless,
        scripted,
        write,
    )
    from decoding_time import big_model
    from measuring import cpu_s

    from lfmvl_ros.core.config import GenerationSettings
    from lfmvl_ros.models.gguf.export import export_gguf
    from lfmvl_ros.models.lfm2_vl.bfloat16 import has_bfloat16
    from lfmvl_ros.models.lfm2_vl.decoding import Blocks, NoDraft
    from lfmvl_ros.models.lfm2_vl.generating import generation_config, run_generate
    from lfmvl_ros.models.lfm2_vl.image_processing import image_processor_class, trim_padding
    from lfmvl_ros.models.lfm2_vl.model_inputs import ModelInputs
    from lfmvl_ros.models.lfm2_vl.precision import int8_runner
    from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
    from lfmvl_ros.models.load import load_model
    from lfmvl_ros.models.server.http import fetch
    from lfmvl_warehouse.training.model.build import build_processor, save_checkpoint
    from lfmvl_warehouse.training.model.tokenizer import build_tokenizer

QUANTISATIONS, VIDEOS, COUNTS = ("f16", "q8_0", "q4_0"), ("static", "slow", "fast"), (1, 5, 10)
PROMPT, WARM, FEW = 126, 2, 12
IMAGE = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)


@dataclass
class Figures:
    """CPU seconds of one backend, a list of rounds for each stage and kind of answer."""

    stages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def median(self, stage: str) -> float:
        """Median of the rounds."""
        return float(np.median(self.stages[stage]))

    def document(self, tokens: dict[int, float]) -> dict[str, float]:
        """Medians; ``tokens`` gives the tokens of an answer by its number of objects."""
        found = {stage: self.median(stage) for stage in self.stages}
        first = found.get("first_token") or found["vision"] + found["prefill"]
        for count, length in tokens.items():
            found[f"plain_{count}"] = first + found["token"] * (length - 1)
        return {name: round(value, 4) for name, value in found.items()}


def spent_s(act: Callable[[], object], pid: int = 0) -> float:
    """CPU time of something that this process does, or one that serves it with its children."""
    now = time.process_time if not pid else lambda: sum(map(cpu_s, with_children(pid)))
    start_s = now()
    act()
    return now() - start_s


def with_children(pid: int) -> list[int]:
    """A process and those that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += with_children(int(child))
    return found


class Decoder:
    """This decoder in a precision."""

    def __init__(self, model: Any, runner: Lfm2Runner | None = None) -> None:
        self._model, self._runner = model, runner or Lfm2Runner(model)
        self._embeds = torch.randn(1, PROMPT, 1024).to(model.dtype) * 0.02
        stock = image_processor_class()()(images=[[IMAGE]], return_tensors="pt")
        self._features = trim_padding(dict(stock))
        self._features["pixel_values"] = self._features["pixel_values"].to(model.dtype)
        self._blocks = self._new_blocks()

    def _new_blocks(self) -> Blocks:
        return Blocks.for_device("cpu", self._runner.longest_draft)

    @torch.inference_mode()
    def measure(self, into: Figures, answers: dict[str, list[Any]]) -> None:
        """One round."""
        vision_s = spent_s(lambda: self._model.get_image_features(**self._features))
        into.stages["vision"].append(vision_s)
        runner = self._runner
        runner.length = 0
        prefill_s = spent_s(lambda: runner.append(embeds=self._embeds[0], last=1))
        into.stages["prefill"].append(prefill_s)
        plain = [*range(10, 10 + FEW), END]
        alone_s = spent_s(lambda: write(runner, self._embeds, plain, NoDraft(), self._blocks))
        into.stages["token"].append((alone_s - prefill_s) / FEW)
        for name, pairs in answers.items():
            blocks = self._new_blocks()
            for ids, draft in pairs[:WARM]:  # what the first answers teach costs once
                write(Weightless(65536), torch.zeros(1, 1, 1), ids, draft, blocks)
            written_s = [
                spent_s(lambda p=pair, b=blocks: write(runner, self._embeds, *p, b))
                for pair in pairs[WARM:]
            ]
            into.stages[f"drafts_{name}"].append(vision_s + float(np.mean(written_s)))


class Generate:
    """transformers' ``generate``; its vision tower gets the trimmed image, too."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder, self._model = decoder, decoder._model
        row = torch.ones(1, PROMPT, dtype=torch.int64)
        self._inputs = ModelInputs(row, row, decoder._embeds, (64,), 0.0, 0.0)

    @torch.inference_mode()
    def measure(self, into: Figures, _: dict[str, list[Any]]) -> None:
        """One round."""
        model = self._model
        vision_s = spent_s(lambda: model.get_image_features(**self._decoder._features))
        short_s, long_s = (
            spent_s(lambda n=count: run_generate(model, self._inputs, self._config(n), FOREVER))
            for count in (1, 1 + FEW)
        )
        into.stages["vision"].append(vision_s)
        into.stages["prefill"].append(short_s)
        into.stages["token"].append((long_s - short_s) / FEW)

    @staticmethod
    def _config(count: int) -> Any:
        settings = GenerationSettings()
        return generation_config(settings, end_ids=(65535,), pad_id=0, max_new_tokens=count)


class Server:
    """llama.cpp's server with a GGUF file."""

    def __init__(self, text: Path) -> None:
        self._model: Any = load_model(str(text), device="cpu")
        done, png = cv2.imencode(".png", IMAGE)
        assert done
        self._url = "data:image/png;base64," + base64.b64encode(png.tobytes()).decode()

    def measure(self, into: Figures, _: dict[str, list[Any]]) -> None:
        """One round."""
        pid = self._model.server.pid
        short_s, long_s = (spent_s(lambda n=n: self._ask(n), pid) for n in (1, 1 + 2 * FEW))
        into.stages["first_token"].append(short_s)
        into.stages["token"].append((long_s - short_s) / (2 * FEW))

    def _ask(self, count: int) -> None:
        words = "x " * ((PROMPT - 64) // 2 - 8)
        content = [{"type": "image_url", "image_url": {"url": self._url}},
                   {"type": "text", "text": words}]  # fmt: skip
        document = {"messages": [{"role": "user", "content": content}], "max_tokens": count,
                    "temperature": 0, "ignore_eos": True, "cache_prompt": False}  # fmt: skip
        address = self._model.server.address
        found = fetch(address, "/v1/chat/completions", document, limit_s=600.0)
        if found.status != 200:
            raise RuntimeError(f"the server answered {found.status}: {found.content[:200]!r}")
        usage = found.document()["usage"]
        self.prompt_tokens = int(usage["prompt_tokens"])
        if usage["completion_tokens"] != count:
            raise RuntimeError(f"the server wrote {usage['completion_tokens']} tokens, not {count}")

    def close(self) -> None:
        """End the server."""
        self._model.close()


def answers(counts: tuple[int, ...], frames: int) -> dict[str, list[Any]]:
    """Scripted answers, each with its draft, by video and number of objects."""
    tokenizer, most = build_tokenizer([*GOODS, *MOVERS]), WARM + frames
    return {
        f"{video}_{count}": list(islice(scripted(MOTIONS[video], count, most, 2, tokenizer), most))
        for video in VIDEOS
        for count in counts
    }


def backends(folder: Path, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Everything that is measured, by name."""
    model, found = big_model(), {}
    checkpoint = folder / "450m"
    save_checkpoint(copy.deepcopy(model), build_processor(build_tokenizer([])), checkpoint)
    for kind in kinds:
        if kind in QUANTISATIONS:
            files = export_gguf(checkpoint, folder, kind, name="random")
            found[f"llama.cpp {kind}"] = Server(files.text)
    if "bfloat16" in kinds and has_bfloat16():
        found["bfloat16"] = Decoder(copy.deepcopy(model).to(torch.bfloat16))
        found["generate bfloat16"] = Generate(found["bfloat16"])
    if "float32" in kinds:
        kept = copy.deepcopy(model) if "int8" in kinds else model
        found["float32"] = Decoder(kept)
        found["generate float32"] = Generate(found["float32"])
    if "int8" in kinds and (runner := int8_runner(model)) is not None:
        found["int8"] = Decoder(model, runner)
    return found


def table(found: dict[str, dict[str, float]], counts: tuple[int, ...]) -> str:
    """The figures for people, as Markdown."""
    columns = [f"plain_{n}" for n in counts] + [f"drafts_{v}_{n}" for v in VIDEOS for n in counts]
    stages = ("vision", "prefill", "first_token", "token")
    lines = ["| | " + " | ".join((*stages, *columns)) + " |", "|---" * (len(columns) + 5) + "|"]
    for name, row in found.items():
        values = [f"{row[c]:.3f}" if c in row else "" for c in (*stages, *columns)]
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def run(kinds: tuple[str, ...], counts: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Measure in turn and print a table; return all figures."""
    torch.set_num_threads(1)
    frames = answers(counts, 1 if rounds == 1 else 2)
    tokens = {
        count: float(np.mean([len(ids) for v in VIDEOS for ids, _ in frames[f"{v}_{count}"]]))
        for count in counts
    }
    with tempfile.TemporaryDirectory() as folder:
        every = backends(Path(folder), kinds)
        figures = {name: Figures() for name in every}
        try:
            for _ in range(rounds):
                for name, backend in every.items():
                    backend.measure(figures[name], frames)
        finally:
            for backend in every.values():
                getattr(backend, "close", lambda: None)()
    found = {name: each.document(tokens) for name, each in figures.items()}
    print(table(found, counts), flush=True)
    return {"tokens": {n: round(v, 1) for n, v in tokens.items()}, "rounds": rounds, "cpu_s": found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="less than two minutes")
    parser.add_argument("--rounds", type=int, help="default 2, with --quick 1")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, too")
    args = parser.parse_args()
    kinds = ("q4_0", "bfloat16", "int8") if args.quick else (*QUANTISATIONS, "float32", "bfloat16",
                                                              "int8")  # fmt: skip
    result = run(kinds, (5,) if args.quick else COUNTS, args.rounds or (1 if args.quick else 2))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)

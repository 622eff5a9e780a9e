# SPDX-License-Identifier: Apache-2.0
"""Are answers with drafts the answers of `generate`, token for token? Over a thousand frames.

    python benchmarks/decoding_identity.py --out identity.jsonl [--quick] [--dtype bfloat16|int8]

Videos of four kinds (static, slow, fast, pan) with 3, 6 and 10 objects that enter, leave and hide
each other, asked with 2 and with 3 decimals; drafts from the tracker, as in the node. Every frame
is one line of the file, so that a run that was stopped goes on where it was (video by video).

`generate` answers the frames of a video in batches, as that is several times faster; a frame that
differs is asked once more alone, and both are written down. In bfloat16 two controls show what
rounding does without any draft: the runner one token at a time, and `generate` alone against
`generate` in a batch. With int8 weights,
which `generate` does not have, answers with drafts are compared with those of the same decoder
without: tokens, and log-probabilities to the last bit. The last line is one JSON object.

Float32 takes about five minutes on a quiet core, `--quick` (96 frames) less than one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from needs import end, needed_packages, run_command

with needed_packages():
    import torch
    from decoding_scripts import COUNTS, MOTIONS, Follower, scenes
    from tqdm import tqdm

    from lfmvl_ros.core.config import GenerationSettings, ImageSettings
    from lfmvl_ros.core.frame import Frame
    from lfmvl_ros.core.prompt import CARD_TEMPLATE, FINE_TEMPLATE
    from lfmvl_ros.core.reply import Reply
    from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend

BUNDLED = Path(__file__).parents[1] / "lfmvl_warehouse" / "checkpoint"
TEMPLATES = {template.decimals: template for template in (CARD_TEMPLATE, FINE_TEMPLATE)}
SETTINGS: dict[str, Any] = {
    "generation": GenerationSettings(timeout_s=600.0), "image": ImageSettings(),
}  # fmt: skip
TOGETHER = 8
Cell = tuple[str, int, int]
Record = dict[str, Any]
Tokens = list[int] | list[tuple[int, float]]


def cells() -> list[Cell]:
    """Kind, number of objects, decimals asked for: one video each, all kinds early."""
    return [(kind, count, decimals) for count in COUNTS for decimals in (2, 3) for kind in MOTIONS]


class Pair:
    """One checkpoint twice: as the node runs it, and through `generate` alone."""

    def __init__(self, checkpoint: Path, dtype: str) -> None:
        self.drafting = Lfm2VlBackend.load(
            str(checkpoint), name="drafts", template=CARD_TEMPLATE, device="auto", dtype=dtype
        )
        self.int8 = dtype == "int8"
        if self.int8 and self.drafting.precision != "int8":
            end("this processor has no exact products of int8 weights (see the log)")
        self.plain = Lfm2VlBackend(
            self.drafting._model, self.drafting._processor, name="plain", template=CARD_TEMPLATE,
            use_runner=False,
        )  # fmt: skip
        self.rough = dtype != "float32"

    def one(self, frame: Frame, prompt: Any, **rest: Any) -> list[int]:
        """Tokens of `generate`, alone."""
        return ids_of(self.plain.ground([frame], [prompt], **{**SETTINGS, **rest})[0])

    def tokens(self, reply: Reply) -> Tokens:
        """What of an answer has to be equal: token ids, with int8 weights all of it."""
        ids = ids_of(reply)
        return [(token.id, token.logprob) for token in reply.tokens] if self.int8 else ids

    def undrafted(self, frame: Frame, prompt: Any) -> Tokens:
        """Tokens of the runner, one to a pass."""
        plain = replace(SETTINGS["generation"], draft="none")
        reply = self.drafting.ground([frame], [prompt], generation=plain, image=ImageSettings())[0]
        return self.tokens(reply)


def ids_of(reply: Reply) -> list[int]:
    if reply.error is not None:
        raise RuntimeError(reply.error)
    return [token.id for token in reply.tokens]


def run_video(pair: Pair, cell: Cell, frames: int) -> Iterator[Record]:
    """Answer one video; the first frame, which has no draft, is not counted."""
    kind, count, decimals = cell
    follower = Follower(MOTIONS[kind].kinds)
    follower.prompt = TEMPLATES[decimals].render(follower.query)
    waiting: list[tuple[Frame, Record, Tokens]] = []
    before: set[int] | None = None
    for index, (frame, seen) in enumerate(scenes(MOTIONS[kind], count, frames + 1, seed=count)):
        hint = follower.hint(frame)
        (reply,) = pair.drafting.ground([frame], [follower.prompt], hints=[hint], **SETTINGS)
        follower.learn(frame, reply)
        now = {item.id for item in seen}
        before = now if before is None else before
        record = {
            "kind": kind, "objects": count, "decimals": decimals, "frame": index,
            "tokens": len(reply.tokens), "forwards": reply.forwards, "text": reply.text,
            "entered": len(now - before), "left": len(before - now),
        }  # fmt: skip
        before = now
        if index:
            waiting.append((frame, record, pair.tokens(reply)))
        if len(waiting) == TOGETHER or index == frames:
            yield from judged(pair, follower.prompt, waiting)
            waiting = []


def judged(pair: Pair, prompt: Any, waiting: Sequence[Any]) -> Iterator[Record]:
    """Compare with `generate`: all frames as one batch, those that differ alone as well."""
    if not waiting:
        return
    if pair.int8:
        for frame, record, drafted in waiting:
            yield {**record, "identical": drafted == pair.undrafted(frame, prompt)}
        return
    frames = [frame for frame, _, _ in waiting]
    expected = pair.plain.ground(frames, [prompt] * len(frames), **SETTINGS)
    for (frame, record, drafted), reply in zip(waiting, expected, strict=True):
        batched = ids_of(reply)
        record["same_as_batch"] = drafted == batched
        alone = batched
        if pair.rough or drafted != batched:
            alone = pair.one(frame, prompt)
        record["identical"] = drafted == alone
        if pair.rough:
            record["undrafted_identical"] = pair.undrafted(frame, prompt) == alone
            record["batch_identical"] = batched == alone
        yield record


# -- the file -------------------------------------------------------------------------------------


def digest(checkpoint: Path) -> str:
    weights = (checkpoint / "model.safetensors").read_bytes()
    return hashlib.blake2b(weights, digest_size=8).hexdigest()


def kept(path: Path, header: Record, frames: int) -> list[Record]:
    """Read whole videos of an earlier run of the same kind; rewrite the file without the rest."""
    lines = path.read_text().splitlines() if path.is_file() else []
    if not lines or json.loads(lines[0]) != header:
        path.write_text(json.dumps(header) + "\n")
        return []
    by_cell: dict[Cell, list[Record]] = defaultdict(list)
    for record in map(json.loads, lines[1:]):
        by_cell[record["kind"], record["objects"], record["decimals"]].append(record)
    whole = [record for rows in by_cell.values() if len(rows) == frames for record in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in [header, *whole]))
    return whole


def summary(records: Sequence[Record]) -> Record:
    """What the records show, by kind and in all."""
    kinds: dict[str, Record] = {}
    for kind in MOTIONS:
        rows = [row for row in records if row["kind"] == kind]
        if rows:
            kinds[kind] = {
                "frames": len(rows),
                "identical": sum(row["identical"] for row in rows),
                "tokens": round(sum(row["tokens"] for row in rows) / len(rows), 1),
                "forwards": round(sum(row["forwards"] for row in rows) / len(rows), 2),
                "ratio": round(
                    sum(row["tokens"] for row in rows) / sum(row["forwards"] for row in rows), 2
                ),
                "entered": sum(row["entered"] for row in rows),
                "left": sum(row["left"] for row in rows),
            }
    result: Record = {
        "frames": len(records),
        "identical_frames": sum(row["identical"] for row in records),
        "kinds": kinds,
    }
    for name in ("same_as_batch", "undrafted_identical", "batch_identical"):
        rows = [row[name] for row in records if name in row]
        if rows:
            result[name] = sum(rows)
    return result


def identity(checkpoint: Path, dtype: str, frames: int, out: Path) -> Record:
    """Run what is not in the file yet, and sum all up."""
    each = -(-frames // len(cells()))
    header = {"checkpoint": digest(checkpoint), "dtype": dtype, "frames_a_video": each}
    records = kept(out, header, each)
    done = {(row["kind"], row["objects"], row["decimals"]) for row in records}
    pair = Pair(checkpoint, dtype)
    with (
        out.open("a") as file,
        tqdm(total=each * len(cells()), initial=len(records), unit="frame") as bar,
    ):
        for cell in cells():
            if cell in done:
                continue
            for record in run_video(pair, cell, each):
                records.append(record)
                file.write(json.dumps(record) + "\n")
                file.flush()
                bar.update()
    return {**header, **summary(records)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="96 frames")
    parser.add_argument("--frames", type=int, help="1000, or 96 with --quick; rounded up to 24s")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "int8"))
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    frames = args.frames or (96 if args.quick else 1000)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    print(json.dumps(identity(args.checkpoint, args.dtype, frames, args.out)))


if __name__ == "__main__":
    run_command(main)

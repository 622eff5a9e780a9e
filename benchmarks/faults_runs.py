# SPDX-License-Identifier: Apache-2.0
"""Damaged files for commands that go on with something: runs, memories, samples, a demo.

Besides bytes, these targets damage what is inside of files that checksums, keys or a database
guard: values of a state, columns of a table, samples before they are encrypted.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
from pathlib import Path

from faults_case import QUERY, Call, Case, Target
from faults_mutations import changed, mutated

TINY_RUN = (
    "--steps", "2", "--batch", "1", "--questions", "1", "--judgements", "1",
    "--held-out-questions", "4", "--device", "cpu",
)  # fmt: skip
_COLUMNS = (
    "run", "camera", "track", "label_key", "label", "stamp_ns", "unix_s", "confidence", "x1", "y2",
    "x_m", "z_m", "frame_id", "jpeg",
)  # fmt: skip
_INSTEAD = (
    None, "", "x", "\U0001f916" * 300, "\u202e\x1b[2J", b"", b"\xff\xd8\xff", 0, -1, 2**63 - 1,
    -(2**63), 1e308, -1e308, float("inf"), 5e-324, "nan", "red tote",
)  # fmt: skip


def _finetune(case: Case) -> Call:
    _state_changed(case, "fine-tuning")
    words = ("finetune", "--resume", "--data", str(case.whole / "to learn from"), "--from",
             str(case.whole / "checkpoint"), "--out", str(case.files))  # fmt: skip
    return Call((*words, *TINY_RUN), prints="text")


def _train(case: Case) -> Call:
    _state_changed(case, "training")
    words = ("train", "--resume", "--tiny", "--out", str(case.files), "--steps", "1",
             "--processes", "1", "--batch", "1", "--device", "cpu")  # fmt: skip
    return Call(words, (case.files / "checkpoint/config.json",), "text")


def _state_changed(case: Case, kind: str) -> None:
    """Exchange values of a state for others, half of the time: bytes break its checksums."""
    import torch

    if case.rng.random() < 0.5:
        return
    path = _whole_again(case, f"{kind}/state.pt")
    with contextlib.suppress(RecursionError, TypeError, OverflowError):  # no state can hold it
        torch.save(changed(torch.load(path, weights_only=True), case.rng), path)


def _whole_again(case: Case, name: str) -> Path:
    """Put the whole file, ``KIND/NAME``, in the place of a damaged one; return its path."""
    path = case.files / Path(name).name
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    return Path(shutil.copy(case.whole / name, path))


def _where(case: Case) -> Call:
    path = case.files / "memory.db"
    if case.rng.random() < 0.6:
        _whole_again(case, "memory/memory.db")
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as base:
            column, value = case.rng.choice(_COLUMNS), case.rng.choice(_INSTEAD)
            base.execute(f"UPDATE seen SET {column} = ? WHERE track < 3", (value,))
            base.commit()
    crop = case.out / "crop.jpg"
    words = ("where", "red tote", "--file", str(path), "--most", case.rng.choice(("1", "9")))
    if case.rng.random() < 0.5:
        return Call(words)
    return Call((*words, "--crop", str(crop)), (crop,))


def _decrypt(case: Case) -> Call:
    if case.rng.random() < 0.6:
        _damage_before_encryption(case)
    words = ("collected", "decrypt", str(case.files / "samples"), "--key",
             str(case.files / "key"), "--out", str(case.out / "plain"))  # fmt: skip
    return Call(words, (case.out / "plain/annotations/instances.json",))


def _damage_before_encryption(case: Case) -> None:
    """Put a damaged sample, soundly encrypted, beside the others."""
    import pyrage

    line = (case.whole / "encrypted/key").read_text().splitlines()[0]
    recipient = pyrage.x25519.Recipient.from_str(line.rpartition(" ")[2])
    head, _, jpeg = _sample(7).partition(b"\n")
    if case.rng.random() < 0.8:
        head, _ = mutated(head, ".json", case.rng)
    else:
        jpeg, _ = mutated(jpeg, ".jpg", case.rng)
    folder = case.files / "samples"
    if folder.is_dir():
        data = head.replace(b"\n", b" ") + b"\n" + jpeg
        (folder / "camera_7.jpg.age").write_bytes(pyrage.encrypt(data, [recipient]))


def _doctor(case: Case) -> Call:
    words = ("doctor", "--model", str(case.files), "--device", "cpu", "--json")
    return Call(words, prints="document")


def _demo(case: Case) -> Call:
    camera = case.one("videos/*", "images", "replies.jsonl")
    model = str(case.files / "replies.jsonl")
    words = ("demo", "--camera", camera, *QUERY, "--model", model, "--duration", "1", "--out",
             str(case.out / "demo"))  # fmt: skip
    return Call(words, (case.out / "demo/tracks.jsonl", case.out / "demo/grounding.jsonl"), "")


# -- whole files ----------------------------------------------------------------------------------


def write_fine_tuning(folder: Path) -> None:
    """What ``lfmvl finetune`` leaves after one of two updates."""
    import torch

    from lfmvl_ros.cli.main import main

    whole = folder.parent
    words = ["finetune", "--data", str(whole / "to learn from"), "--from",
             str(whole / "checkpoint"), "--out", str(folder), *TINY_RUN]  # fmt: skip
    with contextlib.redirect_stdout(sys.stderr):
        code = main(words)
    if code not in (0, 1):
        raise OSError(f"a whole fine-tuning could not be made: exit code {code}")
    state = torch.load(folder / "state.pt", weights_only=True)
    state["progress"]["step"] = 1
    torch.save(state, folder / "state.pt")


def write_training(folder: Path) -> None:
    """What ``lfmvl train`` saves before its first update."""
    from lfmvl_warehouse.training.run.plan import RunOverrides, make_plan
    from lfmvl_warehouse.training.run.train_settings import TrainSettings
    from lfmvl_warehouse.training.run.training_run import with_smallest_shape

    settings = with_smallest_shape(TrainSettings(out=folder, steps=1, processes=1, device="cpu"))
    make_plan(settings, RunOverrides(), resume=False).trainer(0).save()
    (folder / "progress.jsonl").write_text('{"step": 0, "held_out": {"recall50": 0.5}}\n')


def write_memory(folder: Path) -> None:
    """Three sightings, one of them with a position."""
    from lfmvl_ros.core.memory.sighting import Sighting
    from lfmvl_ros.core.memory.store import MemoryStore

    store, jpeg = MemoryStore(folder / "memory.db"), _jpeg(0)
    store.remember(
        Sighting(
            "red tote", "0000abcd", "", number, 10**18 + number, 1.7e9 + number, 0.9,
            (0.1, 0.1, 0.5, 0.5), (1.0, 2.0, 0.5) if number else None, "map" if number else "",
            jpeg,
        )
        for number in range(3)
    )  # fmt: skip
    store.close()


def write_encrypted(folder: Path) -> None:
    """Three encrypted samples, and the private key."""
    from lfmvl_ros.collect.sample import Sample
    from lfmvl_ros.collect.sealed import SealedFolder, new_key

    public = new_key(folder / "key")
    sealed = SealedFolder(folder / "samples", public, 100.0, 30.0)
    for number in range(3):
        sealed.add(Sample.from_bytes(_sample(number)))


def _sample(number: int) -> bytes:
    from faults_files import WH

    from lfmvl_ros.collect.sample import Sample

    facts = {
        "width": WH[0], "height": WH[1], "stamp_ns": number, "camera": "", "query": "red tote",
        "labels": ["red tote"], "model": "m", "reason": "uncertain",
        "objects": [{"label": "red tote", "bbox": [10.0, 20.0, 30.0, 24.0], "score": 0.4}],
    }  # fmt: skip
    return Sample(f"camera_{number}.jpg", _jpeg(number), facts).to_bytes()


def _jpeg(number: int) -> bytes:
    import cv2
    from faults_files import pixels

    return bytes(cv2.imencode(".jpg", pixels(number)[..., ::-1])[1])


def write_demo(folder: Path) -> None:
    """Videos, a folder of images and a recording of replies."""
    from faults_files import write_images, write_recording, write_videos

    for name, write in (("videos", write_videos), ("images", write_images)):
        (folder / name).mkdir()
        write(folder / name)
    write_recording(folder / "replies.jsonl")


RUNS: tuple[Target, ...] = (
    Target("fine-tunings, resumed", "fine-tuning", _finetune, ("to learn from", "checkpoint")),
    Target("trainings, resumed", "training", _train, ()),
    Target("memories", "memory", _where, ()),
    Target("encrypted samples", "encrypted", _decrypt, ()),
    Target("checkpoints, examined", "checkpoint", _doctor, ()),
    Target("cameras of the demo", "demo", _demo, ()),
)

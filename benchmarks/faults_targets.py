# SPDX-License-Identifier: Apache-2.0
"""What is given damaged files: commands with their arguments."""

from __future__ import annotations

from collections.abc import Sequence

from faults_case import QUERY, Call, Case, Target
from faults_runs import RUNS

_VALUES = (
    "", " ", "0", "-1", "1", "nan", "inf", "-inf", "1e309", "9" * 30, "x" * 5000, "~nosuchuser/x",
    "/proc/x", "/dev/full", "..", ".", "a\x1b[2J", "\u202e", "\ud800", "person" * 30, ",,,", "[]",
    "none", "b.txt", "--", "=", "0.5",
)  # fmt: skip


def _images(case: Case) -> Call:
    image, choice = case.one("*"), case.rng.random()
    if choice < 0.2:
        return Call(("read", image))
    if choice < 0.6:
        return Call(("ground", image, *QUERY, *case.model), prints="document")
    drawn = case.out / "drawn.png"
    words = ("ground", image, *QUERY, *case.model, "--annotate", str(drawn))
    return Call(words, (drawn,), "document")


def _videos(case: Case) -> Call:
    video, model = case.one("*"), case.model
    tracks = case.out / "tracks.jsonl"
    calls = (
        Call(("track", video, *QUERY, *model, "--out", str(case.out), "--no-video"), (tracks,)),
        Call(("ground", video, "--at", "0.2", *QUERY, *model), prints="document"),
        Call(("rules", "try", str(case.whole / "rules/rules.yaml"), video, *model, "--out",
              str(case.out), "--no-video")),
        Call(("record", str(case.out / "bag"), "--camera", video, "--seconds", "0.4", "--fps", "5"),
             (case.out / "bag/bag.mcap",)),
    )  # fmt: skip
    return case.rng.choice(calls)


def _bags(case: Case) -> Call:
    bag = case.one("*", "*/*.mcap", "*/*.db3")
    words = ("replay", bag, *QUERY, *case.model, "--out", str(case.out / "bag"))
    words += ("--with-input",) * (case.rng.random() < 0.3)
    return Call(words, (case.out / "bag/bag.mcap",))


def _labelled(case: Case) -> Call:
    folder, model = case.one("*"), case.model
    scorecard = case.out / "scorecard.json"
    calls = (
        Call(("evaluate", folder, *model, "--out", str(case.out)), (scorecard,)),
        Call(("evaluate", folder, *model, "--out", str(case.out), *QUERY), (scorecard,)),
        Call(("calibrate", "--data", folder, "--model", str(case.whole / "checkpoint"))),
        Call(("finetune", "--data", folder, "--from", str(case.whole / "checkpoint"), "--out",
              str(case.out / "run")), prints=""),
    )  # fmt: skip
    return case.rng.choices(calls, (6, 2, 1, 1))[0]


def _rules(case: Case) -> Call:
    return Call(("rules", "check", str(case.files / "rules.yaml")), prints="text")


def _recordings(case: Case) -> Call:
    model = ("--model", str(case.files / "replies.jsonl"))
    if case.rng.random() < 0.8:
        return Call(("ground", str(case.whole / "images/a.jpg"), *QUERY, *model), prints="document")
    bag = str(case.whole / "bags/mcap")
    return Call(
        ("replay", bag, *QUERY, *model, "--out", str(case.out / "b")), (case.out / "b/b.mcap",)
    )


def _side_files(case: Case) -> Call:
    evaluate = ("evaluate", str(case.whole / "labelled/coco"), *case.model, "--out", str(case.out))
    scorecard = case.out / "scorecard.json"
    calls = (
        Call((*evaluate, "--against", str(case.files / "scorecard.json")), (scorecard,)),
        Call((*evaluate, "--languages", "de", "--translations", str(case.files / "words.yaml")),
             (scorecard,)),
        Call(("licences", "--known", str(case.files / "known.yaml"), "--model",
              str(case.whole / "checkpoint"))),
    )  # fmt: skip
    return case.rng.choices(calls, (3, 2, 1))[0]


def _configuration(case: Case) -> Call:
    model = ("--model", str(case.files))
    if case.rng.random() < 0.7:
        return Call(("tokens", "640x480", *model, "--json"), prints="document")
    return Call(("licences", *model))


def _checkpoint(case: Case) -> Call:
    image = str(case.whole / "images/a.jpg")
    words = ("ground", image, *QUERY, "--model", str(case.files), "--generation-max-new-tokens",
             "8", "--device", "cpu")  # fmt: skip
    return Call(words, prints="document")


def _export(case: Case) -> Call:
    kind = case.rng.choice(("f16", "q8_0", "q4_0"))
    return Call(("export", str(case.files), str(case.out), "--type", kind, "--name", "x"),
                (case.out / f"x-{kind}.gguf",), "text")  # fmt: skip


def _gguf(case: Case) -> Call:
    image = str(case.whole / "images/a.jpg")
    words = ("ground", image, *QUERY, "--model", case.one("tiny*.gguf"),
             "--generation-max-new-tokens", "8", "--device", "cpu")  # fmt: skip
    return Call(words, prints="document")


def _review(case: Case) -> Call:
    return Call(("review", "--export", "--out", str(case.files)),
                (case.files / "labels/annotations/instances.json",))  # fmt: skip


def _run(case: Case) -> Call:
    return Call(("train", "--out", str(case.files), "--export", str(case.out / "c")),
                (case.out / "c/config.json",), "text")  # fmt: skip


def _flags(case: Case) -> Call:
    """Whole files, and any value for one or two flags."""
    image, video = str(case.whole / "images/a.jpg"), str(case.whole / "videos/a.mp4")
    model, coco, tiny = (
        case.model,
        str(case.whole / "labelled/coco"),
        str(case.whole / "checkpoint"),
    )
    out, rules = str(case.out), str(case.whole / "rules/rules.yaml")
    lines: Sequence[tuple[tuple[str, ...], tuple[str, ...]]] = (
        (("ground", image, *QUERY, *model), ("--query", "--at", "--annotate", "--model",
         "--image-max-tokens", "--generation-temperature", "--device", "--revision")),
        (("track", video, *QUERY, *model, "--no-video", "--out", out), ("--query",
         "--answer-hz", "--out", "--tracker-max-tracks")),
        (("rules", "try", rules, video, *model, "--no-video", "--out",
          out), ("--query", "--answer-hz", "--out")),
        (("tokens", "640x480"), ("--model", "--min-tokens", "--max-tokens", "--max-tiles",
         "--budget", "--split")),
        (("evaluate", coco, *model, "--out", out), ("--query", "--images", "--languages",
         "--robustness", "--sustained", "--against", "--fail-if", "--translations",
         "--drift-profile", "--out")),
        (("scenes", "--preview", str(case.out / "s.png"), "--count", "1", "--wh", "64x64"),
         ("--preview", "--count", "--wh", "--seed", "--preset")),
        (("scenes", "--truth", str(case.out / "t.jsonl"), "--seconds", "0.1", "--fps", "10", "--wh",
          "64x64"), ("--truth", "--seconds", "--fps", "--wh", "--video")),
        (("record", f"{out}/b", "--camera", str(case.whole / "images"), "--seconds", "0.4",
          "--fps", "5"), ("--camera", "--seconds", "--fps", "--seed", "--topic")),
        (("replay", str(case.whole / "bags/mcap"), *QUERY, *model, "--out", str(case.out / "b")),
         ("--query", "--topic", "--latency", "--namespace", "--out", "--model")),
        (("calibrate", "--data", coco, *model), ("--plot", "--method", "--scenes", "--data")),
        (("finetune", "--data", coco, "--from", tiny, "--out", str(case.out / "r")),
         ("--data", "--from", "--steps", "--minutes", "--epochs", "--rate", "--keep", "--rank",
          "--device", "--out", "--batch", "--seed")),
        (("train", "--tiny", "--out", str(case.out / "r"), "--data", str(case.whole / "none")),
         ("--minutes", "--steps", "--seed", "--device", "--processes", "--batch", "--from",
          "--mix", "--rate", "--workers", "--max-objects")),
        (("compare", "a.jsonl", "b.jsonl", "--data", coco, "--out", out),
         ("--images", "--query", "--split")),
        (("export", tiny, out), ("--name", "--type", "--format")),
        (("models",), ()),
        (("config",), ()),
        (("review", "--export", "--out", out), ("--topic", "--out")),
    )  # fmt: skip
    line, flags = case.rng.choice(lines)
    words = list(line)
    for flag in case.rng.sample(flags, min(len(flags), case.rng.choice((1, 1, 2)))):
        words.append(f"{flag}={case.rng.choice(_VALUES)}")
    if not flags:
        words.append(case.rng.choice(_VALUES))
    return Call(tuple(words), prints="")


TARGETS: tuple[Target, ...] = (
    Target("command lines", "", _flags, ("recordings", "images", "videos", "bags", "labelled",
                                         "rules", "checkpoint")),
    Target("image files", "images", _images),
    Target("video files", "videos", _videos, ("recordings", "rules")),
    Target("bags", "bags", _bags),
    Target("labelled folders", "labelled", _labelled, ("recordings", "checkpoint")),
    Target("rules files", "rules", _rules),
    Target("recordings", "recordings", _recordings, ("images", "bags")),
    Target("scorecards, translations, licences", "side files", _side_files,
           ("recordings", "labelled", "checkpoint")),
    Target("configuration of a checkpoint", "checkpoint", _configuration),
    Target("checkpoints, loaded", "checkpoint", _checkpoint, ("images",)),
    Target("checkpoints, exported", "checkpoint", _export),
    Target("GGUF files", "gguf", _gguf, ("checkpoint", "images")),
    Target("states of a training", "run", _run),
    Target("folders of reviews", "review", _review),
    *RUNS,
)  # fmt: skip

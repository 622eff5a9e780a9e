# SPDX-License-Identifier: Apache-2.0
"""Formats of labelled data that are not read, so that a refusal can name them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

_HEAD = 4096
_SEARCHED = 200  # files
# Ending -> what the beginning of such a file looks like -> what it is. First that fits.
_SIGNS = (
    (".xml", re.compile(rb"<annotations>.*<(meta|version|image)", re.DOTALL), "CVAT"),
    (
        ".json",
        re.compile(rb'"annotations".{0,40}"(result|completed_by)"', re.DOTALL),
        "Label Studio",
    ),
    (".json", re.compile(rb'"(_via_img_metadata|file_attributes|regions)"'), "VGG Image Annotator"),
    (".json", re.compile(rb'"coordinates"\s*:\s*\{\s*"'), "CreateML"),
    (".json", re.compile(rb'"(classTitle|geometryType)"'), "Supervisely"),
    (".jsonl", re.compile(rb'"(file_name|image)"'), "Hugging Face or JSON Lines"),
    (".csv", re.compile(rb"(?i)(xmin|x_min|XMin|bbox)"), "CSV"),
    (".tfrecord", re.compile(rb""), "TFRecord"),
    (".parquet", re.compile(rb"PAR1"), "Parquet"),
)


def refused_format(directory: Path) -> str:
    """Say which format a folder seems to be in, as a clause; "" where it is not known."""
    for path in itertools.islice(sorted(directory.rglob("*")), _SEARCHED):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            head = file.read(_HEAD)
        for suffix, sign, name in _SIGNS:
            if path.suffix.lower() == suffix and sign.search(head):
                return f"; {path.name} looks like {name}, which is not read: export it as COCO"
    return ""

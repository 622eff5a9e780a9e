# SPDX-License-Identifier: Apache-2.0
"""Which flags of ``lfmvl evaluate`` are for which kind of data; the others are refused."""

from __future__ import annotations

import argparse

from lfmvl_ros.cli.film_data import is_film
from lfmvl_ros.cli.flags import changed_settings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.datasets.mot_folder import is_mot_folder
from lfmvl_ros.evaluate.coco_video import is_coco_video

_IMAGES = ("ask", "split", "images", "languages", "translations", "robustness", "sustained",
           "drift_profile", "against")  # fmt: skip
_FILMS = ("latency",)
_BAGS = ("topic", "truth")
_VIDEOS = ("fps",)


def refuse_unused_flags(args: argparse.Namespace) -> None:
    """Refuse each flag that would change nothing for this data, given these other flags.

    Raises:
        UserError: there is one; the message says what it is for.
    """
    if is_film(args.data):
        _refuse(args, _IMAGES, f"labelled images; {args.data} is a film")
        if is_mot_folder(args.data):
            _refuse(args, _BAGS, f"a bag; {args.data} is a folder of MOTChallenge")
        if is_coco_video(args.data):
            _refuse(args, _BAGS, f"a bag; {args.data} is a file of COCO")
        else:
            _refuse(args, _VIDEOS, "a COCO file of videos")
        return
    none = f"a film: {args.data} is no bag, no folder of MOTChallenge and no COCO file of videos"
    _refuse(args, (*_FILMS, *_BAGS, *_VIDEOS), none)
    for group in ("tracker.", "zoom."):
        if any(name.startswith(group) for name in changed_settings(args)):
            raise UserError(
                f"{group}* settings only matter for a bag: single images have no tracks"
            )
    if args.query is not None and args.ask is not None:
        raise UserError("--ask chooses the questions where there is no --query; give one of them")


def _refuse(args: argparse.Namespace, names: tuple[str, ...], what: str) -> None:
    for name in names:
        if getattr(args, name) is not None:
            raise UserError(f"--{name.replace('_', '-')} is for {what}")

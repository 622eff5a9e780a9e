# SPDX-License-Identifier: Apache-2.0
"""``lfmvl review``: a local page that shows what the node is not certain of, and takes answers."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from lfmvl_ros.cli.flags import as_path, whole_number
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.review import ReviewAnswer
from lfmvl_ros.core.safe_text import json_text, shortened
from lfmvl_ros.review.labels import write_labels
from lfmvl_ros.review.server import PORT, ReviewServer, token_of
from lfmvl_ros.review.store import ReviewStore

HELP = (
    "Show the events that wait for a person (docs/review.md) on a local web page, and send "
    "the answers to the node. Items, answers and labels (COCO) are kept in a folder."
)
_ROUND_S = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--topic",
        action="append",
        metavar="NAME",
        help="review topic of a camera (default /lfmvl/review); give it once for each camera",
    )
    parser.add_argument(
        "--out", type=as_path, default=Path("out/review"), help="folder of items and labels"
    )
    parser.add_argument(
        "--port",
        type=whole_number(0, 65_535),
        default=PORT,
        help="port of the page; 0: a free one",
    )
    parser.add_argument(
        "--export", action="store_true", help="only write the labels of the folder, then exit"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted, or export; exit code 0."""
    topics = [_full_name(topic) for topic in args.topic or ["/lfmvl/review"]]
    store = ReviewStore(args.out / "review.db")
    try:
        if args.export:
            count = write_labels(args.out / "labels", store.answered())
            print(json_text({"labels": str(args.out / "labels"), "images": count}))
            return 0
        return _serve(args, topics, store)
    finally:
        store.close()


def _full_name(topic: str) -> str:
    name = topic if topic.startswith("/") else f"/{topic}"
    if not all(part.isidentifier() and part.isascii() for part in name[1:].split("/")):
        raise UserError(f"{topic!r} is not a topic name; give one such as /lfmvl/review")
    return name


def _serve(args: argparse.Namespace, topics: list[str], store: ReviewStore) -> int:
    try:
        from lfmvl_ros.ros.review_bridge import ReviewBridge
    except ImportError as error:
        raise UserError(
            f"lfmvl review needs ROS 2 ({error}); source an installation, or run make setup"
        ) from error
    changed, sending = threading.Event(), threading.Lock()
    changed.set()  # what was answered before may not be among the labels yet

    def on_document(topic: str, text: str) -> None:
        try:
            store.take(topic, text)
        except UserError as error:
            print(f"lfmvl review: {topic}: {shortened(str(error), 300)}", file=sys.stderr)

    with ReviewBridge(topics, on_document) as bridge:

        def send() -> None:
            with sending:  # once each, from whatever thread
                for number, topic, text in store.unsent():
                    if bridge.publish(topic, text):
                        store.mark_sent(number)

        def on_answer(_answer: ReviewAnswer) -> None:
            send()
            changed.set()

        server = ReviewServer(store, token_of(args.out), args.port, on_answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        print(f"review page: {server.url}", flush=True)
        try:
            while True:
                if changed.wait(_ROUND_S):
                    changed.clear()
                    write_labels(args.out / "labels", store.answered())
                send()
        finally:
            server.shutdown()
            server.server_close()
            if changed.is_set():
                write_labels(args.out / "labels", store.answered())

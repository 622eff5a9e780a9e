# SPDX-License-Identifier: Apache-2.0
"""Chunks of batches for one training process: drawn by itself, or ahead of it by others.

A chunk is a pure function of its number, so that it does not matter who draws it. On a GPU an
update takes less time than its images do; worker processes then draw the next chunks.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from lfmvl_ros.child_processes import interrupts_kept_from_children
from lfmvl_ros.core.errors import UserError
from lfmvl_warehouse.training.data.batches import BatchStream, ExampleBatch, StreamSettings
from lfmvl_warehouse.training.data.sources import SceneSource, SceneView
from lfmvl_warehouse.training.run.processes import end_with_parent

_AHEAD = 2  # chunks that wait, beyond one in the hands of each worker
_stream: BatchStream | None = None  # a worker's own


class Feed:
    """The chunks of a stream, in order.

    Args:
        stream: draws what no worker has drawn.
        tokenizer: as the stream's.
        workers: processes that draw ahead; 0 for none.
        make_source: makes the stream's source in a worker; needed with workers, and must be
            something that can be sent to a process.
    """

    def __init__(
        self,
        stream: BatchStream,
        tokenizer: PreTrainedTokenizerFast,
        *,
        workers: int = 0,
        make_source: Callable[[], SceneSource] | None = None,
    ) -> None:
        if workers and make_source is None:
            raise ValueError("workers need to know how to make the source")
        self._stream, self._workers = stream, workers
        self._recipe: tuple[Any, ...] = (make_source, tokenizer, stream.views, stream.settings)
        self._pool: ProcessPoolExecutor | None = None
        self._drawn: dict[int, tuple[int, Future[bytes]]] = {}

    def chunk(self, index: int, max_objects: int) -> tuple[list[ExampleBatch], int]:
        """The batches of a chunk, and the most objects their answers have.

        With workers these may be fewer than asked for now: as many as when it was begun.

        Raises:
            UserError: a worker died.
        """
        if not self._workers:
            return self._stream.chunk(index, max_objects=max_objects), max_objects
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._workers, get_context("spawn"), _prepare, self._recipe
            )
        try:
            for number in range(index, index + self._workers + _AHEAD):
                if number not in self._drawn:
                    with interrupts_kept_from_children():  # the pool starts them when it needs them
                        drawing = self._pool.submit(_draw, number, max_objects)
                    self._drawn[number] = (max_objects, drawing)
            most, drawing = self._drawn.pop(index)
            return pickle.loads(drawing.result()), most  # our own workers' words
        except BrokenProcessPool as error:
            raise UserError(
                "a process that renders training images died, perhaps because memory ran out; "
                f"resume with fewer than --workers {self._workers}"
            ) from error

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _prepare(
    make_source: Callable[[], SceneSource],
    tokenizer: PreTrainedTokenizerFast,
    views: tuple[SceneView, ...],
    settings: StreamSettings,
) -> None:
    global _stream  # noqa: PLW0603  (what a pool's worker keeps between its tasks)
    end_with_parent()
    torch.set_num_threads(1)
    _stream = BatchStream(make_source(), tokenizer, views, settings)


def _draw(index: int, max_objects: int) -> bytes:
    """A chunk by value: tensors in shared memory would fill what containers have of it."""
    assert _stream is not None
    return pickle.dumps(_stream.chunk(index, max_objects=max_objects))

# SPDX-License-Identifier: Apache-2.0
"""The service ``ground_once``: one answer of the model serves all clients that wait.

A service callback of rclpy returns the response. One that waits for the model blocks a thread of
the executor, and further requests wait in a queue of the middleware that drops the oldest. (A
coroutine would not block the thread, but rclpy's executor polls it without pause.) Here the
callback returns a promise immediately, and :meth:`rclpy.service.Service.send_response`, which the
executor calls with the returned value, sends the response when the promise is fulfilled.

All clients receive all responses on one topic, and a client's queue holds ten by default: of twenty
responses at the same moment, half were lost (measured with Fast DDS). So a thread sends them one by
one, with pauses.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_srvs.srv import Trigger

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.report import Answer
from lfmvl_ros.ros import qos, responses
from lfmvl_ros.ros.gate import Gate
from lfmvl_ros.ros.model_manager import ModelManager
from lfmvl_ros.ros.outputs import PlaceDocuments

MOST_WAITING = 1000
_BURST, _PAUSE_S = 5, 0.1  # responses without a pause, and the pause after each further one


class AnswerService:
    """Answers requests about one camera's newest frame.

    Args:
        node: that offers the service.
        prefix: of the camera's topics and services.
        camera: its name, "" when it is the only one.
        models: holds the pipeline, which is None while the node is not configured.
        places: returns where tracks are, as JSON, at a stamp in ns.
        gate: keeps responses from being sent after the node has closed.
    """

    def __init__(
        self,
        node: Node,
        prefix: str,
        camera: str,
        models: ModelManager,
        places: Callable[[int], PlaceDocuments],
        gate: Gate,
    ) -> None:
        self._camera, self._models, self._gate = camera, models, gate
        self._places = places
        self._lock = threading.Lock()
        self._waiting: dict[Future[Answer], float] = {}  # until when, monotonic seconds
        self._log = node.get_logger()
        service = node.create_service(
            Trigger,
            prefix + "ground_once",
            self._on_request,
            qos_profile=qos.own(qos.REQUESTS),
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        self._send = service.send_response
        service.send_response = self._send_when_done
        self._responses: queue.SimpleQueue[tuple[Trigger.Response, Any] | None]
        self._responses = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send_all, name="ground_once", daemon=True)
        self._sender.start()

    def close(self, timeout_s: float = 1.0) -> None:
        """Send the remaining responses; call it when no promise is open any more."""
        self._responses.put(None)
        self._sender.join(timeout_s)

    def expire(self) -> None:
        """Respond to clients that have waited too long; call it about once per second."""
        now_s = time.monotonic()
        with self._lock:
            late = [future for future, until_s in self._waiting.items() if until_s <= now_s]
        for future in late:
            future.cancel()

    def _on_request(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response | Future[Answer]:
        try:
            pipeline = self._models.pipeline
            if pipeline is None:
                raise UserError(responses.NOT_CONFIGURED)
            if len(self._waiting) >= MOST_WAITING:
                raise UserError(f"{MOST_WAITING} requests are waiting already; ask less often")
            future = pipeline.request_answer(self._camera)
        except UserError as error:
            return responses.refusal(response, str(error))
        # Another answer may be in progress, which has to end first.
        timeout_s = 2 * pipeline.settings.generation.timeout_s + 1
        with self._lock:
            self._waiting[future] = time.monotonic() + timeout_s
        return future

    def _send_when_done(self, promised: Trigger.Response | Future[Answer], header: Any) -> None:
        if isinstance(promised, Future):
            promised.add_done_callback(functools.partial(self._answer, header))
        else:
            self._responses.put((promised, header))

    def _answer(self, header: Any, future: Future[Answer]) -> None:
        """Make the response, in the thread that fulfilled the promise."""
        with self._lock:
            self._waiting.pop(future, None)
        response = Trigger.Response()
        if future.cancelled():
            responses.refusal(response, "no answer in time; the model is slow or stuck")
        elif (error := future.exception()) is not None:
            responses.refusal(response, str(error))
        else:
            answer = future.result()
            responses.answered(response, answer, self._places(answer.grounding.stamp_ns))
        self._responses.put((response, header))

    def _send_all(self) -> None:
        sent = 0
        while (item := self._responses.get()) is not None:
            try:
                self._gate.call(self._send, *item)
            except Exception as error:  # its client is gone, or the node is
                self._log.warning(f"a response of ground_once could not be sent: {error}")
            sent = 0 if self._responses.empty() else sent + 1
            if sent >= _BURST:
                time.sleep(_PAUSE_S)

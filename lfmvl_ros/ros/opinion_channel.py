# SPDX-License-Identifier: Apache-2.0
"""The second opinion of a node: frames with their tracks in, opinions to the trackers.

It also has the service ``second_opinion``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import Trigger

from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.config_opinion import EVERY_LABEL
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.opinion.audit import AuditFile
from lfmvl_ros.core.opinion.choosing import allowed_ids
from lfmvl_ros.core.opinion.worker import OpinionWorker
from lfmvl_ros.core.tracking import Opinion, Tracks
from lfmvl_ros.core.user_files import user_path
from lfmvl_ros.models.second import check_second, load_second, second_settings, where_to
from lfmvl_ros.ros import qos, responses
from lfmvl_ros.ros.diagnostics.health import Health
from lfmvl_ros.ros.diagnostics.opinion_health import opinion_health
from lfmvl_ros.ros.model_loading import Loading
from lfmvl_ros.ros.model_manager import ModelManager

Newest = Callable[[], Sequence[tuple[Tracks, float] | None]]
_OFF = "opinion.model is empty; start the node with a second model"


class OpinionChannel:
    """Asks a second model about tracks of all cameras, with ``opinion.model``; else does nothing.

    Args:
        node: has the log and the service.
        models: hold the pipeline, whose tracks get the opinions.
        settings: returns those in force.
    """

    def __init__(
        self,
        node: LifecycleNode,
        models: ModelManager,
        settings: Callable[[], PerceptionSettings],
    ) -> None:
        self._node, self._models, self._settings = node, models, settings
        self._worker: OpinionWorker | None = None
        self._to = ""
        self._newest: Newest = list

    def serve(self, newest: Newest, group: CallbackGroup) -> None:
        """Create the service; ``newest`` returns the newest tracks of each camera."""
        self._newest = newest
        self._node.create_service(
            Trigger,
            "second_opinion",
            self._on_request,
            qos_profile=qos.own(qos.REQUESTS),
            callback_group=group,
        )

    def open(self) -> None:
        """Open the audit file and say what will leave; the model is loaded in the background.

        Raises:
            UserError: the model's name or address, or the audit file, can't be used.
        """
        self.close()
        settings = self._settings()
        if not settings.opinion.model:
            return
        check_second(settings)
        path = user_path(settings.opinion.audit_file, "opinion.audit_file")
        self._to, is_local = where_to(settings.opinion.model)
        self._worker = OpinionWorker(
            self._load, AuditFile(path), self._to, self._settings, self._apply, self._warn
        )
        self._announce(settings, is_local)

    def _announce(self, settings: PerceptionSettings, is_local: bool) -> None:
        chosen, log = settings.opinion, self._node.get_logger()
        named = [label for label in chosen.labels if label]
        if not named:
            log.warning("second opinion: opinion.labels names no label, so nothing is asked")
            return
        what = "every label of the query" if EVERY_LABEL in named else ", ".join(named)
        goes = "stay on this machine, with" if is_local else "leave this machine, to"
        log.info(
            f"second opinion: crops of {what} {goes} {self._to}, at most {chosen.per_minute} a "
            f"minute and {chosen.per_day} a day; each is noted in {chosen.audit_file} first"
        )
        if not is_local and self._to.startswith("http://"):
            log.warning(f"second opinion: crops can be read on the way to {self._to}; use https://")

    def _load(self, is_wanted: Callable[[], bool]) -> VisionLanguageModel | None:
        model = Loading(second_settings(self._settings()), load_second).result(is_wanted)
        if model is not None:
            self._node.get_logger().info(f"second opinion: {model.name} is ready")
        return model

    def _apply(self, camera: str, opinion: Opinion) -> bool:
        pipeline = self._models.pipeline
        return pipeline is not None and pipeline.take_opinion(camera, opinion)

    def _warn(self, what: str) -> None:
        self._node.get_logger().warning(what)

    def tracks(self, frame: Frame, tracks: Tracks) -> None:
        """Take a frame and the tracks at it; returns at once."""
        if (worker := self._worker) is not None:
            worker.tracks(frame, tracks)

    def stop(self) -> None:
        """Forget what waits: the cameras are not observed any more."""
        if (worker := self._worker) is not None:
            worker.forget()

    def close(self) -> None:
        """End the thread, which closes the audit file."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def health(self) -> list[Health]:
        """Return the health of the second opinion; nothing where it is off."""
        if (worker := self._worker) is None:
            return []
        settings = self._settings()
        return [opinion_health(worker.status(), settings.opinion, settings.query, self._to)]

    def _on_request(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Ask about all confirmed tracks that the settings allow, within the budgets."""
        worker, settings = self._worker, self._settings().opinion
        if worker is None:
            why = responses.NOT_CONFIGURED if self._models.pipeline is None else _OFF
            return responses.refusal(response, why)
        if not any(settings.labels):
            return responses.refusal(response, "opinion.labels names no label")
        if not worker.available:
            why = worker.problem or f"{self._to} is not loaded yet"
            return responses.refusal(response, f"no second opinion: {why}")
        count = 0
        for newest in self._newest():
            if newest is not None:
                ids = allowed_ids(newest[0], settings)
                worker.request(newest[0].camera, ids)
                count += len(ids)
        if not count:
            return responses.refusal(
                response, "no confirmed track has a label of opinion.labels now"
            )
        today = worker.status().today
        response.success = True
        response.message = (
            f"asks about {count} tracks; {today} of {settings.per_day} crops of today are used up"
        )
        return response

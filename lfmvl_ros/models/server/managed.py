# SPDX-License-Identifier: Apache-2.0
"""Runs a GGUF file in llama.cpp's server, which is started, monitored and ended with the model."""

from __future__ import annotations

import collections
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from lfmvl_ros.core.config import ImageSettings, PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_rules import wanted_rules
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.safe_text import safe_text
from lfmvl_ros.core.user_files import is_regular_file, user_path
from lfmvl_ros.models.server.address import ServerAddress
from lfmvl_ros.models.server.connect import ask_server, check_images
from lfmvl_ros.models.server.facts import FAMILY_RULES, ModelFacts, facts_of, spellings
from lfmvl_ros.models.server.model import ServerModel
from lfmvl_ros.threads import apply_thread_policy

_LEAST_CONTEXT = 4096  # tokens
_PROMPT = 1024  # tokens of text and markers, more than any prompt has
_PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # before it is started again; the last one repeats
_STEADY_S = 60.0  # a server that ran for this long starts with the shortest pause again
_STOP_S = 4.0
_LINES = 20
_log = logging.getLogger(__name__)


def find_files(model: str) -> tuple[Path, Path]:
    """Return the two GGUF files for a ``model`` setting.

    The second one is given after ``#``. Otherwise it is ``mmproj-<its name>`` beside the first one,
    or the only file there whose name begins with ``mmproj``.

    Raises:
        UserError: one of them is missing, or it isn't clear which.
    """
    first, _, second = model.strip().partition("#")
    text = user_path(first, "model")
    if not is_regular_file(text):
        raise UserError(f"there is no file {text}; `lfmvl export` writes GGUF files")
    if second:
        mmproj = user_path(second, "mmproj file")
        mmproj = mmproj if is_regular_file(mmproj) else text.parent / mmproj
        if not is_regular_file(mmproj):
            raise UserError(
                f"there is no file {second}, named after # as the mmproj file of {text}"
            )
        return text, mmproj
    beside = text.with_name(f"mmproj-{text.name}")
    found = [beside] if is_regular_file(beside) else sorted(text.parent.glob("mmproj*.gguf"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found)
        there = f"there are several beside it ({names})" if found else "there is none beside it"
        raise UserError(
            f"{text} needs its mmproj file, and {there}; name it after #: {text.name}#mmproj.gguf"
        )
    return text, found[0]


def check_program() -> None:
    """Check that there is a server to start.

    Raises:
        UserError: there is none.
    """
    if shutil.which("llama-server") is None and importlib.util.find_spec("xllamacpp") is None:
        raise UserError(
            "a GGUF file is run by llama.cpp's server, and there is none on this machine; "
            "install it with `pip install xllamacpp`, or build llama.cpp for this machine and put "
            "its llama-server on the PATH"
        )


class LlamaServer:
    """A server process, started again when it ends.

    Args:
        text, mmproj: GGUF files.
        most_image_tokens: of the largest image that it will get.
        context: tokens of prompt and answer together.
        gpu: use one if there is one.
    """

    def __init__(
        self,
        text: Path,
        mmproj: Path,
        *,
        most_image_tokens: int,
        context: int = _LEAST_CONTEXT,
        gpu: bool = True,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lfmvl-"))  # readable by this user only
        self.address = ServerAddress("unix", socket=str(self._folder / "llama.sock"))
        self._command = [
            sys.executable, "-m", "lfmvl_ros.models.server.child",
            "--model", str(text), "--mmproj", str(mmproj), "--listen", self.address.socket,
            "--min-image-tokens", "1", "--max-image-tokens", str(most_image_tokens),
            "--context", str(context),
            "--threads", str(apply_thread_policy().count), "--own-folder",
            "--gpu" if gpu else "--no-gpu",
        ]  # fmt: skip
        self.most_image_tokens = most_image_tokens
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._lines: collections.deque[str] = collections.deque(maxlen=_LINES)
        self.starts = 0
        self._process = self._start()
        self._watcher = threading.Thread(target=self._watch, name="llama watcher", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        """Process id of the current or last process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while the process has not ended."""
        return self._process.poll() is None

    @property
    def last_lines(self) -> str:
        """The end of its log, on one line."""
        return safe_text(" | ".join(list(self._lines)[-3:]))

    def close(self) -> None:
        """End the process, and remove its socket."""
        self._closing.set()
        with self._lock:
            process = self._process
        if process.stdin is not None:
            process.stdin.close()  # that is what it waits for
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._watcher.join(_STOP_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        Path(self.address.socket).unlink(missing_ok=True)
        self.starts += 1
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def _watch(self) -> None:
        failures = 0
        while True:
            began_s = time.monotonic()
            for line in self._process.stderr or ():
                self._lines.append(line.decode("utf-8", "replace").strip())
            code = self._process.wait()
            if self._closing.is_set():
                return
            failures = 0 if time.monotonic() - began_s > _STEADY_S else failures + 1
            pause_s = _PAUSES_S[min(failures, len(_PAUSES_S)) - 1] if failures else _PAUSES_S[0]
            _log.error(
                "llama.cpp's server ended with code %d (%s); it is started again in %g s",
                code, self.last_lines, pause_s,
            )  # fmt: skip
            if self._closing.wait(pause_s):
                return
            with self._lock:
                if self._closing.is_set():
                    return
                self._process = self._start()


class ManagedModel(ServerModel):
    """A model behind a server of its own."""

    def __init__(
        self, server: LlamaServer, facts: ModelFacts, *, name: str, problem: str = ""
    ) -> None:
        notice = (
            f"images go to llama.cpp's server, started for this (process {server.pid}); nothing "
            "leaves this machine"
        )
        super().__init__(server.address, facts, name=name, notice=notice, problem=problem)
        self.server = server

    def image_rules(self, wanted: ImageSettings) -> ImageTokenSettings:
        """Return the token rules that these settings make of an image, within the server's."""
        rules, most = super().image_rules(wanted), self.server.most_image_tokens
        if rules.max_tokens <= most:
            return rules
        self._warn_once(
            f"its server was started for at most {most} image tokens; a larger image.max_tokens "
            "takes effect when the model is loaded again"
        )
        return replace(rules, max_tokens=most, min_tokens=min(rules.min_tokens, most))

    @classmethod
    def load(cls, settings: PerceptionSettings) -> ManagedModel:
        """Start the server for the GGUF file that the settings name.

        Raises:
            UserError: a file is missing or damaged, or there is no server to start.
        """
        check_program()
        text, mmproj = find_files(settings.model)
        facts = _facts(text)
        limits = ImageSettings(settings.image.min_tokens, settings.image.max_tokens)
        rules = wanted_rules(facts.rules, limits)
        most = max(rules.max_tokens, FAMILY_RULES.max_tokens)  # room to raise it while it runs
        tokens = most + _PROMPT + settings.generation.max_new_tokens
        server = LlamaServer(
            text,
            mmproj,
            most_image_tokens=most,
            context=max(_LEAST_CONTEXT, tokens),
            gpu=settings.device != "cpu",
        )
        try:
            info = ask_server(server.address, "", alive=lambda: server.running)
            problem = check_images(server.address, info, "", "", rules)
        except BaseException as error:
            server.close()
            if not isinstance(error, UserError):
                raise
            raise UserError(
                f"llama.cpp's server does not run {text.name} with {mmproj.name} "
                f"({server.last_lines or error}); are both files complete, and of one model? "
                "`lfmvl export` writes such a pair"
            ) from error
        return cls(server, facts, name=facts.name or text.stem, problem=problem)

    def close(self) -> None:
        """End the server."""
        self.server.close()


def _facts(text: Path) -> ModelFacts:
    for name in (str(text), *spellings(text.name)):
        found = facts_of(name)
        if found is not None:
            return found
    _log.warning(
        "nothing is known about %s: it is asked with the prompt of the LFM2.5-VL card, and its "
        "confidences are not calibrated",
        text,
    )
    return ModelFacts(text.stem)

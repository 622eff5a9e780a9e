# SPDX-License-Identifier: Apache-2.0
"""Runs llama.cpp's server as long as the process that started it lives.

``python -m lfmvl_ros.models.server.child --help``. The server ends when standard input does: the
other end is closed when its process exits, however it ends (SIGKILL included). It is the program
``llama-server`` where that is on the PATH, as it was built for the machine; else the same code from
PyPI's wheel ``xllamacpp``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from lfmvl_ros.core.interrupts import signal_on_parent_exit

_GRACE_S = 3.0


def parser() -> argparse.ArgumentParser:
    """Return the parser of this program's arguments."""
    found = argparse.ArgumentParser(description=__doc__)
    found.add_argument("--model", required=True, help="GGUF file of the language tower")
    found.add_argument("--mmproj", default="", help="GGUF file of vision tower and projector")
    found.add_argument("--listen", required=True, help="host:port, or the path of a socket (.sock)")
    found.add_argument("--min-image-tokens", type=int, required=True)
    found.add_argument("--max-image-tokens", type=int, required=True)
    found.add_argument("--context", type=int, default=4096, help="tokens")
    found.add_argument("--threads", type=int, default=1)
    found.add_argument("--gpu", action=argparse.BooleanOptionalAction, default=True)
    found.add_argument("--wheel", action="store_true", help="use the wheel even with a program")
    found.add_argument(
        "--own-folder", action="store_true", help="remove the socket's folder at the end"
    )
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until standard input ends, or a signal; return the exit code."""
    args = parser().parse_args(argv)
    program = None if args.wheel else shutil.which("llama-server")
    return _run_program(program, args) if program else _run_wheel(args)


def _run_program(program: str, args: argparse.Namespace) -> int:
    host, _, port = args.listen.rpartition(":")
    command = [
        program, "--model", args.model, "--ctx-size", str(args.context), "--parallel", "1",
        "--cache-ram", "0", "--threads", str(args.threads),
        "--image-min-tokens", str(args.min_image_tokens),
        "--image-max-tokens", str(args.max_image_tokens),
        *(["--mmproj", args.mmproj] if args.mmproj else []),
        *(["--host", args.listen] if args.listen.endswith(".sock")
          else ["--host", host, "--port", port]),
        *([] if args.gpu else ["--n-gpu-layers", "0", "--no-mmproj-offload"]),
    ]  # fmt: skip
    # The server must not outlive this process either, should it be killed.
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=signal_on_parent_exit(signal.SIGKILL),  # noqa: PLW1509  (no thread has been started yet)
    )

    def stop() -> None:
        server.terminate()
        try:
            server.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            server.kill()
        _clean_up(args)

    _stop_with_input(stop)
    signal.signal(signal.SIGTERM, lambda *_: stop())
    return server.wait()


def _run_wheel(args: argparse.Namespace) -> int:
    import xllamacpp

    def stop() -> None:
        _clean_up(args)
        os._exit(0)  # nothing here is worth an orderly end, and llama.cpp may be loading

    _stop_with_input(stop)
    signal.signal(signal.SIGTERM, lambda *_: stop())
    found = xllamacpp.CommonParams()
    found.model.path, found.mmproj.path = args.model, args.mmproj
    host, _, port = args.listen.rpartition(":")
    socket = args.listen.endswith(".sock")
    found.hostnames, found.port = ([args.listen], 0) if socket else ([host], int(port))
    found.n_ctx, found.n_parallel, found.cache_ram_mib = args.context, 1, 0
    found.cpuparams.n_threads = found.cpuparams_batch.n_threads = args.threads
    found.image_min_tokens, found.image_max_tokens = args.min_image_tokens, args.max_image_tokens
    if not args.gpu:
        found.n_gpu_layers, found.mmproj_use_gpu = 0, False
    try:
        server = xllamacpp.Server(found)
    except RuntimeError:  # its log has said why
        return 1
    print(f"listening on {server.listening_address}", file=sys.stderr, flush=True)
    while True:
        signal.pause()


def _clean_up(args: argparse.Namespace) -> None:
    if args.own_folder:
        shutil.rmtree(Path(args.listen).parent, ignore_errors=True)


def _stop_with_input(stop: Callable[[], None]) -> None:
    def wait() -> None:
        while os.read(0, 4096):
            pass
        stop()

    threading.Thread(target=wait, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())

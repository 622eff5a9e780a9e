# SPDX-License-Identifier: Apache-2.0
"""Which server, and which of its models, a ``model`` setting means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.loopback import is_loopback
from lfmvl_ros.core.user_files import user_path

API_KEY_VARIABLE = "LFMVL_API_KEY"
"""Environment variable that holds the server's key, if it needs one."""
OPINION_KEY_VARIABLE = "LFMVL_OPINION_API_KEY"
"""The same for the server of ``opinion.model``."""

_SCHEMES = ("http://", "https://", "unix:")
_EXAMPLES = "give http://host:8080/v1, https://host/v1 or unix:/path/to.sock, then #name if needed"
_LONGEST_SOCKET_PATH = 107  # bytes, of Linux's sockaddr_un


@dataclass(frozen=True)
class ServerAddress:
    """Where a server listens.

    Attributes:
        scheme: http, https or unix.
        host: name or IP address; "" with unix.
        port: 0 with unix.
        path: of the API, without a slash at its end: ``/v1`` unless another one is given.
        socket: path of the Unix socket; "" otherwise.
        model: what follows ``#``: a model of the server, or what it is here; "" for none.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = "/v1"
    socket: str = ""
    model: str = ""

    @property
    def where(self) -> str:
        """The server without its API path and model, for people."""
        if self.socket:
            return f"unix:{self.socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """True when nothing sent there leaves this machine."""
        return bool(self.socket) or is_loopback(self.host)

    @property
    def root(self) -> str:
        """Path of what llama.cpp serves beside the API: ``""`` for ``/v1``."""
        return self.path.removesuffix("/v1")


def is_server(model: str) -> bool:
    """True when a ``model`` setting means a server.

    >>> is_server("http://jetson:8080"), is_server("LiquidAI/LFM2.5-VL-450M")
    (True, False)
    """
    return model.strip().lower().startswith(_SCHEMES)


def is_gguf(model: str) -> bool:
    """True when a ``model`` setting names a GGUF file: ``text.gguf`` or ``text.gguf#mmproj.gguf``.

    >>> is_gguf("models/LFM2.5-VL-450M-Q4_0.gguf")
    True
    """
    return model.strip().partition("#")[0].lower().endswith(".gguf")


def parse_address(model: str) -> ServerAddress:
    """Return the server that a ``model`` setting means.

    >>> parse_address("http://jetson:8080/v1#lfm2.5-vl-450m").where
    'http://jetson:8080'
    >>> parse_address("unix:/run/llama.sock").socket
    '/run/llama.sock'

    Raises:
        UserError: it is not such an address, or holds a user name or a query.
    """
    text, _, name = model.strip().partition("#")
    name = unquote(name.strip())
    if text.lower().startswith("unix:"):
        return _unix(text, name)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UserError(
            f"the server address {text!r} can't be read ({error}); {_EXAMPLES}"
        ) from error
    if parts.username is not None or parts.password is not None:
        raise UserError(
            "a server address holds no user name or password, as it is logged and published; put "
            f"the server's key into the environment variable {API_KEY_VARIABLE}"
        )
    if parts.query or not parts.hostname or any(c.isspace() for c in text):
        raise UserError(f"the server address {text!r} can't be read; {_EXAMPLES}")
    scheme = parts.scheme.lower()
    path = parts.path.rstrip("/") or "/v1"
    return ServerAddress(
        scheme, parts.hostname, port or {"http": 80, "https": 443}[scheme], path, model=name
    )


def _unix(text: str, name: str) -> ServerAddress:
    path = text[len("unix:") :]
    if path.startswith("//"):  # unix:///run/llama.sock
        path = "/" + path.lstrip("/")
    path = str(user_path(path, "socket")) if path else ""
    if not path.startswith("/") or len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise UserError(
            f"unix: takes the absolute path of a socket, {_LONGEST_SOCKET_PATH} bytes at most, "
            f"such as unix:/run/llama.sock; got {path!r}"
        )
    return ServerAddress("unix", socket=path, model=name)


def api_key(variable: str = API_KEY_VARIABLE) -> str:
    """Return the key from the environment, "" where there is none.

    Args:
        variable: that holds it.

    Raises:
        UserError: it holds characters that a header can't carry.
    """
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or not key.isprintable():
        raise UserError(
            f"the environment variable {variable} holds characters that no key has; set it "
            "to the server's key, without line breaks"
        )
    return key

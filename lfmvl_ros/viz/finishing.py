# SPDX-License-Identifier: Apache-2.0
"""Outputs that are finished at the end of a ``with`` block, also after an error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from lfmvl_ros.core.errors import UserError

_Output = TypeVar("_Output", bound="FinishedOutput")


class FinishedOutput(ABC):
    """Closed at the end of a ``with`` block: after an error, the frames so far are worth having.

    An error of closing is raised only if there was none before it.
    """

    @abstractmethod
    def close(self) -> None:
        """Finish the output.

        Raises:
            UserError: it could not be written.
        """

    def __enter__(self: _Output) -> _Output:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except UserError:
            if error is None:
                raise

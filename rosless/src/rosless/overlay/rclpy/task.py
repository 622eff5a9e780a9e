# SPDX-License-Identifier: Apache-2.0
"""Futures."""

import concurrent.futures

from rclpy._entity import Incomplete


class Future(Incomplete, concurrent.futures.Future):
    """A result that comes later. Asking does not wait: it is None before, or if cancelled."""

    def result(self):
        """The result, None while there is none; raises the exception that was set."""
        return super().result() if self.done() and not self.cancelled() else None

    def exception(self):
        """The exception that was set, or None."""
        return super().exception() if self.done() and not self.cancelled() else None

"""Inferences that fail, and when there have been too many."""

from __future__ import annotations

from typing import Callable

from common.engines.seam import Hypothesis
from common.errors import FatalError, describe

FAILURES_IN_A_ROW = 10  # before the service gives up


class Failures:
    """Inference failures in a row, over all utterances of a service."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def attempt(self, step: Callable[[], Hypothesis | None]) -> Hypothesis | None:
        """What ``step`` returns; whatever it raises is counted and raised again."""
        try:
            result = step()
        except Exception:
            self._in_a_row += 1
            raise
        if result is not None:
            self._in_a_row = 0
        return result

    def check(self, error: Exception) -> None:
        """Raises FatalError ``internal_error`` if the last failure, ``error``, was one too many."""
        if self._in_a_row >= FAILURES_IN_A_ROW:
            advice = "the model fails on every chunk; --doctor checks the installation"
            raise FatalError("internal_error", describe(error, advice)) from error

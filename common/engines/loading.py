"""How a caller is told what happens while a model is loaded."""

from __future__ import annotations

from typing import Callable, NamedTuple

Progress = Callable[[float], None]  # which part is done, 0…1


def _nobody(*_: object) -> None:
    """Is told nothing."""


class Loading(NamedTuple):
    """Two functions to call. ``busy``: "downloading" or "preparing" goes on, and how much of it (0…1) is done.
    ``prepared``: everything is on the disk, and loading takes about a second from here; not called after preparing."""

    busy: Callable[[str, float], None] = _nobody
    prepared: Callable[[], None] = _nobody


TELL_NOBODY = Loading()

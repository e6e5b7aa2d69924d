"""What whoever loads a model is told meanwhile."""

from __future__ import annotations

from typing import Callable, NamedTuple

Progress = Callable[[float], None]  # which part is done, 0…1


def _nobody(*_: object) -> None:
    """Is told nothing."""


class Loading(NamedTuple):
    """``busy``: "downloading" or "preparing" takes time, and so much of it (0…1) is done. ``prepared``: everything is
    on the disk, and from here on it takes a second; not called where something had to be downloaded or prepared."""

    busy: Callable[[str, float], None] = _nobody
    prepared: Callable[[], None] = _nobody


TELL_NOBODY = Loading()

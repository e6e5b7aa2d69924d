"""What can happen to a service, as messages: sources and stdin put them into the inbox, the loop takes them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from common.errors import FatalError
from common.wire.command_lines import BadLine, Command, Identity

if TYPE_CHECKING:  # too heavy for --help
    import numpy as np


@dataclass(frozen=True)
class AudioBlock:
    """16 kHz mono float32 samples (-1…1) that follow on those before them."""

    samples: np.ndarray


@dataclass(frozen=True)
class EndOfCommands:
    """Nobody commands a microphone any more: that is the end if a command had come, or ``always``."""

    always: bool = False


@dataclass(frozen=True)
class EndOfInput:
    """The source has given all it had; ``id`` is that of the line that said so, which is answered."""

    id: Identity | None = None


@dataclass(frozen=True)
class SourceFailed:
    """The source cannot go on."""

    error: FatalError


@dataclass(frozen=True)
class Gap:
    """The audio behind it does not follow on the audio before it: ``dropped`` samples that were heard had to go."""

    dropped: int = 0


@dataclass(frozen=True)
class DeviceLost:
    """The microphone has gone, its source looks for it, and a Gap stands before what it hears next."""

    reason: str


@dataclass(frozen=True)
class Stop:
    """The user asked for the end."""


@dataclass(frozen=True)
class StdoutGone:
    """Nobody reads what the service prints."""


Message = Union[
    AudioBlock, Gap, DeviceLost, Command, BadLine, EndOfCommands, EndOfInput, SourceFailed, Stop, StdoutGone
]

"""The events of the wire protocol, as values; pure.

An event knows neither the time nor the stream it will be written to: the line writer stamps ``ts``
(Unix milliseconds) where the line is written, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Tuple, Union


class EndReason(str, Enum):
    """Why an utterance ended."""

    SILENCE = "silence"
    MAX_DURATION = "max_duration"
    FLUSH = "flush"
    EOF = "eof"
    SHUTDOWN = "shutdown"
    DEVICE_LOST = "device_lost"
    RESET = "reset"  # dropped without a final
    OVERFLOW = "overflow"  # audio is missing after it
    IDLE = "idle"  # its sender sent nothing for a while


class State(str, Enum):
    """What the process is doing."""

    LOADING = "loading"
    DOWNLOADING = "downloading"
    PREPARING = "preparing"
    READY = "ready"  # for a moment, before it listens or is paused
    LISTENING = "listening"
    PAUSED = "paused"
    RECOVERING = "recovering"  # the microphone is lost, and the service looks for it
    STOPPED = "stopped"


Details = Tuple[Tuple[str, Any], ...]  # further keys of an event, in their order


@dataclass(frozen=True)
class TimedWord:
    """A Chinese character or a Latin word, from ``start`` to ``end`` in samples since the stream began."""

    text: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class Extra:
    """What ``--extended`` adds to a partial or a final. Positions are samples since the stream began: ``start`` and
    ``speech_end`` of the speech as far as it was heard, ``end`` of the audio that the text covers. ``stable``: leading
    code points that can no longer change; ``end_reason``: why the utterance ended, in a final only."""

    utterance_id: int
    start: int
    end: int
    speech_end: int
    stable: int
    words: tuple[TimedWord, ...]
    end_reason: EndReason | None = None


@dataclass(frozen=True)
class Partial:
    """The whole utterance so far; ``confidence`` is 0…1, the geometric mean of its tokens' posteriors."""

    trace_id: str
    text: str
    confidence: float
    extra: Extra | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Final:
    """The last text of an utterance; it never changes again."""

    trace_id: str
    text: str
    confidence: float
    extra: Extra | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ErrorEvent:
    """Something failed; ``message`` is one line: what happened, and what the user can do about it."""

    trace_id: str
    error_code: str
    message: str


@dataclass(frozen=True)
class Ack:
    """The answer to a command that had an ``id``; ``details`` follow ``ok``, in their order.

    If the command could not be done, they are ``error_code`` and ``message``.
    """

    trace_id: str
    id: str | int
    ok: bool
    details: Details = ()


@dataclass(frozen=True)
class Status:
    """The service's state has changed; ``details`` follow ``state``. Printed with ``--extended`` or ``--status``."""

    trace_id: str
    state: State
    details: Details = ()


@dataclass(frozen=True)
class TurnStarted:
    """Speech has opened an utterance at ``start``. Positions here and below are samples since the stream began;
    ``heard``: how much had been heard when the event was decided."""

    trace_id: str
    start: int
    heard: int


@dataclass(frozen=True)
class EagerEnd:
    """The speaker has been silent for a while: ``text`` will be the final's, unless TurnResumed follows. An empty
    text: nothing was recognised, and no final will come."""

    trace_id: str
    text: str
    confidence: float
    speech_end: int
    heard: int


@dataclass(frozen=True)
class TurnResumed:
    """Takes back the EagerEnd before it. ``reason``: ``speech`` goes on, or the final's ``text`` will differ."""

    trace_id: str
    reason: str
    heard: int


@dataclass(frozen=True)
class TurnEnded:
    """The utterance's last line. ``final``: whether it had one; ``continues``: it was cut at the longest duration, so
    the same turn goes on in the next utterance."""

    trace_id: str
    reason: EndReason
    final: bool
    continues: bool
    speech_end: int
    heard: int


Turn = Union[TurnStarted, EagerEnd, TurnResumed, TurnEnded]
Event = Union[Partial, Final, ErrorEvent, Ack, Status, TurnStarted, EagerEnd, TurnResumed, TurnEnded]

"""The events of the wire protocol, as values; pure.

An event knows neither the time nor the stream it will be written to: the line writer stamps ``ts``
(Unix milliseconds) where the line is written, and nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Union

from common.errors import one_line
from common.units import SAMPLES_PER_MS

TEXT_SOURCE = "funasr.streaming.paraformer-zh"
SERVICE_SOURCE = "voice.asr"


@dataclass(frozen=True)
class TimedWord:
    """A Chinese character or a Latin word, from ``start`` to ``end`` in samples since the stream began."""

    text: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class Extra:
    """What ``--extended`` adds to a partial or a final. Positions are samples since the stream began: ``start`` of
    the speech, ``end`` of the audio that the text covers. ``stable``: leading code points that can no longer change;
    ``end_reason``: why the utterance ended, of a final."""

    utterance_id: int
    start: int
    end: int
    stable: int
    words: tuple[TimedWord, ...]
    end_reason: str | None = None


@dataclass(frozen=True)
class Partial:
    """The whole utterance so far; ``confidence`` is 0…1, the geometric mean of its tokens' posteriors."""

    trace_id: str
    text: str
    confidence: float
    extra: Extra | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Final:
    """The last word about an utterance."""

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
    """The answer to a command that bore an ``id``; ``details`` follow ``ok``, in their order.

    Of a command that could not be done the details are ``error_code`` and ``message``.
    """

    trace_id: str
    id: str | int
    ok: bool
    details: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Status:
    """The service's state has changed; ``details`` follow ``state``. Written with ``--extended`` alone."""

    trace_id: str
    state: str
    details: tuple[tuple[str, Any], ...] = ()


Event = Union[Partial, Final, ErrorEvent, Ack, Status]


def to_line(event: Event, ts: int, seq: int | None = None, latency_ms: int = 0) -> str:
    """One JSON line with its newline, keys in the protocol's order. ``ts`` is Unix time in ms.

    With ``seq``, the line's number, the keys of ``--extended`` follow; ``latency_ms`` is one of them.
    """
    fields: dict[str, Any] = {"type": "", "ts": ts, "trace_id": event.trace_id, "source": SERVICE_SOURCE}
    if isinstance(event, ErrorEvent):
        fields["type"] = "core.error_event"
        fields["error_code"] = event.error_code
        fields["message"] = one_line(event.message, limit=2000)
    elif isinstance(event, Ack):
        fields["type"] = "core.control_ack"
        fields.update(id=event.id, ok=event.ok, **dict(event.details))
    elif isinstance(event, Status):
        fields["type"] = "core.status_event"
        fields.update(state=event.state, **dict(event.details))
    else:
        fields["type"] = f"voice.asr_text.{'partial' if isinstance(event, Partial) else 'final'}"
        fields["source"] = TEXT_SOURCE
        fields["text"] = event.text
        fields["confidence"] = round(event.confidence, 2)
    if seq is not None:
        fields["seq"] = seq
        if isinstance(event, (Partial, Final)) and event.extra is not None:
            fields.update(_extra(event.extra, latency_ms))
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def _extra(extra: Extra, latency_ms: int) -> dict[str, Any]:
    words = [
        {
            "text": word.text,
            "start_ms": word.start // SAMPLES_PER_MS,
            "end_ms": word.end // SAMPLES_PER_MS,
            "confidence": round(word.confidence, 2),
        }
        for word in extra.words
    ]
    fields = {
        "utterance_id": extra.utterance_id,
        "start_ms": extra.start // SAMPLES_PER_MS,
        "end_ms": extra.end // SAMPLES_PER_MS,
    }
    if extra.end_reason is None:
        return {**fields, "stable": extra.stable, "words": words, "latency_ms": latency_ms}
    return {**fields, "words": words, "latency_ms": latency_ms, "end_reason": extra.end_reason}

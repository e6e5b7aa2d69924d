"""An event as one JSON line, its keys in the protocol's order; pure."""

from __future__ import annotations

import json
from typing import Any

from common.errors import one_line
from common.units import to_ms
from common.wire.events import (
    Ack,
    EagerEnd,
    ErrorEvent,
    Event,
    Extra,
    Final,
    Partial,
    Status,
    Turn,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)

TEXT_SOURCE = "funasr.streaming.paraformer-zh"
SERVICE_SOURCE = "voice.asr"


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
    elif isinstance(event, (TurnStarted, EagerEnd, TurnResumed, TurnEnded)):
        fields.update(_turn(event))
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


def _turn(event: Turn) -> dict[str, Any]:
    """Its type, and the keys that follow the four that every event has."""
    heard = {"audio_ms": to_ms(event.heard)}
    if isinstance(event, TurnStarted):
        return {"type": "voice.turn.started", "start_ms": to_ms(event.start), **heard}
    if isinstance(event, TurnResumed):
        return {"type": "voice.turn.resumed", "reason": event.reason, **heard}
    speech_end = {"speech_end_ms": to_ms(event.speech_end), **heard}
    if isinstance(event, EagerEnd):
        said = {"text": event.text, "confidence": round(event.confidence, 2)}
        return {"type": "voice.turn.eager_end", **said, **speech_end}
    how = {"end_reason": event.reason, "final": event.final, "continues": event.continues}
    return {"type": "voice.turn.ended", **how, **speech_end}


def _extra(extra: Extra, latency_ms: int) -> dict[str, Any]:
    words = [
        {
            "text": word.text,
            "start_ms": to_ms(word.start),
            "end_ms": to_ms(word.end),
            "confidence": round(word.confidence, 2),
        }
        for word in extra.words
    ]
    fields = {
        "utterance_id": extra.utterance_id,
        "start_ms": to_ms(extra.start),
        "end_ms": to_ms(extra.end),
    }
    if extra.end_reason is None:
        return {**fields, "stable": extra.stable, "words": words, "latency_ms": latency_ms}
    fields["speech_end_ms"] = to_ms(extra.speech_end)
    return {**fields, "words": words, "latency_ms": latency_ms, "end_reason": extra.end_reason}

"""What a reader is owed: the lines that must still come, if the process has to end now."""

from __future__ import annotations

from dataclasses import replace
from typing import Iterator

from common.wire.events import (
    EagerEnd,
    EndReason,
    ErrorEvent,
    Event,
    Final,
    Partial,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)

NO_ANSWER = "TimeoutError: the model did not answer before the end; the final is the last good text"


class Owed:
    """Reads every event that is printed. One utterance at a time is open."""

    def __init__(self) -> None:
        self._partial: Partial | None = None  # the one shown last, until its utterance has a final
        self._turn: TurnStarted | None = None  # until it has ended
        self._eager: EagerEnd | None = None  # while it holds

    def printed(self, event: Event) -> None:
        if isinstance(event, (Partial, Final)):
            self._partial = event if isinstance(event, Partial) else None
        elif isinstance(event, (TurnStarted, TurnEnded)):
            self._turn, self._eager = (event if isinstance(event, TurnStarted) else None), None
        elif isinstance(event, (EagerEnd, TurnResumed)):
            self._eager = event if isinstance(event, EagerEnd) else None

    def dropped(self) -> None:
        """The open utterance was reset: nothing of it is owed."""
        self._partial = None

    def settle(self, heard: int) -> Iterator[Event]:
        """The lines that end what is open, as a stop would; ``heard``: samples of the stream so far."""
        text = self._partial.text if self._partial is not None else ""
        if self._eager is not None and self._eager.text != text:
            yield TurnResumed(self._eager.trace_id, "text", heard)
        shown = self._partial
        if shown is not None:
            yield ErrorEvent(shown.trace_id, "infer_final_failed", NO_ANSWER)
            extra = replace(shown.extra, end_reason=EndReason.SHUTDOWN) if shown.extra else None
            yield Final(shown.trace_id, shown.text, shown.confidence, extra)
        if self._turn is not None:
            speech_end = shown.extra.speech_end if shown is not None and shown.extra is not None else heard
            yield TurnEnded(self._turn.trace_id, EndReason.SHUTDOWN, shown is not None, False, speech_end, heard)

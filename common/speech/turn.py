"""The turn that goes with one utterance: its end is foreseen, and ``--turns`` prints what happens to it."""

from __future__ import annotations

from typing import Iterator

from common.finals.polish import Finals, Job, UtteranceAudio
from common.wire.events import (
    EagerEnd,
    EndReason,
    Event,
    Final,
    Turn,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)


class OpenTurn:
    """One per utterance. ``is_told``: whether its events are printed; an end is foreseen either way, because polishing
    begins then. ``finals`` is None if finals are not polished.

    The promise: an EagerEnd that was printed says what the final will say, unless a TurnResumed follows. While an
    EagerEnd holds, no partial is shown.
    """

    def __init__(self, trace_id: str, is_told: bool, finals: Finals | None) -> None:
        self.trace_id = trace_id
        self.holds = False  # an EagerEnd was printed and still holds
        self._is_told = is_told
        self._finals = finals
        self._foreseen: Final | None = None  # as it was decoded, before it is polished
        self._job: Job | None = None  # that polishes it
        self._promised = ""

    def start(self, start: int, heard: int) -> Iterator[Turn]:
        if self._is_told:
            yield TurnStarted(self.trace_id, start, heard)

    def foresee(self, final: Final, audio: UtteranceAudio | None, speech_end: int, heard: int) -> Iterator[Turn]:
        """The utterance would end with ``final`` if it ended here; an empty text means that it would have none."""
        self._foreseen = final
        if self._finals is not None and final.text:
            self._job = self._finals.begin(final.text, audio)
            return  # it is printed when the polished text is there
        yield from self._promise(final.text, final.confidence, speech_end, heard)

    def look(self, speech_end: int, heard: int) -> Iterator[Turn]:
        """Promise what has been polished meanwhile. A failure is reported with the final."""
        if self._job is not None and self._foreseen is not None and not self.holds and self._job.succeeded:
            yield from self._promise(self._job.text(), self._foreseen.confidence, speech_end, heard)

    def go_on(self, heard: int, reason: str = "speech") -> Iterator[Turn]:
        """More is said: what was foreseen does not hold."""
        if self.holds:
            yield TurnResumed(self.trace_id, reason, heard)
        if self._job is not None:
            self._job.cancel()
        self.holds, self._foreseen, self._job = False, None, None

    def finish(self, final: Final, audio: UtteranceAudio | None, ending: bool, heard: int) -> Iterator[Event]:
        """``final``, polished: if it was foreseen with the same text, by the work begun then. A TurnResumed comes
        before it if it is not what was promised."""
        job = self._job if self._foreseen is not None and self._foreseen.text == final.text else None
        polishes = self._finals is not None and final.text
        for event in self._finals.polish(final, audio, ending, job) if self._finals and polishes else [final]:
            if isinstance(event, Final):
                yield from self._keep_word(event.text, heard)
            yield event

    def end(self, reason: EndReason, has_final: bool, speech_end: int, heard: int) -> Iterator[Turn]:
        """The utterance's last line."""
        if not has_final:
            yield from self._keep_word("", heard)
        if self._is_told:
            continues = reason is EndReason.MAX_DURATION
            yield TurnEnded(self.trace_id, reason, has_final, continues, speech_end, heard)

    def _promise(self, text: str, confidence: float, speech_end: int, heard: int) -> Iterator[Turn]:
        if self._is_told:
            self.holds, self._promised = True, text
            yield EagerEnd(self.trace_id, text, confidence, speech_end, heard)

    def _keep_word(self, text: str, heard: int) -> Iterator[Turn]:
        if self.holds and text != self._promised:
            self.holds = False
            yield TurnResumed(self.trace_id, "text", heard)

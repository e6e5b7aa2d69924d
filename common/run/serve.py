"""The loop: messages out of the inbox, events onto stdout, until something ends it."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import uuid
from dataclasses import replace
from typing import Any, Iterable, Iterator, Union

from common.errors import EXIT_OK, FatalError, describe
from common.run.carry_out import Control, Details
from common.run.ending import ENDING
from common.run.recorder import Recorder
from common.run.statistics import Stats
from common.settings.flags import DEMO_SPEECH, CommonConfig
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, DeviceLost, EndOfCommands, Gap, Message, SourceFailed, StdoutGone
from common.sources.microphone import Microphone
from common.sources.raw_pcm import PcmSource
from common.sources.sound_file import FileSource
from common.sources.stdin_lines import LineReader, wants_commands
from common.speech.service import Service
from common.units import SAMPLE_RATE
from common.wire.command_lines import BadLine, Command
from common.wire.events import ErrorEvent, Event, Final, Partial, Status
from common.wire.line_writer import Output, ReaderGone, StdoutFailed

log = logging.getLogger(__name__)

Source = Union[FileSource, PcmSource, Microphone, LineReader]
TOO_SLOW = "the machine is too slow; stop what else runs, or take asr_service.py with a larger --chunk-sec"
LONG_FILE_SEC = 30.0  # from here on a progress bar is worth having


def open_source(config: CommonConfig, inbox: Inbox) -> Source:
    """The source that ``config`` asks for, opened: a microphone listens from here on, the others when they are served.

    Raises FatalError ``audio_input_failed``, ``audio_device_failed``, ``dependency_missing``, ``config_invalid``.
    """
    ENDING.inbox = inbox
    if config.input == "-":
        return PcmSource(config.sample_rate, config.channels, config.channel)
    if config.input == "jsonl":
        return LineReader(inbox, takes_audio=True, rate=config.sample_rate)
    if config.input is None and config.demo:
        return FileSource(str(DEMO_SPEECH), realtime=True, channel=config.channel)
    if config.input in (None, "mic"):
        return Microphone(config.input_device, config.channel, inbox, paused=config.start_paused)
    return FileSource(str(config.input), config.realtime, config.channel)


def serve(config: CommonConfig, source: Source, inbox: Inbox, service: Service, output: Output) -> int:
    """Run ``source`` through ``service`` until one of them ends; returns the exit status.

    Whatever ends it, the open utterance is finalised and printed first. Raises FatalError for the rest.
    """
    ENDING.begin_serving()
    output.on_failure = lambda: inbox.put_first(StdoutGone())
    output.check()
    recorder = Recorder(config.record) if config.record else None
    with progress(source) as bar:
        loop = Loop(config, source, inbox, service, output, recorder, bar)
        ENDING.end_in_time(loop.give_up)
        loop.emit([Status(uuid.uuid4().hex, "ready", service.about)])
        start(config, source, inbox)
        log.info("%s", loop.state)
        loop.emit([Status(uuid.uuid4().hex, loop.state)])
        try:
            loop.run()
            loop.tell_totals()
        except (ReaderGone, StdoutFailed):
            raise
        except Exception as error:
            with contextlib.suppress(FatalError):
                loop.emit(service.end("shutdown"))
            if isinstance(error, FatalError):
                raise
            log.debug("internal error", exc_info=True)
            raise FatalError("internal_error", describe(error, "--log-level debug prints where")) from error
        finally:
            if recorder is not None:
                recorder.close()
    return EXIT_OK


def start(config: CommonConfig, source: Source, inbox: Inbox) -> None:
    """Start the threads that fill the inbox."""
    if isinstance(source, LineReader):
        source.start()
        return
    if not isinstance(source, Microphone):
        threading.Thread(target=source.run, args=(inbox,), name="source", daemon=True).start()
    if wants_commands(config):
        LineReader(inbox, takes_audio=False, rate=SAMPLE_RATE).start()


class Loop:
    """Takes one message after the other and prints what follows from it."""

    def __init__(
        self,
        config: CommonConfig,
        source: Source,
        inbox: Inbox,
        service: Service,
        output: Output,
        recorder: Recorder | None,
        bar: Any | None,
    ) -> None:
        self._source = source
        self._inbox = inbox
        self._service = service
        self._output = output
        self._recorder = recorder
        self._bar = bar
        self.state = "paused" if config.start_paused else "listening"
        self._stats = Stats()
        self._writing = threading.Lock()  # taken for good by ``give_up``
        self._unfinished: Partial | None = None  # shown last, of an utterance without a final
        status = lambda state: self._stats.details(state, inbox.backlog)  # noqa: E731
        pausable = source if isinstance(source, (Microphone, LineReader)) else None
        self._control = Control(service, pausable, status, paused=config.start_paused)

    def run(self) -> None:
        """Until the end. Raises FatalError, ReaderGone, StdoutFailed."""
        while self.step() and not self._control.stopped:
            pass

    def step(self) -> bool:
        """Take the next message; whether to go on."""
        return self._take(self._inbox.get())

    def tell(self, state: str, details: Details = ()) -> None:
        """A status event, if the state is another one."""
        if state != self.state:
            self.state = state
            self.emit([Status(uuid.uuid4().hex, state, details)])

    def tell_totals(self) -> None:
        """The last status event."""
        self.tell("stopped", self._stats.totals())

    def emit(self, events: Iterable[Event]) -> None:
        for event in events:
            with self._writing:
                if self._bar is not None:
                    self._bar.clear()
                self._output.write(event, self._inbox.arrived)
                if isinstance(event, (Partial, Final)):
                    self._unfinished = event if isinstance(event, Partial) else None
            self._stats.printed(event, time.monotonic() - self._inbox.arrived)

    def give_up(self) -> None:
        """Print what is owed, from another thread, while whatever ``run`` is doing takes too long. It prints no more.

        Raises ReaderGone, StdoutFailed.
        """
        self._writing.acquire()
        if self._unfinished is not None:
            what = "TimeoutError: the model did not answer before the end; the final is the last good text"
            shown = self._unfinished
            self._output.write(ErrorEvent(shown.trace_id, "infer_final_failed", what))
            extra = replace(shown.extra, end_reason="shutdown") if shown.extra else None
            self._output.write(Final(shown.trace_id, shown.text, shown.confidence, extra))
        for event in self._overflow(self._inbox.drop_all()):
            self._output.write(event)

    def _take(self, message: Message) -> bool:
        """Whether to go on."""
        if isinstance(message, AudioBlock):
            self._hear(message)
        elif isinstance(message, Gap):
            self._begin_anew(message)
        elif isinstance(message, DeviceLost):
            self._lose(message)
        elif isinstance(message, Command):
            self.emit(self._control.handle(message))
            if message.kind in ("pause", "resume"):
                self.tell("paused" if self._control.paused else "listening")
            self._unfinished = None if message.kind == "reset" else self._unfinished
        elif isinstance(message, BadLine):
            self.emit([self._service.error("control_invalid", message.reason)])
        elif isinstance(message, SourceFailed):
            raise message.error
        elif isinstance(message, StdoutGone):
            self._output.close()  # raises why
        elif not isinstance(message, EndOfCommands) or self._control.commanded:
            self.emit(self._service.end("shutdown" if self._inbox.stop_asked.is_set() else "eof"))
            return False
        return True

    def _begin_anew(self, gap: Gap) -> None:
        """Nothing of before the gap may be joined to what comes."""
        self.emit(self._service.end("shutdown" if self._inbox.stop_asked.is_set() else "flush"))
        self.emit(self._overflow(gap.dropped))
        self._service.restart()

    def _lose(self, device: DeviceLost) -> None:
        """A device that goes while paused was closed already: nobody misses it."""
        if not self._control.paused:
            self.emit(self._service.end("device_lost"))
            self.emit([self._service.error("audio_device_lost", device.reason)])
            self.tell("recovering")

    def _hear(self, block: AudioBlock) -> None:
        if self._control.paused:
            return
        self.tell("listening")
        if self._recorder is not None:
            self._recorder.write(block.samples)
        # A file that goes as fast as it can is all backlog: the optional looks at the tail are left out.
        backlog = self._inbox.backlog if self._source.is_live else sys.maxsize
        begin = time.monotonic()
        self.emit(self._service.hear(block.samples, backlog))
        self._stats.heard(block.samples, time.monotonic() - begin)
        if self._bar is not None:
            self._bar.update(len(block.samples) / SAMPLE_RATE)

    def _overflow(self, dropped: int) -> Iterator[ErrorEvent]:
        """What is said of samples that were heard and had to go."""
        if dropped == 0 or self._control.paused:
            return
        what = f"{dropped * 1000 // SAMPLE_RATE} ms of"
        if self._inbox.stop_asked.is_set():
            message = f"TimeoutError: {what} audio could not be decoded before the end: {TOO_SLOW}"
        else:
            message = f"OverflowError: {what} microphone audio were dropped: {TOO_SLOW}"
        yield ErrorEvent(uuid.uuid4().hex, "audio_overflow", message)


@contextlib.contextmanager
def progress(source: Source) -> Iterator[Any | None]:
    """A progress bar over a long file on stderr when that is a terminal, else None."""
    if source.duration_sec < LONG_FILE_SEC or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    form = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"
    with tqdm(total=source.duration_sec, bar_format=form, file=sys.stderr, leave=False) as bar:
        yield bar

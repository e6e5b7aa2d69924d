"""The wiring: the source that is asked for, what reads stdin, and the loop around a service."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from typing import Union

from common.engines.loading import Loading
from common.errors import EXIT_OK, FatalError
from common.packages import unexpected
from common.run.last_resort import end_in_time
from common.run.loop import Loop
from common.run.process import Process
from common.run.progress import progress
from common.run.recorder import Recorder, check_record
from common.settings.flags import DEMO_SPEECH, CommonConfig
from common.sources.messages import EndOfCommands
from common.sources.microphone import Microphone
from common.sources.sound_file import FileSource
from common.sources.stdin_lines import LineReader, wants_commands
from common.sources.stdin_sound import StdinSource
from common.speech.service import Service
from common.units import SAMPLE_RATE
from common.version import VERSION
from common.wire.events import EndReason, State
from common.wire.line_writer import ReaderGone
from common.wire.standard_streams import StdoutFailed

log = logging.getLogger(__name__)

Source = Union[FileSource, StdinSource, Microphone, LineReader]
PROTOCOL = 2  # of docs/protocol.md


def open_source(config: CommonConfig, process: Process) -> Source:
    """The source that ``config`` asks for: a file is opened, a microphone is found.

    Raises FatalError ``audio_input_failed``, ``audio_device_failed``, ``dependency_missing``, ``config_invalid``.
    """
    check_record(config)
    process.lines = read_lines(config, process)
    if config.input == "-":
        return StdinSource(config.sample_rate, config.channels, config.channel, process.stdin, config.encoding)
    if config.input == "jsonl":
        assert process.lines is not None
        return process.lines
    if config.input is None and config.demo:
        return FileSource(str(DEMO_SPEECH), realtime=True, channel=config.channel)
    if config.input in (None, "mic"):
        return Microphone(config.input_device, config.channel, process.inbox, paused=True)
    return FileSource(str(config.input), config.realtime, config.channel)


def loading(config: CommonConfig, source: Source, process: Process) -> Loading:
    """What to do while the engine is loaded. Where that takes a second, a microphone listens already, so that the first
    words are not lost; during the minutes of a download or a preparation it does not."""

    def listen() -> None:
        if isinstance(source, Microphone) and not config.start_paused:
            source.resume()

    def busy(what: str, part: float) -> None:
        if isinstance(source, Microphone):
            source.pause()  # what was thought to be prepared has gone from the cache
        process.busy(State(what), part)

    return Loading(busy, listen)


def serve(config: CommonConfig, source: Source, service: Service, process: Process) -> int:
    """Run ``source`` through ``service`` until one of them ends; returns the exit status.

    Whatever ends it, the open utterance is finalised and printed first. Raises FatalError if something failed.
    """
    process.output.check()
    recorder = Recorder(config) if config.record else None
    with progress(source.duration_sec, process.output) as bar:
        idle_sec = config.idle_flush_ms / 1000 or math.inf
        loop = Loop(process, source, service, recorder, bar, idle_sec)
        loop.tell(State.READY, (("version", VERSION), ("protocol", PROTOCOL), *service.about))
        end_in_time(process, loop.give_up)
        start(config, source, process)
        loop.tell(State.PAUSED if config.start_paused else State.LISTENING, process.stats.audio())
        log.info("%s", process.state.now.value)
        try:
            loop.run()
        except (ReaderGone, StdoutFailed):
            raise
        except Exception as error:
            with contextlib.suppress(FatalError):
                loop.emit(service.end(EndReason.SHUTDOWN))
            if isinstance(error, FatalError):
                raise
            log.debug("nobody expected this", exc_info=True)
            raise unexpected(error) from error
        finally:
            if recorder is not None:
                recorder.close()
    return EXIT_OK


def read_lines(config: CommonConfig, process: Process) -> LineReader | None:
    """What reads stdin as lines, not started yet; None if stdin is not read as lines."""
    if not wants_commands(config, process.stdin):
        return None
    takes_audio = config.input == "jsonl"
    rate = config.sample_rate if takes_audio else SAMPLE_RATE
    listens = config.input == "mic" or (config.input is None and not config.demo)
    at_end = EndOfCommands(always=config.control == "on") if listens else None  # a file has an end of its own
    answered, encoding = process.answer_at_once, config.encoding
    return LineReader(process.inbox, process.hurry, rate, takes_audio, at_end, process.stdin, answered, encoding)


def start(config: CommonConfig, source: Source, process: Process) -> None:
    """Start what fills the inbox. Raises FatalError ``audio_device_failed``."""
    if isinstance(source, Microphone) and not config.start_paused:
        source.resume()
    if isinstance(source, Microphone) and process.lines is not None:
        process.lines.cut = source.cut
    if isinstance(source, (FileSource, StdinSource)):
        threading.Thread(target=source.run, args=(process.inbox,), name="source", daemon=True).start()
    if process.lines is not None:
        process.lines.start()

"""stdin as lines: commands, and audio with ``--input jsonl``."""

from __future__ import annotations

import logging
import os
import stat
import threading
from typing import Callable, Iterator

import numpy as np

from common.errors import FatalError, describe
from common.settings.flags import CommonConfig
from common.sources.decoding.pcm_samples import ENCODINGS, bytes_of, to_float
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfCommands, EndOfInput, Message, SourceFailed
from common.sources.resampling import Converter
from common.sources.stdin_descriptor import read_some, require_sound
from common.wire.command_lines import Audio, AudioEnd, BadLine, Command, Identity, Lines, Parsed, parse_line

log = logging.getLogger(__name__)

READ_BYTES = 1 << 16
CUTS = ("flush", "pause", "resume", "reset", "stop")  # no sound that was sent before one of them is heard after it
SEND_LINES = "--input jsonl reads audio as JSON lines from stdin, to which your program writes"


def wants_commands(config: CommonConfig, descriptor: int = 0) -> bool:
    """Whether stdin carries commands. With ``auto`` a terminal, /dev/null and a file are left alone."""
    if config.input == "jsonl" or config.control == "on":
        return True
    if config.control == "off" or config.input not in (None, "mic") or (config.input is None and config.demo):
        return False
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # closed
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class LineReader:
    """Reads the descriptor itself, never ``sys.stdin``'s buffer, in a thread of its own.

    Audio waits while the inbox is full, and the commands behind it with it: all keep their order. As a source it
    is ``--input jsonl``; otherwise it brings commands alone, and ``at_end``, if anything, where they end. ``hurry`` is
    called when a stop is read, which may have to wait for its turn; ``answered`` says whether a command was answered
    at once and need not wait. Raises FatalError ``audio_input_failed`` if audio is to come from a stdin that is closed
    or the null device.
    """

    is_live = True
    comes_once = True
    is_lost = False
    duration_sec = 0.0  # unknown

    def __init__(
        self,
        inbox: Inbox,
        hurry: Callable[[], None],
        rate: int,
        takes_audio: bool,
        at_end: EndOfCommands | None = None,
        descriptor: int = 0,
        answered: Callable[[Command], bool] = lambda _: False,
        encoding: str = "s16le",
    ) -> None:
        if takes_audio:
            require_sound(descriptor, SEND_LINES, takes_terminal=True)
        self._inbox = inbox
        self._hurry = hurry
        self._answered = answered
        self._started = False
        self._takes_audio = takes_audio
        self._at_end = at_end
        self._descriptor = descriptor
        self._converter = Converter(rate)
        self._encoding = ENCODINGS[encoding]
        self._lines = Lines()
        self._ended = False
        self.cut: Callable[[], None] = lambda: None  # before a command that cuts: a microphone puts what it holds

    def start(self) -> None:
        """Begin to read; once."""
        if self._started:
            return
        self._started = True
        threading.Thread(target=self._run, name="stdin", daemon=True).start()

    def pause(self) -> None:
        """Nothing to close: what is sent meanwhile is not heard."""

    def resume(self) -> None:
        """Nothing to open."""

    def _run(self) -> None:
        try:
            while not self._ended:
                data = read_some(self._descriptor, READ_BYTES)
                self._inbox.put_all(list(self._messages(data)))
        except OSError as error:  # the descriptor is closed or broken: nothing comes any more
            log.debug("stdin: %s", error)
            self._inbox.put_all(list(self._failed("audio_input_failed", error) if self._takes_audio else self._end()))
        except Exception as error:  # a thread that has ended in silence would leave the service waiting for ever
            log.debug("reading stdin failed", exc_info=True)
            self._inbox.put_all(list(self._failed("internal_error", error)))

    def _failed(self, code: str, error: Exception) -> Iterator[Message]:
        yield from self._blocks(self._converter.finish())
        yield SourceFailed(FatalError(code, describe(error, SEND_LINES)))

    def _messages(self, data: bytes) -> Iterator[Message]:
        """What the next bytes of stdin bring; without any, stdin has ended. Once the input has ended the rest of what
        was read follows, to be answered."""
        for line in self._lines.feed(data) if data else self._lines.end():
            parsed = line if isinstance(line, BadLine) else self._parse(line)
            if isinstance(parsed, Audio):
                yield from self._audio(parsed)
            elif isinstance(parsed, AudioEnd):
                yield from self._end(parsed.id)
            elif isinstance(parsed, Command):
                yield from self._command(parsed)
            else:
                yield parsed
        if not data:
            yield from self._end()

    def _parse(self, line: bytes) -> Parsed:
        return parse_line(line, self._takes_audio, bytes_of(self._encoding))

    def _command(self, command: Command) -> Iterator[Message]:
        if self._answered(command):
            return
        if command.kind == "stop":
            self._hurry()
        if command.kind in CUTS:
            self.cut()
            yield from self._blocks(self._converter.finish())
        yield command

    def _audio(self, audio: Audio) -> Iterator[Message]:
        if not self._ended:
            samples = to_float(audio.pcm, self._encoding)
            yield from self._blocks(self._converter.convert(samples.reshape(-1, 1)))
        if audio.id is not None:
            yield Command("append", audio.id)

    def _blocks(self, samples: np.ndarray) -> Iterator[Message]:
        if len(samples):
            yield AudioBlock(samples)

    def _end(self, identity: Identity | None = None) -> Iterator[Message]:
        if self._ended:
            return
        self._ended = True
        if self._takes_audio:
            yield from self._blocks(self._converter.finish())
            yield EndOfInput(identity)
        elif self._at_end is not None:
            yield self._at_end

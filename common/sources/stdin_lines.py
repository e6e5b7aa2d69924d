"""stdin as lines: commands, and audio with ``--input jsonl``."""

from __future__ import annotations

import os
import stat
import threading
from typing import Callable

import numpy as np

from common.settings.flags import CommonConfig
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfCommands, EndOfInput
from common.sources.resampling import Converter
from common.wire.command_lines import Audio, AudioEnd, BadLine, Command, Lines, Parsed, parse_line

READ_BYTES = 1 << 16


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
    is ``--input jsonl``; beside a microphone it brings commands alone. ``hurry`` is called when a stop is read, which
    may have to wait for its turn.
    """

    is_live = True
    is_lost = False
    duration_sec = 0.0  # unknown

    def __init__(
        self, inbox: Inbox, hurry: Callable[[], None], rate: int, takes_audio: bool, descriptor: int = 0
    ) -> None:
        self._inbox = inbox
        self._hurry = hurry
        self._takes_audio = takes_audio
        self._descriptor = descriptor
        self._converter = Converter(rate)
        self._position = 0

    def start(self) -> None:
        threading.Thread(target=self._run, name="stdin", daemon=True).start()

    def pause(self) -> None:
        """Nothing to close: what is sent meanwhile is not heard."""

    def resume(self) -> None:
        """Nothing to open."""

    def _run(self) -> None:
        lines = Lines()
        try:
            while True:
                data = os.read(self._descriptor, READ_BYTES)
                for line in lines.feed(data) if data else lines.end():
                    parsed = line if isinstance(line, BadLine) else parse_line(line, self._takes_audio)
                    if isinstance(parsed, AudioEnd):
                        return self._end(parsed.id)
                    self._put(parsed)
                if not data:
                    return self._end()
        except OSError:  # the descriptor is closed or broken: nobody commands any more
            self._end()

    def _put(self, parsed: Parsed) -> None:
        if isinstance(parsed, Audio):
            pcm = np.frombuffer(parsed.pcm, dtype="<i2").astype(np.float32) / 32768
            self._put_audio(self._converter.convert(pcm.reshape(-1, 1)))
            if parsed.id is not None:
                self._inbox.put(Command("append", parsed.id))
        elif not isinstance(parsed, AudioEnd):
            if isinstance(parsed, Command) and parsed.kind == "stop":
                self._hurry()
            self._inbox.put(parsed)

    def _put_audio(self, samples: np.ndarray) -> None:
        if len(samples):
            self._inbox.put_audio(AudioBlock(samples, self._position))
            self._position += len(samples)

    def _end(self, identity: str | int | None = None) -> None:
        if self._takes_audio:
            self._put_audio(self._converter.convert(np.zeros((0, 1), dtype=np.float32), last=True))
        self._inbox.put(EndOfInput(identity) if self._takes_audio else EndOfCommands())

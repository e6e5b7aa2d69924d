"""A sound file as a source, as fast as it goes or paced as if it were spoken."""

from __future__ import annotations

import itertools
import os
import stat
import time
from io import FileIO
from typing import Iterator

import numpy as np

from common.errors import FatalError, describe
from common.sources.decoding.byte_stream import ByteStream
from common.sources.decoding.recognise import recognise
from common.sources.decoding.sound import Sound, Unfinished, Unreadable
from common.sources.decoding.sounds import READERS, check_channel, failed, hear, sounds_in
from common.sources.decoding.with_libsndfile import open_sndfile, sndfile_blocks
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfInput, SourceFailed
from common.sources.resampling import Converter
from common.units import SAMPLE_RATE


class FileSource:
    """All of a file: up to the end that it had when it was opened. A named pipe is read as it comes.

    Opens the file at once, so that a wrong path fails before a model is loaded.

    Raises FatalError ``audio_input_failed`` if it cannot be opened, ``config_invalid`` for a channel it lacks.
    """

    def __init__(self, path: str, realtime: bool, channel: int) -> None:
        self.is_live = realtime
        self.comes_once = False
        self._path = path
        self._channel = channel
        try:
            self._file, self._size = _open(path)
        except OSError as error:
            raise FatalError("audio_input_failed", describe(error, "check --input")) from error
        try:
            first, rest = self._begin()
            check_channel(channel, first)
        except Exception as error:
            self._file.close()
            raise failed(error, path) from error
        self._sounds = itertools.chain([first], rest)
        self._converter = Converter(first.rate, channel)
        self.duration_sec = first.duration_sec  # 0.0: not known

    def run(self, inbox: Inbox) -> None:
        """Put the whole file into ``inbox``, then EndOfInput. Runs in a thread of its own."""
        begin = time.monotonic()
        given = 0  # samples

        def put(samples: np.ndarray) -> None:
            nonlocal given
            given += len(samples)
            if self.is_live:  # a sample can be heard once it has been spoken
                time.sleep(max(0.0, begin + given / SAMPLE_RATE - time.monotonic()))
            if len(samples):
                inbox.put_audio(AudioBlock(samples))

        try:
            hear(self._sounds, self._converter, self._channel, put)
            inbox.put(EndOfInput())
        except Exception as error:
            inbox.put(SourceFailed(failed(error, self._path)))
        finally:
            self._file.close()

    def _begin(self) -> tuple[Sound, Iterator[Sound]]:
        """The first sound, and those that follow. Raises Unreadable."""
        stream = ByteStream(self._read_some, self._size)
        kind = recognise(stream)
        if kind in READERS:
            sounds = sounds_in(stream, kind)
            try:
                return next(sounds), sounds
            except Unfinished:
                raise
            except Unreadable:
                if self._size is None:
                    raise
        if self._size is None:
            raise Unreadable(f"{kind or 'what comes from it'} cannot be read from a pipe")
        opened = open_sndfile(self._path if os.name == "nt" else os.fsencode(self._path))  # it may not be UTF-8
        duration = opened.frames / opened.samplerate
        return Sound(opened.samplerate, opened.channels, sndfile_blocks(opened), duration), iter(())

    def _read_some(self, most: int) -> bytes:
        if self._size is not None:  # what is written to it from now on is not heard
            most = min(most, max(0, self._size - self._file.tell()))
        return self._file.read(most)


def _open(path: str) -> tuple[FileIO, int | None]:
    """The file, and how many bytes it has; None for a pipe. Raises OSError, for a folder too."""
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder, not a sound file")
    file = FileIO(path)
    status = os.fstat(file.fileno())
    return file, status.st_size if stat.S_ISREG(status.st_mode) else None

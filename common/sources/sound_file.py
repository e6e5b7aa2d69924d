"""A sound file as a source, as fast as it goes or paced as if it were spoken."""

from __future__ import annotations

import os
import stat
import time
from typing import Any

import numpy as np

from common.errors import FatalError, describe
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfInput, SourceFailed
from common.sources.resampling import Converter
from common.units import SAMPLE_RATE

BLOCK_SEC = 0.1
NOT_A_SOUND_FILE = (
    "libsndfile cannot read it: convert it, or pipe it: ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | … --input -"
)
UNFINISHED = (
    "it is still being written, or was cut off: wait until it is closed, or pipe it:"
    " ffmpeg -ignore_length 1 -i FILE -f s16le -ac 1 -ar 16000 - | … --input -"
)
LARGEST_EMPTY_FILE = 4096  # bytes that a header may have


class FileSource:
    """A named pipe is read as it comes, if libsndfile can read its format so: WAV, not FLAC or Ogg.

    Opens the file at once, so that a wrong path fails before a model is loaded.

    Raises FatalError ``audio_input_failed`` if it cannot be opened, ``config_invalid`` for a channel it lacks.
    """

    def __init__(self, path: str, realtime: bool, channel: int) -> None:
        self.is_live = realtime
        self.comes_once = False
        self._file = _open(path)
        if channel > self._file.channels:
            message = f"ValueError: --channel {channel}, but {path} has {self._file.channels} channel(s)"
            raise FatalError("config_invalid", message)
        self._converter = Converter(self._file.samplerate, channel)

    @property
    def duration_sec(self) -> float:
        """0.0 if it is not known: what a pipe's header says was written before its sound was there."""
        return float(self._file.frames / self._file.samplerate) if self._file.seekable() else 0.0

    def run(self, inbox: Inbox) -> None:
        """Put the whole file into ``inbox``, then EndOfInput. Runs in a thread of its own."""
        begin = time.monotonic()
        given = 0  # samples
        try:
            for frames, last in self._blocks():
                samples = self._converter.convert(frames)
                if last:
                    samples = np.concatenate([samples, self._converter.finish()])
                if self.is_live:  # a sample can be heard once it has been spoken
                    time.sleep(max(0.0, begin + (given + len(samples)) / SAMPLE_RATE - time.monotonic()))
                if len(samples):
                    inbox.put_audio(AudioBlock(samples))
                given += len(samples)
            inbox.put(EndOfInput())
        except Exception as error:
            inbox.put(SourceFailed(FatalError("audio_input_failed", describe(error, NOT_A_SOUND_FILE))))

    def _blocks(self) -> Any:
        size = max(1, int(BLOCK_SEC * self._file.samplerate))
        while True:
            frames = self._file.read(size, dtype="float32", always_2d=True)
            last = len(frames) < size
            yield frames, last
            if last:
                return


def _open(path: str) -> Any:
    try:
        import soundfile
    except Exception as error:  # the wheel's libsndfile may fail to load, with OSError
        raise FatalError("dependency_missing", describe(error, "pip install soundfile")) from error
    try:
        size = _readable_size(path)
    except OSError as error:
        raise FatalError("audio_input_failed", describe(error, "check --input")) from error
    try:
        file = soundfile.SoundFile(path)
    except Exception as error:
        raise FatalError("audio_input_failed", describe(error, NOT_A_SOUND_FILE)) from error
    if file.frames == 0 and size > LARGEST_EMPTY_FILE:
        unfinished = ValueError(f"the header of {path} says that there is no sound, but it has {size} bytes")
        raise FatalError("audio_input_failed", describe(unfinished, UNFINISHED))
    return file


def _readable_size(path: str) -> int:
    """Bytes; 0 for a pipe, which is not touched. Raises OSError for a folder and for what is not there or forbidden."""
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a folder, not a sound file")
    if stat.S_ISFIFO(status.st_mode):
        return 0
    with open(path, "rb"):
        return status.st_size

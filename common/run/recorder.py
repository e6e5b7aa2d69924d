"""What was heard, as a WAV file that can be played at any moment. If writing fails, only the recording ends."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import struct
import threading
from io import FileIO
from pathlib import Path
from typing import Iterator

import numpy as np

from common.errors import FatalError, bad_setting, describe
from common.settings.flags import DEMO_SPEECH, CommonConfig
from common.units import SAMPLE_RATE

log = logging.getLogger(__name__)

HEADER_BYTES = 44
LARGEST = 2**32 - 2 - HEADER_BYTES  # bytes of sound: a WAV file counts them in 32 bits. 37 hours
WAITS_SEC = 600  # of sound, kept while the disk does not write
CLOSE_SEC = 0.5  # how long the end waits for it
DESCRIPTORS = 64  # those looked at: stdin, stdout and the log are among the first


def header(sound: int) -> bytes:
    """The header of a WAV file with ``sound`` bytes of 16 kHz mono 16-bit PCM."""
    form = (b"fmt ", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", sound + HEADER_BYTES - 8, b"WAVE", *form, b"data", sound)


class WavFile:
    """A file that can be played after every ``append``, and after one that failed as well."""

    def __init__(self, file: FileIO) -> None:
        """Empties ``file``. Raises OSError."""
        self._file = file
        self.sound = 0  # bytes
        file.truncate(0)
        self._put(0, header(0))

    def append(self, pcm: bytes) -> None:
        """Raises OSError; even then the header counts the whole samples that were written."""
        try:
            self._put(HEADER_BYTES + self.sound, pcm)
        finally:
            self.sound = (max(self._file.tell(), HEADER_BYTES) - HEADER_BYTES) // 2 * 2
            self._put(0, header(self.sound))

    def close(self) -> None:
        self._file.close()

    def _put(self, place: int, content: bytes) -> None:
        """Write ``content`` at ``place``. Even if that fails, the file's position is where the written bytes end."""
        self._file.seek(place)
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]


class Recorder:
    """Writes float32 samples in a thread of its own, a second of sound at a time.

    A disk that is full, gone or too slow ends the recording with one warning. After 4 GiB in heard.wav it goes on in
    heard-2.wav, heard-3.wav …, the first of them that does not exist yet.
    """

    def __init__(self, config: CommonConfig) -> None:
        """Raises FatalError ``config_invalid``, see ``check_record``."""
        self._config = config
        self._path = Path(str(config.record))
        self._raw = _opened(self._path, config)
        self._pending: list[np.ndarray] = []
        self._count = 0  # samples that wait
        self._ends = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def write(self, samples: np.ndarray) -> None:
        """Append samples (-1…1). Never waits for the disk."""
        with self._changed:
            if self._ends:
                return
            self._pending.append(samples)
            self._count += len(samples)
            if self._count >= SAMPLE_RATE:
                self._changed.notify()
            if self._count < WAITS_SEC * SAMPLE_RATE:
                return
            self._ends, self._pending, self._count = True, [], 0
        log.warning("the recording ends here: the disk has not written for %d s of sound", WAITS_SEC)

    def close(self) -> None:
        """Bring the rest onto the disk, if that takes no longer than ``CLOSE_SEC``."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._thread.join(CLOSE_SEC)
        if self._thread.is_alive():
            log.warning("the disk is slow: the end of the recording is missing")

    def _run(self) -> None:
        try:
            wav = WavFile(self._raw)
            for pcm in self._seconds():
                wav = self._append(wav, pcm)
            wav.close()
        except Exception as error:  # anything at all: the service does not depend on its recording
            log.warning("the recording ends here: %s", describe(error))
            with self._changed:
                self._ends, self._pending, self._count = True, [], 0

    def _append(self, wav: WavFile, pcm: bytes) -> WavFile:
        room = LARGEST - wav.sound
        wav.append(pcm[:room])
        if len(pcm) <= room:
            return wav
        wav.close()
        number = 2
        while self._path.with_name(f"{self._path.stem}-{number}{self._path.suffix}").exists():
            number += 1
        following = self._path.with_name(f"{self._path.stem}-{number}{self._path.suffix}")
        log.info("a WAV file holds no more: the recording goes on in %s", following)
        return self._append(WavFile(_opened(following, self._config)), pcm[room:])

    def _seconds(self) -> Iterator[bytes]:
        """16-bit PCM of a second or more, the last of it shorter."""
        ends = False
        while not ends:
            with self._changed:
                self._changed.wait_for(lambda: self._ends or self._count >= SAMPLE_RATE)
                pending, self._pending, self._count, ends = self._pending, [], 0, self._ends
            if pending:
                yield (np.clip(np.concatenate(pending), -1, 32767 / 32768) * 32768).astype("<i2").tobytes()


def check_record(config: CommonConfig) -> None:
    """Raises FatalError ``config_invalid`` where ``--record`` cannot write, or would overwrite what it must not:
    what the service hears or prints, and whatever is not a WAV file. Changes nothing."""
    if config.record is not None:
        was_there = os.path.lexists(config.record)
        _opened(Path(config.record), config).close()
        if not was_there:
            os.unlink(config.record)


def _opened(path: Path, config: CommonConfig) -> FileIO:
    """The file, opened but not changed. A named pipe does not block; the kind of file is checked after opening."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        descriptor = os.open(str(path), flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o666)
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise FatalError("config_invalid", describe(error, "--record cannot write there")) from error
    file = FileIO(descriptor, "r+")
    try:
        _refuse(path, file, config)
    except BaseException:
        file.close()
        raise
    return file


def _refuse(path: Path, file: FileIO, config: CommonConfig) -> None:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise bad_setting(f"--record {path} is no file that a header could be written into; name another")
    if any(os.path.samestat(status, other) for other in _in_use(file.fileno(), config)):
        raise bad_setting(f"--record {path} is what this service hears or prints; name another file")
    start = file.read(12) or b""
    if start and (start[:4], start[8:]) != (b"RIFF", b"WAVE"):
        raise bad_setting(f"--record {path} is there already and is not a WAV file: remove it or name another")


def _in_use(own: int, config: CommonConfig) -> Iterator[os.stat_result]:
    """The file of --input, under whatever name, and those that this process holds open: stdin, stdout, its log."""
    heard = DEMO_SPEECH if config.demo and config.input is None else config.input
    for each in (heard, *range(DESCRIPTORS)):
        if each is not None and each != own:
            with contextlib.suppress(OSError, ValueError):
                yield os.stat(each)

"""mp3, Ogg and FLAC, one after the other, decoded by libsndfile as they come.

libsndfile believes what a file says about its length, or estimates it, and stops there; of several files in one it
reads the first. So it gets each part (parts.py) as a file of its own that seems to have no end.
"""

from __future__ import annotations

import io
from typing import Any, Callable, Iterator

import numpy as np

from common.errors import FatalError, describe
from common.sources.decoding.byte_stream import ByteStream
from common.sources.decoding.parts import FlacPart, Mp3Part, OggPart, Part, tag_size
from common.sources.decoding.recognise import FLAC, HEAD_BYTES, container
from common.sources.decoding.sound import LARGEST_TAIL, Incomplete, Sound, Unreadable, lacks

BLOCK_SEC = 0.1  # of sound in a block at most
SEEMING_SIZE = 1 << 40  # bytes of a file without an end
SEEMING_TAIL = 1 << 20  # of them in which a decoder may look for a length
KNOWN = 1 << 38  # samples; a length beyond is none
TOLERANCE_SEC = 0.1  # a decoder may leave out its first frame, or its last


def read_mp3(stream: ByteStream) -> Sound:
    """Raises Unreadable, and FatalError ``dependency_missing`` as the others do."""
    while stream.peek(3) == b"ID3":
        stream.skip(tag_size(stream.peek(10)))
    if container(stream.peek(HEAD_BYTES)) == FLAC:
        return read_flac(stream)
    return _decoded(Mp3Part(stream))


def read_ogg(stream: ByteStream) -> Sound:
    part = OggPart(stream)
    return _decoded(part, part.last_page)


def read_flac(stream: ByteStream) -> Sound:
    return _decoded(FlacPart(stream))


def open_sndfile(file: Any) -> Any:
    """libsndfile on a path or a file of Python's, read forward only. Raises Unreadable; FatalError
    ``dependency_missing``."""
    try:
        import soundfile
    except Exception as error:  # the wheel's libsndfile may fail to load, with OSError
        raise FatalError("dependency_missing", describe(error, "pip install soundfile")) from error
    try:
        opened = soundfile.SoundFile(file)
    except Exception as error:
        raise Unreadable(str(getattr(error, "error_string", error))) from error
    opened.seekable = lambda: False  # or soundfile seeks after every read, and an mp3 decoder forgets what it needs
    return opened


def sndfile_blocks(opened: Any, samples: Callable[[], int] = int) -> Iterator[np.ndarray]:
    """All frames up to the end, or to where the decoder fails. ``samples``: how many there should be, if libsndfile
    does not know. Raises Incomplete."""
    size = max(1, int(BLOCK_SEC * opened.samplerate))
    got, reason = 0, "it is damaged, or was cut off"
    while True:
        try:
            frames = opened.read(size, dtype="float32", always_2d=True)
        except Exception as error:
            reason = str(getattr(error, "error_string", error))
            break
        got += len(frames)
        if len(frames):
            yield frames
        if len(frames) < size:
            break
    wanted = opened.frames if opened.frames < KNOWN else samples()
    if wanted - got > TOLERANCE_SEC * opened.samplerate:
        raise lacks((wanted - got) / opened.samplerate, wanted / opened.samplerate, reason)


def _decoded(part: Part, tail: Callable[[], bytes] = bytes) -> Sound:
    file = Forward(part.chunks(), tail)
    opened = open_sndfile(file)
    file.is_open = True
    duration = opened.frames / opened.samplerate if opened.frames < KNOWN else 0.0
    return Sound(opened.samplerate, opened.channels, _blocks(opened, file, part), duration)


def _blocks(opened: Any, file: Forward, part: Part) -> Iterator[np.ndarray]:
    yield from sndfile_blocks(opened, lambda: part.samples)
    unread = file.rest()
    if file.error is not None:
        raise file.error
    if unread + part.skipped > LARGEST_TAIL:
        raise Incomplete(f"{unread + part.skipped} bytes of it could not be decoded")


class Forward:
    """Chunks as a file that is read forward. It seems to have ``SEEMING_SIZE`` bytes, zeros and ``tail()`` the last.

    What raises in ``chunks`` ends the file; ``error`` keeps it: nothing may be raised into libsndfile.
    """

    def __init__(self, chunks: Iterator[bytes], tail: Callable[[], bytes]) -> None:
        self.is_open = False  # from then on what has been read is forgotten, and less than was asked for will do
        self.error: Exception | None = None
        self._chunks = chunks
        self._tail = tail
        self._kept = b""
        self._first = 0  # position of its first byte
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: SEEMING_SIZE}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, count: int) -> bytes:
        if self._position >= SEEMING_SIZE - SEEMING_TAIL:
            data = self._tail().rjust(SEEMING_TAIL, b"\0")[self._position - SEEMING_SIZE :][:count]
        else:
            data = self._from_chunks(count)
        self._position += len(data)
        return data

    def rest(self) -> int:
        """How many bytes nobody has read; they are gone then."""
        unread = len(self._kept) - (self._position - self._first)
        while True:
            chunk = self._next()
            if not chunk:
                return unread
            unread += len(chunk)

    def _next(self) -> bytes:
        try:
            return next(self._chunks, b"")
        except Exception as error:
            self.error = error
            return b""

    def _from_chunks(self, count: int) -> bytes:
        at = self._position - self._first
        if at < 0:  # forgotten, or before the beginning: nobody who reads forward asks for it
            return b""
        while len(self._kept) - at < (1 if self.is_open else count):
            chunk = self._next()
            if not chunk:
                break
            self._kept += chunk
        data = self._kept[at : at + count]
        if self.is_open:
            self._kept, self._first = self._kept[at + len(data) :], self._position + len(data)
        return data

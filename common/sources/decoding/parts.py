"""mp3, Ogg and FLAC streams, cut where one file in them ends and another begins."""

from __future__ import annotations

import logging
import re
import struct
from typing import Iterator, Protocol

from common.sources.decoding.byte_stream import ByteStream
from common.sources.decoding.mp3_frames import HEADER_BYTES, Frame, frame_at, info_in
from common.sources.decoding.recognise import HEAD_BYTES, container, is_mp3
from common.sources.decoding.sound import Incomplete

log = logging.getLogger(__name__)

ENDLESS = 1 << 50  # samples: more than will ever come
FIRST_PAGE, LAST_PAGE = 2, 4  # flags of an Ogg page
PAGE = struct.Struct("<4sBBqIIIB")
OGG_CRC = 0x04C11DB7
FILE_BEGINS = re.compile(rb"fLaC[\0\x80]\0\0\x22|R(IFF|IFX|F64)....WAVE|FORM....AIF[FC]", re.DOTALL)
BEGIN_BYTES = 12


class Part(Protocol):
    """What libsndfile decodes as one file."""

    samples: int  # that there should be, as far as is known by now; 0: not known
    skipped: int  # bytes that did not belong to it

    def chunks(self) -> Iterator[bytes]:
        """Its bytes. Raises Incomplete, OSError."""


class Mp3Part:
    """Frames of one format. Another format, a header that says what follows, or a tag in front of it begins the next
    part; what is neither a frame nor a tag is skipped."""

    def __init__(self, stream: ByteStream) -> None:
        self.samples = 0  # that there should be, as far as is known by now
        self.skipped = 0  # bytes
        self._stream = stream
        self._first: Frame | None = None

    def chunks(self) -> Iterator[bytes]:
        frames, announced = 0, 0
        while True:
            frame = self._next()
            if frame is None or (announced and frames >= announced):
                return
            data = self._stream.peek(frame.length)
            info = info_in(data)
            if info is not None and self._first is not None:
                return
            self._stream.take(frame.length)
            self._first = self._first or frame
            if info is not None:
                announced = info.frames
                self.samples = announced * frame.samples
                yield info.without_size
                continue
            frames += 1
            self.samples = max(announced, frames) * frame.samples
            yield data

    def _next(self) -> Frame | None:
        """The frame that the stream now stands at; None at the end, and where another part begins."""
        is_sure = True
        while True:
            head = self._stream.peek(10)
            frame = frame_at(head[:HEADER_BYTES])
            if len(head) < HEADER_BYTES or container(self._stream.peek(HEAD_BYTES)):
                return None
            if frame is not None and (is_sure or is_mp3(self._stream)):
                if self._first is None or frame.format == self._first.format:
                    return frame
                if is_mp3(self._stream):
                    return None
            if head[:3] == b"ID3" and self._first is not None:
                return None
            is_sure = self._skip(head)

    def _skip(self, head: bytes) -> bool:
        """Pass over a tag, or bytes up to the next that may begin a frame; whether it was a tag."""
        size = tag_size(head) if head[:3] == b"ID3" else 128 if head[:3] == b"TAG" else 0
        if head[:8] == b"APETAGEX":
            size = 32 + int.from_bytes(self._stream.peek(16)[12:], "little")
        if not size:
            ahead = self._stream.peek_all(HEADER_BYTES)
            at = ahead.find(b"\xff", 1)
            self.skipped += self._stream.skip(at if at > 0 else len(ahead))
            return False
        self._stream.skip(size)
        return True


def tag_size(head: bytes) -> int:
    """Bytes of an ID3v2 tag, by its first ten."""
    return 10 + sum(byte << 7 * place for place, byte in enumerate(reversed(head[6:10])))


class OggPart:
    """Pages up to the next that begins a stream after others went on."""

    samples = 0

    def __init__(self, stream: ByteStream) -> None:
        self.skipped = 0
        self._stream = stream
        self._serial = 0
        self._has_end = False

    def chunks(self) -> Iterator[bytes]:
        """Raises Incomplete if the last page is not whole."""
        are_first = True
        while True:
            head = self._stream.peek(PAGE.size)
            if head[:4] != b"OggS" or len(head) < PAGE.size:
                if not self._find_page():
                    break
                continue
            _, _, flags, _, serial, _, _, count = PAGE.unpack(head)
            if flags & FIRST_PAGE and not are_first:
                break
            are_first = bool(flags & FIRST_PAGE)
            self._has_end = bool(flags & LAST_PAGE)
            head = self._stream.peek(PAGE.size + count)
            size = PAGE.size + count + sum(head[PAGE.size :])
            page = self._stream.take(size)
            if are_first and (not self._serial or page[PAGE.size + count :][:8] in (b"OpusHead", b"\x01vorbis\0")):
                self._serial = serial
            yield page
            if len(page) < size:
                raise Incomplete(f"it ends {size - len(page)} bytes before the end of a page: it was cut off")
        if not self._has_end:
            log.warning("this Ogg stream has no end: it was cut off, or its writer was stopped")

    def _find_page(self) -> bool:
        """Skip what is no page; whether there is another."""
        while self._stream.peek(1):
            ahead = self._stream.peek_all(4)
            at = ahead.find(b"OggS", 1)
            if at > 0:
                self.skipped += self._stream.skip(at)
                return True
            self.skipped += self._stream.skip(max(1, len(ahead) - 3))
        return False

    def last_page(self) -> bytes:
        """An empty page that says how long the stream is: longer than any."""

        def page(checksum: int) -> bytes:
            return PAGE.pack(b"OggS", 0, LAST_PAGE, ENDLESS, self._serial, 1 << 20, checksum, 1) + b"\0"

        checksum = 0
        for byte in page(0):
            checksum ^= byte << 24
            for _ in range(8):
                checksum = (checksum << 1 ^ OGG_CRC if checksum >> 31 else checksum << 1) & 0xFFFFFFFF
        return page(checksum)


class FlacPart:
    """Everything up to the next file. Frames of FLAC do not say how long they are; what begins a file is so long that
    it is found nowhere else."""

    samples = skipped = 0  # libsndfile knows better

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def chunks(self) -> Iterator[bytes]:
        yield self._stream.take(BEGIN_BYTES)
        while True:
            ahead = self._stream.peek_all(BEGIN_BYTES)
            begin = FILE_BEGINS.search(ahead)
            whole = len(ahead) if len(ahead) < BEGIN_BYTES else len(ahead) - BEGIN_BYTES + 1
            size = begin.start() if begin is not None else whole
            if not size:
                return
            yield self._stream.take(size)

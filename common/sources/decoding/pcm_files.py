"""WAV (RIFF, RIFX, RF64, BW64), AIFF and AU with uncompressed samples, read as they come.

A header is believed as far as the bytes bear it out. Programs that write into a pipe cannot know a length: they write
0, the largest number there is, or a little less. Programs that are killed have written too small a one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Iterator

import numpy as np

from common.sources.decoding.byte_stream import ByteStream
from common.sources.decoding.pcm_samples import A_LAW, MU_LAW, bytes_of, to_float
from common.sources.decoding.recognise import recognise
from common.sources.decoding.sound import Sound, Unfinished, Unreadable, lacks

UNKNOWN = 0x7FFFF000  # bytes; sizes from here on are written by programs that do not know them
LARGEST_EMPTY_FILE = 4096  # bytes that a header may have
LARGEST_CHUNK = 1 << 20  # bytes of a chunk with a format; also what a chunk in a pipe may have after the sound
BLOCK_SEC = 0.1  # of sound in a block at most
WAV_TAGS = {(1, 1): "u1", (3, 4): "f4", (3, 8): "f8", (6, 1): A_LAW, (7, 1): MU_LAW}
WAV_TAGS.update({(1, size): f"i{size}" for size in (2, 3, 4)})
AIFC_TYPES = {b"fl32": ">f4", b"FL32": ">f4", b"fl64": ">f8", b"FL64": ">f8", b"raw ": "u1"}
AIFC_TYPES.update({b"alaw": A_LAW, b"ALAW": A_LAW, b"ulaw": MU_LAW, b"ULAW": MU_LAW})
AIFC_ORDERS = {b"NONE": ">", b"twos": ">", b"in24": ">", b"in32": ">", b"sowt": "<", b"42ni": "<", b"23ni": "<"}
AIFC_ORDERS[b"42n1"] = "<"  # as libsndfile spells it
AU_ENCODINGS = {1: MU_LAW, 2: "i1", 3: ">i2", 4: ">i3", 5: ">i4", 6: ">f4", 7: ">f8", 27: A_LAW}


@dataclass(frozen=True)
class Format:
    """How samples stand in a stream."""

    rate: int
    channels: int
    encoding: str  # of pcm_samples.py

    @property
    def frame_bytes(self) -> int:
        return self.channels * bytes_of(self.encoding)


def read_wav(stream: ByteStream) -> Sound:
    """Raises Unreadable for a damaged header and for samples that are compressed."""
    head = stream.take(12)
    order = ">" if head[:4] == b"RIFX" else "<"
    found: Format | None = None
    long_size = 0  # RF64: where 32 bits are too few
    while True:
        name, size = _chunk(stream, order)
        if name == b"data":
            break
        content = _content(stream, size, wanted=name in (b"fmt ", b"ds64"))
        if name == b"fmt ":
            found = _wav_format(content, order)
        elif name == b"ds64" and len(content) >= 16:
            long_size = struct.unpack(order + "Q", content[8:16])[0]
    if found is None:
        raise Unreadable("its header says nothing about its format")
    return _sound(stream, found, long_size if size == 0xFFFFFFFF and long_size else size, order)


def read_aiff(stream: ByteStream) -> Sound:
    """Raises Unreadable for a damaged header and for samples that are compressed."""
    is_aifc = stream.take(12)[8:] == b"AIFC"
    found: tuple[Format, int] | None = None
    while True:
        name, size = _chunk(stream, ">")
        if name == b"SSND":
            break
        content = _content(stream, size, wanted=name == b"COMM")
        found = _aiff_format(content, is_aifc) if name == b"COMM" else found
    if found is None:
        raise Unreadable("its header says nothing about its format")
    form, frames = found
    offset = struct.unpack(">II", _exactly(stream, 8))[0]
    stream.skip(offset)
    return _sound(stream, form, frames * form.frame_bytes or max(0, size - 8 - offset) or UNKNOWN, ">")


def read_au(stream: ByteStream) -> Sound:
    """Raises Unreadable for samples that are compressed."""
    _, offset, size, encoding, rate, channels = struct.unpack(">6I", _exactly(stream, 24))
    stream.skip(offset - 24)
    if encoding not in AU_ENCODINGS:
        raise Unreadable(f"AU with samples of kind {encoding}")
    return _sound(stream, _checked(Format(rate, channels, AU_ENCODINGS[encoding])), size, ">")


def raw(stream: ByteStream, rate: int, channels: int, encoding: str = "<i2") -> Sound:
    """Samples without a header, to the end."""
    form = Format(rate, channels, encoding)
    return Sound(rate, channels, _blocks(stream, form, None, "<"))


def _exactly(stream: ByteStream, count: int) -> bytes:
    data = stream.take(count)
    if len(data) < count:
        raise Unreadable("it ends in its header")
    return data


def _chunk(stream: ByteStream, order: str) -> tuple[bytes, int]:
    """Name and size of the next chunk."""
    name, size = struct.unpack(order + "4sI", _exactly(stream, 8))
    return name, size


def _content(stream: ByteStream, size: int, wanted: bool) -> bytes:
    """What is in a chunk, if ``wanted``, and the byte that makes its size even, which some programs leave out."""
    if wanted and size <= LARGEST_CHUNK:
        content = _exactly(stream, size)
    else:
        content = b""
        stream.skip(size)
    if size % 2 and stream.peek(1) == b"\0":
        stream.skip(1)
    return content


def _wav_format(content: bytes, order: str) -> Format:
    if len(content) < 16:
        raise Unreadable("its header is damaged")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack(order + "HHIIHH", content[:16])
    if tag == 0xFFFE and len(content) >= 26:  # extensible: the tag comes later
        tag = struct.unpack(order + "H", content[24:26])[0]
    size = frame_bytes // channels if channels else 0
    encoding = WAV_TAGS.get((tag, size))
    if encoding is None or bits > 8 * size:
        raise Unreadable(f"WAV with samples of kind {tag} and {bits} bits")
    is_plain = size == 1
    return _checked(Format(rate, channels, encoding if is_plain else order + encoding))


def _aiff_format(content: bytes, is_aifc: bool) -> tuple[Format, int]:
    """The format, and how many frames there are."""
    if len(content) < (22 if is_aifc else 18):
        raise Unreadable("its header is damaged")
    channels, frames, bits = struct.unpack(">HIH", content[:8])
    exponent, mantissa = struct.unpack(">HQ", content[8:18])  # the rate, as a float of 80 bits
    rate = mantissa / 2.0 ** (16383 + 63 - exponent) if 16383 <= exponent < 16383 + 32 else 0
    kind = content[18:22] if is_aifc else b"NONE"
    size = (bits + 7) // 8
    encoding = AIFC_TYPES.get(kind) or (
        f"{AIFC_ORDERS[kind] if size > 1 else ''}i{size}" if kind in AIFC_ORDERS else ""
    )
    if not encoding or (not 1 <= size <= 4 and "i" in encoding):
        raise Unreadable(f"AIFF with samples of kind {kind.decode('latin-1')!r} and {bits} bits")
    return _checked(Format(round(rate), channels, encoding)), frames


def _checked(form: Format) -> Format:
    if not (1 <= form.channels <= 64 and 1000 <= form.rate <= 768000):
        raise Unreadable(f"its header is damaged: {form.channels} channels at {form.rate} Hz")
    return form


def _sound(stream: ByteStream, form: Format, size: int, order: str) -> Sound:
    """The sound from here on, ``size`` bytes as its header says."""
    there = stream.remaining
    if there is not None:
        if size == 0 and there > LARGEST_EMPTY_FILE:
            raise Unfinished("its header says that there is no sound: it is still being written, or was cut off")
        size = there if size > there and size >= UNKNOWN else size
    duration = min(size, there or 0) / form.frame_bytes / form.rate
    is_known = there is not None or 0 < size < UNKNOWN
    return Sound(form.rate, form.channels, _blocks(stream, form, size if is_known else None, order), duration)


def _blocks(stream: ByteStream, form: Format, size: int | None, order: str) -> Iterator[np.ndarray]:
    """``size`` bytes of samples, and more if no chunk follows on them; without ``size`` all there is."""
    most = max(1, int(BLOCK_SEC * form.rate)) * form.frame_bytes
    rest, got = b"", 0
    while True:
        if size is not None and got >= size:
            if _has_ended(stream, size, order):
                break
            size = None  # the header was written before the last of the sound
        data = stream.take_some(most if size is None else min(most, size - got))
        if not data:
            break
        got += len(data)
        data = rest + data
        whole = len(data) // form.frame_bytes * form.frame_bytes
        rest = data[whole:]
        yield to_float(data[:whole], form.encoding).reshape(-1, form.channels)
    if size is not None and size - got >= form.frame_bytes:
        second = form.frame_bytes * form.rate
        raise lacks((size - got) / second, size / second, "it was cut off, or its header is wrong")


def _has_ended(stream: ByteStream, size: int, order: str) -> bool:
    """Whether what follows on ``size`` bytes of sound is not sound: nothing, another file, or chunks, which are passed
    over."""
    while True:
        pad = 1 if size % 2 and stream.peek(1) == b"\0" else 0
        ahead = stream.peek(pad + 8)[pad:]
        if ahead and recognise(stream, pad) is None:
            name, size = struct.unpack(order + "4sI", ahead) if len(ahead) >= 8 else (b"", 0)
            most = LARGEST_CHUNK if stream.remaining is None else stream.remaining - pad - 8
            if not name or not all(32 <= each < 127 for each in name) or size > most:
                return False
            stream.skip(pad + 8 + size)
            continue
        stream.skip(pad)
        return True

"""Bytes that are read once, from the first to the last, with a look ahead."""

from __future__ import annotations

from typing import Callable

READ_BYTES = 1 << 16


class ByteStream:
    """``read_some`` gives at most so many bytes, as soon as any are there, and none at the end; it may raise OSError.

    ``size``: how many there should be, where that is known.
    """

    def __init__(self, read_some: Callable[[int], bytes], size: int | None = None) -> None:
        self.size = size
        self.taken = 0
        self._read_some = read_some
        self._ahead = b""
        self._at = 0  # where in ``_ahead`` the next byte is
        self._has_ended = False

    def peek(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer at the end; they are not taken. Waits for them."""
        while len(self._ahead) - self._at < count and not self._has_ended:
            data = self._read_some(READ_BYTES)
            self._has_ended = not data
            self._ahead = self._ahead[self._at :] + data
            self._at = 0
        return self._ahead[self._at : self._at + count]

    def peek_all(self, least: int) -> bytes:
        """Everything that has been read and not taken: ``least`` bytes or more, fewer at the end."""
        self.peek(least)
        return self._ahead[self._at :]

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer at the end. Waits for them."""
        data = self.peek(count)
        self._at += len(data)
        self.taken += len(data)
        return data

    def take_some(self, most: int) -> bytes:
        """At most ``most`` bytes, as soon as any are there; none at the end."""
        return self.take(min(most, max(1, len(self._ahead) - self._at)))

    def skip(self, count: int) -> int:
        """Take ``count`` bytes and forget them; returns how many there were."""
        rest = count
        while rest > 0:
            data = self.take_some(min(rest, READ_BYTES))
            if not data:
                break
            rest -= len(data)
        return count - rest

    @property
    def remaining(self) -> int | None:
        """Bytes that should still come; None where nobody knows."""
        return None if self.size is None else self.size - self.taken

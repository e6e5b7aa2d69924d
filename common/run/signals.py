"""Signals: they come to a thread of their own, which hands them to the process."""

from __future__ import annotations

import signal
import socket
import threading
from typing import Any, Callable


def hold_signals() -> None:
    """Until ``watch_signals`` they wait: in the first moments, while modules are imported, they would kill."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, ending_signals())


def watch_signals(signalled: Callable[[int], None]) -> None:
    """From here on SIGINT, SIGTERM and SIGHUP are handed to ``signalled``; call it from the main thread.

    Python runs a signal handler between two steps of the main thread, which may sit in a library for seconds:
    loading a model, decoding. What ``set_wakeup_fd`` writes to is written at once.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    numbers = ending_signals()
    for number in numbers:
        signal.signal(number, _ignore)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    if hasattr(signal, "pthread_sigmask"):  # held since the start, or blocked by whoever started us
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

    def watch() -> None:
        while True:
            for number in reader.recv(64):
                if number in numbers:
                    signalled(number)

    threading.Thread(target=watch, name="signals", daemon=True).start()


def ending_signals() -> list[int]:
    """Those that ask for the end here. ``nohup`` makes a process deaf to SIGHUP, and so it stays."""
    numbers: list[int] = [signal.SIGINT, signal.SIGTERM]
    for name in ("SIGHUP", "SIGBREAK"):  # the terminal is closed; Ctrl-Break on Windows
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            numbers.append(number)
    return numbers


def _ignore(_number: int, _frame: Any) -> None:
    """The wakeup descriptor has told the thread already; without a handler Python would not write to it."""

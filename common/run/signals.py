"""What a signal does. Signals come to a thread of their own."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

from common.errors import EXIT_SECOND_INTERRUPT

if TYPE_CHECKING:  # it is imported while signals are held already
    from common.run.process import Process


def hold_signals() -> None:
    """Until ``watch_signals`` they wait: in the first moments, while modules are imported, they would kill."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, ending_signals())


def watch_signals(process: Process) -> None:
    """From here on SIGINT, SIGTERM and SIGHUP end ``process``; call it from the main thread.

    Python runs a signal handler between two steps of the main thread, which may sit in a library for seconds:
    loading a model, decoding. What ``set_wakeup_fd`` writes to is written at once, and a thread reads it.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    numbers = ending_signals()
    for number in numbers:
        signal.signal(number, _ignore)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    if hasattr(signal, "pthread_sigmask"):  # held since the start, or blocked by whoever started us
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    threading.Thread(target=_watch, args=(process, reader, numbers), name="signals", daemon=True).start()


def _watch(process: Process, reader: socket.socket, numbers: list[int]) -> None:
    interrupts = 0
    while True:
        for number in reader.recv(64):
            interrupts += number == signal.SIGINT
            if interrupts > 1:  # the second Ctrl-C; a SIGTERM before the first does not count
                os._exit(EXIT_SECOND_INTERRUPT)
            if number in numbers:
                _end(process)


def _end(process: Process) -> None:
    """Of the loop, after all that has arrived; at once while a model loads, when there is no loop yet."""
    with process.state.lock:
        if process.state.stop_asked.is_set():
            return
        if process.state.serves:
            process.stop()
        else:
            process.leave()


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

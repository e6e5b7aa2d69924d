"""What a signal does. Signals come to a thread of their own."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

from common.errors import EXIT_SECOND_INTERRUPT

if TYPE_CHECKING:  # signals must be held before it is imported
    from common.run.process import Process


def hold_signals() -> None:
    """Keep signals waiting until ``watch_signals``: while modules are imported, one would kill the process."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, ending_signals())


def watch_signals(process: Process) -> None:
    """From here on SIGINT, SIGTERM and SIGHUP end ``process``; call it from the main thread.

    Python runs a signal handler between two steps of the main thread, which may sit in a library for seconds:
    loading a model, decoding. It writes to the descriptor of ``set_wakeup_fd`` at once, and a thread reads that.
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
    """If the loop runs, end after all that has arrived; while a model loads and there is no loop yet, at once."""
    with process.state.lock:
        if process.state.stop_asked.is_set():
            return
        if process.state.serves:
            process.stop()
        else:
            process.leave()


def ending_signals() -> list[int]:
    """The signals that ask for the end on this system. If ``nohup`` made the process ignore SIGHUP, it goes on so."""
    numbers: list[int] = [signal.SIGINT, signal.SIGTERM]
    for name in ("SIGHUP", "SIGBREAK"):  # the terminal is closed; Ctrl-Break on Windows
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            numbers.append(number)
    return numbers


def _ignore(_number: int, _frame: Any) -> None:
    """The wakeup descriptor has told the thread already; without a handler Python would not write to it."""

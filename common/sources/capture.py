"""The program that hears a microphone: python -m common.sources.capture CHANNEL [DEVICE]

A process of its own, started by capture_process.py, because a call into PortAudio may never return, a thread of its own
may spin and print for ever, and only the end of a process ends that. It finds the device, waits for a byte on stdin,
opens the device, and writes packets onto stdout until stdin is closed or the device has gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import struct
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from common.errors import FatalError, describe
from common.sources.devices import NO_DEVICE, import_sounddevice
from common.units import SAMPLE_RATE

HEADER = struct.Struct(">cI")  # of a packet: what it is, and how many bytes follow
FOUND, OPENED, SOUND, LOSS, FAILED = b"D", b"O", b"S", b"L", b"F"
BLOCK_SEC = 0.032
MOST_CHANNELS = 8  # a device with more is a mixer or a sound server, whose channels are copies
CLOSE_SEC = 1.0  # how long the sound system may take to close a stream


@dataclass(frozen=True)
class Device:
    """A microphone, and a format that it takes."""

    index: int
    name: str
    wanted: str | None  # what finds it again when numbers have changed
    rate: int
    channels: int


def find(sounddevice: Any, wanted: str | None, channel: int) -> Device:
    """The device that is wanted, at 16 kHz where it can, else at its own rate. Raises ValueError and what PortAudio
    raises."""
    is_number = wanted is not None and wanted.isdigit()
    device = sounddevice.query_devices(int(wanted or 0) if is_number else wanted, "input")
    index, name, most = device["index"], device["name"], device["max_input_channels"]
    if channel > most:
        raise ValueError(f"--channel {channel}, but {name} has {most} channel(s)")
    if is_number:
        wanted = f"{name}, {sounddevice.query_hostapis(device['hostapi'])['name']}"
    channels, rate = max(channel, most if most <= MOST_CHANNELS else 2), SAMPLE_RATE
    try:
        sounddevice.check_input_settings(device=index, channels=channels, dtype="float32", samplerate=rate)
    except sounddevice.PortAudioError:
        rate = int(device["default_samplerate"])
    return Device(index, name, wanted, rate, channels)


class Capture:
    """One device, from being found to its end. The callback copies and queues, nothing else."""

    def __init__(self, stdin: int, stdout: int) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._packets: queue.SimpleQueue[tuple[bytes, bytes] | None] = queue.SimpleQueue()

    def run(self, wanted: str | None, channel: int) -> None:
        """To the end, whatever it is; FAILED says why it could not be opened. Raises OSError if nobody reads."""
        try:
            sounddevice = import_sounddevice()
            device = find(sounddevice, wanted, channel)
            self._send(FOUND, json.dumps(asdict(device)).encode())
            if not os.read(self._stdin, 1):
                return
            stream = self._open(sounddevice, device)
        except Exception as error:
            return self._fail(error)
        self._send(OPENED, b"")
        threading.Thread(target=self._wait_for_the_end, daemon=True).start()
        for kind, content in iter(self._packets.get, None):
            self._send(kind, content)
        with contextlib.suppress(Exception):
            stream.abort()
            stream.close()

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, FatalError):
            error = FatalError("audio_device_failed", describe(error, NO_DEVICE))
        self._send(FAILED, json.dumps([error.error_code, str(error), error.exit_status]).encode())

    def _open(self, sounddevice: Any, device: Device) -> Any:
        def callback(frames: Any, _count: int, _time: Any, status: Any) -> None:
            if status and status.input_overflow:  # before these frames
                self._packets.put((LOSS, b""))
            self._packets.put((SOUND, bytes(frames)))

        stream = sounddevice.RawInputStream(
            samplerate=device.rate,
            blocksize=int(BLOCK_SEC * device.rate),
            device=device.index,
            channels=device.channels,
            dtype="float32",
            callback=callback,
            finished_callback=lambda: self._packets.put(None),
        )
        try:
            stream.start()
        except Exception:
            stream.close()
            raise
        return stream

    def _wait_for_the_end(self) -> None:
        """Whoever started this process closes stdin, or has gone."""
        with contextlib.suppress(OSError):
            while os.read(self._stdin, 1):
                pass
        self._packets.put(None)
        time.sleep(2 * CLOSE_SEC)  # a parent that is there has ended this process by then
        os._exit(0)

    def _send(self, kind: bytes, content: bytes) -> None:
        rest = memoryview(HEADER.pack(kind, len(content)) + content)
        while rest:
            rest = rest[os.write(self._stdout, rest) :]


def main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):  # whoever started it ends first, and with it this
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    packets = os.dup(1)
    os.dup2(2, 1)  # nothing else may get among them
    with contextlib.suppress(OSError):  # nobody reads
        Capture(0, packets).run(sys.argv[2] if len(sys.argv) > 2 else None, int(sys.argv[1]))
    os._exit(0)


if __name__ == "__main__":
    main()

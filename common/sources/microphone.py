"""The microphone as a source, through PortAudio. It may go away and come back while the service runs."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
from typing import Callable

import numpy as np

from common.errors import FatalError, describe
from common.sources.capture import FAILED, FOUND, LOSS, OPENED, SOUND, Device
from common.sources.capture_process import CaptureProcess, Capturing, Packet, next_packet
from common.sources.devices import NO_DEVICE
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, DeviceLost, Gap
from common.sources.resampling import Converter
from common.units import SAMPLE_RATE

log = logging.getLogger(__name__)

SILENT_SEC = 5.0  # exact zeros for so long mean a muted or forbidden microphone: macOS gives them without an error
FIRST_CALLBACK_SEC = 5.0  # a headset on Bluetooth takes its time
CALLBACK_SEC = 2.0  # without a callback for so long the device is lost
FIRST_PAUSE_SEC, LONGEST_PAUSE_SEC = 0.5, 10.0  # before a lost device is opened again; each time twice as long
FIND_SEC = 30.0  # for a process to begin on a busy machine, and to list devices
OPEN_SEC, CLOSE_SEC = 5.0, 3.0  # how long a command may wait for a sound system that does not answer
WILL_BE_BACK = "plug it in or start the sound server again: the service goes on by itself"


class Listening:
    """From one ``resume`` to the ``pause`` behind it: what its thread is told, and what it tells."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.opened = threading.Event()
        self.decided = threading.Event()  # opened, or failed
        self.closed = threading.Event()
        self.error: Exception | None = None
        self.packets: queue.SimpleQueue[Packet] = queue.SimpleQueue()  # of the capture that is open

    def stop(self) -> None:
        self.stopping.set()
        self.packets.put(None)


class Microphone:
    """Listens from the beginning, or from ``resume`` on if ``paused``, until ``pause`` or the end.

    Each time it is opened a process of its own hears the device and ends with it: only that makes sure that PortAudio
    lets go, and a fresh one sees new devices. A thread reads what the process gives. A device that is lost is told of
    once (DeviceLost) and opened again for ever; a Gap stands before what does not follow on what was heard. Raises
    FatalError ``audio_device_failed`` without PortAudio, without such a device or without permission.
    """

    is_live = True
    comes_once = False  # at the end it is closed: what it heard after that is nobody's
    duration_sec = 0.0  # without end

    def __init__(
        self,
        device: str | None,
        channel: int,
        inbox: Inbox,
        paused: bool,
        start: Callable[[str | None, int, set[bytes]], Capturing] = CaptureProcess,
    ) -> None:
        self.is_lost = False
        self._inbox = inbox
        self._channel = channel
        self._wanted = device
        self._start = start
        self._printed: set[bytes] = set()  # what PortAudio has printed, told once
        self._has_heard = False  # whether any block was put: what comes after an outage does not follow on it
        self._zeros = 0
        self._told = False  # of sound that PortAudio lost
        self._pause_sec = FIRST_PAUSE_SEC
        self._converter = Converter(SAMPLE_RATE, channel)
        self._converting = threading.Lock()
        self._listening: Listening | None = None
        self._ready: Capturing | None = None  # begun before it is needed: a process takes a quarter of a second
        self._find()
        if not paused:
            self.resume()

    def resume(self) -> None:
        """Open the device and listen, unless it does. Raises FatalError ``audio_device_failed``."""
        if self._listening is not None:
            return
        listening = Listening()
        ready, self._ready = self._ready, None
        threading.Thread(target=self._keep, args=(listening, ready), name="microphone", daemon=True).start()
        if not listening.decided.wait(OPEN_SEC):
            listening.error = TimeoutError("the sound system does not answer")
        if listening.error is not None:
            listening.stop()
            raise _failed(listening.error) from listening.error
        self._listening = listening

    def pause(self) -> None:
        """Close the device, so that the system's microphone light goes off."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.stop()
            if not self.is_lost and not listening.closed.wait(CLOSE_SEC):
                log.warning("the microphone may stay open for a while: its process does not end")
            self.is_lost = False
            with contextlib.suppress(OSError):
                self._ready = self._begin()

    def cut(self) -> None:
        """Put what the resampler holds: what a command asks for counts from here on."""
        with self._converting:
            self._put(self._converter.finish())

    def _begin(self) -> Capturing:
        return self._start(self._wanted, self._channel, self._printed)

    def _find(self) -> None:
        """Make sure that there is such a device. Raises FatalError."""
        try:
            self._ready = self._begin()
            self._expect(FOUND, self._ready.packets, FIND_SEC)
        except Exception as error:
            if self._ready is not None:
                self._ready.close()
            raise _failed(error) from error

    def _keep(self, listening: Listening, ready: Capturing | None) -> None:
        """Listen, whatever happens to the device, until told to stop. Runs in a thread of its own."""
        error = self._listen(listening, ready)
        if not listening.opened.is_set() and not listening.stopping.is_set():
            error = self._listen(listening)  # another device may be the default by now
        if not listening.opened.is_set():
            listening.error = error
        listening.decided.set()
        while listening.opened.is_set() and not listening.stopping.wait(self._pause_sec):
            self._pause_sec = min(2 * self._pause_sec, LONGEST_PAUSE_SEC)
            error = self._listen(listening)
            log.debug("microphone: %s; next attempt in %g s", error, self._pause_sec)
        listening.closed.set()

    def _listen(self, listening: Listening, capture: Capturing | None = None) -> Exception | None:
        """Open the device, hear it to its end, close it. Returns why it ended; None: as it was told."""
        try:
            capture = capture or self._begin()
            listening.packets = capture.packets
            if not listening.stopping.is_set():
                self._open(listening, capture)
                self._hear(listening)
            return None
        except Exception as error:
            if listening.opened.is_set() and not self.is_lost and not listening.stopping.is_set():
                self.is_lost = True
                self._inbox.put(DeviceLost(describe(error, WILL_BE_BACK)))
            return error
        finally:
            if capture is not None:
                capture.close()

    def _open(self, listening: Listening, capture: Capturing) -> None:
        capture.open()
        self._expect(OPENED, capture.packets, OPEN_SEC)
        if not listening.opened.is_set():
            log.info(
                "microphone: %s, %d Hz, %d channel(s)", self._device.name, self._device.rate, self._device.channels
            )
            listening.opened.set()
            listening.decided.set()

    def _expect(self, wanted: bytes, packets: queue.SimpleQueue[Packet], patience: float) -> None:
        """Wait for what a capture says; takes the device that it found. Raises FatalError, TimeoutError,
        ConnectionError."""
        while True:
            kind, content = next_packet(packets, patience, "the sound system does not answer")
            if kind == FAILED:
                raise FatalError(*json.loads(content))
            if kind == FOUND:
                self._device = Device(**json.loads(content))
                self._wanted = self._device.wanted
            if kind == wanted:
                return

    def _hear(self, listening: Listening) -> None:
        """Put what the device gives into the inbox until told to stop. Raises when it gives nothing any more."""
        self._converter.begin(self._device.rate)
        patience, is_first = FIRST_CALLBACK_SEC, True
        try:
            while True:
                nothing = f"the microphone has given nothing for {patience:g} s"
                kind, content = next_packet(listening.packets, patience, nothing)
                if kind == LOSS:
                    self._lose(is_first)
                elif kind == SOUND:
                    if is_first:
                        self._has_begun()
                    patience, is_first = CALLBACK_SEC, False
                    frames = np.frombuffer(content, dtype=np.float32).reshape(-1, self._device.channels)
                    self.watch_for_silence(frames)
                    with self._converting:
                        self._put(self._converter.convert(frames))
        except ConnectionError:
            if not listening.stopping.is_set():
                raise
        finally:
            if not listening.stopping.is_set():
                self.cut()

    def _put(self, samples: np.ndarray) -> None:
        if len(samples):
            self._inbox.put_live(AudioBlock(samples))

    def _has_begun(self) -> None:
        """The first block of a stream is here."""
        if self._has_heard:
            self._inbox.put(Gap())
        self._has_heard = True
        if self.is_lost:
            log.info("the microphone is back: %s, %d Hz", self._device.name, self._device.rate)
        self.is_lost = False
        self._zeros = 0
        self._pause_sec = FIRST_PAUSE_SEC

    def _lose(self, is_first: bool) -> None:
        """PortAudio had to throw sound away, nobody knows how much: nothing may be joined across it."""
        log.log(logging.DEBUG if self._told else logging.WARNING, "PortAudio lost some sound: the machine is busy")
        self._told = True
        if not is_first:
            self.cut()
            self._inbox.put(Gap())

    def watch_for_silence(self, frames: np.ndarray) -> None:
        """Warn once when the device has given nothing but exact zeros for five seconds."""
        limit = int(SILENT_SEC * self._device.rate)
        before = self._zeros
        self._zeros = 0 if frames.any() else before + len(frames)
        if before < limit <= self._zeros:
            log.warning("%.0f s of exact zeros: is the microphone muted, or forbidden to this program?", SILENT_SEC)


def _failed(error: Exception) -> FatalError:
    return error if isinstance(error, FatalError) else FatalError("audio_device_failed", describe(error, NO_DEVICE))

"""The microphone as a source, through PortAudio. It may go away and come back while the service runs."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from typing import Any

import numpy as np

from common.errors import FatalError, describe
from common.sources.devices import NO_DEVICE, import_sounddevice
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, DeviceLost, Gap
from common.sources.resampling import Converter
from common.units import SAMPLE_RATE

log = logging.getLogger(__name__)

BLOCK_SEC = 0.032
MOST_CHANNELS = 8  # a device with more is a mixer or a sound server, whose channels are copies
SILENT_SEC = 5.0  # exact zeros for so long mean a muted or forbidden microphone: macOS gives them without an error
FIRST_CALLBACK_SEC = 5.0  # a headset on Bluetooth takes its time
CALLBACK_SEC = 2.0  # without a callback for so long the device is lost
GRACE_SEC = 0.25  # whoever held up this thread for so long (an import does) held up the callback, too
FIRST_PAUSE_SEC, LONGEST_PAUSE_SEC = 0.5, 10.0  # before a lost device is opened again; each time twice as long
OPEN_SEC, CLOSE_SEC = 5.0, 1.0  # how long a command may wait for a sound system that does not answer
WILL_BE_BACK = "plug it in or start the sound server again: the service goes on by itself"


class Listening:
    """From one ``resume`` to the ``pause`` behind it: what its thread is told, and what it tells."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.opened = threading.Event()
        self.decided = threading.Event()  # opened, or failed
        self.closed = threading.Event()
        self.error: Exception | None = None
        self.heard: queue.SimpleQueue[np.ndarray | None] = queue.SimpleQueue()  # of the stream that is open

    def stop(self) -> None:
        self.stopping.set()
        self.heard.put(None)


class Microphone:
    """Listens from the beginning, or from ``resume`` on if ``paused``, until ``pause`` or the end.

    The callback copies and queues, nothing else. Everything else that touches PortAudio is done by one thread at a
    time: PortAudio may keep a call for half a minute while a sound server hangs, and only a fresh PortAudio sees new
    devices. A device that is lost is told of once (DeviceLost) and opened again for ever; a Gap stands before what
    does not follow on what was heard. Raises FatalError ``audio_device_failed`` without PortAudio, without such a
    device or without permission.
    """

    is_live = True
    comes_once = False  # at the end it is closed: what it heard after that is nobody's
    duration_sec = 0.0  # without end

    def __init__(self, device: str | None, channel: int, inbox: Inbox, paused: bool) -> None:
        self.is_lost = False
        self._sounddevice = import_sounddevice()
        self._inbox = inbox
        self._channel = channel
        self._has_heard = False  # whether any block was put: what comes after an outage does not follow on it
        self._zeros = 0
        self._told = False  # of an overflow inside PortAudio
        self._pause_sec = FIRST_PAUSE_SEC
        self._turn = threading.Lock()  # held by the thread that may call PortAudio
        self._listening: Listening | None = None
        self._wanted: int | str | None = int(device) if device is not None and device.isdigit() else device
        try:
            self._choose()
        except Exception as error:
            raise FatalError("audio_device_failed", describe(error, NO_DEVICE)) from error
        if not paused:
            self.resume()

    def resume(self) -> None:
        """Open the device and listen, unless it does. Raises FatalError ``audio_device_failed``."""
        if self._listening is not None:
            return
        listening = Listening()
        threading.Thread(target=self._keep, args=(listening,), name="microphone", daemon=True).start()
        if not listening.decided.wait(OPEN_SEC):
            listening.error = TimeoutError("the sound system does not answer")
        if listening.error is not None:
            listening.stop()
            raise FatalError("audio_device_failed", describe(listening.error, NO_DEVICE)) from listening.error
        self._listening = listening

    def pause(self) -> None:
        """Close the device, so that the system's microphone light goes off."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.stop()
            if not self.is_lost and not listening.closed.wait(CLOSE_SEC):
                log.warning("the sound system does not answer: the microphone may stay open for a while")

    def _keep(self, listening: Listening) -> None:
        """Listen, whatever happens to the device, until told to stop. Runs in a thread of its own."""
        with self._turn:
            if listening.stopping.is_set():  # it had to wait too long for its turn
                return
            error = self._listen(listening, fresh=False)
            if not listening.opened.is_set():
                error = self._listen(listening, fresh=True)  # another device may be the default by now
            if not listening.opened.is_set():
                listening.error = error
            listening.decided.set()
            while listening.opened.is_set() and not listening.stopping.wait(self._pause_sec):
                self._pause_sec = min(2 * self._pause_sec, LONGEST_PAUSE_SEC)
                error = self._listen(listening, fresh=True)
                log.debug("microphone: %s; next attempt in %g s", error, self._pause_sec)
            self.is_lost = False
            listening.closed.set()

    def _listen(self, listening: Listening, fresh: bool) -> Exception | None:
        """Open the device, hear it to its end, close it. Returns why it ended; None: as it was told."""
        stream = None
        try:
            if fresh:
                self._see_new_devices()
            stream = self._open(listening)
            self._hear(listening)
            return None
        except Exception as error:
            if listening.opened.is_set() and not self.is_lost:
                self.is_lost = True
                self._inbox.put(DeviceLost(describe(error, WILL_BE_BACK)))
            return error
        finally:
            if stream is not None:
                with contextlib.suppress(Exception):
                    stream.abort()
                    stream.close()

    def _open(self, listening: Listening) -> Any:
        heard = listening.heard = queue.SimpleQueue()

        def callback(frames: np.ndarray, _count: int, _time: Any, status: Any) -> None:
            heard.put(frames.copy())
            if status:
                log.log(logging.DEBUG if self._told else logging.WARNING, "PortAudio lost some audio: %s", status)
                self._told = True

        stream = self._sounddevice.InputStream(
            samplerate=self._rate,
            blocksize=int(BLOCK_SEC * self._rate),
            device=self._index,
            channels=self._channels,
            dtype="float32",
            callback=callback,
            finished_callback=lambda: heard.put(None),
        )
        try:
            stream.start()
        except Exception:
            stream.close()
            raise
        if not listening.opened.is_set():
            log.info("microphone: %s, %d Hz, %d channel(s)", self._name, self._rate, self._channels)
            listening.opened.set()
            listening.decided.set()
        return stream

    def _hear(self, listening: Listening) -> None:
        """Put what the stream gives into the inbox until told to stop. Raises when it gives nothing any more."""
        converter = Converter(self._rate, self._channel)
        is_first = True
        while True:
            frames = _next(listening.heard, FIRST_CALLBACK_SEC if is_first else CALLBACK_SEC)
            if listening.stopping.is_set():
                return
            if frames is None:
                raise ConnectionError("the microphone has gone")
            if is_first:
                self._begin()
            is_first = False
            self.watch_for_silence(frames)
            self._inbox.put_live(AudioBlock(converter.convert(frames)))

    def _begin(self) -> None:
        """The first block of a stream is here."""
        if self._has_heard:
            self._inbox.put(Gap())
        self._has_heard = True
        if self.is_lost:
            log.info("the microphone is back: %s, %d Hz", self._name, self._rate)
        self.is_lost = False
        self._zeros = 0
        self._pause_sec = FIRST_PAUSE_SEC

    def _see_new_devices(self) -> None:
        """PortAudio lists devices when it is initialised and never again. No stream is open."""
        with contextlib.suppress(Exception):  # it is not initialised when the attempt before failed
            self._sounddevice._terminate()
        self._sounddevice._initialize()
        self._choose()

    def _choose(self) -> None:
        """Find the device, and a format that it takes: 16 kHz where it can, else its own rate."""
        device = self._sounddevice.query_devices(self._wanted, "input")
        self._index, self._name, most = device["index"], device["name"], device["max_input_channels"]
        if self._channel > most:
            raise ValueError(f"--channel {self._channel}, but {self._name} has {most} channel(s)")
        if isinstance(self._wanted, int):  # numbers change when devices come and go
            self._wanted = f"{self._name}, {self._sounddevice.query_hostapis(device['hostapi'])['name']}"
        self._channels = max(self._channel, most if most <= MOST_CHANNELS else 2)
        self._rate = SAMPLE_RATE
        try:
            self._sounddevice.check_input_settings(
                device=self._index, channels=self._channels, dtype="float32", samplerate=SAMPLE_RATE
            )
        except self._sounddevice.PortAudioError:
            self._rate = int(device["default_samplerate"])

    def watch_for_silence(self, frames: np.ndarray) -> None:
        """Warn once when the device has given nothing but exact zeros for five seconds."""
        limit = int(SILENT_SEC * self._rate)
        before = self._zeros
        self._zeros = 0 if frames.any() else before + len(frames)
        if before < limit <= self._zeros:
            log.warning("%.0f s of exact zeros: is the microphone muted, or forbidden to this program?", SILENT_SEC)


def _next(heard: queue.SimpleQueue[np.ndarray | None], patience: float) -> np.ndarray | None:
    """What the callback gives next. Raises TimeoutError when it gives nothing for ``patience`` seconds."""
    for seconds in (patience, GRACE_SEC):
        with contextlib.suppress(queue.Empty):
            return heard.get(timeout=seconds)
    raise TimeoutError(f"the microphone has given nothing for {patience:g} s")

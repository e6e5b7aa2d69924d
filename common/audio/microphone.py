"""The microphone as a source, through PortAudio."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any, Callable

import numpy as np

from common.audio.convert import Converter
from common.config import SAMPLE_RATE
from common.events import FatalError, describe
from common.inbox import AudioBlock, Inbox

log = logging.getLogger(__name__)

BLOCK_SEC = 0.032
MOST_CHANNELS = 8  # a device with more is a mixer or a sound server, whose channels are copies
SILENT_SEC = 5.0  # exact zeros for so long mean a muted or forbidden microphone: macOS gives them without an error
NO_PORTAUDIO = "install PortAudio: apt-get install libportaudio2, dnf install portaudio, brew install portaudio"
NO_DEVICE = (
    "--list-devices shows the devices, --input-device chooses one; on macOS and Windows allow the terminal to use"
    " the microphone in the privacy settings"
)


class Microphone:
    """Listens from the beginning, or from ``resume`` on if ``paused``, until ``pause`` or the end.

    The callback copies and queues, nothing else; a thread converts what was queued and puts it into the inbox.
    Raises FatalError ``audio_device_failed`` without PortAudio, without such a device or without permission.
    """

    is_live = True
    duration_sec = 0.0  # without end

    def __init__(self, device: str | None, channel: int, inbox: Inbox, paused: bool) -> None:
        self._sounddevice = import_sounddevice()
        self._inbox = inbox
        self._channel = channel
        self._position = 0  # samples at 16 kHz since the stream began; pauses add none
        self._zeros = 0
        self._stream: Any = None
        try:
            self._device = self._sounddevice.query_devices(_device_id(device), "input")
            self._channels, self._rate = self._format()
        except Exception as error:
            raise FatalError("audio_device_failed", describe(error, NO_DEVICE)) from error
        if not paused:
            self.resume()

    def resume(self) -> None:
        """Open the device and listen. Raises FatalError ``audio_device_failed``."""
        heard: queue.SimpleQueue[np.ndarray | None] = queue.SimpleQueue()

        def callback(frames: np.ndarray, _count: int, _time: Any, status: Any) -> None:
            heard.put(frames.copy())
            if status:
                log.debug("PortAudio: %s", status)

        try:
            self._stream = self._sounddevice.InputStream(
                samplerate=self._rate,
                blocksize=int(BLOCK_SEC * self._rate),
                device=self._device["index"],
                channels=self._channels,
                dtype="float32",
                callback=callback,
                finished_callback=lambda: heard.put(None),
            )
            self._stream.start()
        except Exception as error:
            raise FatalError("audio_device_failed", describe(error, NO_DEVICE)) from error
        log.info("microphone: %s, %d Hz, %d channel(s)", self._device["name"], self._rate, self._channels)
        threading.Thread(target=self._convert, args=(heard.get,), name="microphone", daemon=True).start()

    def pause(self) -> None:
        """Close the device, so that the system's microphone light goes off."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort()
            stream.close()

    def _format(self) -> tuple[int, int]:
        """(channels, rate): 16 kHz where the device takes it, else its own rate."""
        most = self._device["max_input_channels"]
        channels = max(self._channel, most if most <= MOST_CHANNELS else 2)
        if self._channel > most:
            raise ValueError(f"--channel {self._channel}, but {self._device['name']} has {most} channel(s)")
        try:
            self._sounddevice.check_input_settings(
                device=self._device["index"], channels=channels, dtype="float32", samplerate=SAMPLE_RATE
            )
            return channels, SAMPLE_RATE
        except self._sounddevice.PortAudioError:
            return channels, int(self._device["default_samplerate"])

    def _convert(self, next_frames: Callable[[], np.ndarray | None]) -> None:
        converter = Converter(self._rate, self._channel)
        while True:
            frames = next_frames()
            if frames is None:
                return
            self.watch_for_silence(frames)
            samples = converter.convert(frames)
            self._inbox.put_live(AudioBlock(samples, self._position))
            self._position += len(samples)

    def watch_for_silence(self, frames: np.ndarray) -> None:
        """Warn once when the device has given nothing but exact zeros for five seconds."""
        limit = int(SILENT_SEC * self._rate)
        before = self._zeros
        self._zeros = 0 if frames.any() else before + len(frames)
        if before < limit <= self._zeros:
            log.warning("%.0f s of exact zeros: is the microphone muted, or forbidden to this program?", SILENT_SEC)


def import_sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise FatalError("dependency_missing", describe(error, "pip install sounddevice")) from error
    except OSError as error:  # PortAudio itself is missing
        raise FatalError("audio_device_failed", describe(error, NO_PORTAUDIO)) from error
    return sounddevice


def list_devices() -> str:
    """The input devices, a line each: number, name, channels, own sample rate; * is the default."""
    sounddevice = import_sounddevice()
    default = sounddevice.default.device[0]
    lines = []
    for number, device in enumerate(sounddevice.query_devices()):
        channels, rate = device["max_input_channels"], int(device["default_samplerate"])
        if channels > 0:
            mark = "*" if number == default else " "
            lines.append(
                f"{mark} {number:3d}  {device['name']}  ({device['max_input_channels']} channels, {rate} Hz)\n"
            )
    return "".join(lines) or f"no input device; {NO_DEVICE}\n"


def _device_id(device: str | None) -> int | str | None:
    return int(device) if device is not None and device.isdigit() else device

"""What PortAudio knows of microphones, and what to do when it knows nothing."""

from __future__ import annotations

from typing import Any

from common.errors import EXIT_HOPELESS, FatalError, describe

NO_PORTAUDIO = "install PortAudio: apt-get install libportaudio2, dnf install portaudio, brew install portaudio"
NO_DEVICE = (
    "--list-devices shows the devices, --input-device chooses one; on macOS and Windows allow the terminal to use"
    " the microphone in the privacy settings"
)


def import_sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise FatalError("dependency_missing", describe(error, "pip install sounddevice")) from error
    except OSError as error:  # PortAudio itself is missing
        raise FatalError("audio_device_failed", describe(error, NO_PORTAUDIO), EXIT_HOPELESS) from error
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

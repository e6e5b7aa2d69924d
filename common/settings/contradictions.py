"""Settings that contradict each other; pure."""

from __future__ import annotations

from typing import Any

from common.errors import bad_setting


def check_together(config: Any) -> None:
    """Raises FatalError ``config_invalid`` for settings that contradict each other."""
    if config.precision == "int8" and config.engine in ("torch", "funasr"):
        raise bad_setting(f"--precision int8 with --engine {config.engine}, which computes in float32")
    if config.input == "-" and config.channel > config.channels:
        raise bad_setting(f"--channel {config.channel} of a stream with --channels {config.channels}")
    if config.input in ("-", "jsonl", "mic") and config.realtime:
        raise bad_setting("--realtime paces a file; every other input paces itself")
    if config.input == "-" and config.control == "on":
        raise bad_setting("--control on: stdin carries the audio of --input -; --input jsonl takes both")
    if config.idle_flush_ms and config.input not in ("-", "jsonl"):
        raise bad_setting("--idle-flush-ms: only senders on stdin stop sending, with --input - and jsonl")
    if config.start_paused and config.input not in (None, "mic", "jsonl"):
        raise bad_setting("--start-paused: only a microphone or --input jsonl can be paused")
    if config.input == "jsonl" and config.control == "off":
        raise bad_setting("--control off: the audio of --input jsonl comes as commands")
    if config.max_utterance_sec * 1000 <= config.min_speech_ms + config.pre_roll_ms + 100:
        raise bad_setting("max_utterance_sec must be longer than min_speech_ms and pre_roll_ms together")

"""Settings: CONFIG and flags, and what is refused."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

import pytest

import asr_service
import asr_service_streaming
from common.errors import FatalError
from common.settings.command_line import build_parser, flag_of, parse
from common.settings.flags import CommonConfig
from common.settings.services import SliceConfig, StreamingConfig


def parsed(config: CommonConfig, *arguments: str) -> Any:
    return parse(config, build_parser(config, ""), arguments)[0]


def test_the_defaults_are_the_products() -> None:
    assert SliceConfig() == asr_service.CONFIG
    assert StreamingConfig() == asr_service_streaming.CONFIG
    assert (SliceConfig().chunk_sec, SliceConfig().endpoint_silence_ms) == (0.6, 800)
    assert StreamingConfig().chunk_size == (5, 10, 5)
    assert (StreamingConfig().encoder_chunk_look_back, StreamingConfig().decoder_chunk_look_back) == (4, 1)


def test_a_flag_wins_over_config_and_the_rest_of_config_stays() -> None:
    config = StreamingConfig(chunk_size=(0, 8, 4), endpoint_silence_ms=500)
    assert parsed(config, "--chunk-size", "5,10,5") == StreamingConfig(endpoint_silence_ms=500)


@pytest.mark.parametrize(
    ("chunk_sec", "chunk_size"),
    [(0.6, (0, 10, 5)), (0.24, (0, 4, 2)), (0.3, (0, 5, 3)), (0.48, (0, 8, 4)), (1.2, (0, 20, 5)), (0.55, (0, 9, 5))],
)
def test_a_slice_has_a_look_ahead_of_half_its_length_up_to_five_frames(
    chunk_sec: float, chunk_size: tuple[int, int, int]
) -> None:
    assert SliceConfig(chunk_sec=chunk_sec).chunk_size == chunk_size


@pytest.mark.parametrize(
    "arguments",
    [
        ["--chunk-sec", "0.2"],
        ["--chunk-sec", "1.3"],
        ["--chunk-sec", "nan"],
        ["--chunk-sec", "fast"],
        ["--endpoint-silence-ms", "-1"],
        ["--endpoint-silence-ms", "1.5"],
        ["--threads", "0"],
        ["--hub", "ftp"],
        ["--device", "tpu"],
        ["--device", "cuda:x"],
        ["--model-dir", ""],
        ["--input", "-", "--channels", "2", "--channel", "3"],
        ["--input", "-", "--realtime"],
        ["--input", "mic", "--realtime"],
        ["--input", "-", "--control", "on"],
        ["--input", "jsonl", "--control", "off"],
        ["--input", "a.wav", "--start-paused"],
        ["--max-utterance-sec", "2", "--min-speech-ms", "3000"],
        ["--no-such-flag"],
        ["stray"],
        ["--threads"],
    ],
    ids=" ".join,
)
def test_a_value_that_cannot_be_used_is_config_invalid(arguments: list[str]) -> None:
    with pytest.raises(FatalError) as refused:
        parsed(SliceConfig(), *arguments)
    assert refused.value.error_code == "config_invalid"
    assert refused.value.exit_status == 2
    assert "\n" not in str(refused.value)


def refusal(config: CommonConfig, *arguments: str) -> str:
    with pytest.raises(FatalError) as refused:
        parsed(config, *arguments)
    assert refused.value.error_code == "config_invalid"
    return str(refused.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("--enpoint-silence-ms", "--endpoint-silence-ms"),
        ("--endpoint_silence_ms", "--endpoint-silence-ms"),
        ("--endpoint-silence", "--endpoint-silence-ms"),
        ("--Hotwords", "--hotwords"),
        ("--hotword", "--hotwords"),
        ("-input", "--input"),
        ("--input-file", "--input"),
        ("--model", "--model-dir"),
        ("--samplerate", "--sample-rate"),
        ("--inptu=a.wav", "--input"),
    ],
)
def test_a_flag_that_is_nearly_one_is_answered_with_that_one(written: str, meant: str) -> None:
    message = refusal(SliceConfig(), written, "500", "--demo")
    assert f"there is no {written.split('=')[0]}: did you mean {meant}?" in message


def test_a_flag_of_the_other_script_is_answered_with_that_script() -> None:
    assert "--chunk-sec is a flag of asr_service.py" in refusal(StreamingConfig(), "--chunk-sec", "0.6")
    message = refusal(SliceConfig(), "--partial-interval-ms", "200")
    assert "--partial-interval-ms is a flag of asr_service_streaming.py" in message


def test_a_flag_that_is_like_none_is_answered_with_help() -> None:
    message = refusal(SliceConfig(), "--colour", "red")
    assert "there is no --colour" in message and "did you mean" not in message and "--help" in message


@pytest.mark.parametrize("value", ["speech.wav", "my speech.wav", "mic", "-"])
def test_a_file_without_its_flag_is_told_how(value: str) -> None:
    message = refusal(SliceConfig(), "--demo", value)
    assert f"give it with its flag: --input {shlex.quote(value)}" in message


@pytest.mark.parametrize("value", ["5,10", "5,10,0", "-1,10,5", "a,b,c", "5,0,5", "", "21,10,5", "5,10,5,1"])
def test_a_chunk_size_that_funasr_cannot_run_is_config_invalid(value: str) -> None:
    with pytest.raises(FatalError, match="chunk-size") as refused:
        parsed(StreamingConfig(), "--chunk-size", value)
    assert refused.value.error_code == "config_invalid"


@pytest.mark.parametrize(
    "wrong",
    [{"chunk_sec": "fast"}, {"endpoint_silence_ms": True}, {"device": None}, {"realtime": "yes"}, {"input": 3}],
    ids=str,
)
def test_config_in_the_script_is_checked_like_a_flag(wrong: dict[str, Any]) -> None:
    with pytest.raises(FatalError) as refused:
        parsed(SliceConfig(**wrong))
    assert refused.value.error_code == "config_invalid"


@pytest.mark.parametrize("config", [SliceConfig(), StreamingConfig()], ids=lambda config: type(config).__name__)
def test_help_names_every_flag_with_its_default(config: CommonConfig) -> None:
    text = build_parser(config, "").format_help()
    for field in fields(config):
        assert flag_of(field) in text
    assert "(default 800)" in text

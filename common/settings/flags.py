"""The settings of the two services: a field gives a setting's default, flag, help and check; pure."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from common.settings.checks import device_name, number_in, one_of, setting, switch, text
from common.settings.contradictions import check_together
from common.settings.hotword_list import Hotword, parse_hotwords

DEMO = Path(__file__).resolve().parents[2] / "demo"
DEMO_MODEL = DEMO / "model"
DEMO_SPEECH = DEMO / "speech" / "long.flac"

Config = TypeVar("Config", bound="CommonConfig")


@dataclass(frozen=True)
class CommonConfig:
    """What both services can be told."""

    model_dir: str | None = setting(
        None,
        "a downloaded paraformer-zh-streaming folder; left out: FunASR's cached or downloaded model",
        text,
        "model",
        metavar="DIR",
    )
    demo: bool = setting(False, "the bundled model on the bundled recording, paced as if spoken", switch, "model")
    hub: str = setting(
        "ms",
        "where to download the model from: ms (ModelScope) or hf (Hugging Face)",
        one_of("ms", "hf"),
        "model",
        metavar="ms|hf",
    )
    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps", device_name, "model")
    engine: str = setting(
        "auto",
        "what decodes: openvino (CPU), torch (any device), funasr (its own loop), auto: openvino on a CPU, else torch",
        one_of("auto", "openvino", "torch", "funasr"),
        "model",
        metavar="ENGINE",
    )
    precision: str = setting(
        "auto",
        "of openvino's weights: int8, float32 (half as fast), auto: int8 if the text stays the same; torch and"
        " funasr compute in float32",
        one_of("auto", "int8", "float32"),
        "model",
        metavar="PRECISION",
    )
    threads: int = setting(2, "CPU threads for inference", number_in(1, 256, "threads"), "model", metavar="N")

    input: str | None = setting(
        None,
        "mic: the microphone (the default; with --demo the bundled recording is);"
        " a file that libsndfile reads (wav, flac, ogg, mp3 …);"
        " -: raw 16-bit PCM on stdin; jsonl: audio as JSON lines on stdin",
        text,
        "input",
        metavar="mic|FILE|-|jsonl",
    )
    input_device: str | None = setting(
        None, "the microphone: (part of) its name, or its number in --list-devices", text, "input", metavar="NAME|N"
    )
    realtime: bool = setting(False, "pace a file as if it were spoken (otherwise as fast as it goes)", switch, "input")
    sample_rate: int = setting(
        16000, "sample rate of raw PCM and of JSONL audio", number_in(1000, 768000, "Hz"), "input", metavar="HZ"
    )
    encoding: str = setting(
        "s16le",
        "what raw PCM and JSONL audio is: s16le, f32le, mulaw or alaw",
        one_of("s16le", "f32le", "mulaw", "alaw"),
        "input",
        metavar="ENCODING",
    )
    idle_flush_ms: int = setting(
        0,
        "end an utterance when its sender has sent nothing for so long; 0: never",
        number_in(0, 60000, "ms"),
        "input",
        metavar="MS",
    )
    channels: int = setting(1, "channels of raw PCM", number_in(1, 64, "channels"), "input", metavar="N")
    channel: int = setting(
        0, "which channel to hear, from 1; 0: the mean of all", number_in(0, 64, "channel"), "input", metavar="N"
    )

    endpoint_silence_ms: int = setting(
        800,
        "silence that ends an utterance; 0: only the longest duration does",
        number_in(0, 10000, "ms"),
        "utterances",
        metavar="MS",
    )
    min_speech_ms: int = setting(
        160, "speech without a pause that opens an utterance", number_in(32, 5000, "ms"), "utterances", metavar="MS"
    )
    pre_roll_ms: int = setting(
        320, "audio before the speech that is recognised with it", number_in(0, 2000, "ms"), "utterances", metavar="MS"
    )
    max_utterance_sec: float = setting(
        20.0,
        "longest utterance; cut in a breath shortly before, if there is one",
        number_in(2, 120, "seconds", whole=False),
        "utterances",
        metavar="SEC",
    )
    vad_threshold: float = setting(
        0.5,
        "speech probability from which a 32 ms frame is speech",
        number_in(0.05, 0.95, "probability", whole=False),
        "utterances",
        metavar="P",
    )

    turns: bool = setting(
        False, "print when a turn begins, has probably ended, goes on after all, and ends", switch, "utterances"
    )
    eager_silence_ms: int = setting(
        250,
        "silence after which a turn has probably ended (--turns), and the final is prepared",
        number_in(64, 5000, "ms"),
        "utterances",
        metavar="MS",
    )

    encoder_chunk_look_back: int = setting(
        4,
        "chunks that the encoder's attention looks back",
        number_in(0, 20, "chunks"),
        "recognition",
        flag="encoder-look-back",
        metavar="N",
    )
    decoder_chunk_look_back: int = setting(
        1,
        "chunks that the decoder's attention looks back",
        number_in(0, 20, "chunks"),
        "recognition",
        flag="decoder-look-back",
        metavar="N",
    )

    hotwords: tuple[Hotword, ...] = setting(
        (),
        "words to listen for, between blanks or commas;"
        " @FILE: one a line, with an optional weight from 1 to 100 after it",
        parse_hotwords,
        "recognition",
        metavar="WORDS|@FILE",
    )

    final_model: str | None = setting(
        None,
        "second pass: the text of a final is made anew from the whole utterance: paraformer-zh, or its folder",
        text,
        "finals",
        metavar="NAME|DIR",
    )
    punc_model: str | None = setting(
        None, "punctuation in finals: ct-punc, ct-punc-c (smaller), or a folder", text, "finals", metavar="NAME|DIR"
    )
    itn: bool = setting(False, "numbers in finals in digits (needs wetext)", switch, "finals")
    final_timeout_ms: int = setting(
        2000,
        "how long a final may wait for these three; after that it carries the streaming text",
        number_in(50, 60000, "ms"),
        "finals",
        metavar="MS",
    )

    control: str = setting(
        "auto",
        "read commands on stdin: on, off, or auto: when stdin is a pipe or a socket and the input mic or jsonl",
        one_of("auto", "on", "off"),
        "control",
        metavar="auto|on|off",
    )
    start_paused: bool = setting(False, "load the model and wait for a resume command", switch, "control")
    record: str | None = setting(
        None,
        "write what is heard to this file: 16 kHz mono, playable at any moment",
        text,
        "control",
        metavar="FILE.wav",
    )

    extended: bool = setting(False, "print more keys: words with times, latency, and more", switch, "output")
    status: bool = setting(False, "print a line at every change of state: loading, listening …", switch, "output")
    log_level: str = setting(
        "info",
        "debug, info, warning or error; the log is on stderr",
        one_of("debug", "info", "warning", "error"),
        "output",
        metavar="LEVEL",
    )

    def checked(self: Config) -> Config:
        """The same with every value as its check stores it. Raises FatalError ``config_invalid``.

        Not done on construction: CONFIG in a script is made before stdout is claimed, when no event can be printed.
        """
        values = {each.name: each.metadata["check"](each.name, getattr(self, each.name)) for each in fields(self)}
        config = replace(self, **values)
        check_together(config)
        return config

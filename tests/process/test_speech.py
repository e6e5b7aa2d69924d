"""Speech in, true sentences out: the spawned services on the demo model and its recordings."""

from __future__ import annotations

import csv
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.audio import DEMO_SPEECH, read
from tests.process.spawned import Ended, run

SCRIPTS = ["asr_service", "asr_service_streaming"]


def transcripts() -> dict[str, str]:
    """File name → what is said in it."""
    with (DEMO_SPEECH / "transcripts.tsv").open(encoding="utf-8", newline="") as table:
        return {row["file"]: row["transcript"] for row in csv.DictReader(table, delimiter="\t")}


def a_recording(word: str = "") -> Path:
    """The first single recording whose transcript holds ``word`` and has at least six characters."""
    singles = [name for name, text in transcripts().items() if word in text and 6 <= len(text) <= 20]
    return DEMO_SPEECH / sorted(singles)[0]


def pcm(path: Path, rate: int, channels: int) -> bytes:
    samples = soxr.resample(read(path), 16000, rate)
    return (np.repeat(samples[:, None], channels, axis=1) * 32767).astype("<i2").tobytes()


def told(ended: Ended) -> str:
    return "".join(ended.finals)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_sentence_in_a_file_comes_out_as_partials_and_one_true_final(script: str) -> None:
    path = a_recording()
    ended = run(script, "--demo", "--input", str(path))
    assert ended.status == 0
    assert ended.finals == [transcripts()[path.name]]
    assert ended.errors == []
    assert ended.events[0]["type"] == "voice.asr_text.partial"
    assert len({event["trace_id"] for event in ended.events}) == 1
    assert all(0.5 < event["confidence"] <= 1 for event in ended.events)


def test_raw_pcm_at_any_rate_and_channel_count_is_heard() -> None:
    path = a_recording()
    arguments = ["--demo", "--input", "-", "--sample-rate", "44100", "--channels", "2"]
    ended = run("asr_service", *arguments, stdin=pcm(path, 44100, 2) + b"\x00")  # an odd byte is no sample
    assert (ended.status, ended.finals) == (0, [transcripts()[path.name]])


def test_the_second_channel_can_be_heard_alone(tmp_path: Path) -> None:
    path = a_recording()
    speech = soxr.resample(read(path), 16000, 48000)
    noise = np.random.default_rng(0).normal(0, 0.2, len(speech))
    soundfile.write(str(tmp_path / "stereo.flac"), np.stack([noise, speech], axis=1), 48000)
    ended = run("asr_service", "--demo", "--input", str(tmp_path / "stereo.flac"), "--channel", "2")
    assert (ended.status, ended.finals) == (0, [transcripts()[path.name]])


def test_a_path_with_chinese_characters_and_blanks_works(tmp_path: Path) -> None:
    folder = tmp_path / "我的 录音"
    folder.mkdir()
    path = a_recording()
    shutil.copy(str(path), str(folder / "你好 世界.wav"))
    shutil.copytree(str(DEMO_SPEECH.parent / "model"), str(folder / "模型 一"))
    arguments = ["--model-dir", str(folder / "模型 一"), "--input", str(folder / "你好 世界.wav")]
    assert run("asr_service_streaming", *arguments).finals == [transcripts()[path.name]]


def test_realtime_paces_a_file_and_shows_the_tail_before_the_endpoint() -> None:
    path = a_recording()
    begin = time.monotonic()
    ended = run("asr_service_streaming", "--demo", "--realtime", "--input", str(path))
    assert time.monotonic() - begin >= soundfile.info(str(path)).duration
    assert ended.finals == [transcripts()[path.name]]
    first_partial, final = ended.events[0]["ts"], ended.events[-1]["ts"]
    assert final - first_partial > 1000


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_the_readmes_pipe_from_ffmpeg_works(tmp_path: Path) -> None:
    path = a_recording()
    script = 'ffmpeg -v error -i "$1" -f s16le -ac 1 -ar 16000 - | "$2" "$3" --demo --input - > "$4"'
    import sys

    from tests.audio import ROOT

    output = tmp_path / "out.jsonl"
    arguments = ["bash", "-c", script, "bash", str(path), sys.executable, str(ROOT / "asr_service.py"), str(output)]
    assert subprocess.run(arguments, capture_output=True, timeout=120, check=False).returncode == 0
    assert f'"text":"{transcripts()[path.name]}"' in output.read_text(encoding="utf-8").splitlines()[-1]

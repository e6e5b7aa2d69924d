"""A scripted client over the real process: audio as JSON lines, commands, and readers that misbehave."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import time
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from tests.audio import read, speech_in
from tests.process.spawned import Running, checked, command, listening, run
from tests.process.test_speech import a_recording, transcripts

QUIET = np.random.default_rng(0).normal(0, 1e-4, 24000).astype(np.float32)


def acks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == "core.control_ack"]


def wait_for_ack(running: Running, identity: str) -> None:
    running.wait_for(f'"id":"{identity}"'.encode())


def test_every_command_is_acknowledged_in_order_and_after_its_effect() -> None:
    speech = speech_in(read(a_recording()))
    with listening("asr_service_streaming", source="jsonl") as running:
        running.say(speech)
        running.send(type="core.control.flush", id="1")
        running.send(type="core.control.status", id="2")
        running.send(type="core.control.pause", id="3")
        running.say(speech)  # not heard
        running.send(type="core.control.flush", id="4")
        running.send(type="core.control.resume", id="5")
        running.say(speech[: len(speech) // 2])
        running.send(type="core.control.reset", id="6")
        running.send(type="core.control.set", id="7", endpoint_silence_ms=500)
        running.send(type="core.control.set", id="8", endpoint_silence_ms="soon")
        wait_for_ack(running, "8")  # a stop does not wait for more than 2 s of work
        running.send(type="core.control.stop", id="9")
        ended = running.end(60)
    answers = acks(ended.events)
    assert [answer["id"] for answer in answers] == list("123456789")
    assert [answer["ok"] for answer in answers] == [True] * 7 + [False, True]
    assert ended.status == 0
    assert ended.errors == []
    flush, status = answers[0], answers[1]
    final = ended.events[ended.events.index(flush) - 1]
    assert (final["type"], final["trace_id"]) == ("voice.asr_text.final", flush["trace_id"])
    assert final["text"] == transcripts()[a_recording().name]
    assert (flush["final"], answers[3]["final"], answers[8]["final"]) == (True, False, False)
    assert status["state"] == "listening" and status["totals"]["finals"] == 1
    assert status["totals"]["audio_ms"] == pytest.approx(len(speech) / 16, abs=40)
    assert answers[7]["error_code"] == "control_invalid"
    assert len(ended.finals) == 1


def test_without_ids_a_client_sees_the_three_old_types_only() -> None:
    with listening("asr_service", source="jsonl") as running:
        running.say(speech_in(read(a_recording())))
        for kind in ("flush", "pause", "resume", "reset"):
            running.send(type=f"core.control.{kind}")
        running.send(type="voice.audio.end")
        ended = running.end(60)
    assert ended.status == 0
    assert ended.finals == [transcripts()[a_recording().name]]
    assert acks(ended.events) == []


def test_garbage_lines_are_reported_and_skipped() -> None:
    with listening("asr_service", source="jsonl") as running:
        for line in (b"garbage", b"\x00\xff", b"[]", b'{"type":"core.control.fly"}', b"", b"x" * ((1 << 20) + 1)):
            running.send_line(line)
        running.say(np.concatenate([read(a_recording()), QUIET]))
        running.close_stdin()
        ended = running.end(60)
    assert ended.errors == ["control_invalid"] * 5
    assert ended.finals == [transcripts()[a_recording().name]]
    assert ended.status == 0


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0], ids=["before", "during", "after"])
def test_stdin_that_closes_is_the_end_of_jsonl_input(share: float) -> None:
    speech = np.concatenate([read(a_recording()), QUIET])
    with listening("asr_service_streaming", source="jsonl") as running:
        running.say(speech[: int(share * len(speech))])
        running.close_stdin()
        ended = running.end(60)
    assert (ended.status, ended.errors) == (0, [])
    assert len(ended.finals) == (1 if share else 0)


def test_the_end_of_stdin_does_not_cut_a_file() -> None:
    path = a_recording()
    for lines in (b"", b'{"type":"core.control.set","endpoint_silence_ms":700}\n'):
        ended = run("asr_service", "--demo", "--input", str(path), "--control", "on", stdin=lines)
        assert (ended.status, ended.errors, ended.finals) == (0, [], [transcripts()[path.name]])


def test_a_reader_that_stops_reading_and_comes_back_finds_finals_and_acks_in_order() -> None:
    speech = np.concatenate([read(a_recording()), QUIET])
    process = subprocess.Popen(
        command("asr_service", "--demo", "--input", "jsonl"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None and process.stdout is not None
    writer = Running.__new__(Running)  # it reads nothing
    writer.process = process
    writer.sent = []
    for number in range(4):
        writer.say(speech)
        writer.send(type="core.control.flush", id=str(number))
    for number in range(2000):  # more than the pipe holds
        writer.send(type="core.control.status", id=f"s{number}")
    time.sleep(30)
    writer.send(type="core.control.stop", id="end")  # from here on nobody waits for a reader longer than 2 s
    stdout = process.stdout.read()
    process.stdout.close()
    process.stdin.close()
    assert process.wait(20) == 0
    events = checked(stdout, append_only=True, commands=writer.sent)
    assert [event["id"] for event in acks(events)] == [*"0123", *(f"s{n}" for n in range(2000)), "end"]
    texts = [event["text"] for event in events if event["type"] == "voice.asr_text.final"]
    assert texts == [transcripts()[a_recording().name]] * 4


def test_a_reader_that_leaves_in_silence_ends_the_service_within_a_second() -> None:
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        command("asr_service", "--demo", "--input", "-"),
        stdin=subprocess.PIPE,
        stdout=write_end,
        stderr=subprocess.PIPE,
    )
    os.close(write_end)
    assert process.stdin is not None and process.stderr is not None
    while b"listening" not in process.stderr.readline():
        assert process.poll() is None
    os.close(read_end)
    begin = time.monotonic()
    assert process.wait(10) == 0
    assert time.monotonic() - begin < 2  # a second, and the interpreter's end
    assert b"Traceback" not in process.stderr.read()
    process.stdin.close()
    process.stderr.close()


def test_extended_output_tells_every_change_of_state_and_proves_itself() -> None:
    speech = speech_in(read(a_recording()))
    with listening("asr_service_streaming", "--extended", source="jsonl") as running:
        running.say(speech)
        running.send(type="core.control.pause")
        running.send(type="core.control.resume")
        running.send(type="voice.audio.end", id="end")
        ended = running.end(60)
    states = [event for event in ended.events if event["type"] == "core.status_event"]
    assert [event["state"] for event in states] == ["loading", "ready", "listening", "paused", "listening", "stopped"]
    assert {"model", "device", "engine", "sample_rate", "load_ms"} <= set(states[1])
    assert states[-1]["totals"]["finals"] == 1
    [final] = [event for event in ended.events if event["type"] == "voice.asr_text.final"]
    assert "".join(word["text"] for word in final["words"]) == final["text"]
    assert final["end_reason"] == "flush" and final["utterance_id"] == 1
    assert [event["seq"] for event in ended.events] == list(range(1, len(ended.events) + 1))


@pytest.mark.parametrize("encoding", ["f32le", "mulaw", "alaw"])
def test_audio_in_json_lines_may_come_in_the_telephone_s_encodings(encoding: str) -> None:
    speech = soxr.resample(read(a_recording()), 16000, 8000)
    file = io.BytesIO()
    subtype = {"f32le": "FLOAT", "mulaw": "ULAW", "alaw": "ALAW"}[encoding]
    soundfile.write(file, speech, 8000, format="RAW", subtype=subtype)
    arguments = ["--demo", "--input", "jsonl", "--sample-rate", "8000", "--encoding", encoding]
    line = json.dumps({"type": "voice.audio.append", "audio": base64.b64encode(file.getvalue()).decode()})
    ended = run("asr_service", *arguments, stdin=line.encode() + b"\n")
    assert (ended.status, ended.errors) == (0, [])
    assert len(ended.finals) == 1

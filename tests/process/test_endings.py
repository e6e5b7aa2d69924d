"""Every way a spawned service ends, and what it prints before."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from common.errors import FatalError
from tests.audio import ROOT, read
from tests.process.spawned import checked, command, environment, listening, running_process
from tests.process.test_speech import SCRIPTS, a_recording, transcripts

F_SETPIPE_SZ = 1031  # fcntl's number on Linux; the name came with Python 3.10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_signal_in_mid_utterance_yields_the_final_and_status_0(script: str, number: signal.Signals) -> None:
    with listening(script) as running:
        running.speak(read(a_recording()))
        running.wait_for(b"partial")
        begin = time.monotonic()
        running.signal(number)
        ended = running.end()
        assert time.monotonic() - begin < 5  # 2 s, and more on a busy machine
    assert ended.status == 0
    assert ended.events[-1]["type"] == "voice.asr_text.final"
    assert ended.events[-1]["trace_id"] == ended.events[-2]["trace_id"]
    assert len(ended.finals) == 1
    assert "Traceback" not in ended.log


def test_a_signal_in_silence_ends_quietly() -> None:
    with listening("asr_service") as running:
        running.signal(signal.SIGTERM)
        ended = running.end()
    assert (ended.status, ended.events) == (0, [])
    assert "Traceback" not in ended.log


def test_a_process_that_is_deaf_to_hangups_stays_so() -> None:
    """As ``nohup`` starts it."""
    shell = 'trap "" HUP; exec "$0" "$@"'
    arguments = ["bash", "-c", shell, *command("asr_service", "--demo", "--input", "-")]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with running_process(process, append_only=True) as running:
        running.wait_for(b"listening", "log")
        running.signal(signal.SIGHUP)
        running.speak(np.concatenate([read(a_recording()), np.zeros(16000, np.float32)]))
        running.wait_for(b"final")
        running.signal(signal.SIGTERM)
        assert running.end().status == 0


def test_a_recording_is_playable_up_to_its_last_second_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    speech = read(a_recording())
    with listening("asr_service", "--record", str(path)) as running:
        running.speak(speech)
        deadline = time.monotonic() + 60
        while path.stat().st_size < 44 + 2 * (len(speech) - 16000):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.signal(signal.SIGKILL)
        running.process.wait()
    with wave.open(str(path)) as recording:
        assert recording.getparams()[:3] == (1, 2, 16000)
        heard = np.frombuffer(recording.readframes(recording.getnframes()), "<i2") / 32768
    assert len(speech) - 16000 <= len(heard) <= len(speech)
    assert np.allclose(heard, speech[: len(heard)], atol=2e-4)


def test_a_stop_does_not_wait_for_a_reader_that_does_not_read() -> None:
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, F_SETPIPE_SZ, 4096)
    arguments = command("asr_service", "--demo", "--input", "jsonl")
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=write_end, stderr=subprocess.PIPE)
    assert process.stdin is not None and process.stderr is not None
    while b"listening" not in process.stderr.readline():
        assert process.poll() is None
    os.write(write_end, b"x" * 4096)
    process.stdin.write(b'{"type":"core.control.stop","id":"1"}\n')
    process.stdin.flush()
    assert process.wait(10) == 0
    for stream in (process.stdin, process.stderr):
        stream.close()
    os.close(read_end)
    os.close(write_end)


def test_a_second_interrupt_ends_at_once_with_130() -> None:
    """The reader has stopped and the pipe is full, so the final cannot be written and the first one waits."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, F_SETPIPE_SZ, 4096)
    arguments = command("asr_service", "--demo", "--input", "-")
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=write_end, stderr=subprocess.PIPE)
    assert process.stdin is not None and process.stderr is not None
    while b"listening" not in process.stderr.readline():
        assert process.poll() is None
    speech = read(a_recording())
    process.stdin.write((speech[: len(speech) // 2] * 32767).astype("<i2").tobytes())  # no silence ends it
    process.stdin.flush()
    assert select.select([read_end], [], [], 60)[0]  # a partial is there, so a final is owed
    fill(write_end)
    process.send_signal(signal.SIGINT)
    wait_until_taken(process, signal.SIGINT)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130  # the first one's end, 2 s after it, has status 0
    process.stdin.close()
    process.stderr.close()
    os.close(read_end)
    os.close(write_end)


def fill(pipe: int) -> None:
    """Write until nothing more goes in; what others see of the pipe goes on to block."""
    own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(own, b"x")
    os.close(own)


def wait_until_taken(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Until the signal does not wait at the process any more: a second one would be taken for the same."""
    deadline = time.monotonic() + 20
    status = Path(f"/proc/{process.pid}/status")
    while any(int(mask, 16) & 1 << (number - 1) for mask in re.findall(r"(?:Sig|Shd)Pnd:\s+(\w+)", status.read_text())):
        assert time.monotonic() < deadline


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_reader_that_takes_one_line_and_goes_ends_it_quietly(script: str) -> None:
    pipe = '"$0" "$1" --demo --input "$2" --log-level error | head -1; echo "${PIPESTATUS[0]}"'
    arguments = ["bash", "-c", pipe, sys.executable, str(ROOT / f"{script}.py"), str(a_recording())]
    done = subprocess.run(arguments, capture_output=True, timeout=120, env=environment(), check=False)
    line, status = done.stdout.splitlines()
    [event] = checked(line + b"\n", append_only=script == "asr_service", cut_off=True)
    assert event["type"] == "voice.asr_text.partial"
    assert status == b"0"
    assert done.stderr == b""


@pytest.mark.parametrize("target", [">&-", "> /dev/full"])
def test_a_stdout_that_cannot_be_written_is_said_on_stderr_with_status_1(target: str) -> None:
    shell = f'exec "$0" "$1" --input no-such-file {target}'
    arguments = ["bash", "-c", shell, sys.executable, str(ROOT / "asr_service.py")]
    done = subprocess.run(arguments, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"stdout cannot be written" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_interrupt_after_a_sigterm_is_the_first_and_the_final_is_printed() -> None:
    with listening("asr_service") as running:
        running.speak(read(a_recording()))
        running.wait_for(b"partial")
        running.signal(signal.SIGTERM)
        running.signal(signal.SIGINT)
        ended = running.end()
    assert (ended.status, len(ended.finals)) == (0, 1)


@pytest.mark.parametrize("closed", [c for n in (1, 2, 3) for c in itertools.combinations((0, 1, 2), n)], ids=str)
def test_standard_descriptors_that_are_closed_neither_mix_logs_with_events_nor_end_in_a_traceback(
    closed: tuple[int, ...],
) -> None:
    shell = 'exec "$0" "$1" --demo --input "$2" ' + " ".join(f"{descriptor}>&-" for descriptor in closed)
    arguments = ["bash", "-c", shell, sys.executable, str(ROOT / "asr_service.py"), str(a_recording())]
    done = subprocess.run(arguments, capture_output=True, timeout=120, env=environment(), check=False)
    assert done.returncode == (1 if 1 in closed else 0)
    assert b"Traceback" not in done.stderr
    if 1 not in closed:
        assert checked(done.stdout, append_only=True)[-1]["type"] == "voice.asr_text.final"


def test_a_terminal_that_is_closed_in_speech_is_a_reader_that_has_gone() -> None:
    terminal, stdout = pty.openpty()
    process = subprocess.Popen(
        command("asr_service", "--demo", "--input", "-"), stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE
    )
    os.close(stdout)
    assert process.stdin is not None and process.stderr is not None
    while b"listening" not in process.stderr.readline():
        assert process.poll() is None
    os.close(terminal)
    process.stdin.write((read(a_recording()) * 32767).astype("<i2").tobytes())
    process.stdin.flush()
    assert process.wait(10) == 0
    assert b"Traceback" not in process.stderr.read()
    process.stdin.close()
    process.stderr.close()


def test_signals_that_the_parent_blocked_still_end_it() -> None:
    blocked = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [15]); os.execv(sys.argv[1], sys.argv[1:])"
    )
    arguments = [sys.executable, "-c", blocked, *command("asr_service", "--demo", "--input", "-")]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with running_process(process, append_only=True) as running:
        running.wait_for(b"listening", "log")
        running.signal(signal.SIGTERM)
        assert running.end().status == 0


@pytest.mark.parametrize("after_ms", [20, 40, 60, 80, 120, 200])
def test_a_signal_in_the_first_moments_ends_with_status_0(after_ms: int) -> None:
    """From the script's first line on, which blocks signals; before that the interpreter itself decides."""
    process = subprocess.Popen(
        command("asr_service", "--demo", "--input", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=-1
    )
    blocked = f"/proc/{process.pid}/status"
    deadline = time.monotonic() + 20
    while not int(re.findall(r"SigBlk:\s+(\w+)", Path(blocked).read_text())[0], 16) & 1 << (signal.SIGTERM - 1):
        assert time.monotonic() < deadline and process.poll() is None
    time.sleep(after_ms / 1000)
    process.send_signal(signal.SIGTERM)
    stdout, log = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (0, b"")
    assert b"Traceback" not in log


@pytest.mark.parametrize("most", [6, 8, 10, 12, 16, 20])
def test_so_few_descriptors_that_nothing_can_be_opened_end_in_one_line(most: int) -> None:
    shell = f'ulimit -n {most}; exec "$0" "$1" --demo --input "$2"'
    arguments = ["bash", "-c", shell, sys.executable, str(ROOT / "asr_service.py"), str(a_recording())]
    done = subprocess.run(arguments, capture_output=True, timeout=120, env=environment(), check=False)
    assert b"Traceback" not in done.stderr
    events = checked(done.stdout, append_only=True)
    if done.returncode == 0:  # there were enough
        assert events[-1]["text"] == transcripts()[a_recording().name]
        return
    [line] = done.stderr.decode().splitlines()
    assert line.split(":")[0] in ("internal_error", "dependency_missing", "model_load_failed", "audio_input_failed")
    assert "Too many open files" in line
    assert done.returncode == FatalError(line.split(":")[0], "").exit_status
    assert line == (f"{events[0]['error_code']}: {events[0]['message']}" if events else line) and len(events) <= 1


def test_what_is_fatal_is_said_on_stderr_too_where_stdout_is_redirected() -> None:
    done = subprocess.run(command("asr_service", "--chunk-sec", "9"), capture_output=True, timeout=60, check=False)
    [event] = checked(done.stdout)
    assert done.stderr.decode().splitlines() == [f"config_invalid: {event['message']}"]

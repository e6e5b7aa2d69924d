"""An inference that does not come back, and parents that die: the real process on a scripted engine."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from typing import Iterator

import pytest

from tests.audio import ROOT
from tests.process.spawned import Running, command, environment, running_process
from tests.process.test_speech import a_recording
from tests.speech.scripted import audio

HANGING = """
import hashlib, sys
from common.run.app import run
from common.settings.services import SliceConfig
from common.run.serve import open_source, serve
from common.speech.service import Service
from common.speech.utterance import Partials
from tests.speech.scripted import FrameVad, ScriptedEngine, ScriptedSession

class Session(ScriptedSession):
    def accept(self, samples):
        if round(float(samples[0]) * 1000) == ord("h"):
            print("hanging", file=sys.stderr, flush=True)
            hashlib.pbkdf2_hmac("sha256", b"x", b"y", 200_000_000)  # minutes inside a library
        return super().accept(samples)

class Engine(ScriptedEngine):
    def session(self):
        return Session(self, [])

def pipeline(config, process):
    source = open_source(config, process)
    return serve(config, source, Service(config, Engine(), FrameVad(), Partials(append_only=True)), process)

run(SliceConfig(input="-"), pipeline, "")
"""
PARENT = """
import subprocess, sys
service = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
service.stdout.read()
"""


@contextlib.contextmanager
def hanging() -> Iterator[Running]:
    """A service whose open utterance has shown a partial and whose inference hangs."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING],
        cwd=str(ROOT),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with running_process(process, append_only=True) as running:
        running.wait_for(b"listening", "log")
        running.speak(audio("....aaaaaaaaaaaabbbbhhhh"))
        running.wait_for(b"partial")
        running.wait_for(b"hanging", "log")
        yield running


def test_an_inference_that_hangs_does_not_hold_up_the_end_and_the_final_is_the_last_good_text() -> None:
    with hanging() as running:
        begin = time.monotonic()
        running.signal(signal.SIGTERM)
        ended = running.end()
        assert time.monotonic() - begin < 5  # 2 s, and more on a busy machine
    *_, partial, error, final = [event for event in ended.events if event.get("error_code") != "audio_overflow"]
    assert (error["error_code"], error["trace_id"]) == ("infer_final_failed", partial["trace_id"])
    assert final["text"] == partial["text"]
    assert ended.status == 0


def test_a_second_interrupt_ends_an_inference_that_hangs_at_once() -> None:
    with hanging() as running:
        running.signal(signal.SIGINT)
        time.sleep(0.3)  # two signals at once may arrive as one
        begin = time.monotonic()
        running.signal(signal.SIGINT)
        assert running.process.wait(5) == 130
        assert time.monotonic() - begin < 1.5


@pytest.mark.parametrize("source", ["-", "jsonl", str(a_recording())], ids=["pcm", "jsonl", "file"])
def test_a_parent_that_is_killed_leaves_no_orphan(source: str) -> None:
    arguments = command("asr_service", "--demo", "--input", source)
    arguments += ["--realtime"] if source.endswith(".wav") else []
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stderr=subprocess.PIPE, env=environment())
    assert parent.stderr is not None
    while b"listening" not in parent.stderr.readline():
        assert parent.poll() is None
    parent.kill()
    begin = time.monotonic()
    log = parent.stderr.read()  # until the last process that holds it has ended
    assert time.monotonic() - begin < 5
    assert b"Traceback" not in log
    parent.wait()
    parent.stderr.close()

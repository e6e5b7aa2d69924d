"""The programs in examples/ do what they say, against the real services on the demo model."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.audio import ROOT
from tests.process.spawned import environment
from tests.process.test_speech import a_recording, transcripts

EXAMPLES = ROOT / "examples"
programs = pytest.mark.parametrize(
    ("interpreter", "program"),
    [
        (sys.executable, "spawn.py"),
        pytest.param("node", "spawn.mjs", marks=pytest.mark.skipif(not shutil.which("node"), reason="no node")),
    ],
)


def output_of(*arguments: str) -> tuple[int, str]:
    env = environment(PYTHON=sys.executable)
    done = subprocess.run(arguments, capture_output=True, timeout=120, env=env, check=False)
    return done.returncode, done.stdout.decode("utf-8")


@pytest.mark.parametrize("program", ["spawn.py", "spawn.mjs", "pipe.sh"])
def test_an_example_is_short(program: str) -> None:
    assert len((EXAMPLES / program).read_text(encoding="utf-8").splitlines()) <= 40


@programs
def test_a_program_that_spawns_the_service_hears_what_is_said(interpreter: str, program: str) -> None:
    path = a_recording()
    status, printed = output_of(interpreter, str(EXAMPLES / program), "--demo", "--input", str(path))
    assert (status, printed) == (0, f"heard: {transcripts()[path.name]}\n")


@pytest.mark.parametrize("program", ["spawn.py"])
def test_a_wrong_flag_ends_the_program_instead_of_restarting_for_ever(program: str) -> None:
    assert output_of(sys.executable, str(EXAMPLES / program), "--colour", "red") == (2, "")


DIES_AT_ONCE = """
import sys, time
from pathlib import Path
with Path(__file__).with_name("starts").open("a+") as starts:
    starts.write(f"{time.time()}\\n")
    starts.seek(0)
    sys.exit(0 if len(starts.readlines()) == 4 else 1)
"""


@programs
def test_a_service_that_dies_again_and_again_is_restarted_less_and_less_often(
    tmp_path: Path, interpreter: str, program: str
) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copy(str(EXAMPLES / program), str(tmp_path / "examples" / program))
    (tmp_path / "asr_service_streaming.py").write_text(DIES_AT_ONCE, encoding="utf-8")
    assert output_of(interpreter, str(tmp_path / "examples" / program)) == (0, "")
    starts = [float(line) for line in (tmp_path / "starts").read_text(encoding="utf-8").split()]
    for pause, earlier, later in zip((1, 2, 4), starts, starts[1:]):
        assert later - earlier >= pause


@programs
@pytest.mark.parametrize("status", [2, 3])
def test_a_service_that_would_fail_the_same_way_again_is_not_restarted(
    tmp_path: Path, interpreter: str, program: str, status: int
) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copy(str(EXAMPLES / program), str(tmp_path / "examples" / program))
    dies = DIES_AT_ONCE.replace("0 if len(starts.readlines()) == 4 else 1", str(status))
    (tmp_path / "asr_service_streaming.py").write_text(dies, encoding="utf-8")
    assert output_of(interpreter, str(tmp_path / "examples" / program)) == (status, "")
    assert len((tmp_path / "starts").read_text(encoding="utf-8").split()) == 1


IN_SPEECH = """
import json, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(json.dumps({"type": "voice.asr_text.final", "text": "first"}), flush=True)
for line in sys.stdin:
    if "stop" in line:
        break
time.sleep(1)  # the model decodes what was being said
print(json.dumps({"type": "voice.asr_text.final", "text": "last"}), flush=True)
"""


@programs
@pytest.mark.parametrize("to_all", [True, False], ids=["from-a-terminal", "to-the-program-alone"])
def test_what_is_being_said_at_ctrl_c_is_still_heard(
    tmp_path: Path, interpreter: str, program: str, to_all: bool
) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copy(str(EXAMPLES / program), str(tmp_path / "examples" / program))
    (tmp_path / "asr_service_streaming.py").write_text(IN_SPEECH, encoding="utf-8")
    started = subprocess.Popen(
        [interpreter, str(tmp_path / "examples" / program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(PYTHON=sys.executable),
        start_new_session=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == b"heard: first\n"
    (os.killpg if to_all else os.kill)(started.pid, signal.SIGINT)
    printed, said = started.communicate(timeout=60)
    assert (printed, said, started.returncode) == (b"heard: last\n", b"", 0)


@programs
def test_ctrl_c_between_two_starts_ends_the_program(tmp_path: Path, interpreter: str, program: str) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copy(str(EXAMPLES / program), str(tmp_path / "examples" / program))
    (tmp_path / "asr_service_streaming.py").write_text(DIES_AT_ONCE.replace("== 4", "== 40"), encoding="utf-8")
    arguments = [interpreter, str(tmp_path / "examples" / program)]
    started = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env=environment(PYTHON=sys.executable))
    starts = tmp_path / "starts"
    deadline = time.monotonic() + 60
    while not starts.exists() or len(starts.read_text(encoding="utf-8").split()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)  # the next start is 4 s later
    started.send_signal(signal.SIGINT)
    assert started.wait(timeout=3) != 0


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_the_pipe_prints_the_finals_alone() -> None:
    path = a_recording()
    assert output_of("bash", str(EXAMPLES / "pipe.sh"), str(path), "--demo") == (0, transcripts()[path.name] + "\n")


def test_the_assistant_thinks_ahead_and_answers_when_the_turn_has_ended() -> None:
    arguments = [sys.executable, str(EXAMPLES / "assistant.py"), "--demo", "--realtime", "--input", str(a_recording())]
    done = subprocess.run(arguments, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    [answer] = done.stdout.decode().splitlines()
    assert answer.startswith("好的：") and len(answer) > 4


def assistant(capsys: pytest.CaptureFixture[str], *kinds: str) -> list[str]:
    """What the assistant prints for events: a word after a colon is the text, "…" says that the turn continues."""
    spec = importlib.util.spec_from_file_location("assistant", EXAMPLES / "assistant.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    speaker = module.Assistant()
    for kind in kinds:
        name, _, text = kind.partition(":")
        getattr(speaker, name.rstrip("…"))({"text": text, "continues": name.endswith("…")})
    return capsys.readouterr().out.splitlines()


TURN = ("started", "eager_end:开灯", "final:开灯", "ended")


def test_the_assistant_is_quiet_when_somebody_speaks_and_goes_on_after_a_cough(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cough = ("started", "eager_end:", "ended")
    assert assistant(capsys, *TURN, *cough) == ["好的：开灯", "(quiet)", "好的：开灯"]


def test_the_assistant_throws_away_what_it_thought_when_more_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    more = ("started", "eager_end:开灯", "resumed", "eager_end:开灯吧", "final:开灯吧", "ended")
    assert assistant(capsys, *more) == ["好的：开灯吧"]


def test_the_assistant_waits_for_the_rest_of_a_turn_that_was_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert assistant(capsys, "started", "final:很长", "ended…", "started", "final:很长的话", "ended") == [
        "好的：很长的话"
    ]

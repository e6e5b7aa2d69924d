"""clients/view.py on the real services with the demo model: starts, keys, ends, outputs that are no terminal."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.audio import ROOT
from tests.clients.terminal import VIEW, Terminal, terminal
from tests.process.spawned import environment
from tests.process.test_microphone import needs_pulseaudio, playable
from tests.process.test_readme import blocks
from tests.process.test_speech import a_recording, transcripts
from tests.process.virtual_microphone import virtual_microphone

DEMO = [*VIEW, "asr_service_streaming.py", "--demo"]
SAID = transcripts()[a_recording().name]
ONE_SENTENCE = [*DEMO, "--input", str(a_recording())]


def output_of(command: list[str], cwd: Path = ROOT, **changes: str) -> tuple[int, str, str]:
    env = environment(**changes)
    done = subprocess.run(command, capture_output=True, timeout=120, cwd=cwd, env=env, check=False)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def service_of(view: subprocess.Popen[bytes]) -> int:
    """The process that the view has started."""
    deadline = time.monotonic() + 20
    while True:
        listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(view.pid)], capture_output=True, check=False)
        if listing.stdout.strip():
            return int(listing.stdout)
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finals(window: Terminal) -> list[str]:
    return [row for row in window.rows() if re.match(r"\d:\d\d:\d\d  ", row)]


@pytest.mark.parametrize("document", ["README.md", "README.en.md"])
def test_what_the_readme_shows_is_what_a_person_sees(document: str) -> None:
    (shown,) = blocks(document, "text")
    *above, line = shown.splitlines()
    (command,) = [block.splitlines()[-1] for block in blocks(document, "bash") if "clients/view.py" in block]
    assert command == "python clients/view.py asr_service_streaming.py --demo"
    with terminal(DEMO) as window:
        for each in above:
            window.wait_for("\n" + each + "\n")
        state, text = re.fullmatch(r"(listening  \[)[| ]+\]  (\w+)", line).groups()  # type: ignore[union-attr]
        window.wait_for(lambda seen: re.search(rf"^{re.escape(state)}[| ]+\]  {text}", seen, flags=re.MULTILINE))


def test_a_person_sees_the_demo_and_how_it_ended() -> None:
    with terminal(ONE_SENTENCE) as window:
        assert window.end(120) == 0
        assert finals(window) == [f"0:00:00  {SAID}"]
        assert window.rows()[0].startswith("WARNING demo: a small model")


def test_f_ends_the_utterance_and_q_quits_with_the_final_of_the_open_one() -> None:
    with terminal(DEMO) as window:
        window.wait_for(lambda text: re.search(r"listening  \[\|+ *\]  把卧室", text))
        window.type("f")
        window.wait_for(lambda text: re.search(r"^0:00:01  把卧室", text, flags=re.MULTILINE), timeout=2)
        window.type(" ")
        window.wait_for("control_invalid: ValueError: only a microphone or --input jsonl can")
        window.wait_for("帮我")
        window.type("q")
        assert window.end() == 0
        assert re.match(r"0:00:0\d  帮", finals(window)[-1])


@needs_pulseaudio
def test_space_closes_the_microphone_and_opens_it_again(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        microphone = stack.enter_context(virtual_microphone(tmp_path))
        window = stack.enter_context(terminal([*DEMO, "--input", "mic"], **microphone.environment))
        window.wait_for("listening  [")
        window.type(" ")
        window.wait_for("paused  space resumes, q quits")
        assert microphone.listeners() == 0
        window.type(" ")
        window.wait_for("listening  [")
        microphone.play(playable(tmp_path))
        window.wait_for(lambda text: re.search(rf"^0:00:\d\d  {SAID}$", text, flags=re.MULTILINE))
        window.type("q")
        assert window.end() == 0


@pytest.mark.parametrize("after", [0.0, 0.3, 1.0, 2.0, 4.0])
def test_ctrl_c_ends_it_at_any_time_without_a_traceback(after: float) -> None:
    with terminal(DEMO) as window:
        window.wait_for(lambda text: text)  # whatever it draws first: "waiting" may be gone within a frame
        time.sleep(after)
        window.type("\x03")
        assert window.end() in (0, 128 + signal.SIGINT)  # the service itself may just have begun to start
        assert "Traceback" not in window.text()
        assert "Interrupt" not in window.text()


def test_a_second_ctrl_c_waits_for_nothing() -> None:
    with terminal(DEMO) as window:
        window.wait_for("把卧室")
        os.kill(service_of(window.process), signal.SIGSTOP)  # it hangs
        window.type("q")
        time.sleep(0.5)
        assert window.process.poll() is None
        window.type("q")
        assert window.end(5) == 128 + signal.SIGKILL


def test_a_service_that_is_killed_is_told_in_red() -> None:
    with terminal(DEMO) as window:
        window.wait_for("listening")
        window.type(" ")
        window.wait_for("control_invalid")  # an error before it says nothing about the end
        os.kill(service_of(window.process), signal.SIGKILL)
        assert window.end() == 128 + signal.SIGKILL
        assert window.rows()[-1] == "it was killed by signal 9"
        assert "\x1b[31mit was killed" in window.raw.decode()


@pytest.mark.parametrize(
    ("command", "status", "shown"),
    [
        (["asr_service.py", "--colour", "red"], 2, "config_invalid: .*--colour"),
        (
            ["asr_service.py", "--model-dir", "/nowhere", "--input", str(a_recording())],
            3,
            "model_load_failed: .*/nowhere",
        ),
        (["asr_service.py", "--demo", "--input", "/nowhere.wav"], 3, "audio_input_failed: .*nowhere.wav"),
        (["asr_servce.py"], 2, ".*can't open file .*asr_servce.py"),
        (["/nowhere/asr"], 127, ".*No such file or directory: '/nowhere/asr'"),
    ],
)
def test_a_service_that_cannot_start_is_one_red_error_and_its_status(
    command: list[str], status: int, shown: str
) -> None:
    with terminal([*VIEW, *command], columns=200) as window:
        assert window.end() == status
        assert re.fullmatch(shown + ".*", "".join(window.rows()))
        assert re.search(r"\x1b\[31m" + shown, window.raw.decode())


def test_what_is_no_event_is_shown_as_it_is() -> None:
    plain = subprocess.run([sys.executable, "asr_service.py", "--version"], cwd=ROOT, capture_output=True, check=True)
    with terminal([*VIEW, "asr_service.py", "--version"]) as window:
        assert window.end() == 0
        assert window.rows() == plain.stdout.decode().splitlines()


def test_where_the_output_is_no_terminal_finals_are_plain_lines_and_the_rest_is_on_stderr() -> None:
    status, printed, told = output_of(ONE_SENTENCE)
    assert (status, printed) == (0, f"{SAID}\n")
    assert re.fullmatch("WARNING demo: .*\n", told)
    status, printed, told = output_of(
        [*VIEW, "asr_service.py", "--model-dir", "/nowhere", "--input", str(a_recording())]
    )
    assert (status, printed) == (3, "")
    assert re.fullmatch("model_load_failed: .*/nowhere.*\n", told)


def test_on_a_terminal_that_knows_no_codes_finals_are_plain_lines() -> None:
    with terminal(ONE_SENTENCE, TERM="dumb") as window:
        assert window.end(120) == 0
        assert b"\x1b" not in window.raw
        assert window.rows()[-1] == SAID


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    command = [*DEMO, "--input", str(ROOT / "demo" / "speech" / "long.flac")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment())
    assert process.stdout and process.stderr
    service = service_of(process)
    assert process.stdout.readline().decode("utf-8").strip()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read().decode()
    assert process.wait(20) == 0
    deadline = time.monotonic() + 5
    while Path(f"/proc/{service}").exists():
        assert time.monotonic() < deadline, "the service goes on"
        time.sleep(0.1)


def test_sound_on_stdin_goes_to_the_service() -> None:
    sound = f"ffmpeg -loglevel error -i {a_recording()} -f s16le -ac 1 -ar 16000 -"
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    view = f"{sys.executable} {VIEW[1]} asr_service.py --demo --input -"
    with terminal(["/bin/sh", "-c", f"{sound} | {view}"]) as window:
        assert window.end(120) == 0
        assert finals(window) == [f"0:00:00  {SAID}"]


def test_without_wcwidth_one_line_says_how_to_install_the_version_that_is_pinned(tmp_path: Path) -> None:
    (tmp_path / "wcwidth.py").write_text("raise ImportError('no')", encoding="utf-8")
    status, printed, told = output_of(ONE_SENTENCE, PYTHONPATH=str(tmp_path))
    assert (status, printed) == (1, "")
    requirements = (ROOT / "requirements-clients.txt").read_text(encoding="utf-8")
    (pin,) = re.findall(r"^wcwidth==[\d.]+", requirements, flags=re.MULTILINE)
    assert told == f"view.py needs Python 3.9 or newer, and wcwidth: python -m pip install {pin}\n"
    for document in ("README.md", "README.en.md", "docs/manual.md", "docs/manual.en.md"):
        assert f"python -m pip install {pin}\n" in (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_without_a_service_it_says_how_it_is_used(arguments: list[str]) -> None:
    status, printed, told = output_of([*VIEW, *arguments])
    assert status == (0 if arguments else 2)
    assert "python clients/view.py asr_service_streaming.py --demo" in (printed if arguments else told)

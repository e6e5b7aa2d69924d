"""stdout is sacred: whatever prints in the process, only events get there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time

from tests.audio import DEMO_SPEECH, ROOT
from tests.process.spawned import checked, command, environment
from tests.process.test_speech import SCRIPTS

NOISY = """
import ctypes, os, subprocess, sys
from common.run.app import run
from common.settings.services import SliceConfig
from common.wire.events import Final

def pipeline(config, process):
    print("a print")
    sys.stdout.write("a write\\n")
    os.write(1, b"a write to the descriptor\\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"a C library's print")
    libc.fflush(None)
    subprocess.run([sys.executable, "-c", "print('a child')"])
    from tqdm import tqdm
    for _ in tqdm(range(3), file=sys.stdout):
        pass
    import funasr.utils.version_checker
    process.output.write(Final("a" * 32, "你好", 0.9))
    return 0

sys.argv = ["noisy", "--log-level", "debug"]
run(SliceConfig(), pipeline, "")
"""


def test_prints_of_python_of_c_of_children_and_of_tqdm_do_not_reach_stdout() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOISY], cwd=str(ROOT), capture_output=True, timeout=120, env=environment(), check=False
    )
    assert [event["text"] for event in checked(done.stdout)] == ["你好"]
    for said in ("a print", "a write", "to the descriptor", "a C library's print", "a child", "3/3"):
        assert said in done.stderr.decode()


def test_help_and_version_print_text_on_stdout_and_exit() -> None:
    for script in SCRIPTS:
        begin = time.monotonic()
        done = subprocess.run(command(script, "--help"), capture_output=True, check=False)
        assert time.monotonic() - begin < 5  # no heavy import; generous for a busy machine
        assert done.returncode == 0
        assert b"--endpoint-silence-ms" in done.stdout and b"(default 800)" in done.stdout
    done = subprocess.run(command("asr_service", "--version"), capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b".")) == (0, 2)


def test_a_long_file_shows_its_progress_on_a_terminal_and_events_stay_whole() -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))  # tqdm draws nothing on 0 columns
    arguments = command("asr_service", "--demo", "--input", str(DEMO_SPEECH / "long.flac"))
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=slave, env=environment())
    os.close(slave)
    shown = b""
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:  # Linux: the other end of the terminal is closed
            break
        if not data:
            break
        shown += data
    assert process.stdout is not None
    events = checked(process.stdout.read(), append_only=True)
    process.stdout.close()
    assert process.wait(60) == 0
    os.close(master)
    assert len([event for event in events if event["type"].endswith("final")]) >= 12
    assert b"s of audio" in shown

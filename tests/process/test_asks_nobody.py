"""A running service asks nobody and writes nowhere but into its cache: its system calls are watched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audio import ROOT
from tests.process.spawned import environment
from tests.process.test_speech import a_recording

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: apt-get install strace"
)

CALLS = "trace=socket,socketpair,connect,sendto,sendmsg,sendmmsg,openat,open,creat,mkdir,mkdirat,rename,renameat,unlink"
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT")


def watched(folder: Path, engine: str, trace: Path) -> list[str]:
    """The system calls of one run on a recording, of all its threads and children."""
    service = [sys.executable, str(ROOT / "asr_service_streaming.py"), "--demo", "--engine", engine, "--itn"]
    arguments = ["strace", "-f", "-qq", "-e", CALLS, "-o", str(trace), *service, "--hotwords", "王炜"]
    home = {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(folder / "tmp")}
    for path in home.values():
        Path(path).mkdir(exist_ok=True)
    arguments += ["--input", str(a_recording())]
    done = subprocess.run(arguments, env=environment(**home), capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"voice.asr_text.final" in done.stdout
    return trace.read_text(errors="replace").splitlines()


def asked(calls: list[str]) -> list[str]:
    """Calls that reach another process or another machine: every socket but a pair of our own. urllib3, which comes
    with FunASR, makes one when it is imported, to see whether there is IPv6, and does nothing with it."""
    probe = re.compile(r"socket\(AF_INET6, SOCK_STREAM\|SOCK_CLOEXEC, IPPROTO_IP\) = \d+$")
    reaching = [call for call in calls if re.search(r"\b(socket|connect|sendto|sendmsg|sendmmsg)\(", call)]
    return [call for call in reaching if not probe.search(call)]


def written(calls: list[str], folder: Path) -> set[str]:
    """Files that were opened for writing, made, renamed or removed outside ``folder``."""
    found = set()
    for call in calls:
        name = re.search(r"\b(\w+)\(", call)
        if name is None or "= -1 E" in call or (name[1] in ("open", "openat") and not WRITES.search(call)):
            continue
        found |= {path for path in re.findall(r'"(/[^"]*)"', call) if name[1] in call}
    return {path for path in found if not path.startswith((str(folder), "/dev/null", "/proc/self", "/dev/shm"))}


@pytest.mark.parametrize("engine", ["openvino", "torch", "funasr"])
def test_neither_a_first_nor_a_later_start_asks_anybody_or_writes_elsewhere(tmp_path: Path, engine: str) -> None:
    for start in ("first", "later"):
        calls = watched(tmp_path, engine, tmp_path / f"{start}.strace")
        assert calls, "strace wrote nothing"
        assert asked(calls) == []
        assert written(calls, tmp_path) == set()
    assert not os.listdir(tmp_path / "home")

"""make demo: the view on a terminal, the plain service elsewhere, and two lines at the end that say what is next."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audio import ROOT
from tests.clients.terminal import terminal
from tests.process.spawned import checked, environment
from tests.process.test_speech import a_recording, transcripts

SAID = transcripts()[a_recording().name]
NEXT = r"make: it works.*\nmake: next, with your own voice .*: \S+ clients/view.py asr_service_streaming.py"
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


def demo(folder: Path) -> list[str]:
    """make demo in an environment that is installed already, on one sentence instead of all of them."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    one_sentence = f'case "$*" in *--demo) set -- "$@" --input "{a_recording()}";; esac'
    python.write_text(f'#!/bin/sh\n{one_sentence}\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    for stamp in (".installed", ".installed-view"):  # in this order: the second one must not be the older
        (folder / stamp).touch()
    return ["make", "--no-print-directory", "demo", f"VENV={folder}"]


def test_on_a_terminal_it_is_the_view(tmp_path: Path) -> None:
    with terminal(demo(tmp_path), columns=200) as window:
        assert window.end(120) == 0
        assert re.search(rf"^0:00:00  {SAID}\n{NEXT}$", window.text(), flags=re.MULTILINE)


def test_elsewhere_it_is_the_plain_service(tmp_path: Path) -> None:
    command = demo(tmp_path)
    done = subprocess.run(command, capture_output=True, timeout=120, cwd=ROOT, env=environment(), check=True)
    assert [event["text"] for event in checked(done.stdout)][-1] == SAID
    assert re.search(NEXT + r"\n$", done.stderr.decode())


def test_what_the_view_needs_is_installed_alone(tmp_path: Path) -> None:
    """A stand-in for pip writes down what it is to install."""
    demo(tmp_path)
    (tmp_path / ".installed-view").unlink()
    pip = 'PIP_INSTALL=sh -c \'cat "$$2" >"$$0.asked"\' ' + str(tmp_path / "pip")
    command = ["make", str(tmp_path / ".installed-view"), f"VENV={tmp_path}", pip]
    subprocess.run(command, capture_output=True, timeout=60, cwd=ROOT, env=environment(), check=True)
    asked = (tmp_path / "pip.asked").read_text(encoding="utf-8")
    assert [line.partition("==")[0] for line in asked.splitlines() if line and not line.startswith("#")] == ["wcwidth"]
    assert os.path.getmtime(tmp_path / ".installed-view") >= os.path.getmtime(tmp_path / ".installed")

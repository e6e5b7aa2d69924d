"""The programs in examples/ do what they say, against the real services on the demo model."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.audio import ROOT
from tests.process.spawned import environment
from tests.process.test_speech import a_recording, transcripts

EXAMPLES = ROOT / "examples"


def output_of(*arguments: str) -> tuple[int, str]:
    env = environment(PYTHON=sys.executable)
    done = subprocess.run(arguments, capture_output=True, timeout=120, env=env, check=False)
    return done.returncode, done.stdout.decode("utf-8")


@pytest.mark.parametrize("program", ["spawn.py", "spawn.mjs", "pipe.sh"])
def test_an_example_is_short(program: str) -> None:
    assert len((EXAMPLES / program).read_text(encoding="utf-8").splitlines()) <= 40


@pytest.mark.parametrize(
    ("interpreter", "program"),
    [
        (sys.executable, "spawn.py"),
        pytest.param("node", "spawn.mjs", marks=pytest.mark.skipif(not shutil.which("node"), reason="no node")),
    ],
)
def test_a_program_that_spawns_the_service_hears_what_is_said(interpreter: str, program: str) -> None:
    path = a_recording()
    status, printed = output_of(interpreter, str(EXAMPLES / program), "--demo", "--input", str(path))
    assert (status, printed) == (0, f"heard: {transcripts()[path.name]}\n")


@pytest.mark.parametrize("program", ["spawn.py"])
def test_a_wrong_flag_ends_the_program_instead_of_restarting_for_ever(program: str) -> None:
    assert output_of(sys.executable, str(EXAMPLES / program), "--colour", "red") == (2, "")


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_the_pipe_prints_the_finals_alone() -> None:
    path = a_recording()
    assert output_of("bash", str(EXAMPLES / "pipe.sh"), str(path), "--demo") == (0, transcripts()[path.name] + "\n")

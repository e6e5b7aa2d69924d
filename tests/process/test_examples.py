"""The programs in examples/ do what they say, against the real services on the demo model."""

from __future__ import annotations

import shutil
import subprocess
import sys
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


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_the_pipe_prints_the_finals_alone() -> None:
    path = a_recording()
    assert output_of("bash", str(EXAMPLES / "pipe.sh"), str(path), "--demo") == (0, transcripts()[path.name] + "\n")

"""The README as a stranger tries it: what it shows as a real run's output is printed, and its programs run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audio import ROOT

READMES = ["README.md", "README.en.md"]
RECORDING = "demo/speech/single05.wav"
FINAL = "我要听孙悟空"
TIMEOUT = 120  # seconds; the first start on a machine prepares the demo model's engine


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def run(command: list[str], status: int = 0) -> str:
    """What a command prints on stdout, where ``python`` is the one that runs the tests."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode("utf-8")


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def masked(event: dict[str, object]) -> list[tuple[str, object]]:
    """An event without what every run has anew. A CPU may round the last decimal of a confidence another way."""
    assert isinstance(event["ts"], int)
    assert re.fullmatch("[0-9a-f]{32}", str(event["trace_id"]))
    assert 0 < float(str(event["confidence"])) <= 1
    return [(key, "" if key in ("ts", "trace_id", "confidence") else value) for key, value in event.items()]


def is_part_of(few: list[object], many: list[object]) -> bool:
    """Whether ``few`` are among ``many`` in the same order."""
    rest = iter(many)
    return all(item in rest for item in few)


@pytest.mark.parametrize("document", READMES)
def test_the_output_in_the_readme_is_what_its_command_prints(document: str) -> None:
    (shown,) = [events(block) for block in blocks(document, "json")]
    (command,) = [block.split() for block in blocks(document, "bash") if RECORDING in block]
    printed = events(run(command))
    assert masked(printed[-1]) == masked(shown[-1])
    assert shown[-1]["text"] == FINAL
    assert len({str(event["trace_id"]) for event in shown}) == 1
    # A busy machine leaves looks at the tail out, so a partial may be missing; none may come that is not shown.
    assert len(printed) > 1
    assert is_part_of([masked(event) for event in printed], [masked(event) for event in shown])


@pytest.mark.parametrize(("language", "runner"), [("python", [sys.executable, "-c"]), ("javascript", ["node", "-e"])])
def test_the_programs_in_the_readme_print_the_finals(language: str, runner: list[str]) -> None:
    if not shutil.which(runner[0]):
        pytest.skip(f"{runner[0]} is not installed")
    program, same = (block for document in READMES for block in blocks(document, language))
    assert program == same
    on_one_sentence = program.replace('"--demo"', f'"--demo", "--input", "{RECORDING}"')
    assert on_one_sentence != program
    options = ["--input-type=module"] if language == "javascript" else []
    printed = run([runner[0], *options, runner[1], on_one_sentence])
    assert re.fullmatch(FINAL + r" [01]\.?\d*\n", printed)

"""tools/verify/verify_model.py: what a user runs once on a checkpoint of his own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from common.settings.flags import DEMO_MODEL
from tests.audio import DEMO_SPEECH, ROOT
from tools.verify.funasr_loop import Decoded
from tools.verify.verify_model import Comparison


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "verify" / "verify_model.py"), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)


def test_the_demo_model_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    recordings = [str(path) for path in sorted(DEMO_SPEECH.glob("single*.wav"))[:3]]
    done = verify("--model-dir", str(DEMO_MODEL), "--threads", "1", *recordings)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[-1]) == (0, "PASS")
    [exact] = [line for line in lines if line.startswith("| single precision")]
    tokens, same, near_ties, different = (int(cell) for cell in exact.split("|")[2:6])
    assert tokens > 20
    assert (same + near_ties, different) == (tokens, 0)


def test_a_folder_that_is_no_model_fails(tmp_path: Path) -> None:
    done = verify("--model-dir", str(tmp_path))
    assert done.returncode == 1
    assert "model_load_failed: FileNotFoundError" in done.stdout
    assert done.stdout.endswith("FAIL\n")


def test_a_near_tie_is_told_from_another_token() -> None:
    wanted = Decoded(list("abcd"), [-0.1] * 4, [1.0, 1e-4, 1.0, 1.0])
    comparison = Comparison()
    comparison.add(wanted, Decoded(list("axcyz"), [-0.1, -0.1, -0.3, -0.1, -0.1]))
    assert (comparison.tokens, comparison.same, comparison.near_ties) == (5, 2, 1)
    assert comparison.difference == pytest.approx(0.2)

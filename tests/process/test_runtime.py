"""What requirements-runtime.txt alone can do; ``make test-runtime`` runs it in an environment that has no torch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.process.spawned import SERVICE_PYTHON, run
from tests.process.test_speech import SCRIPTS, a_recording

TOO_MUCH = ("torch", "torchaudio", "funasr", "transformers", "modelscope")


def has(module: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([SERVICE_PYTHON, "-c", code], check=False).returncode == 0


without_torch = pytest.mark.skipif(has("torch"), reason="this environment has torch: make test-runtime")


@without_torch
@pytest.mark.parametrize("module", TOO_MUCH)
def test_the_runtime_has_nothing_that_is_too_large(module: str) -> None:
    assert not has(module)


@without_torch
def test_the_runtime_is_small() -> None:
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    folder = Path(subprocess.run([SERVICE_PYTHON, "-c", code], capture_output=True, check=True).stdout.decode().strip())
    ours = [path for path in folder.iterdir() if not path.name.startswith(("pip", "setuptools", "pkg_resources"))]
    blocks = subprocess.run(["du", "-scm", *map(str, ours)], capture_output=True, check=True).stdout.decode()
    megabytes = int(blocks.splitlines()[-1].split()[0])
    print(f"\n{megabytes} MB on disk, beside pip")
    assert megabytes <= 375


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_engine_is_prepared_and_decodes_with_hotwords_and_numbers(tmp_path: Path, script: str) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    arguments = ["--demo", "--itn", "--hotwords", "沈兵", "--input", str(a_recording())]
    ended = run(script, *arguments, **cache)
    assert ended.status == 0 and ended.finals, ended.log
    assert "(int8)" in ended.log


def test_the_doctor_calls_it_healthy() -> None:
    command = [SERVICE_PYTHON, "asr_service.py", "--doctor", "--demo"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.decode().splitlines()[-1].split(";")[0]) == (0, "healthy")

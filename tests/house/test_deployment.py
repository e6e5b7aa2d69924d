"""What the manual says of systemd and Docker is what the service does: statuses, flags and folders are the code's."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from common.engines.cache_folder import cache_path
from common.errors import EXIT_BAD_SETTING, EXIT_FATAL, EXIT_HOPELESS
from common.settings.command_line import build_parser, parse
from common.settings.services import SliceConfig
from tests.audio import ROOT

MANUALS = ["docs/manual.md", "docs/manual.en.md"]


def block(document: str, language: str, word: str) -> str:
    """The one block of code in this language that holds ``word``."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.M | re.S)
    [found] = [block for block in blocks if word in block]
    return str(found)


def unit_of(document: str) -> str:
    return block(document, "ini", "[Service]")


@pytest.mark.parametrize("document", MANUALS)
def test_the_systemd_unit_starts_again_what_another_start_may_mend_and_nothing_else(document: str) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(unit_of(document))
    service = unit["Service"]
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == f"{EXIT_BAD_SETTING} {EXIT_HOPELESS}"
    assert str(EXIT_FATAL) not in service["RestartPreventExitStatus"].split()
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"  # it never gives up
    assert int(service["RestartSec"]) >= 1


@pytest.mark.parametrize("document", MANUALS)
def test_the_systemd_unit_hears_the_microphone_of_the_user_s_sound_server(document: str) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.read_string(unit_of(document))
    python, script, *flags = shlex.split(unit["Service"]["ExecStart"])
    assert python.endswith("/.venv/bin/python") and (ROOT / script).is_file()
    config = parse(SliceConfig(), build_parser(SliceConfig(), ""), flags)[0]
    assert config.input in (None, "mic")
    assert unit["Install"]["WantedBy"] == "default.target"  # of the user's manager, which has the sound server
    assert "systemctl --user" in (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("document", MANUALS)
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path, document: str) -> None:
    python = tmp_path / "asr" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(str(shutil.which("true")))
    (tmp_path / "asr.service").write_text(unit_of(document), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(tmp_path / "asr.service")],
        capture_output=True,
        env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        check=False,
    )
    assert (done.stdout + done.stderr).decode() == ""


@pytest.mark.parametrize("document", MANUALS)
def test_docker_keeps_the_cache_folder_between_starts(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("/root"))  # who a container's process is
    runs = [line for line in block(document, "bash", "docker run").splitlines() if line.startswith("docker run")]
    for run in runs:
        [mounted] = re.findall(r"-v [\w-]+:(/\S+)", run)
        assert Path(mounted) in cache_path().parents, run

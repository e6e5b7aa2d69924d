"""--record in the spawned service: a wrong one is refused before a model loads, one that fails later is a warning."""

from __future__ import annotations

import resource
import subprocess
import wave
from pathlib import Path

from tests.process.spawned import checked, command, environment, run
from tests.process.test_errors import fails
from tests.process.test_speech import a_recording, transcripts


def test_a_recording_over_the_input_is_config_invalid_and_the_input_stays(tmp_path: Path) -> None:
    source = tmp_path / "speech.wav"
    source.write_bytes(a_recording().read_bytes())
    (tmp_path / "link.wav").symlink_to(source)
    ended = run("asr_service", "--demo", "--input", str(source), "--record", str(tmp_path / "link.wav"))
    fails(ended, "config_invalid", 2, "--record", "hears")
    assert "ready" not in ended.log  # no model was loaded for it
    assert source.read_bytes() == a_recording().read_bytes()


def test_a_recording_in_a_folder_that_is_missing_is_config_invalid(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere" / "heard.wav")
    fails(run("asr_service", "--demo", "--input", str(a_recording()), "--record", path), "config_invalid", 2, path)


def test_a_recording_that_can_grow_no_further_is_a_warning_and_the_text_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    done = subprocess.run(
        command("asr_service", "--demo", "--engine", "torch", "--input", str(a_recording()), "--record", str(path)),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_001, 20_001)),
        timeout=120,
        check=False,
    )
    events = checked(done.stdout, append_only=True)
    assert (done.returncode, events[-1]["text"]) == (0, transcripts()[a_recording().name]), done.stderr
    assert done.stderr.decode().count("the recording ends here") == 1
    with wave.open(str(path)) as recording:
        assert recording.getnframes() == (20_001 - 44) // 2

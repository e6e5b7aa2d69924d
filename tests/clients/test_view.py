"""clients/view.py in a terminal: what a person sees of events, and what keys do."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.audio import ROOT
from tests.clients.random_events import events
from tests.clients.terminal import VIEW, terminal

TOLD = str(ROOT / "tests" / "clients" / "told.py")
DIM, RED, PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[0m"
OWN_SEQUENCES = {"[1m", "[2m", "[31m", "[0m", "[?25l", "[?25h", "[J", "[?7l", "[?7h"}
OBEYED = {chr(code) for code in [*range(32), *range(127, 160), 0x2028, 0x202E, 0x2066, 0xFEFF]}
LISTENING = {"type": "core.status_event", "state": "listening", "audio_ms": 0}


def partial(text: str, stable: int = 0) -> dict[str, Any]:
    return {"type": "voice.asr_text.partial", "text": text, "stable": stable}


def final(text: str, start_ms: int = 0) -> dict[str, Any]:
    return {"type": "voice.asr_text.final", "text": text, "start_ms": start_ms}


def service(tmp_path: Path, *told: dict[str, Any]) -> list[str]:
    """The view on a stand-in for a service that says ``told`` and then obeys commands."""
    script = tmp_path / "events.jsonl"
    script.write_text("".join(json.dumps(event) + "\n" for event in told), encoding="utf-8")
    return [*VIEW, TOLD, str(script)]


def pipe(path: Path) -> list[str]:
    """The view behind a pipe that a file is written into."""
    return ["/bin/sh", "-c", f"cat {shlex.quote(str(path))} | {shlex.join([*VIEW, '-'])}"]


@pytest.mark.parametrize("columns", [1, 2, 7, 21, 40, 80, 200])
def test_two_thousand_random_events_neither_crash_it_nor_leave_the_window(tmp_path: Path, columns: int) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(events(2000, seed=columns)) + "\n", encoding="utf-8")
    with terminal(pipe(path), columns, spacious=True) as window:
        window.end(120)
        assert "Traceback" not in window.text()
        assert len(window.rows()) > 300
        assert columns // 2 <= window.widest() <= columns
        written = window.raw.decode("utf-8")
    assert set(re.findall(r"\x1b(\[[?\d;]*[A-Za-z]|[^\[])", written)) <= OWN_SEQUENCES
    assert not set(re.sub(r"[\x1b\r\n]", "", written)) & OBEYED


def test_two_thousand_random_events_neither_crash_it_nor_leave_a_control_character_in_a_file() -> None:
    lines = "\n".join(events(2000, seed=0)) + "\n"
    done = subprocess.run([*VIEW, "-"], input=lines.encode(), capture_output=True, timeout=120, check=False)
    for printed in (done.stdout.decode("utf-8"), done.stderr.decode("utf-8")):
        assert "Traceback" not in printed
        assert printed.count("\n") > 100
        assert not set(printed.replace("\n", "")) & OBEYED


def test_escape_sequences_in_a_text_are_left_out_as_a_whole(tmp_path: Path) -> None:
    with terminal(service(tmp_path, final("红\x1b[31m色\x1b]0;title\x07好\x1b[2J\x9b5A，\r\n\u202e下一行"))) as window:
        window.wait_for("下一行")
        assert window.rows()[0] == "0:00:00  红色好5A， 下一行"  # what introduces a sequence in one byte goes alone


def test_finals_stand_above_with_their_time_and_long_ones_go_on_below_their_text(tmp_path: Path) -> None:
    told = [LISTENING, final("我要听西游记" * 4, 754_000), final("好", 3_600_000), partial("下一句")]
    with terminal(service(tmp_path, *told), columns=32) as window:
        window.wait_for("下一句")
        rows = window.rows()
    assert rows[:3] == ["0:12:34  我要听西游记我要听西游", "         记我要听西游记我要听西", "         游记"]
    assert rows[3] == "1:00:00  好"
    assert len(rows) == 5


def test_latin_words_are_kept_whole_and_chinese_is_broken_anywhere(tmp_path: Path) -> None:
    with terminal(service(tmp_path, final("打开 the weather forecast 看一看天气预报")), columns=30) as window:
        window.wait_for("预报")
        assert window.rows()[:3] == ["0:00:00 打开 the weather", "forecast 看一看天气预报", "waiting"]


def test_what_is_settled_is_plain_and_the_tail_is_dim(tmp_path: Path) -> None:
    with terminal(service(tmp_path, LISTENING, partial("我要听西", stable=2))) as window:
        window.wait_for("我要听西")
        assert f"我要{DIM}听西{PLAIN}" in window.raw.decode()


def test_a_narrow_window_shows_the_end_of_the_utterance(tmp_path: Path) -> None:
    with terminal(service(tmp_path, LISTENING, partial("一二三四五六七八九十", stable=8)), columns=12) as window:
        window.wait_for("十")
        assert window.rows() == ["六七八九十"]
        assert f"六七八{DIM}九十{PLAIN}" in window.raw.decode()


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"state": "preparing", "progress": 0.4}, "preparing 40 %"),
        ({"state": "downloading", "progress": 1}, "downloading 100 %"),
        ({"state": "recovering"}, "recovering"),
        ({"state": "paused"}, "paused"),
    ],
)
def test_the_state_is_shown(tmp_path: Path, event: dict[str, Any], shown: str) -> None:
    with terminal(service(tmp_path, {"type": "core.status_event", **event})) as window:
        window.wait_for(lambda text: re.search(f"^{shown}  ", text, flags=re.MULTILINE))


def test_the_level_is_asked_for_and_shown_while_it_listens(tmp_path: Path) -> None:
    with terminal(service(tmp_path, LISTENING)) as window:
        window.wait_for("listening  [|||||     ]")  # -30 dBFS of -60


def test_errors_are_red_and_whole(tmp_path: Path) -> None:
    message = "PortAudioError: the microphone is gone; it is opened again as soon as it is back"
    with terminal(service(tmp_path, {"type": "core.error_event", "error_code": "x_y", "message": message})) as window:
        window.wait_for("is back")
        assert window.rows()[:2] == [f"x_y: {message}"[:77], f"x_y: {message}"[78:]]
        assert f"{RED}x_y: PortAudioError" in window.raw.decode()


def test_colour_is_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    told = {"type": "core.error_event", "error_code": "x_y", "message": "OSError: no"}
    with terminal(service(tmp_path, told), NO_COLOR="1") as window:
        window.wait_for("x_y: OSError: no")
        assert RED not in window.raw.decode()


def test_a_window_that_is_resized_is_drawn_anew(tmp_path: Path) -> None:
    numbers = "一二三四五六七八九十" * 3
    with terminal(service(tmp_path, LISTENING, final("第一句"), partial(numbers)), columns=100) as window:
        window.wait_for(numbers)
        window.resize(30)
        window.wait_for("\nlistening  " + numbers[-9:])  # 11 + 2 * 9 cells
        window.resize(100)
        window.wait_for(numbers)
        assert window.rows()[0] == "0:00:00  第一句"
        assert len(window.rows()) == 2


def test_space_pauses_and_resumes_f_ends_the_utterance_and_q_quits_after_the_last_final(tmp_path: Path) -> None:
    with terminal(service(tmp_path, LISTENING)) as window:
        window.wait_for("listening")
        window.type(" ")
        window.wait_for("paused  space resumes, q quits")
        window.type(" ")
        window.wait_for("listening")
        window.type("f")
        window.wait_for("1:02:03  这句话说完了")
        window.type("\x1b[A\x1bOQx")  # an arrow, F2 and a letter without a meaning do nothing
        window.type("q")
        assert window.end() == 0
        assert window.rows() == ["1:02:03  这句话说完了", "0:01:01  最后一句"]


@pytest.mark.parametrize("end", ["q", "\x03", signal.SIGINT, signal.SIGTERM])
def test_the_terminal_is_left_as_it_was(tmp_path: Path, end: str | signal.Signals) -> None:
    with terminal(service(tmp_path, LISTENING, partial("开着"))) as window:
        window.wait_for("开着")
        assert termios.tcgetattr(window.slave) != window.before
        window.type(end) if isinstance(end, str) else window.process.send_signal(end)
        window.process.wait(30)
        assert termios.tcgetattr(window.slave) == window.before
        assert window.end() == 0
        assert window.raw.endswith(b"\x1b[?25h")
        assert window.rows() == ["0:01:01  最后一句"]


def test_from_a_pipe_the_exit_status_is_what_the_last_event_says(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    told = [LISTENING, final("听到了"), {"type": "core.status_event", "state": "stopped", "exit_status": 3}]
    path.write_text("".join(json.dumps(event) + "\n" for event in told), encoding="utf-8")
    with terminal(pipe(path)) as window:
        assert window.end() == 3
        assert window.rows() == ["0:00:00  听到了", "it ended with status 3"]


def test_without_extended_the_time_of_a_final_is_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"type":"voice.asr_text.final","ts":1697634535456,"text":"听到了"}\n', encoding="utf-8")
    with terminal(pipe(path), TZ="UTC") as window:
        window.end()
        assert window.rows() == ["13:08:55  听到了"]


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_at_the_end_of_a_pipe_q_and_ctrl_c_end_both_sides_after_the_last_final(key: str) -> None:
    arguments = shlex.join([sys.executable, "asr_service_streaming.py", "--demo", "--extended"])
    with terminal(["/bin/sh", "-c", f"{arguments} 2>/dev/null | {shlex.join([*VIEW, '-'])}"]) as window:
        window.wait_for("把卧室")
        window.type(" ")
        window.wait_for("space and f need")
        window.type(key)
        window.end()
        assert re.search(r"0:00:\d\d  把卧室", window.text())
        assert "Traceback" not in window.text()

#!/usr/bin/env python3
"""Stands in for a service: prints the events of a file, then obeys commands. told.py [flags that are ignored] FILE"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any


def say(kind: str, **keys: Any) -> None:
    print(json.dumps({"type": kind, **keys}, ensure_ascii=False), flush=True)


def obey(command: str, name: str) -> None:
    if command == "status":
        say("core.control_ack", id=name, ok=True, state="listening", level_dbfs=-30)
    elif command == "flush":
        say("voice.asr_text.final", text="这句话说完了", start_ms=3_723_000)
    elif command in ("pause", "resume"):
        say("core.status_event", state="paused" if command == "pause" else "listening", audio_ms=0)
    elif command == "stop":
        say("voice.asr_text.final", text="最后一句", start_ms=61_000)
        say("core.status_event", state="stopped", exit_status=0)
        sys.exit(0)


signal.signal(signal.SIGINT, signal.SIG_IGN)  # a service would print the final; here the view's stop does
sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
print(Path(sys.argv[-1]).read_text(encoding="utf-8"), end="", flush=True)
for line in sys.stdin:
    sent = json.loads(line)
    obey(sent["type"].rpartition(".")[2], sent["id"])

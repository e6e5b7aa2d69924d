#!/usr/bin/env python3
"""Spawns the recogniser, reads its lines, pauses it while this program speaks, restarts it when it dies."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

SERVICE = Path(__file__).resolve().parent.parent / "asr_service_streaming.py"
COMMAND = [sys.executable, str(SERVICE), *sys.argv[1:]]  # e.g. --model-dir DIR, or --demo --input FILE


def send(service, kind, **fields):
    with contextlib.suppress(BrokenPipeError):  # it has gone: its exit status says why
        service.stdin.write(json.dumps({"type": f"core.control.{kind}", **fields}) + "\n")
        service.stdin.flush()


def answer(service, text):
    """Stands for an assistant that speaks: it must not hear itself."""
    send(service, "pause")
    print("heard:", text, flush=True)
    send(service, "resume")


while True:
    service = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        for line in service.stdout:
            event = json.loads(line)
            if event["type"] == "voice.asr_text.final":
                answer(service, event["text"])
            elif event["type"] == "core.error_event":
                print(event["error_code"], event["message"], file=sys.stderr)
    except KeyboardInterrupt:
        send(service, "stop")
    if service.wait() in (0, 2):  # ended as asked, or a flag is wrong: another start would not help
        sys.exit(service.returncode)

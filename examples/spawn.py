#!/usr/bin/env python3
"""Spawns the recogniser, reads its lines, pauses it while this program speaks, restarts it when it dies."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

SERVICE = Path(__file__).resolve().parent.parent / "asr_service_streaming.py"
COMMAND = [sys.executable, str(SERVICE), *sys.argv[1:]]  # e.g. --model-dir DIR, or --demo --input FILE


def send(service, kind, **fields):
    with contextlib.suppress(BrokenPipeError):  # it has gone: its exit status says why
        service.stdin.write(json.dumps({"type": f"core.control.{kind}", **fields}) + "\n")
        service.stdin.flush()


pause = 0.5  # seconds before the next start; what dies at once is started less and less often
while True:
    began = time.monotonic()
    service = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        for line in service.stdout:
            event = json.loads(line)
            if event["type"] == "voice.asr_text.final":
                send(service, "pause")  # an assistant that speaks must not hear itself
                print("heard:", event["text"], flush=True)
                send(service, "resume")
            elif event["type"] == "core.error_event":
                print(event["error_code"], event["message"], file=sys.stderr)
    except KeyboardInterrupt:
        send(service, "stop")
    if service.wait() in (0, 2):  # ended as asked, or a flag is wrong: another start would not help
        sys.exit(service.returncode)
    pause = 1 if time.monotonic() - began > 60 else min(2 * pause, 60)
    time.sleep(pause)

"""The last resort: a stop ends the process within 2 s, whatever hangs."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Callable

from common.errors import EXIT_OK
from common.run.process import LAST_LINE_SEC, Process
from common.wire.line_writer import ReaderGone
from common.wire.standard_streams import StdoutFailed

LAST_RESORT_SEC = 1.8  # after a stop


def end_in_time(process: Process, give_up: Callable[[], None]) -> None:
    """From here on a stop ends the process within 2 s; ``give_up`` prints what is owed then, from another thread."""

    def wait() -> None:
        process.state.stop_asked.wait()
        time.sleep(LAST_RESORT_SEC)
        with contextlib.suppress(ReaderGone, StdoutFailed):
            give_up()
            process.tell_end(EXIT_OK)
            process.output.close(timeout=LAST_LINE_SEC)
        os._exit(EXIT_OK)

    threading.Thread(target=wait, name="last resort", daemon=True).start()

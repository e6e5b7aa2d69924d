"""What surrounds a pipeline in both scripts: stdout, settings, signals, and the way out."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from typing import Callable, NoReturn, TypeVar

from common.errors import EXIT_FATAL, EXIT_OK, FatalError, describe, one_line
from common.packages import unexpected
from common.run.process import Process
from common.run.signals import watch_signals
from common.settings.command_line import build_parser, parse
from common.settings.flags import CommonConfig
from common.version import VERSION
from common.wire.events import ErrorEvent, Status
from common.wire.line_writer import Output, ReaderGone
from common.wire.standard_streams import StdoutFailed, claim

Config = TypeVar("Config", bound=CommonConfig)


def run(config: Config, pipeline: Callable[[Config, Process], int], description: str) -> NoReturn:
    """Run ``pipeline`` as a process and exit with its status; a fatal error is printed as an error event.

    stdout is claimed first. The exit skips tearing down the interpreter, for which torch takes up to a second.
    """
    status = _status(config, pipeline, description)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)


def _status(config: Config, pipeline: Callable[[Config, Process], int], description: str) -> int:
    try:
        standard = claim()
        process = Process(Output(standard.stdout), stdin=standard.stdin)
        process.output.on_failure = process.stdout_failed
        try:
            watch_signals(process)  # after the claim: a closed descriptor must not become a socket of ours
            status = _run(config, pipeline, description, process)
        except FatalError as error:
            status = _tell(error, process, standard.stdout)
        process.tell_end(status)
        process.output.close()
        return status
    except ReaderGone:
        return EXIT_OK
    except StdoutFailed as error:
        print(f"stdout cannot be written: {error}", file=sys.stderr)
        return EXIT_FATAL
    except Exception as error:  # for example no descriptor left for a socket
        logging.getLogger(__name__).debug("internal error", exc_info=True)
        print(f"internal_error: {describe(error)}", file=sys.stderr)
        return EXIT_FATAL


def _tell(error: FatalError, process: Process, stdout: int) -> int:
    """Print a fatal error on stdout, and on stderr too unless stdout is a terminal; returns the exit status."""
    process.output.write(ErrorEvent(uuid.uuid4().hex, error.error_code, str(error)))
    if not os.isatty(stdout):
        print(f"{error.error_code}: {one_line(str(error), limit=2000)}", file=sys.stderr)
    return error.exit_status


def _run(config: Config, pipeline: Callable[[Config, Process], int], description: str, process: Process) -> int:
    output = process.output
    parser = build_parser(config, description)
    instead = parser.add_argument_group("instead of running")
    instead.add_argument("--help", "-h", action="store_true", help="print this and exit")
    instead.add_argument("--version", action="store_true", help="print the version and exit")
    instead.add_argument("--doctor", action="store_true", help="check the installation and say what mends it")
    instead.add_argument("--list-devices", action="store_true", help="list the microphones and exit")
    config, values = parse(config, parser)
    if values.help or values.version:
        output.write_text(parser.format_help() if values.help else f"{VERSION}\n")
        return EXIT_OK
    start_log(config.log_level)
    try:
        if values.list_devices:
            from common.sources.devices import list_devices

            output.write_text(list_devices())
            return EXIT_OK
        if values.doctor:
            from common.doctor.report import report

            return report(config, output.write_text)
        output.extended, output.tells_status = config.extended, config.status
        output.write(Status(uuid.uuid4().hex, process.state.now))
        return pipeline(config, process)
    except (FatalError, ReaderGone, StdoutFailed):
        raise
    except Exception as error:
        logging.getLogger(__name__).debug("nobody expected this", exc_info=True)
        raise unexpected(error) from error


def start_log(level: str) -> None:
    """Log to stderr: our own messages from ``level`` on, other packages' from warning on (debug: from info on)."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s", level=logging.WARNING, force=True)
    logging.getLogger("common").setLevel(level.upper())
    logging.getLogger("asr").setLevel(level.upper())
    if level == "debug":
        logging.getLogger().setLevel(logging.INFO)

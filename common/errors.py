"""Errors that end the service, what they are called, and the exit status that follows from them."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FATAL = 1  # another start may help
EXIT_BAD_SETTING = 2
EXIT_HOPELESS = 3  # another start fails the same way until something is mended
EXIT_SECOND_INTERRUPT = 130
EXIT_STATUSES = {
    "config_invalid": EXIT_BAD_SETTING,
    "dependency_missing": EXIT_HOPELESS,
    "model_load_failed": EXIT_HOPELESS,
    "audio_input_failed": EXIT_HOPELESS,
}  # of the others: EXIT_FATAL


class FatalError(Exception):
    """Ends the service: the open utterance is finalised, one error event printed, the process exits.

    ``error_code`` is one of the protocol's; ``exit_status`` follows from it unless it is given. ``str(error)`` is
    the event's message and already starts with the type of what happened.
    """

    def __init__(self, error_code: str, message: str, exit_status: int | None = None) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.exit_status = EXIT_STATUSES.get(error_code, EXIT_FATAL) if exit_status is None else exit_status


def bad_setting(message: str) -> FatalError:
    """``config_invalid``: a flag, a CONFIG value or a setting in a command that cannot be used."""
    return FatalError("config_invalid", f"ValueError: {message}")


def one_line(text: str, limit: int = 500) -> str:
    """``text`` with every run of white space as one blank, at most ``limit`` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def describe(error: BaseException, advice: str = "") -> str:
    """``ExceptionType: what happened``, one line; ``advice`` follows after a semicolon."""
    what = one_line(str(error)) or "no further details"
    return f"{type(error).__name__}: {what}" + (f"; {advice}" if advice else "")

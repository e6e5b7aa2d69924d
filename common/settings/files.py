"""Settings whose value may be in a file, ``@FILE``: it is read here, once, when the settings are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.errors import bad_setting
from common.settings.hotword_list import MAX_FILE_BYTES, parse_hotword_file


def read_hotwords(name: str, value: Any) -> Any:
    """The hotwords of the file that ``"@FILE"`` names; any other ``value`` as it is.

    Raises FatalError ``config_invalid``, naming file and line.
    """
    if not isinstance(value, str) or not value.startswith("@"):
        return value
    path = Path(value[1:].strip())
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise bad_setting(f"{name} @{path}: {getattr(error, 'strerror', None) or error}") from error
    return parse_hotword_file(f"{name} @{path}", content)

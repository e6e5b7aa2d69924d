"""How a setting is declared: a dataclass field with its flag, its help and its check; pure."""

from __future__ import annotations

import math
from dataclasses import field, fields
from typing import Any, Callable

from common.errors import bad_setting

Check = Callable[[str, Any], Any]  # (name as the user wrote it, value) → value as stored, or config_invalid


def setting(
    default: Any,
    help: str,
    check: Check,
    group: str = "recognition",
    flag: str | None = None,
    metavar: str | None = None,
) -> Any:
    """A dataclass field that is also a command-line flag. ``flag`` defaults to the field's name."""
    metadata = {"help": help, "check": check, "group": group, "flag": flag, "metavar": metavar}
    return field(default=default, metadata=metadata)


def check_field(config: Any, name: str, value: Any) -> Any:
    """``value`` as the field ``name`` of the configuration class stores it, or FatalError ``config_invalid``."""
    [found] = [each for each in fields(config) if each.name == name]
    return found.metadata["check"](name, value)


def number_in(low: float, high: float, unit: str, whole: bool = True) -> Check:
    """A check: a whole (or any) number from ``low`` to ``high`` in ``unit``."""

    def check(name: str, value: Any) -> Any:
        kind = int if whole else float
        try:
            number = kind(value)
            exact = float(value) == number and math.isfinite(number) and not isinstance(value, bool)
        except (TypeError, ValueError, OverflowError):
            exact = False
        if not exact or not low <= number <= high:
            wanted = "a whole number" if whole else "a number"
            raise bad_setting(f"{name} must be {wanted} from {low:g} to {high:g} ({unit}), not {value!r}")
        return number

    return check


def one_of(*choices: str) -> Check:
    def check(name: str, value: Any) -> Any:
        if value not in choices:
            raise bad_setting(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        return value

    return check


def switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad_setting(f"{name} must be True or False, not {value!r}")
    return value


def text(name: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise bad_setting(f"{name} must not be empty")
    return value


def device_name(name: str, value: Any) -> str:
    is_gpu = isinstance(value, str) and value.startswith("cuda:") and value[5:].isdigit()
    if not is_gpu and value not in ("auto", "cpu", "cuda", "mps"):
        raise bad_setting(f"{name} must be auto, cpu, cuda, cuda:N or mps, not {value!r}")
    return str(value)


def slice_seconds(name: str, value: Any) -> float:
    return float(number_in(0.24, 1.2, "seconds", whole=False)(name, value))


def chunk_triple(name: str, value: Any) -> tuple[int, int, int]:
    """FunASR's ``[left, chunk, right]`` in frames of 60 ms; right 0 is broken in FunASR and refused."""
    parts = value.strip("[]() ").split(",") if isinstance(value, str) else value
    try:
        left, chunk, right = (int(part) for part in parts)
    except (TypeError, ValueError):
        wanted = "three whole numbers LEFT,CHUNK,RIGHT such as 5,10,5"
        raise bad_setting(f"{name} must be {wanted}, not {value!r}") from None
    if not (0 <= left <= 20 and 1 <= chunk <= 40 and 1 <= right <= 20):
        raise bad_setting(
            f"{name} LEFT,CHUNK,RIGHT must lie in 0-20, 1-40 and 1-20 frames of 60 ms, not {left},{chunk},{right}"
            " (RIGHT 0 is broken in FunASR)"
        )
    return left, chunk, right

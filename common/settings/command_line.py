"""The command line of both scripts, made from the fields of their configuration."""

from __future__ import annotations

import argparse
import difflib
import shlex
from dataclasses import fields, replace
from typing import Any, NoReturn, Sequence, TypeVar

from common.errors import bad_setting
from common.settings.files import read_hotwords
from common.settings.flags import CommonConfig
from common.settings.services import SliceConfig, StreamingConfig

SCRIPTS = {"asr_service.py": SliceConfig, "asr_service_streaming.py": StreamingConfig}
FROM_FILES = {"hotwords": read_hotwords}  # settings whose value may be "@FILE"

Config = TypeVar("Config", bound=CommonConfig)


class _Parser(argparse.ArgumentParser):
    """argparse, with a bad command line as ``config_invalid`` instead of a usage text."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        values, left = self.parse_known_args(args, namespace)
        if left:
            self.error(_not_understood(left, [flag for action in self._actions for flag in action.option_strings]))
        return values

    def error(self, message: str) -> NoReturn:
        raise bad_setting(f"{message}; --help lists every flag")


def _not_understood(left: list[str], flags: list[str]) -> str:
    """The message about arguments that are ``left`` when all ``flags`` have taken theirs."""
    wrong = next((argument for argument in left if argument.startswith("-") and argument != "-"), None)
    if wrong is None:
        return f"{left[0]} stands alone: give it with its flag: --input {shlex.quote(left[0])}"
    name = wrong.split("=")[0]
    for script, config in SCRIPTS.items():
        if name in map(flag_of, fields(config)):
            return f"{name} is a flag of {script}"
    names = [flag[2:] for flag in flags if flag.startswith("--")]
    near = difflib.get_close_matches(name.lstrip("-").replace("_", "-").lower(), names, n=1)
    return f"there is no {name}" + (f": did you mean --{near[0]}?" if near else "")


def flag_of(field: Any) -> str:
    name: str = field.metadata["flag"] or field.name
    return "--" + name.replace("_", "-")


def build_parser(config: CommonConfig, description: str) -> argparse.ArgumentParser:
    """A parser with a flag for every field of ``config``, in groups; the field's value is the default."""
    parser = _Parser(description=description, allow_abbrev=False, add_help=False, formatter_class=_Help)
    groups: dict[str, Any] = {}
    for field in fields(config):
        name = field.metadata["group"]
        if name not in groups:
            groups[name] = parser.add_argument_group(name)
        groups[name].add_argument(flag_of(field), **_options(field, getattr(config, field.name)))
    return parser


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=110)


def _options(field: Any, value: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"dest": field.name, "default": None, "help": field.metadata["help"]}
    if isinstance(value, bool):
        options["action"] = "store_true"
        return options
    options["metavar"] = field.metadata["metavar"]
    if value not in (None, ()):
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
        options["help"] += f" (default {shown})"
    return options


def parse(
    config: Config, parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None
) -> tuple[Config, argparse.Namespace]:
    """``config`` with what the command line says, and the values of all flags.

    Raises FatalError ``config_invalid`` for a flag or a value that cannot be used.
    """
    values = parser.parse_args(arguments)
    given = {}
    for field in fields(config):
        value = getattr(values, field.name)
        if value is not None:
            read = FROM_FILES.get(field.name, _as_it_is)
            given[field.name] = field.metadata["check"](flag_of(field), read(flag_of(field), value))
    config = replace(config, **given)
    from_files = {name: read(name, getattr(config, name)) for name, read in FROM_FILES.items()}
    return replace(config, **from_files).checked(), values


def _as_it_is(_name: str, value: Any) -> Any:
    return value

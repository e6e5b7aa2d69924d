"""docs/*.schema.json say what the code prints and takes, no more and no less."""

from __future__ import annotations

import json
import re
from typing import Any, Iterator

import jsonschema
import pytest

from common.errors import FatalError, describe
from common.run.statistics import Stats
from common.settings.checks import check_field
from common.settings.flags import CommonConfig
from common.wire.command_lines import BadLine, parse_line
from common.wire.command_table import APPEND, BY_TYPE, CONTROL, SETTINGS, CommandKind
from common.wire.command_table import COMMANDS as TABLE
from common.wire.events import Ack, ErrorEvent, Event, Final, Partial
from common.wire.lines import to_line
from tests.house.test_documents import error_codes, read
from tests.run.test_carry_out import answer, controlled
from tests.tools.test_check_extended import STATUS, event
from tools.check.check_events import check
from tools.check.event_lines import COMMANDS, EVENTS, command_types
from tools.check.guarantees import FATAL
from tools.check.json_schema import problems, resolve

ID = "a8c1" * 8
KINDS = [each.kind for each in TABLE if each.type.startswith(CONTROL)]
SCHEMAS = {"events": EVENTS, "commands": COMMANDS}
TEXTS = ["你好", "USB 接口", 'a"b\\', "\x00", "👋"]
FIELDS = {"set": {"endpoint_silence_ms": 500}}


def acknowledgements() -> list[Event]:
    """What every command brings, done and refused."""
    control, _, _ = controlled()
    events: list[Event] = [Ack(ID, "s", True, Stats().details(state, 0)) for state in ("listening", "paused")]
    for kind in KINDS:
        if kind != "status":
            events += answer(control, kind, "7", **FIELDS.get(kind, {}))
    left_out = Ack(ID, 10, True, (("left_out", ["词"]),))
    return [*events, *answer(control, "set", "8", colour="red"), Ack(ID, 9, True), left_out]


def every_event() -> list[Event]:
    texts = [kind(ID, text, 0.9) for kind in (Partial, Final) for text in TEXTS]
    failures = [ErrorEvent(ID, code, describe(ValueError("two\nlines"), "do this")) for code in sorted(error_codes())]
    return [*texts, Final(ID, "", 0.0), *failures, *acknowledgements()]


@pytest.mark.parametrize("each", every_event(), ids=lambda each: type(each).__name__)
def test_every_event_that_the_code_makes_keeps_to_the_schema(each: Event) -> None:
    found = check([to_line(each, 1697634534123).encode()], cut_off=True)
    assert [violation for violation in found if violation.guarantee.endswith("schema.json")] == []


def test_the_schema_knows_the_error_codes_of_the_code_and_no_others() -> None:
    assert set(EVENTS["$defs"]["error_code"]["enum"]) == error_codes()


def test_the_checker_takes_those_errors_for_fatal_that_the_protocol_does() -> None:
    assert set(re.findall(r"^\| `([a-z_]+)` \| yes \|", read("docs/protocol.md"), flags=re.MULTILINE)) == set(FATAL)


def test_the_schema_knows_the_commands_of_the_code_and_no_others() -> None:
    assert sorted(command_types()) == sorted(BY_TYPE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_takes_every_command_that_the_schema_takes(kind: str) -> None:
    content = {"type": CONTROL + kind, "id": "7", **FIELDS.get(kind, {})}
    assert list(problems(content, COMMANDS, COMMANDS)) == []
    assert not isinstance(parse_line(json.dumps(content).encode(), takes_audio=False), BadLine)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "core.control.fly"},
        {"type": "core.control.flush", "id": 1.5},
        {"type": "core.control.flush", "id": True},
        {"type": "core.control.status"},
        {"type": APPEND},
        {"type": APPEND, "audio": "no base64!"},
        {"id": "7"},
        [],
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_code_refuses(content: Any) -> None:
    assert list(problems(content, COMMANDS, COMMANDS))
    assert isinstance(parse_line(json.dumps(content).encode(), takes_audio=True), BadLine)


@pytest.mark.parametrize("command", TABLE, ids=lambda command: command.kind)
def test_the_schema_has_the_fields_of_the_table(command: CommandKind) -> None:
    options = [resolve(option, COMMANDS) for option in COMMANDS["oneOf"]]
    [schema] = [each for each in options if command.type in str(each["properties"]["type"])]
    carries = {"audio"} if command.type == APPEND else set(command.settings)
    assert set(schema["properties"]) - {"type", "id"} == carries
    assert ("id" in schema["required"]) is command.needs_id


@pytest.mark.parametrize("command", TABLE, ids=lambda command: command.kind)
def test_an_acknowledgement_answers_what_the_table_says(command: CommandKind) -> None:
    options = [resolve(option, EVENTS) for option in EVENTS["oneOf"]]
    allowed = [set(each["properties"]) for each in options if each["title"].startswith("Acknowledgement")]
    assert any(set(command.answers) <= keys for keys in allowed)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "hotwords"])
def test_the_schema_and_the_code_have_the_same_limits(name: str) -> None:
    limits = COMMANDS["$defs"]["set"]["properties"][name]
    for value in (limits["minimum"], limits["maximum"]):
        assert check_field(CommonConfig, name, value) == value
    for value in (limits["minimum"] - 0.01, limits["maximum"] + 1):
        with pytest.raises(FatalError):
            check_field(CommonConfig, name, value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_json_schema_2020_12_and_describes_every_property(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    for definition in schema["$defs"].values():
        for key, value in definition.get("properties", {}).items():
            target = schema["$defs"][value["$ref"].split("/")[-1]] if "$ref" in value else value
            assert target.get("description"), key


def mutations(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The line itself, without one key, with another value for one, and with a key too many."""
    yield line
    for key in line:
        yield {name: value for name, value in line.items() if name != key}
        for value in (None, True, 0, 1, 1.0, -1, 0.5, "", "x", "x: y", "x: y\n", ID, [], [{}], {}):
            yield {**line, key: value}
    yield {**line, "colour": "red"}
    yield {**line, "seq": 1}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_checker_reads_a_schema_as_jsonschema_does(name: str) -> None:
    schema = SCHEMAS[name]
    validator = jsonschema.Draft202012Validator(schema)
    commands = [{"type": kind, "id": 7, "audio": "AAA=", "endpoint_silence_ms": 5} for kind in command_types()]
    events = [json.loads(to_line(each, 1)) for each in every_event()]
    extended = [event(1, "partial", "你"), event(2, "final", "你"), STATUS]
    for sample in commands if name == "commands" else [*events, *extended]:
        for changed in mutations(sample):
            assert (not list(problems(changed, schema, schema))) == validator.is_valid(changed), changed

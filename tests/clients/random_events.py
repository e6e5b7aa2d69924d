"""Random valid events: values drawn along docs/events.schema.json, with text that is hard on a terminal."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from tests.audio import ROOT
from tools.check.json_schema import problems, resolve

SCHEMA = json.loads((ROOT / "docs" / "events.schema.json").read_text(encoding="utf-8"))
PIECES = [
    *"我要听西游记，。！“”…—·①",
    *["the ", "quick ", "WiFi", " ", "a" * 30, "antidisestablishmentarianism"],
    *["e\u0301", "n\u0303\u0323", "\u0301", "क्षि", "각", "ᄀ", "ﾊﾞ", "Ａ", "\u3000", "\u00a0", "𠮷", "\U000323b0"],
    *["👨\u200d👩\u200d👧\u200d👦", "🇨🇳", "👍🏽", "☀\ufe0f", "\u200d", "\ufe0f", "1\ufe0f\u20e3"],
    *["\x1b[31m", "\x1b[2J", "\x1b[999C", "\x1b]0;title\x07", "\x1b[?1049h", "\x9b5A", "\x1bc", "\x1b", "\x07", "\x08"],
    *["\r", "\n", "\t", "\x00", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\udc00"],
]


def text(random_: random.Random, least: int = 0) -> str:
    longest = random_.choice([0, 1, 3, 10, 40, 120])
    return "".join(random_.choices(PIECES, k=max(least, random_.randint(0, longest))))


def value(schema: dict[str, Any], random_: random.Random) -> Any:
    """Something that ``schema`` allows."""
    schema = {**resolve(schema, SCHEMA), **schema}
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random_.choice(schema["enum"])
    kind = schema["type"] if isinstance(schema["type"], str) else random_.choice(schema["type"])
    if kind == "object":
        return an_object(schema, random_)
    if kind == "array":
        return [value(schema["items"], random_) for _ in range(random_.randint(schema.get("minItems", 0), 3))]
    if kind == "string":
        return a_string(schema, random_)
    if kind == "boolean":
        return random_.random() < 0.5
    least, most = schema.get("minimum", -120), schema.get("maximum", random_.choice([3, 99_999, 10**13, 10**30]))
    return random_.randint(least, most) if kind == "integer" else random_.uniform(least, min(most, 30))


def a_string(schema: dict[str, Any], random_: random.Random) -> str:
    if schema.get("pattern", "").startswith("^[0-9a-f]"):
        return f"{random_.getrandbits(128):032x}"
    if "pattern" in schema:
        return "OSError: what happened " + re.sub(r"[\r\n]", "", text(random_))
    return text(random_, schema.get("minLength", 0))


def an_object(schema: dict[str, Any], random_: random.Random) -> dict[str, Any]:
    """With all optional keys or with none, in the schema's order."""
    everything = random_.random() < 0.8
    made = {
        key: value(each, random_)
        for key, each in schema["properties"].items()
        if everything or key in schema["required"]
    }
    if schema.get("additionalProperties"):
        made.update(progress=random_.choice([0, 0.4, 1, "half", None, 10**400, [1]]))
    return made


def events(count: int, seed: int) -> list[str]:
    """Lines as a service may write them; each is checked against the schema."""
    random_ = random.Random(seed)
    lines = []
    for _ in range(count):
        event = value(random_.choice(SCHEMA["oneOf"]), random_)
        assert not list(problems(event, SCHEMA, SCHEMA)), event
        line = json.dumps(event, ensure_ascii=random_.random() < 0.5)
        lines.append(line.encode("utf-8", "replace").decode())  # half a surrogate pair comes through as \\ud800 alone
    return lines

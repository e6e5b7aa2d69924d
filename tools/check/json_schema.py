"""The part of JSON Schema (draft 2020-12) that ``docs/*.schema.json`` use, so that checking them needs no package."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterator

Schema = Dict[str, Any]
Check = Callable[[Any, Any], bool]

ANNOTATIONS = {"$schema", "$defs", "title", "description", "contentEncoding"}
IS_A: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: IS_A["number"](value) and value % 1 == 0,
}
# What looks at one value: keyword → (the type it applies to, whether the value is right, what is wrong otherwise).
SIMPLE: dict[str, tuple[str | None, Check, str]] = {
    "type": (None, lambda value, names: any(IS_A[name](value) for name in _listed(names)), "is not of type {}"),
    "const": (None, lambda value, other: _same(value, other), "is not {!r}"),
    "enum": (None, lambda value, others: any(_same(value, other) for other in others), "is none of {}"),
    "minimum": ("number", lambda value, least: bool(value >= least), "is below {}"),
    "maximum": ("number", lambda value, most: bool(value <= most), "is above {}"),
    "minLength": ("string", lambda value, least: len(value) >= least, "is shorter than {}"),
    "maxLength": ("string", lambda value, most: len(value) <= most, "is longer than {}"),
    "minItems": ("array", lambda value, least: len(value) >= least, "has fewer than {}"),
    "pattern": ("string", lambda value, pattern: re.search(pattern, value) is not None, "does not match {}"),
}


def problems(value: Any, schema: Schema, root: Schema, where: str = "") -> Iterator[str]:
    """What is wrong with ``value``, one sentence each; ``where`` is its path.

    Raises KeyError for a keyword that this module does not know, rather than ignore it.
    """
    for keyword, wanted in schema.items():
        if keyword in SIMPLE:
            kind, is_right, complaint = SIMPLE[keyword]
            if (kind is None or IS_A[kind](value)) and not is_right(value, wanted):
                yield f"{where or 'the line'} {complaint.format(wanted)}: {value!r:.200}"
        elif keyword not in ANNOTATIONS:
            yield from COMPOUND[keyword](value, schema, root, where)


def _listed(names: Any) -> list[str]:
    return names if isinstance(names, list) else [names]


def _same(value: Any, other: Any) -> bool:
    """JSON equality: in Python ``True == 1``."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _ref(value: Any, schema: Schema, root: Schema, where: str) -> Iterator[str]:
    yield from problems(value, resolve(schema, root), root, where)


def resolve(schema: Schema, root: Schema) -> Schema:
    """What ``"$ref": "#/$defs/…"`` points at; a schema without one is itself."""
    reference = schema.get("$ref")
    return schema if reference is None else dict(root["$defs"][reference[len("#/$defs/") :]])


def _required(value: Any, schema: Schema, _root: Schema, where: str) -> Iterator[str]:
    for key in schema["required"] if isinstance(value, dict) else []:
        if key not in value:
            yield f"{where or 'the line'} has no {key}"


def _dependent_required(value: Any, schema: Schema, _root: Schema, where: str) -> Iterator[str]:
    missing = {
        key: other
        for other, keys in schema["dependentRequired"].items()
        if isinstance(value, dict) and other in value
        for key in keys
        if key not in value
    }
    for key, other in missing.items():
        yield f"{where or 'the line'} has {other} and no {key}"


def _properties(value: Any, schema: Schema, root: Schema, where: str) -> Iterator[str]:
    for key, wanted in schema["properties"].items() if isinstance(value, dict) else []:
        if key in value:
            yield from problems(value[key], wanted, root, f"{where}.{key}" if where else key)


def _additional(value: Any, schema: Schema, _root: Schema, where: str) -> Iterator[str]:
    if isinstance(value, dict) and schema["additionalProperties"] is False:
        for key in value:
            if key not in schema["properties"]:
                yield f"{where or 'the line'} has a key that is not known: {key}"


def _items(value: Any, schema: Schema, root: Schema, where: str) -> Iterator[str]:
    for index, item in enumerate(value if isinstance(value, list) else []):
        yield from problems(item, schema["items"], root, f"{where}[{index}]")


def _one_of(value: Any, schema: Schema, root: Schema, where: str) -> Iterator[str]:
    found = [list(problems(value, option, root, where)) for option in schema["oneOf"]]
    if found.count([]) > 1:
        yield f"{where or 'the line'} may be read in more than one way"
    elif [] not in found:
        yield from min(found, key=len)


def _any_of(value: Any, schema: Schema, root: Schema, where: str) -> Iterator[str]:
    yield from min((list(problems(value, option, root, where)) for option in schema["anyOf"]), key=len)


COMPOUND: dict[str, Callable[[Any, Schema, Schema, str], Iterator[str]]] = {
    "$ref": _ref,
    "required": _required,
    "dependentRequired": _dependent_required,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "oneOf": _one_of,
    "anyOf": _any_of,
}

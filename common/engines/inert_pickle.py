"""A pickle read as data: dicts, lists, tuples, strings and numbers. Nothing in it is imported, called or compared.

What a pickle wants to import becomes a ``Global``, what it wants to call becomes a ``Call``; both do nothing.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any, Callable

LONGEST = 16 << 20  # bytes; a tensor takes some hundred. A longer pickle could fill the memory with empty lists


@dataclass(frozen=True, eq=False, repr=False)
class Global:
    """A function or a class that the pickle names: ``torch FloatStorage``."""

    name: str


@dataclass(frozen=True, eq=False, repr=False)
class Call:
    """A call that the pickle asks for and does not get."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Persistent:
    """What lies outside the pickle, under the name that the pickle has for it."""

    name: Any


class Inert:
    """Anything else: an object, a set, an extension."""


INERT = Inert()


def loads(data: bytes) -> Any:
    """The object that ``data`` describes. An OrderedDict becomes a dict; only keys that are strings or integers stay.

    Raises ValueError, IndexError, KeyError, TypeError or another of Python's own errors for what is not a pickle.
    """
    if len(data) > LONGEST:
        raise ValueError(f"a pickle of {len(data)} bytes")
    machine = _Machine()
    for code, argument, _ in pickletools.genops(data):
        if code.name == "STOP":
            return machine.stack.pop()
        machine.run(code, argument)
    raise ValueError("the pickle has no end")


class _Machine:
    """The stack of a pickle, the marks on it and what it has put aside under numbers."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._steps: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self._marks.append(len(self.stack)),
            "POP": lambda _: self._pop(),
            "POP_MARK": lambda _: self._above_mark().clear(),
            "DUP": lambda _: self.stack.append(self.stack[-1]),
            "MEMOIZE": lambda _: self._put(len(self._memo)),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "TUPLE": lambda _: self.stack.append(tuple(self._above_mark())),
            "LIST": lambda _: self.stack.append(self._above_mark()),
            "DICT": lambda _: self.stack.append(_with_items({}, self._above_mark())),
            "APPEND": lambda _: self._extend([self.stack.pop()]),
            "APPENDS": lambda _: self._extend(self._above_mark()),
            "SETITEM": lambda _: self._set([self.stack.pop() for _ in range(2)][::-1]),
            "SETITEMS": lambda _: self._set(self._above_mark()),
            "GLOBAL": lambda name: self.stack.append(Global(name)),
            "STACK_GLOBAL": lambda _: self._name_global(),
            "REDUCE": lambda _: self._call(),
            "BUILD": lambda _: self._pop(),  # the state of an object, which is left out
            "BINPERSID": lambda _: self.stack.append(Persistent(self.stack.pop())),
        }
        for count in (1, 2, 3):
            self._steps[f"TUPLE{count}"] = lambda _, count=count: self._join(count)  # type: ignore[misc]
        self._steps.update(dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put))
        self._steps.update(dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), self._get))
        self._steps.update(dict.fromkeys(("PROTO", "FRAME"), lambda _: None))

    def run(self, code: pickletools.OpcodeInfo, argument: Any) -> None:
        step = self._steps.get(code.name)
        if step is not None:
            step(argument)
        elif code.stack_before:  # an object, a set: its parts are dropped, INERT stands for it
            below = code.stack_before
            if pickletools.markobject in below:
                self._above_mark()
                below = below[: below.index(pickletools.markobject)]
            for _ in below:
                self.stack.pop()
            self.stack.extend([INERT] * len(code.stack_after))
        else:  # a literal, or an extension
            known = argument is not None and not code.name.startswith("EXT")
            self.stack.append(argument if known else _SINGLETONS.get(code.name, INERT))

    def _pop(self) -> None:
        if self._marks and self._marks[-1] == len(self.stack):
            self._marks.pop()
        else:
            self.stack.pop()

    def _above_mark(self) -> list[Any]:
        mark = self._marks.pop()
        found, self.stack[mark:] = self.stack[mark:], []
        return found

    def _put(self, number: int) -> None:
        self._memo[number] = self.stack[-1]

    def _get(self, number: int) -> None:
        self.stack.append(self._memo[number])

    def _join(self, count: int) -> None:
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def _set(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            _with_items(self.stack[-1], values)

    def _name_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        known = isinstance(name, str) and isinstance(module, str)
        self.stack.append(Global(f"{module} {name}") if known else INERT)

    def _call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            self.stack.append(INERT)
        elif function.name == "collections OrderedDict":
            self.stack.append({})
        else:
            self.stack.append(Call(function.name, arguments))


_SINGLETONS = {"NEWTRUE": True, "NEWFALSE": False, "NONE": None}


def _with_items(target: dict[Any, Any], values: list[Any]) -> dict[Any, Any]:
    """``values``: keys and values in turn. Keys of other types are left out: their hash could take for ever."""
    target.update((key, value) for key, value in zip(values[::2], values[1::2]) if isinstance(key, (str, int)))
    return target

"""YAML as a configuration needs it: nothing in it is executed, and a small file stays small when it is read."""

from __future__ import annotations

from typing import Any

from common.packages import import_or_explain

MOST_NODES = 100_000  # scalars, lists and mappings, each counted wherever an alias repeats it


def read_yaml(text: str) -> Any:
    """What ``text`` says, with the types that YAML itself has.

    Aliases let a file of a few lines stand for more than any memory holds ("a billion laughs"): they are counted
    before anything is made of them. Raises ValueError, and whatever PyYAML raises if a text is only partly YAML.
    """
    yaml = import_or_explain("yaml")
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if _nodes(root, {}) > MOST_NODES:
            raise ValueError(f"its aliases stand for more than {MOST_NODES} values")
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _nodes(node: Any, known: dict[Any, int | None]) -> int:
    """How many nodes ``node`` is, itself included; ``known`` holds None for the nodes that contain it."""
    if node in known:
        count = known[node]
        if count is None:
            raise ValueError("it holds a list or a mapping that holds itself")
        return count
    known[node] = None
    parts: list[Any] = node.value if isinstance(node.value, list) else []
    children = [each for part in parts for each in (part if isinstance(part, tuple) else (part,))]
    known[node] = count = 1 + sum(_nodes(child, known) for child in children)
    return count

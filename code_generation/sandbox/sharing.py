"""What a result has in common with the arguments of its call: the same lists, dicts and sets, not equal ones.

Answers travel as data, and data has no identity. So the candidate's process says which containers of a result are those
of the arguments, and the test's process puts its own in their place: what the test does to one it does to both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTAINERS = (list, tuple, dict, set)
MOST_CONTAINERS = 100_000
DEEPEST = 100


def shared_parts(given: dict[str, Any], result: Any) -> list[Any]:
    """Which containers of a result are those of the arguments, as `[path in the result, argument, path in it]`; a path
    is a list of positions. What lies deep, or behind very many others, is not looked at.
    """
    if not isinstance(result, CONTAINERS):
        return []
    places = {
        id(node): [name, path]
        for name, value in given.items()
        for node, path in _containers(value, lambda _: True)
        if not isinstance(node, tuple)
    }
    if not places:
        return []
    return [
        [path, *places[id(node)]]
        for node, path in _containers(result, lambda n: id(n) not in places)
        if id(node) in places
    ]


def _containers(value: Any, goes_on: Callable[[Any], bool]) -> Iterator[tuple[Any, list[int]]]:
    """Containers in a value and where they stand, each before those in it; of `goes_on` those in it, too."""
    left: list[tuple[Any, list[int]]] = [(value, [])]
    seen = 0
    while left and seen < MOST_CONTAINERS:
        node, path = left.pop()
        if isinstance(node, CONTAINERS):
            seen += 1
            yield node, path
            if goes_on(node) and len(path) < DEEPEST:
                items = node.values() if isinstance(node, dict) else () if isinstance(node, set) else node
                left += [(item, [*path, n]) for n, item in enumerate(items) if isinstance(item, CONTAINERS)]


def share(result: Any, shared: list[Any], mine: dict[str, Any]) -> Any:
    """A result in which the containers that are the arguments' are the test's own.

    Where a candidate has changed one it stays apart: a test that looks at its own data must not find the candidate's.
    """
    for path, name, inside in shared:
        try:
            own = _at(mine[name], inside)
            if type(own) not in CONTAINERS or _at(result, path) != own:
                continue
            if not path:
                return own
            holder = _at(result, path[:-1])
            if isinstance(holder, list):
                holder[path[-1]] = own
            elif isinstance(holder, dict):
                holder[list(holder)[path[-1]]] = own
        except (LookupError, TypeError, ValueError, RecursionError):
            continue  # a forged answer, or one that is the candidate's own object
    return result


def _at(value: Any, path: list[int]) -> Any:
    for n in path:
        value = list(value.values())[n] if isinstance(value, dict) else value[n]
    return value

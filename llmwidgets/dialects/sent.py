"""What was asked, read back out of a request's body of any format: turns, schema, the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

Path = tuple[str | int, ...]

_SCHEMAS: tuple[Path, ...] = (
    ("response_format", "json_schema", "schema"),
    ("response_format", "schema"),
    ("output_config", "format", "schema"),
    ("generationConfig", "responseJsonSchema"),
    ("tools", 0, "function", "parameters"),
    ("tools", 0, "input_schema"),
)
_TURNS = ("system", "systemInstruction", "messages", "contents")


@dataclass(frozen=True, slots=True)
class Sent:
    """The turns as (role, text), the schema if one was sent apart, and every other parameter."""

    turns: tuple[tuple[str, str], ...] = ()
    schema: Any = None
    parameters: tuple[tuple[str, str], ...] = ()


def read_sent(body: Any) -> Sent:
    """What a body says; a body of an unknown shape has parameters alone.

    >>> read_sent({"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
    Sent(turns=(('user', 'Hello'),), schema=None, parameters=(('model', 'm'),))
    """
    if not isinstance(body, Mapping):
        return Sent()
    system = body.get("system") or body.get("systemInstruction")
    turns = [("system", _text(system))] if system else []
    for turn in (*_listed(body.get("messages")), *_listed(body.get("contents"))):
        if isinstance(turn, Mapping):
            role = str(turn.get("role") or "user")
            turns.append((_ROLES.get(role, role), _text(turn.get("content", turn))))
    schema, path = None, cast("Path", ())
    for each in _SCHEMAS:
        found = _at(body, each)
        if isinstance(found, Mapping):
            schema, path = found, each
            break
    rest = {name: value for name, value in body.items() if name not in _TURNS}
    return Sent(tuple(turns), schema, tuple(_leaves(rest, (), path)))


_ROLES = {"developer": "system", "model": "assistant"}
"""What a format calls the same turn."""


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


def _text(content: Any) -> str:
    """The words of a turn, which stand alone or in parts."""
    if isinstance(content, Mapping):
        content = content.get("parts", content.get("text", ""))
    if isinstance(content, list):
        return "\n".join(_text(each) for each in content)
    return content if isinstance(content, str) else ""


def _at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def _leaves(value: Any, path: Path, leave_out: Path) -> Iterator[tuple[str, str]]:
    """Each single value with its path; what is at `leave_out` is shown elsewhere."""
    if path and path == leave_out:
        return
    if isinstance(value, Mapping) and value:
        for name, each in value.items():
            yield from _leaves(each, (*path, str(name)), leave_out)
    elif isinstance(value, list) and value:
        for at, each in enumerate(value):
            yield from _leaves(each, (*path, at), leave_out)
    else:
        words = {True: "true", False: "false", None: "null"}
        said = words.get(value) if value is None or isinstance(value, bool) else str(value)
        yield ".".join(map(str, path)), said or ""

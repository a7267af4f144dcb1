"""TypedDicts in a form that pydantic reads on every Python."""

from __future__ import annotations

import sys
import typing
from typing import Any


def readable_by_pydantic(source: Any) -> Any:
    """The type itself, with `typing.TypedDict` in it rebuilt where pydantic does not take it.

    Before Python 3.12 the standard TypedDict forgets what pydantic needs to know.
    """
    return source if sys.version_info >= (3, 12) else _rebuilt(source, {})


def _rebuilt(source: Any, known: dict[Any, Any]) -> Any:
    import typing_extensions

    if typing.is_typeddict(source):
        if source not in known:
            known[source] = source
            hints = typing.get_type_hints(source, include_extras=True)
            fields = {name: _field(source, name, hint, known) for name, hint in hints.items()}
            made: Any = typing_extensions.TypedDict
            known[source] = made(source.__name__, fields)
        return known[source]
    parts = typing.get_args(source)
    if parts and typing.get_origin(source) in {list, tuple, dict}:
        return typing.get_origin(source)[tuple(_rebuilt(each, known) for each in parts)]
    return source


def _field(source: Any, name: str, hint: Any, known: dict[Any, Any]) -> Any:
    import typing_extensions

    if typing.get_origin(hint) in {typing.Required, typing.NotRequired}:
        (hint,) = typing.get_args(hint)
    presence: Any = typing_extensions.NotRequired
    if name in source.__required_keys__:
        presence = typing_extensions.Required
    return presence[_rebuilt(hint, known)]

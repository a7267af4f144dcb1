"""What cannot be sent to workers: found in the user's functions and classes, and named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pickletools import genops
from types import FunctionType, MethodType, ModuleType

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import Example
from llmwidgets.errors import FieldError
from llmwidgets.formatting import with_article
from llmwidgets.known_keys import known_keys
from llmwidgets.secret import A_KEY, Secret, refuse_key
from llmwidgets.store.store import Store

_NEVER_PACKED = frozenset({"__dict__", "__weakref__", "__pydantic_parent_namespace__"})
"""Attributes of classes that stay here."""


def pack_or_none(value: object) -> bytes | None:
    """The value as bytes; None where something in it refuses."""
    from llmwidgets.comparison.cluster.sent.packer import pack_value

    try:
        packed = pack_value(value)
    except Exception:  # noqa: BLE001 - a foreign class can raise anything, with a value in its words
        return None
    return packed


def name_misfit(value: object) -> str:
    """The outermost function or class of the user that cannot be packed, and what it holds."""
    holder, holds, seen = "", "", set[int]()
    while id(value) not in seen:
        seen.add(id(value))
        if not holder:
            holder = _name_holder(value)
        for name, part in _parts_of(value):
            if pack_or_none(part) is None:
                value = part
                holds = name or holds
                break
    kind = with_article(_kind_of(value))
    refused = "cannot be sent to the workers"
    if not holder or _name_holder(value) == holder:
        return f"{holder or kind} {refused}"
    return f"{holder} {refused}: its {holds} is {kind}" if holds else f"{holder} {refused}"


def _kind_of(value: object) -> str:
    return "module" if isinstance(value, ModuleType) else type(value).__name__


def _name_holder(value: object) -> str:
    """The function or class that somebody wrote; empty for what only holds such."""
    if isinstance(value, FunctionType | MethodType):
        return f"the function {value.__name__}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    own = type(value).__module__.partition(".")[0] in {"builtins", "llmwidgets"}
    return "" if own else f"an object of the class {type(value).__name__}"


def _parts_of(value: object) -> Iterator[tuple[str, object]]:
    """What a value is made of, each with its name; nothing of what is never sent."""
    if isinstance(value, Secret | Connection | Store):
        return
    if isinstance(value, MethodType):
        yield "self", value.__self__
    elif isinstance(value, FunctionType):
        yield from _parts_of_function(value)
    elif isinstance(value, Mapping):
        yield from ((str(name), part) for name, part in value.items())
    elif isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        yield from (("", part) for part in value)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((each.name, getattr(value, each.name)) for each in fields(value))
    else:
        for name, part in list(getattr(value, "__dict__", {}).items()):
            if name not in _NEVER_PACKED:
                yield name, part


def _parts_of_function(value: FunctionType) -> Iterator[tuple[str, object]]:
    code = value.__code__
    for name, cell in zip(code.co_freevars, value.__closure__ or (), strict=False):
        yield name, cell.cell_contents
    yield from ((name, value.__globals__[name]) for name in code.co_names
                if name in value.__globals__)  # fmt: skip
    yield from (("default", part) for part in value.__defaults__ or ())
    yield from (value.__kwdefaults__ or {}).items()


# -- A key that is written into what can be packed.


def refuse_keys(parts: Iterable[tuple[str, object]], connections: Iterable[Connection]) -> None:
    """FieldError if one of these parts, each with its name, has a key written in it.

    One of the connections' keys, or what has the shape of a key; it is not repeated. Examples are
    documents, which can be about keys: there the shape says nothing.
    """
    known = known_keys(secret for each in connections for secret in each.secrets)
    words = [word for key in known for kind, word in key.spellings if kind == "raw"]
    for name, part in parts:
        texts = _texts_of(pack_or_none(part) or b"")
        if any(texts.find(word) >= 0 for word in words):
            raise FieldError({name: f"{A_KEY}, so it is not repeated here."}, _INSTEAD)
        if not isinstance(part, tuple) or not any(isinstance(each, Example) for each in part):
            refuse_key(name, texts.decode(errors="replace"))


def _texts_of(packed: bytes) -> bytes:
    """The texts in a pickle, a line each: there a count stands in front of each, like a letter."""
    found = (argument for _, argument, _ in genops(packed))
    return b"\n".join(
        each.encode("utf-8", "replace") if isinstance(each, str) else each
        for each in found
        if isinstance(each, str | bytes | bytearray)
    )


_INSTEAD = 'A function that needs a key reads it where it runs, by os.environ["NAME"].'

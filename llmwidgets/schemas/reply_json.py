"""parse_json: the one reading of a model's answer, strict, with nothing repaired."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from llmwidgets.errors import InvalidJSON

MAX_DEPTH = 100
"""A deeper answer is refused: nothing that is extracted from a text is nested so far."""

_OPENING = re.compile(r"\s*+```(?:json)?[ \t]*+\r?\n", re.IGNORECASE)
_FENCE = "```"
_HINT = "The raw reply is kept with the extraction."


def parse_json(text: str) -> Any:
    """The JSON value that the text is.

    One ```` ```json ```` fence around the whole is taken off. Anything else that is no JSON
    raises InvalidJSON: words around it, a doubled key, NaN, a number out of range.

    >>> parse_json('{"total": 12.5}')
    {'total': 12.5}
    """
    bare = _unfenced(text).removeprefix("\ufeff")
    try:
        data = json.loads(bare, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except _NotStrictError as error:
        raise InvalidJSON(f"The reply is no strict JSON: {error}.", _HINT) from None
    except RecursionError:
        raise InvalidJSON("The reply is nested too deeply to be a record.", _HINT) from None
    except json.JSONDecodeError as error:
        raise InvalidJSON(_where(bare, error), _HINT) from None
    except ValueError:
        raise InvalidJSON("The reply holds a number of too many digits.", _HINT) from None
    _check(data)
    if "\\u" in bare:
        _check_unicode(data)
    return data


def _unfenced(text: str) -> str:
    """The text without a fence around the whole of it."""
    opening, end = _OPENING.match(text), text.rstrip()
    # Whatever a reply holds, each of its characters is looked at once or twice.
    if opening is None or not end.endswith(_FENCE) or len(end) < opening.end() + len(_FENCE):
        return text
    return (
        end.removesuffix(_FENCE)[opening.end() :]
        .rstrip(" \t")
        .removesuffix("\n")
        .removesuffix("\r")
    )


class _NotStrictError(ValueError):
    """Raised inside the decoder with a reason that holds no value."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) < len(pairs):
        message = "an object has the same key twice"
        raise _NotStrictError(message)
    return whole


def _refuse_constant(name: str) -> NoReturn:
    raise _NotStrictError(f"{name} is no JSON number")


def _where(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "The reply is empty."
    if error.msg == "Extra data":
        return f"The reply goes on after the JSON ends, from character {error.pos + 1}."
    if error.pos >= len(text.rstrip()):
        return "The reply ends before the JSON does."
    return f"The reply is no JSON from character {error.pos + 1} on."


def _check(data: Any) -> None:
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                deeper.extend(each.values())
            elif isinstance(each, list):
                deeper.extend(each)
            elif isinstance(each, float) and not math.isfinite(each):
                raise InvalidJSON("The reply holds a number that is too large.", _HINT)
        if not deeper:
            return
        level = deeper
    raise InvalidJSON("The reply is nested too deeply to be a record.", _HINT)


def _check_unicode(data: Any) -> None:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidJSON("The reply holds a character that is no Unicode.", _HINT) from None

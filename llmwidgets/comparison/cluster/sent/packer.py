"""Pickles of the user's classes and functions, without what only stood around them."""

from __future__ import annotations

import io
from typing import Any

import cloudpickle

_SURROUNDINGS = "__pydantic_parent_namespace__"
"""The local variables of the function in which a model was defined: texts, keys, clients.

pydantic looks names of types up in it until the model is complete, as each is that is sent.
"""


class _Packer(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        reduced = super().reducer_override(obj)
        if isinstance(obj, type) and isinstance(reduced, tuple) and _SURROUNDINGS in vars(obj):
            make, arguments, (attributes, slots), *rest = reduced
            reduced = make, arguments, ({**attributes, _SURROUNDINGS: None}, slots), *rest
        return reduced


def pack_value(value: object) -> bytes:
    """The value as cloudpickle writes it; whatever refuses raises what it likes."""
    with io.BytesIO() as packed:
        _Packer(packed).dump(value)
        return packed.getvalue()

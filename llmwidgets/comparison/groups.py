"""Groups: which texts belong together, by a column, a list as long as the texts or a dict by id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llmwidgets.comparison.blanks import is_blank
from llmwidgets.comparison.jsonable import plain
from llmwidgets.comparison.texts import Source, few
from llmwidgets.errors import FieldError


def read_groups(group: Any, sources: Sequence[Source]) -> tuple[str, ...]:
    """The group of each text, empty without `group`; FieldError names what is wrong.

    `group` is the name of a column or key, whose values the sources have, a list, or a dict by
    id. Numbers are compared as numbers: 7 and 7.0 are one group.
    """
    if group is None:
        return ("",) * len(sources)
    given = [plain(each) for each in _given(group, sources)]
    bare = [source.id for source, each in zip(sources, given, strict=True)
            if each is None or is_blank(each)]  # fmt: skip
    if bare:
        raise FieldError(
            {"group": f"is missing for {len(bare):,} of {len(sources):,} texts: {few(bare)}."},
            "Give every text a group; a text that belongs to no other has one of its own.",
        )
    odd = [s.id for s, each in zip(sources, given, strict=True) if isinstance(each, dict | list)]
    if odd:
        raise FieldError(
            {"group": f"is a list or a dict for {few(odd)}."}, "A group is a name or a number."
        )
    return tuple(str(each).strip() for each in given)


def _given(group: Any, sources: Sequence[Source]) -> list[Any]:
    if isinstance(group, str):
        return [source.group for source in sources]
    if isinstance(group, Mapping):
        named = {str(key): value for key, value in group.items()}
        unknown = named.keys() - {source.id for source in sources}
        if unknown:
            raise FieldError(
                {"group": f"no text has the id {few(sorted(unknown))}."},
                "The keys of a dict of groups are the ids of the texts.",
            )
        return [named.get(source.id) for source in sources]
    if isinstance(group, bytes) or not isinstance(group, Iterable):
        raise FieldError(
            {"group": f"is of type {type(group).__name__}, which names no groups."},
            "Give the name of a column, a list as long as the texts, or a dict by id.",
        )
    listed = list(group)
    if len(listed) != len(sources):
        raise FieldError(
            {"group": f"has {len(listed):,} entries for {len(sources):,} texts."},
            "Give one for each text, or a dict by id.",
        )
    return listed

"""The presets of a form: which one its address is of, and what the page shows of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypedDict

from llmwidgets.providers.base import Fields, Preset

_HOLE = re.compile(r"\{\w+\}")
"""What an address leaves open: `{account}`."""


class PresetState(TypedDict):
    """One row of the list; `on` where the form is about this server."""

    title: str
    endpoint: str
    enforces: str
    level: Literal["ok", "warn"]
    watch_out: str
    on: bool


class ChosenState(TypedDict):
    """What the fields say of the preset that is on.

    `own` is whether the form's address is the preset's; `hole` is what that leaves open, `fill`
    what belongs there.
    """

    title: str
    endpoint: str
    own: bool
    hole: str
    fill: str
    key_page: str
    variable: str


def preset_rows(presets: Sequence[Preset], chosen: Preset | None) -> list[PresetState]:
    """Every preset as a row, in the order of use."""
    return [
        {
            "title": each.title,
            "endpoint": each.endpoint,
            "enforces": each.enforces,
            "level": each.level,
            "watch_out": each.watch_out,
            "on": each is chosen,
        }
        for each in presets
    ]


def chosen_view(preset: Preset | None, form: type[Fields], endpoint: str) -> ChosenState | None:
    """What the fields say of the preset that is on, if any is."""
    if preset is None:
        return None
    holes = ((f"{{{name}}}", fill) for name, fill in preset.extra.items())
    hole, fill = next((each for each in holes if each[0] in endpoint), ("", ""))
    return {
        "title": preset.title,
        "endpoint": preset.endpoint,
        "own": find_own([preset], form, endpoint) is not None,
        "hole": hole,
        "fill": fill,
        "key_page": preset.key_page,
        "variable": preset.variable,
    }


def find_own(presets: Sequence[Preset], form: type[Fields], endpoint: str) -> Preset | None:
    """The preset whose address this is, as it is read; what it leaves open may be filled in."""
    try:
        endpoint = form.read_url(endpoint)
    except ValueError:
        endpoint = endpoint.strip()
    return next((each for each in presets if _own(each.endpoint).fullmatch(endpoint)), None)


@lru_cache(maxsize=64)
def _own(endpoint: str) -> re.Pattern[str]:
    fixed = map(re.escape, _HOLE.split(endpoint))
    return re.compile(r"[^/?#]+".join(fixed), re.IGNORECASE)

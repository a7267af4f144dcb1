"""The presets of a form: which one it is about, what choosing one does, and what the page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from llmwidgets.errors import LLMWidgetsError
from llmwidgets.formatting import join_listed
from llmwidgets.providers.base import Preset, Provider
from llmwidgets.providers.presets import preset_at
from llmwidgets.secret import redact

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.connections.policy import Policy
    from llmwidgets.engine.network.upstreams import Upstream

_MOST_NAMED = 5
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
    what belongs there. `sent` is what calls to it have of their own.
    """

    title: str
    endpoint: str
    own: bool
    hole: str
    fill: str
    key_page: str
    variable: str
    sent: str


class PresetChoice:
    """The preset that a form is about, by what the form contains and what was chosen."""

    def __init__(self, provider: Provider) -> None:
        self._presets, self._read_url = provider.presets, provider.fields.read_url
        self._chosen: Preset | None = None
        self._upstreams: dict[str, tuple[Upstream, ...] | str] = {}

    async def read_upstreams(self, connection: Connection, policy: Policy) -> None:
        """Read who offers the connection's model: a list, or a sentence about why there is none."""
        from llmwidgets.engine.network.upstreams import list_upstreams

        (model,) = connection.models
        try:
            self._upstreams[model] = await list_upstreams(connection, policy=policy)
        except LLMWidgetsError as error:
            self._upstreams[model] = error.message

    def upstreams(self, values: Mapping[str, Any]) -> tuple[list[str], str]:
        """The names of those that offer the form's model, and what is to be said of them."""
        model = str(values.get("name") or "").strip()
        known = self._upstreams.get(model, ())
        if isinstance(known, str):
            return [], f"The providers of {model} could not be listed. {redact(known)}"
        if not known:
            return [], "" if model not in self._upstreams else f"Nobody offers {model}."
        able = [each.name for each in known if each.takes_schema]
        said = f"{len(able)} of the {len(known)} that offer {model}"
        said = f"{said} {'takes' if len(able) == 1 else 'take'} a schema"
        shown = [*able[:_MOST_NAMED], *(["others"] if len(able) > _MOST_NAMED else [])]
        said = f"{said}: {join_listed(shown)}." if able else f"{said}."
        return [each.name for each in known], redact(f"The only one asked. {said}")

    def current(self, values: Mapping[str, Any]) -> Preset | None:
        """The preset whose address is in the form, else the chosen one, else that of the host."""
        endpoint = _endpoint(values)
        return self._own(endpoint) or self._chosen or self._at(endpoint)

    def choose(self, values: dict[str, Any], title: object, *, replace: bool = False) -> bool:
        """Fill in the address of a server that is often connected; a second choice takes it out.

        An address that is not a preset's stays, unless `replace` is asked for. False for a title
        that no preset has.
        """
        preset = next((each for each in self._presets if each.title == title), None)
        if preset is None:
            return False
        endpoint = _endpoint(values)
        own = self._own(endpoint)
        takes_out = preset is (own or self._chosen) and not replace
        if own or replace or not endpoint:
            values["endpoint"] = "" if takes_out else preset.endpoint
        self._chosen = None if takes_out else preset
        return True

    def needs_key(self, values: Mapping[str, Any]) -> bool:
        """Whether calls go to a vendor's own address, which answers nobody without a key."""
        preset = self._own(_endpoint(values)) or self._at(_endpoint(values))
        return preset is not None and bool(preset.variable) and not values.get("base_url")

    def is_open(self, values: Mapping[str, Any]) -> bool:
        """Whether the form has the address as the preset gives it, with something to fill in."""
        preset = self.current(values)
        return preset is not None and bool(preset.extra) and preset.endpoint == _endpoint(values)

    def rows(self, values: Mapping[str, Any]) -> list[PresetState]:
        """Every preset as a row, in the order of use."""
        current = self.current(values)
        return [
            {
                "title": each.title,
                "endpoint": each.endpoint,
                "enforces": each.enforces,
                "level": each.level,
                "watch_out": each.watch_out,
                "on": each is current,
            }
            for each in self._presets
        ]

    def view(self, values: Mapping[str, Any]) -> ChosenState | None:
        """What the fields say of the preset that is on, if any is."""
        preset, endpoint = self.current(values), _endpoint(values)
        if preset is None:
            return None
        holes = ((f"{{{name}}}", fill) for name, fill in preset.extra.items())
        hole, fill = next((each for each in holes if each[0] in endpoint), ("", ""))
        return {
            "title": preset.title,
            "endpoint": preset.endpoint,
            "own": preset is self._own(endpoint) or preset is not self._chosen,
            "hole": hole,
            "fill": fill,
            "key_page": preset.key_page,
            "variable": preset.variable,
            "sent": preset.sent,
        }

    def _own(self, endpoint: str) -> Preset | None:
        """The preset whose address this is, as it is read; what it leaves open may be filled in."""
        try:
            endpoint = self._read_url(endpoint)
        except ValueError:
            endpoint = endpoint.strip()
        return next((each for each in self._presets if _form(each.endpoint)(endpoint)), None)

    def _at(self, endpoint: str) -> Preset | None:
        return preset_at(endpoint) if self._presets else None


def _endpoint(values: Mapping[str, Any]) -> str:
    return str(values.get("endpoint") or "")


@lru_cache(maxsize=64)
def _form(endpoint: str) -> Any:
    """What tells an address of this form, whatever it leaves open is filled in with."""
    fixed = map(re.escape, _HOLE.split(endpoint))
    return re.compile(r"[^/?#]+".join(fixed), re.IGNORECASE).fullmatch

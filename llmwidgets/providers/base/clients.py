"""What a vendor's own client reads and takes: its environment variables and its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmwidgets.dialects.types import Target
from llmwidgets.providers.base.fields import Fields, Way

OPENAI_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""What OpenAI's SDK, and with it most clients of its format, read from the environment."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment variables of a kind.

    The first of `keys` that is set connects it, or the credentials file that `file` names.
    `beside` are the plain fields by the variables that the vendor's clients read, found there and
    set there: a key set up for a gateway must not be sent to the vendor's host. A variable that is
    not set has what another says by `stand_ins`. `others` are what else those clients read.
    `signs_in` has the way to sign in by the variable that shows it.
    """

    keys: tuple[str, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict, hash=False)
    stand_ins: Mapping[str, str] = field(default_factory=dict, hash=False)
    file: str = ""
    others: tuple[str, ...] = OPENAI_VARIABLES
    signs_in: Mapping[str, Way] = field(default_factory=dict, hash=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable that is set or removed while a connection's environment is in force."""
        file = (self.file,) if self.file else ()
        plain = (*self.beside.values(), *self.stand_ins.values())
        return tuple(dict.fromkeys((*self.keys, *plain, *file, *self.others)))

    def plain_fields(self, read: Callable[[str], str]) -> dict[str, str]:
        """The plain fields that have a value where `read` looks variables up by their names."""
        values = {
            name: read(variable) or read(self.stand_ins.get(variable, ""))
            for name, variable in self.beside.items()
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class SDK:
    """The vendor's own client for one connection, and its arguments besides the secrets.

    `client` is a class of `module`; `attributes` are set on what was made. With `sends_auth` it
    gets the headers that carry the key as well, since its own would differ. With `needs_address`
    it does not know the kind's usual address by itself. `keys` and `variables` are the environment
    variables for the key and for plain values. `token_argument` takes a function that fetches a
    token, where that takes the place of a key.
    """

    module: str = "openai"
    client: str = "OpenAI"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sends_auth: bool = False
    needs_address: bool = False
    keys: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    token_argument: str = "api_key"

    @property
    def package(self) -> str:
        """What pip calls it."""
        return self.module.replace(".", "-")


def openai_sdk(_fields: Fields, target: Target) -> SDK:
    """OpenAI's client, which serves every server of its format."""
    return SDK(
        arguments={"base_url": target.url, "default_query": dict(target.query) or None},
        # As arguments, None would mean: whatever the user's variables contain.
        attributes={
            "organization": target.headers.get("OpenAI-Organization"),
            "project": target.headers.get("OpenAI-Project"),
        },
        sends_auth=True,
        keys=OPENAI_VARIABLES[:1],
        variables={"OPENAI_BASE_URL": target.url},
    )

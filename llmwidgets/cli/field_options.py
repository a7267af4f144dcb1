"""The options of `connections add KIND`, made from the kind's fields, and what was given there."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from llmwidgets.cli.arguments import (
    ASK,
    REFERENCE,
    SECRET,
    AddOptions,
    Command,
    add_options,
    between,
    read_reference,
)
from llmwidgets.errors import FieldError
from llmwidgets.formatting import join_truncated, parse_number
from llmwidgets.providers import PROVIDERS, find_provider, shown_kind
from llmwidgets.providers.base import Preset, Provider
from llmwidgets.providers.presets import find_preset
from llmwidgets.secret import Secret, redact

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_OF_A_FIELD = "field:"
"""Before a field's name: a kind may have a field that is called like another option."""
_DOLLARS = {**between(parse_number, 0, 1e6), "nargs": 2, "metavar": ("INPUT", "OUTPUT")}


def add_kinds(parser: argparse.ArgumentParser, command: Command, inherits: type) -> None:
    """A command for each kind, with its fields as options."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, provider in PROVIDERS.items():
        below = kinds.add_parser(
            kind,
            help=provider.title,
            usage="%(prog)s [--FIELD VALUE …] [--label NAME] [--no-test] [--replace]",
            description=f"{provider.title}: what the form asks for, as options.",
            epilog=_where(provider),
            formatter_class=_Lines,
        )
        add_options(below, command, inherits=inherits)
        if provider.presets:
            slugs = [each.slug for each in provider.presets]
            words = "a known server, which fills in the endpoint: see below"
            below.add_argument("--preset", choices=slugs, metavar="NAME", help=words)
        _add_fields(below, provider)


class _Lines(argparse.HelpFormatter):
    """Wraps each line of the text below the options by itself."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(super(_Lines, self)._fill_text(line, width, indent)
                         for line in text.split("\n"))  # fmt: skip


def where_found(
    provider: Provider, sign_in: str = "key", preset: Preset | None = None
) -> Iterator[str]:
    """Where the values are found: the steps and pages of the preset, or for this sign-in."""
    steps = provider.steps_for(sign_in) if preset is None else preset.steps
    yield from (f"{at}. {step}" for at, step in enumerate(steps, 1))
    if preset is None:
        yield from (f"{link.text}: {link.url}" for link in provider.links_for(sign_in))
    elif preset.key_page:
        yield f"Get a key: {preset.key_page}"


def _where(provider: Provider) -> str:
    lines = [*where_found(provider)]
    if provider.presets:
        lines.append(f"Presets: {', '.join(each.slug for each in provider.presets)}.")
    return "\n".join(lines).replace("%", "%%")


def _add_fields(parser: argparse.ArgumentParser, provider: Provider) -> None:
    groups = {
        "needed": parser.add_argument_group("needed"),
        "optional": parser.add_argument_group("optional"),
        "advanced": parser.add_argument_group("more, seldom needed"),
    }
    for name, info in fields_of(provider).items():
        if name == "sign_in" and len(provider.ways) == 1:
            continue
        group = groups[_group_of(provider, name, info)]
        words: dict[str, Any] = {"help": _help(provider, name, info)}
        words |= {"dest": f"{_OF_A_FIELD}{name}", "default": argparse.SUPPRESS}
        group.add_argument(option_of(provider, name), **(words | _words(provider, name)))


def fields_of(provider: Provider) -> dict[str, FieldInfo]:
    """The fields of every way to sign in, in the order of the forms."""
    names = (name for form in provider.forms.values() for name in form.model_fields)
    return {name: provider.all_fields[name] for name in dict.fromkeys(names)}


_TAKEN = {each.name for each in fields(AddOptions)}


def option_of(provider: Provider, name: str) -> str:
    """How a field is written as an option; with the kind in front where its name is taken."""
    if name == "headers":
        return "--header"
    whole = f"{provider.kind}_{name}" if name in _TAKEN else name
    return f"--{whole.replace('_', '-')}"


def _group_of(provider: Provider, name: str, info: FieldInfo) -> str:
    if any(name in form.model_fields and form.model_fields[name].is_required()
           for form in provider.forms.values()):  # fmt: skip
        return "needed"
    extra = info.json_schema_extra
    advanced = isinstance(extra, dict) and extra.get("advanced") and name != "sign_in"
    return "advanced" if advanced else "optional"


def _help(provider: Provider, name: str, info: FieldInfo) -> str:
    """The label and the help line of the form, with an example and the ways that have it."""
    ways = [way for way, form in provider.forms.items() if name in form.model_fields]
    parts = [f"{info.title}." if info.title else "", info.description or ""]
    if name == "sign_in":
        named = (f"{way} ({title})" for way, title in provider.ways.items())
        parts = [f"{info.title}: {', '.join(named)}."]
    elif name in provider.secret_fields or name == "headers":
        parts.append("Without a value it is asked for.")
    elif info.examples:
        parts.append(f"Example: {info.examples[0]}")
    if len(ways) < len(provider.ways):
        parts.append(f"(with --sign-in {' or '.join(ways)})")
    return " ".join(filter(None, parts)).replace("%", "%%")


def _words(provider: Provider, name: str) -> dict[str, Any]:
    """What argparse has to know of a field."""
    info = provider.all_fields[name]
    if name == "sign_in":
        return {"choices": list(provider.ways), "metavar": "WAY"}
    if name in provider.secret_fields:
        return dict(SECRET)
    if name == "headers":
        return {"action": "append", "type": _read_header, "metavar": f"NAME[=WORD|{REFERENCE}]"}
    if name == "price":
        return dict(_DOLLARS)
    if info.annotation is bool:
        return {"action": "store_true"}
    return {"metavar": "DAY" if name == "expires" else name.upper()}


def _read_header(text: str) -> tuple[str, Secret | Any]:
    """A header's name, and where its value is: `X-Team=env:TEAM`, or a name alone.

    A short word of letters is a value too: nobody's key is one.
    """
    name, parts, _ = text.partition("=") if "=" in text else text.partition(":")
    if not parts:
        return name.strip(), ASK
    if _ORDINARY.fullmatch(text, len(name) + 1) and not _OF_A_SECRET.search(name):
        return name.strip(), Secret(text[len(name) + 1 :].strip(), literal=True)
    return name.strip(), read_reference(text[len(name) + 1 :].strip())


_ORDINARY = re.compile(r"\s*[A-Za-z]{1,12}(?:[ -][A-Za-z]{1,12})?\s*")
_OF_A_SECRET = re.compile(r"auth|key|token|secret|pass|sign|cookie", re.IGNORECASE)


def take_fields(values: dict[str, Any]) -> dict[str, Any]:
    """The fields among what was read, by their own names, headers and price as code gives them."""
    named = [name for name in values if name.startswith(_OF_A_FIELD)]
    taken = {name.removeprefix(_OF_A_FIELD): values.pop(name) for name in named}
    if "headers" in taken:
        times = Counter(name.lower() for name, _ in taken["headers"])
        if twice := [name for name, often in times.items() if often > 1]:
            said = f"{join_truncated(map(redact, twice))} is given twice, and once is meant."
            raise FieldError({"--header": said}, "Leave one of them out.")
        taken["headers"] = dict(taken["headers"])
    if "price" in taken:
        taken["price"] = dict(zip(("input", "output"), taken["price"], strict=True))
    return taken


def refuse_kind(word: str) -> None:
    """FieldError for a word that names no kind, with the nearest, or the preset of that name."""
    preset = find_preset(word) if shown_kind(word) else None
    if preset is not None:
        raise FieldError(
            {"KIND": f"{preset.title} is connected as custom."},
            f"Write: llmwidgets connections add custom --preset {preset.slug} --name MODEL.",
        )
    try:
        find_provider(word)
        return
    except FieldError as error:
        unknown = FieldError({"KIND": error.problems["kind"]}, error.hint)
    raise unknown

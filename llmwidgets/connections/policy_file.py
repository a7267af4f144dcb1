"""policy.toml: an administrator's rules, read strictly. What cannot be read denies everything."""

from __future__ import annotations

import difflib
import math
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llmwidgets.connections.validation import (
    ConnectionForm,
    close_form,
    hide_key,
    read_form,
)
from llmwidgets.errors import FieldError
from llmwidgets.providers import PROVIDERS, name_nearest, shown_kind
from llmwidgets.providers.model_facts import FactMisfit, Told, read_told
from llmwidgets.secret import decode_secret

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection


@dataclass(frozen=True, slots=True)
class Patterns:
    """Shell patterns for names, whatever their case: `allow` None is every name."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()

    def permit(self, names: Iterable[str]) -> bool:
        """Whether a thing of these names fits what is allowed and nothing that is denied.

        >>> Patterns(("gpt-6*",), ("*-astra",)).permit(["gpt-6-astra"])
        False
        """
        known = [name.lower() for name in names]
        return (self.allow is None or _fit(known, self.allow)) and not _fit(known, self.deny)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One policy file. `whose` names it in a sentence: "the file /etc/…/policy.toml".

    `models` and `additions` are by kind or label, as a pattern; `facts` are what the file adds
    about models, by (kind, model). `max_budget` is in US dollars for one run. `damage` has message
    and hint if the file could not be read: nothing may be called then.
    """

    whose: str
    kinds: Patterns = Patterns()
    hosts: Patterns = Patterns()
    models: tuple[tuple[str, Patterns], ...] = ()
    additions: tuple[tuple[str, str], ...] = ()
    facts: Mapping[tuple[str, str], Told] = field(default_factory=dict)
    max_budget: float | None = None
    environment: bool = True
    allow_additions: bool = True
    connections: tuple[ConnectionForm, ...] = field(default=(), repr=False)
    damage: tuple[str, str] | None = None

    def denied(self, connection: Connection, model: str | None) -> str:
        """What this file has against a model of a connection, as the start of a sentence.

        Empty if it has nothing. None for the model asks about kind and host alone.
        """
        if not self.kinds.permit([connection.kind]):
            return f"{connection.provider.title} connections are"
        if self.hosts != Patterns() and not self.hosts.permit(host_names(connection)):
            return f"The host {connection.host} is"
        # A rule for a model holds for its dated snapshots as well.
        names = [] if model is None else [model, connection.provider.alias(model)]
        if names and any(
            _concerns(name, connection) and not patterns.permit(names)
            for name, patterns in self.models
        ):
            return f"{model} on {connection.label} is"
        return ""

    def added(self, connection: Connection) -> list[str]:
        """The models this file adds to the shipped whitelist of a connection."""
        return [model for name, model in self.additions if _concerns(name, connection)]


def host_names(connection: Connection) -> tuple[str, str]:
    """The host of a connection with its port and without, a dot at its end cut."""
    bare = urlsplit(connection.address).hostname or ""
    return connection.host, bare.rstrip(".")


def _concerns(name: str, connection: Connection) -> bool:
    return _fit([connection.kind, connection.label.lower()], (name,))


def _fit(names: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, each.lower()) for each in patterns for name in names)


_TOP = (
    "kinds", "models", "facts", "hosts", "max_budget", "environment", "allow_additions",
    "connections",
)  # fmt: skip
_HINT = "Whoever keeps the file can correct it; until then nothing is called."


class _Misfit(Exception):
    """What is wrong at one key, as the end of a sentence; never a value of the file."""

    def __init__(self, keys: tuple[str, ...], reason: str) -> None:
        self.keys, self.reason = keys, reason
        super().__init__(reason)


def read_policy_file(path: Path) -> Rules:
    """The rules of a policy.toml; one that cannot be read or understood denies everything."""
    try:
        # A pipe or a device might never end.
        odd = path.exists() and not path.is_file()
        content = b"" if odd else path.read_bytes()
    except OSError as error:
        return damaged(path, f"The policy file {path} {_why(error)}.")
    if odd:
        return damaged(path, f"The policy file {path} cannot be read (it is not a file).")
    return rules_of(content, path)


def rules_of(content: bytes, path: Path) -> Rules:
    """The rules in a policy file's bytes."""
    opened, _ = decode_secret(memoryview(content))
    text = opened() if opened else ""
    # A mark with nothing behind it is what is left of a file, and not a file without rules.
    if content and not text:
        return damaged(path, f"The policy file {path} is not text in UTF-8 or UTF-16.")
    try:
        return _rules(tomllib.loads(text), f"the file {path}")
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(error))
        place = f" at {at[1]}" if at else ""
        return damaged(path, f"The policy file {path} is not valid TOML{place}.")
    except _Misfit as misfit:
        place = ".".join(misfit.keys) + _line(text, misfit.keys)
        return damaged(path, f"The policy file {path} cannot be followed: {place} {misfit.reason}")


def damaged(path: Path, message: str) -> Rules:
    """Rules that deny everything, saying why."""
    return Rules(whose=f"the file {path}", damage=(message, _HINT))


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is not there, and LLMWIDGETS_POLICY names it"
    return f"cannot be read ({error.strerror or type(error).__name__})"


def _rules(document: Mapping[str, Any], whose: str) -> Rules:
    _know(document, (), _TOP)
    models = _table(document, (), "models")
    for name in models:
        _know(_table(models, ("models",), name), ("models", name), ("allow", "deny", "add"))
    return Rules(
        whose=whose,
        kinds=_filter(document, "kinds", _kind_misfit),
        hosts=_filter(document, "hosts", _host_misfit),
        models=tuple((name, _patterns(models, ("models",), name)) for name in models),
        additions=tuple((name, model) for name in models for model in _added(models, name)),
        facts=_facts(document),
        max_budget=_budget(document),
        environment=_switch(document, "environment"),
        allow_additions=_switch(document, "allow_additions"),
        connections=_connections(document),
    )


def _know(table: Mapping[str, Any], keys: tuple[str, ...], known: Iterable[str]) -> None:
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.6)
            nearest = f" The nearest is {close[0]}." if close else ""
            reason = f"is not known; choose from {', '.join(known)}.{nearest}"
            raise _Misfit((*keys, key), reason)


def _table(table: Mapping[str, Any], keys: tuple[str, ...], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise _Misfit((*keys, key), f"is not a table: write it as [{'.'.join((*keys, key))}].")
    return value


def _patterns(table: Mapping[str, Any], keys: tuple[str, ...], key: str) -> Patterns:
    inner, here = _table(table, keys, key), (*keys, key)
    allow = _texts(inner, here, "allow") if "allow" in inner else None
    return Patterns(allow, _texts(inner, here, "deny"))


def _texts(table: Mapping[str, Any], keys: tuple[str, ...], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(
        isinstance(each, str) and each and each == each.strip() for each in value
    ):
        raise _Misfit((*keys, key), 'is not a list of texts: write it as ["one", "two"].')
    return tuple(value)


def _filter(document: Mapping[str, Any], key: str, misfit: Callable[[str], str]) -> Patterns:
    """What a table allows and denies; `misfit` says what is wrong with one of its names."""
    _know(_table(document, (), key), (key,), ("allow", "deny"))
    patterns = _patterns(document, (), key)
    for which, names in (("allow", patterns.allow or ()), ("deny", patterns.deny)):
        for reason in filter(None, map(misfit, names)):
            raise _Misfit((key, which), reason)
    return patterns


def _kind_misfit(name: str) -> str:
    return "" if name in PROVIDERS else f"names a kind that does not exist.{_kinds_near(name)}"


def _kinds_near(kind: object) -> str:
    return f"{name_nearest(shown_kind(kind))} The kinds are {', '.join(PROVIDERS)}."


def _host_misfit(name: str) -> str:
    # A pattern that fits no host would deny nothing, unseen.
    more = "/" in name or " " in name
    return "contains more than a host: write api.openai.com or *.acme.example." if more else ""


def _added(models: Mapping[str, Any], name: str) -> tuple[str, ...]:
    added = _texts(models[name], ("models", name), "add")
    if any(character in model for model in added for character in "*?["):
        raise _Misfit(("models", name, "add"), "contains a pattern: name each model in full.")
    return added


def _facts(document: Mapping[str, Any]) -> dict[tuple[str, str], Told]:
    kinds = _table(document, (), "facts")
    found: dict[tuple[str, str], Told] = {}
    _know(kinds, ("facts",), PROVIDERS)
    for kind in PROVIDERS:
        models = _table(kinds, ("facts",), kind)
        for model in models:
            keys = ("facts", kind, model)
            table = _table(models, keys[:2], model)
            if any(character in model for character in "*?["):
                raise _Misfit(keys, "contains a pattern: name each model in full.")
            try:
                found[kind, model] = read_told(kind, table)
            except FactMisfit as misfit:
                raise _Misfit((*keys, misfit.name), misfit.reason) from None
    return found


def _budget(document: Mapping[str, Any]) -> float | None:
    value = document.get("max_budget")
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise _Misfit(("max_budget",), "is not an amount of US dollars: write it as 20.0.")
    return float(value)


def _switch(document: Mapping[str, Any], key: str) -> bool:
    value = document.get(key, True)
    if not isinstance(value, bool):
        raise _Misfit((key,), "must be true or false.")
    return value


def _connections(document: Mapping[str, Any]) -> tuple[ConnectionForm, ...]:
    tables = _table(document, (), "connections")
    return tuple(
        _connection(label, dict(_table(tables, ("connections",), label))) for label in tables
    )


def _connection(label: str, fields: dict[str, Any]) -> ConnectionForm:
    keys = ("connections", label)
    kind = fields.pop("kind", None)
    provider = PROVIDERS.get(shown_kind(kind))
    if provider is None:
        raise _Misfit((*keys, "kind"), f"names no kind.{_kinds_near(kind)}")
    if "label" in fields:
        raise _Misfit((*keys, "label"), "is not known: the name of the table is the label.")
    _know(fields, keys, provider.fields.model_fields)
    for name, value in fields.items():
        secrets = value.values() if name == "headers" and isinstance(value, dict) else (value,)
        if (name == "headers" or name in provider.secret_fields) and not all(map(_refers, secrets)):
            reason = "contains a secret in clear: write env:NAME or file:PATH, which is looked up."
            raise _Misfit((*keys, name), reason)
    close_form(provider, fields)
    try:
        return read_form(provider.kind, hide_key(label), fields)
    except FieldError as error:
        name, problem = next(iter(error.problems.items()))
        raise _Misfit((*keys, name) if name else keys, f"is refused: {problem}") from None


def _refers(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def _line(text: str, keys: tuple[str, ...]) -> str:
    """Where the key is, as far as it can be found without a parser: " (line 7)"."""
    table, key = ".".join(keys[:-1]), keys[-1]
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip().replace('"', "")
        if bare.startswith("["):
            here = bare.strip("[]# ")
            if f"{here}.".startswith(f"{'.'.join(keys)}."):
                return f" (line {number})"
        elif here == table and bare.partition("=")[0].strip() == key:
            return f" (line {number})"
    return ""


# -- The policy files of this machine and kernel, in the order they count.

VARIABLE = "LLMWIDGETS_POLICY"
NAME = "policy.toml"


def policy_files() -> tuple[Path, ...]:
    """The files that are followed: the system's, the environment's, the one that is named.

    The first two are followed if they exist; the one that LLMWIDGETS_POLICY names has to.
    """
    import platformdirs

    usual = (
        Path(platformdirs.site_config_dir("llmwidgets", False)) / NAME,
        Path(sys.prefix) / "etc" / "llmwidgets" / NAME,
    )
    named = os.environ.get(VARIABLE, "").strip()
    # A file that cannot even be looked at is followed, and found unreadable: it may hold denials.
    there = tuple(path for path in usual if _mark(path) != _ABSENT)
    return there + ((Path(named).expanduser(),) if named else ())


def machine_rules() -> tuple[Rules, ...]:
    """The rules of every policy file, first the one that no other can widen.

    A file is read again when it changes; one that cannot be understood denies everything.
    """
    return tuple(_read(path, _mark(path)) for path in policy_files())


_ABSENT = ("absent",)
_FileMark = tuple[object, ...]


def _mark(path: Path) -> _FileMark:
    try:
        seen = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _ABSENT
    except OSError as error:
        return ("closed", error.errno)
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


@lru_cache(maxsize=16)
def _read(path: Path, mark: _FileMark) -> Rules:
    return read_policy_file(path)

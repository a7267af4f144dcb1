"""policy.toml: an administrator's rules, read strictly. What cannot be read denies everything."""

from __future__ import annotations

import difflib
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

from llmwidgets.connections.validation import ConnectionForm, close_form, hide_key, read_form
from llmwidgets.errors import FieldError
from llmwidgets.providers import PROVIDERS, name_nearest, shown_kind
from llmwidgets.providers.base import is_amount
from llmwidgets.providers.model_facts import DeclaredFacts, FactMisfit, read_declared
from llmwidgets.providers.urls import host_of, port_of, read_host, to_punycode
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
    """The rules of one policy file.

    `models` and `additions` are by kind or label, as a pattern; `facts` are what the file adds
    about models, by (kind, model). `max_budget` is in US dollars for one run. `damage` has message
    and hint if the file could not be read: nothing may be called then.
    """

    path: Path
    kinds: Patterns = Patterns()
    hosts: Patterns = Patterns()
    models: tuple[tuple[str, Patterns], ...] = ()
    additions: tuple[tuple[str, str], ...] = ()
    facts: Mapping[tuple[str, str], DeclaredFacts] = field(default_factory=dict)
    max_budget: float | None = None
    environment: bool = True
    allow_additions: bool = True
    connections: tuple[ConnectionForm, ...] = field(default=(), repr=False)
    damage: tuple[str, str] | None = None

    @property
    def whose(self) -> str:
        """Whose rules these are, in a sentence."""
        return f"the file {self.path}"

    def denied(self, connection: Connection, model: str | None) -> str:
        """What this file has against a model of a connection, as the start of a sentence.

        Empty if it has nothing. None for the model asks about kind and host alone.
        """
        if not self.kinds.permit([connection.kind]):
            return f"{connection.provider.title} connections are"
        if self.hosts != Patterns() and not self.hosts.permit(_host_names(connection)):
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


def _concerns(name: str, connection: Connection) -> bool:
    return _fit([connection.kind, connection.label.lower()], (name,))


def _host_names(connection: Connection) -> list[str]:
    """What a pattern can name a connection's host by: with its port and without, nor a zone."""
    host, port = host_of(connection.address), port_of(urlsplit(connection.address))
    hosts = dict.fromkeys((host, host.partition("%")[0]))
    return [*hosts, *(f"[{each}]:{port}" if ":" in each else f"{each}:{port}" for each in hosts)]


def _fit(names: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns for name in names)


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
        if path.exists() and not path.is_file():
            return _damaged(path, "cannot be read (it is not a file).")
        return rules_of(path.read_bytes(), path)
    except FileNotFoundError:
        return _damaged(path, f"is not there, and {VARIABLE} names it.")
    except OSError as error:
        return _damaged(path, f"cannot be read ({error.strerror or type(error).__name__}).")


def rules_of(content: bytes, path: Path) -> Rules:
    """The rules in a policy file's bytes."""
    opened, _ = decode_secret(memoryview(content))
    text = opened() if opened else ""
    # A mark with nothing behind it is what is left of a file, and not a file without rules.
    if content and not text:
        return _damaged(path, "is not text in UTF-8 or UTF-16.")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        at = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(error))
        return _damaged(path, f"is not valid TOML{f' at {at[1]}' if at else ''}.")
    try:
        return _read_rules(_Table(document), path)
    except _Misfit as misfit:
        key = ".".join(misfit.keys) + _find_line(text, misfit.keys)
        return _damaged(path, f"cannot be followed: {key} {misfit.reason}")


def _damaged(path: Path, problem: str) -> Rules:
    """Rules that deny everything, saying why."""
    return Rules(path=path, damage=(f"The policy file {path} {problem}", _HINT))


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the file, and the keys that lead to it; whatever is wrong in it is a _Misfit."""

    values: Mapping[str, Any]
    keys: tuple[str, ...] = ()

    def misfit(self, key: str, reason: str) -> _Misfit:
        return _Misfit((*self.keys, key), reason)

    def check_keys(self, known: Iterable[str]) -> None:
        for key in self.values:
            if key not in known:
                close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.6)
                nearest = f" The nearest is {close[0]}." if close else ""
                reason = f"is not known; choose from {', '.join(known)}.{nearest}"
                raise self.misfit(key, reason)

    def table(self, key: str) -> _Table:
        value, keys = self.values.get(key, {}), (*self.keys, key)
        if not isinstance(value, Mapping):
            raise self.misfit(key, f"is not a table: write it as [{'.'.join(keys)}].")
        return _Table(value, keys)

    def tables(self) -> dict[str, _Table]:
        return {key: self.table(key) for key in self.values}

    def texts(self, key: str) -> tuple[str, ...]:
        texts = self.values.get(key, [])
        if not isinstance(texts, list) or not all(
            isinstance(text, str) and text and text == text.strip() for text in texts
        ):
            raise self.misfit(key, 'is not a list of texts: write it as ["one", "two"].')
        return tuple(texts)

    def patterns(self) -> Patterns:
        return Patterns(self.texts("allow") if "allow" in self.values else None, self.texts("deny"))

    def switch(self, key: str) -> bool:
        value = self.values.get(key, True)
        if not isinstance(value, bool):
            raise self.misfit(key, "must be true or false.")
        return value


def _read_rules(top: _Table, path: Path) -> Rules:
    top.check_keys(_TOP)
    models = top.table("models").tables()
    for table in models.values():
        table.check_keys(("allow", "deny", "add"))
    budget = top.values.get("max_budget")
    if budget is not None and not is_amount(budget):
        raise top.misfit("max_budget", "is not an amount of US dollars: write it as 20.0.")
    connections = top.table("connections").tables()
    return Rules(
        path=path,
        kinds=_read_filter(top.table("kinds"), _kind_misfit),
        hosts=_spell_hosts(_read_filter(top.table("hosts"), _host_misfit)),
        models=tuple((name, table.patterns()) for name, table in models.items()),
        additions=tuple((name, each) for name, table in models.items() for each in _added(table)),
        facts=_read_facts(top.table("facts")),
        max_budget=None if budget is None else float(budget),
        environment=top.switch("environment"),
        allow_additions=top.switch("allow_additions"),
        connections=tuple(_read_connection(*named) for named in connections.items()),
    )


def _read_filter(table: _Table, misfit: Callable[[str], str]) -> Patterns:
    """What a table allows and denies; `misfit` says what is wrong with one of its names."""
    table.check_keys(("allow", "deny"))
    patterns = table.patterns()
    for key, names in (("allow", patterns.allow or ()), ("deny", patterns.deny)):
        for reason in filter(None, map(misfit, names)):
            raise table.misfit(key, reason)
    return patterns


def _kind_misfit(name: str) -> str:
    return "" if name in PROVIDERS else f"names a kind that does not exist.{_kinds_near(name)}"


def _kinds_near(kind: object) -> str:
    return f"{name_nearest(shown_kind(kind))} The kinds are {', '.join(PROVIDERS)}."


_IS_PATTERN = re.compile(r"[*?[]").search
_BRACKETED = re.compile(r"\[(?P<address>[^\]]*:[^\]]*)\](?P<port>:.*)?")
_HOST_PATTERN = re.compile(r"[a-z0-9_.:%*?![\]-]+")
_PORT_PATTERN = re.compile(r"[0-9*?![\]-]+")


def _host_misfit(name: str) -> str:
    # A pattern that fits no host would deny nothing, unseen.
    if "/" in name or " " in name:
        return "contains more than a host: write api.openai.com or *.acme.example."
    try:
        _spell_host(name)
    except ValueError:
        return "fits no host: write api.openai.com, *.acme.example, 10.0.0.1 or *.xn--bcher-kva.de."
    return ""


def _spell_hosts(patterns: Patterns) -> Patterns:
    """The patterns in the one spelling that a connection's host has."""
    allow = patterns.allow and tuple(map(_spell_host, patterns.allow))
    return Patterns(allow, tuple(map(_spell_host, patterns.deny)))


def _spell_host(pattern: str) -> str:
    address, colon, port = pattern.partition(":")
    if bracketed := _BRACKETED.fullmatch(pattern):
        address, rest = bracketed["address"], bracketed["port"] or ""
        colon, port = rest[:1], rest[1:]
    elif ":" in port:
        address, colon, port = pattern, "", ""
    if _IS_PATTERN(address + port):
        host = to_punycode(address).removesuffix(".")
    else:
        host = read_host(address)
    if not _HOST_PATTERN.fullmatch(host) or (colon and not _PORT_PATTERN.fullmatch(port)):
        message = "is not a pattern for hosts."
        raise ValueError(message)
    # A bracket of an address is not one of a pattern.
    return f"[[]{host}]:{port}" if colon and ":" in host else f"{host}{colon}{port}"


_IN_FULL = "contains a pattern: name each model in full."


def _added(table: _Table) -> tuple[str, ...]:
    models = table.texts("add")
    if any(map(_IS_PATTERN, models)):
        raise table.misfit("add", _IN_FULL)
    return models


def _read_facts(table: _Table) -> dict[tuple[str, str], DeclaredFacts]:
    table.check_keys(PROVIDERS)
    facts: dict[tuple[str, str], DeclaredFacts] = {}
    for kind, models in table.tables().items():
        for model, declared in models.tables().items():
            if _IS_PATTERN(model):
                raise models.misfit(model, _IN_FULL)
            try:
                facts[kind, model] = read_declared(kind, declared.values)
            except FactMisfit as misfit:
                raise declared.misfit(misfit.name, misfit.reason) from None
    return facts


def _read_connection(label: str, table: _Table) -> ConnectionForm:
    fields = dict(table.values)
    kind = fields.pop("kind", None)
    provider = PROVIDERS.get(shown_kind(kind))
    if provider is None:
        raise table.misfit("kind", f"names no kind.{_kinds_near(kind)}")
    if "label" in fields:
        raise table.misfit("label", "is not known: the name of the table is the label.")
    _Table(fields, table.keys).check_keys(provider.all_fields)
    for name, value in fields.items():
        secrets = value.values() if name == "headers" and isinstance(value, dict) else (value,)
        if name in ("headers", *provider.secret_fields) and not all(
            isinstance(secret, str) and secret.startswith(("env:", "file:")) for secret in secrets
        ):
            reason = "contains a secret in clear: write env:NAME or file:PATH, which is looked up."
            raise table.misfit(name, reason)
    close_form(provider, fields)
    try:
        return read_form(provider.kind, hide_key(label), fields)
    except FieldError as error:
        name, problem = next(iter(error.problems.items()))
        raise _Misfit(
            (*table.keys, name) if name else table.keys, f"is refused: {problem}"
        ) from None


def _find_line(text: str, keys: tuple[str, ...]) -> str:
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


VARIABLE = "LLMWIDGETS_POLICY"


def machine_rules() -> tuple[Rules, ...]:
    """The rules of this machine's policy files, first the one that no other can widen.

    The system's and the environment's file are followed if they exist; the one that
    LLMWIDGETS_POLICY names has to. A file is read again when it changes.
    """
    named = os.environ.get(VARIABLE, "").strip()
    files = [(path, False) for path in _usual_files(os.environ.get("XDG_CONFIG_DIRS"), sys.prefix)]
    if named:
        # Path's own `expanduser` raises where there is no such user; a policy has to deny then.
        files.append((Path(os.path.expanduser(named)), True))
    rules = []
    for path, required in files:
        mark: tuple[object, ...] = ("absent",)
        try:
            seen = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            if not required:
                continue
        except OSError as error:
            # Followed, and found unreadable: it may deny things.
            mark = ("closed", error.errno)
        else:
            mark = seen.st_mtime_ns, seen.st_size, seen.st_ino
        rules.append(_read(path, mark))
    return tuple(rules)


@lru_cache(maxsize=4)
def _usual_files(_directories: str | None, prefix: str) -> tuple[Path, Path]:
    """The system's policy file, for what the environment says of folders, and this Python's."""
    import platformdirs

    system = Path(platformdirs.site_config_dir("llmwidgets", False))
    return system / "policy.toml", Path(prefix) / "etc" / "llmwidgets" / "policy.toml"


@lru_cache(maxsize=16)
def _read(path: Path, mark: tuple[object, ...]) -> Rules:
    return read_policy_file(path)

"""A form filled in by options, and by questions at a terminal for what they leave open."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmwidgets.cli.arguments import ASK, AddOptions
from llmwidgets.cli.asking import ask_secret, ask_words, can_ask
from llmwidgets.cli.field_options import option_of, where_found
from llmwidgets.cli.store_access import TRIES
from llmwidgets.connections import Connection
from llmwidgets.errors import FieldError
from llmwidgets.formatting import escape_controls, join_listed
from llmwidgets.providers import find_provider
from llmwidgets.providers.base import Preset
from llmwidgets.providers.presets import find_preset, preset_at
from llmwidgets.secret import Secret, read_secret_file

_STAND_IN = "not-typed-yet-0000"
_HOLE = re.compile(r"\{(\w+)\}")
"""What a preset's address leaves open: `{account}`."""


class FormAnswers:
    """The fields of one kind as they were given; who is at the terminal is asked for the rest."""

    def __init__(self, options: AddOptions, earlier: Connection | None = None) -> None:
        self.provider, self._options = find_provider(options.kind), options
        self._asks = can_ask(options)
        given = dict(options.fields)
        self._headers: dict[str, Any] = given.pop("headers", {})
        secret = self.provider.secret_fields
        self._secrets = {name: given.pop(name) for name in secret if name in given}
        self.values: dict[str, Any] = given
        self._earlier = earlier
        if earlier is not None:
            self._keep_plain(earlier)
        self._told = False
        self._preset = find_preset(options.preset) if options.preset else None
        if self._preset is not None and "endpoint" not in given:
            given["endpoint"] = self._complete(self._preset)

    def _keep_plain(self, earlier: Connection) -> None:
        """What was not given is as it was; of another way to sign in, what that has too."""
        was = {name: getattr(earlier.fields, name) for name in type(earlier.fields).model_fields}
        kept = {**was, **self.values}
        form = self.provider.form(kept.get("sign_in")).model_fields
        secret = {"headers", *self.provider.secret_fields}
        self.values = {
            name: value for name, value in kept.items()
            if name in self.values or (name in form and name not in secret and value is not None)
        }  # fmt: skip

    def keep_secrets(self, plain: Connection) -> None:
        """The earlier key and headers, where the plain fields lead to the same host as before."""
        earlier = self._earlier
        if earlier is None or plain.address != earlier.address:
            return
        for name in self.provider.secret_fields:
            secret = getattr(earlier.fields, name, None)
            if secret and name in self._form:
                self._secrets.setdefault(name, secret)
        self._headers = {**earlier.fields.headers, **self._headers}

    @property
    def _form(self) -> Mapping[str, Any]:
        return self.provider.form(self.values.get("sign_in")).model_fields

    def _complete(self, preset: Preset) -> str:
        """The preset's address; what that leaves open is asked for."""
        endpoint = preset.endpoint
        for hole in _HOLE.findall(endpoint) if self._asks else ():
            typed = ask_words(f"{hole.capitalize()}, {preset.extra.get(hole, 'your own')}: ")
            endpoint = endpoint.replace(f"{{{hole}}}", typed or f"{{{hole}}}")
        return endpoint

    def fill_plain(self) -> Connection:
        """The connection of the plain fields, with stand-ins for secrets; FieldError."""
        tries = dict.fromkeys(self._form, TRIES)
        while True:
            try:
                return self._build(self._stand_ins())
            except FieldError as error:
                wrong = [name for name in error.problems if name not in self._options.fields]
                problem = error
            # A target URI can have the deployment's name in it.
            name = "endpoint" if "endpoint" in wrong else next(iter(wrong), "")
            if not self._asks or name not in self._form or not tries[name]:
                raise self._named(problem)
            if name in self.values:
                sys.stderr.write(f"{escape_controls(problem.problems[name])}\n")
            tries[name] -= 1
            self._tell_where()
            self.values[name] = ask_words(self._question(name))

    def fill_secrets(self) -> None:
        """Ask for the secrets that are wanted; FieldError for one that is needed and not there."""
        for name in self.provider.secret_fields:
            info = self._form.get(name)
            given = self._secrets.get(name)
            if info is None or isinstance(given, Secret):
                continue
            extra = info.json_schema_extra
            seldom = isinstance(extra, dict) and bool(extra.get("advanced"))
            other = any(each for each in self._secrets.values() if each is not ASK)
            if given is ASK or (self._asks and not seldom and (not other or info.is_required())):
                needed = info.is_required() or given is ASK or self._preset_needs_key(name)
                self._secrets[name] = self._ask_secret(name, str(info.title), needed=needed)
        for header in [name for name, given in self._headers.items() if given is ASK]:
            self._headers[header] = self._ask_secret("headers", header, needed=True)
        key = self.provider.key_field
        if self._preset_needs_key(key):
            raise self._named(FieldError({key: f"{self._form[key].title} is needed."}))

    def _preset_needs_key(self, name: str) -> bool:
        """Whether calls go to a vendor's own address, which answers nobody without a key."""
        preset = preset_at(str(self.values.get("endpoint") or ""))
        own = preset is not None and bool(preset.variable) and not self.values.get("base_url")
        filled = any(self._secrets.values()) or bool(self._headers)
        return own and name == self.provider.key_field and not filled

    def build(self) -> Connection:
        """The connection as it is filled in; FieldError names options."""
        try:
            return self._build(dict(self._secrets))
        except FieldError as error:
            problem = error
        raise self._named(problem)

    def _build(self, secrets: dict[str, Any]) -> Connection:
        headers = {
            name: Secret(_STAND_IN) if given is ASK else given
            for name, given in self._headers.items()
        }
        label = self._options.label
        return Connection(
            self.provider.kind, label=label, **self.values, **secrets, headers=headers
        )

    def _stand_ins(self) -> dict[str, Any]:
        """Each secret as it was given; one that is still to come has something in its place."""
        names = [name for name in self.provider.secret_fields if name in self._form]
        given = {name: self._secrets.get(name) for name in names}
        return {
            name: secret if isinstance(secret, Secret) else Secret(_STAND_IN)
            for name, secret in given.items()
        } | {name: secret for name, secret in self._secrets.items() if name not in names}

    def _ask_secret(self, name: str, title: str, *, needed: bool) -> Secret | None:
        """What is typed, unseen; of a kind whose secret is a file, the content of that."""
        if not self._asks:
            raise self._named(FieldError({name: f"{title} is to be typed, and nobody is here."}))
        self._tell_where()
        if self.provider.environment.file and name == self.provider.key_field:
            return _ask_for_file(title)
        rest = "is not shown" if needed else "is not shown; Enter for none"
        for _ in range(TRIES):
            secret = ask_secret(f"{title} ({rest}): ")
            if secret or not needed:
                return secret or None
        raise self._named(FieldError({name: f"{title} is needed."}))

    def _question(self, name: str) -> str:
        info = self._form[name]
        example = (info.examples or [""])[0]
        if self._preset is not None and name == self.provider.model_field:
            example = self._preset.name
        return f"{info.title} (such as {example}): " if example else f"{info.title}: "

    def _tell_where(self) -> None:
        """Before the first question: where the values are found."""
        if not self._told:
            self._told = True
            sign_in = str(self.values.get("sign_in") or "key")
            way = self.provider.find_sign_in(sign_in)
            title = f"{self.provider.title}, {way.title}" if way else self.provider.title
            head = title if self._preset is None else self._preset.title
            lines = (head, *where_found(self.provider, sign_in, self._preset))
            sys.stderr.write("\n  ".join(lines) + "\n")

    def _named(self, error: FieldError) -> FieldError:
        """The error, with the options that put it right."""
        names = [name for name in error.problems if name in self.provider.all_fields]
        options = join_listed([option_of(self.provider, name) for name in names])
        secret = {*names} & {"headers", *self.provider.secret_fields}
        takes = " (env:NAME or file:PATH)" if secret else ""
        way = f"Give {options}{takes}" if options else ""
        way += ", or run it on a terminal, which asks." if way and not self._asks else "."
        hint = " ".join(filter(None, (error.hint, way if options else "")))
        return FieldError(error.problems, hint)


def _ask_for_file(title: str) -> Secret:
    """The content of a file whose path is typed: it is sealed into the store."""
    for _ in range(TRIES):
        path = ask_words(f"{title}: path of the file, whose content is kept in the store: ")
        opened, wrong = read_secret_file(Path(path).expanduser())
        if opened is not None:
            return Secret(opened(), literal=True)
        sys.stderr.write(f"{escape_controls(path)} {wrong}.\n")
    raise FieldError({"credentials": "was not read."}, "Give --credentials file:PATH.")

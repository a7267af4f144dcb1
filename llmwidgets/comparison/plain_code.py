"""One variant as code of its own: the vendor's client asks what the comparison asked."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from llmwidgets.comparison.core import CellKey, ResultData
from llmwidgets.dialects.requests import document_text
from llmwidgets.dialects.types import ResponseFormat, exchange_of
from llmwidgets.engine.endings import find_answer, parse_reply
from llmwidgets.engine.extraction import encode_request
from llmwidgets.errors import FieldError
from llmwidgets.providers.vertex_ai import SCOPE
from llmwidgets.schemas import choose_schema
from llmwidgets.schemas.python_code import (
    PythonClasses,
    python_literal,
    python_name,
    write_classes,
)

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.dialects.types import AuthHeader, Exchange, Target
    from llmwidgets.engine.journal import Row
    from llmwidgets.engine.request_builder import Document, ResolvedVariant
    from llmwidgets.schemas import Compiled
    from llmwidgets.secret import Secret

MOST_LINES = 40
_TEXT = f"the text of the document {uuid4()}"
"""Stands in the request for the text, and is not the text of an example."""
_DOCUMENT = document_text(_TEXT)
_OWN_NAMES = ("SCHEMA", "INSTRUCTIONS", "TypeAdapter")
"""The names of the code that no class can have; all others begin with a small letter."""
_UPPER = re.compile(r"(?<=[a-z])(?=[A-Z])")


def write_plain_code(results: ResultData, variant: int) -> str:
    """Python that asks this variant about one text by the vendor's own client, in 40 lines.

    Instructions, schema, mode and settings are the same, so that the same body is sent. Keys are
    read from the environment. FieldError where nothing was asked here.
    """
    label = results.labels[variant]
    if not results.columns:
        raise FieldError(
            {"variant": f"it is not known how {label} is reached: it was not asked here."},
            "Run it (comparison.rerun()), and take the code from what that returns.",
        )
    text, row = _answered(results, variant)
    return _Script(results.columns[variant], text, row).write()


def _answered(results: ResultData, variant: int) -> tuple[Document, Row]:
    """A text with a reply of the variant that shows how it was asked, by its own schema first."""
    own = results.columns[variant].schema
    texts = sorted(
        enumerate(results.texts), key=lambda each: choose_schema(own, each[1].schema) is not own
    )
    for at, text in texts:
        row = results.row(CellKey(variant, at, 0))
        if row.answered and row.form is not None and row.mode is not None:
            return text, row
    raise FieldError(
        {"variant": f"{results.labels[variant]} has no reply that shows how it was asked."},
        "Run it again, and see the Request tab for what it answers.",
    )


class _Script:
    """The parts of the code, put together as wide as 40 lines allow."""

    def __init__(self, column: ResolvedVariant, text: Document, row: Row) -> None:
        self._row, self._client = row, _make_client(column)
        # A server without the right parser leaves a model's thinking in, for some texts alone.
        self._thinks_aloud = column.connection.provider.self_hosted
        request = encode_request(column, replace(text, text=_TEXT), row)
        body, schema = request["body"], choose_schema(column.schema, text.schema)
        # What only this server knows, the vendor's client takes apart from its own arguments.
        own = column.target.options.get("body", {})
        beside = {"extra_body": own} if own else {}
        self._body = {name: each for name, each in body.items() if name not in own} | beside
        self._google = "contents" in body
        self._streams = bool(body.get("stream")) or ":streamGenerateContent" in request["url"]
        compiled = schema.compile(column.dialect.SUBSET)
        self._wrapped = compiled.wrapped
        self._classes = write_classes(schema.json, exact=False, taken=_OWN_NAMES)
        # A record that is sent in another shape than the user's is no record of the classes.
        self._same_shape = _keeps_shape(row, compiled)
        self._constants = {"SCHEMA": compiled.schema, "INSTRUCTIONS": _instructions(body)}
        self._words = _Words(self._constants)

    def write(self) -> str:
        """The first spelling that is short enough; without classes if none is."""
        lines: list[str] = []
        for spread, roomy, classes in (
            (True, True, True), (False, True, True), (False, False, True), (False, False, False),
        ):  # fmt: skip
            kind = self._classes.record if classes and self._same_shape else "Any"
            lines = list(self._lines(kind, spread=spread, roomy=roomy))
            if len(lines) <= MOST_LINES:
                break
        return "\n".join(lines) + "\n"

    def _lines(self, kind: str, *, spread: bool, roomy: bool) -> Iterator[str]:
        """`spread`: instructions line by line; `roomy`: an argument a line, blank lines."""
        classes = self._classes.written if kind != "Any" else ()
        call, answer = self._call(roomy=roomy), list(self._reading(kind))
        gap = [""] * roomy
        yield from self._imports(kind, answer)
        for each in classes:
            yield from [*gap, *gap, *each.split("\n")]
        yield from gap * bool(classes)
        yield from gap
        used = "\n".join(call)
        for name, value in self._constants.items():
            if name in used:
                written = _spread(value) if spread and isinstance(value, str) else None
                yield from (f"{name} = {written or _Words({}).write(value)}").split("\n")
        yield f"client = {self._client.made}"
        yield from [*gap, *gap, f"def extract(text: str) -> {kind}:"]
        marker = r'r"<(?=\s*/?\s*document\s*>)"'
        yield f'    text = re.sub({marker}, "&lt;", text, flags=re.IGNORECASE)'
        yield '    document = f"<document>\\n{text}\\n</document>"'
        yield from (f"    {line}" for line in (*call, *answer))

    def _imports(self, kind: str, answer: Iterable[str]) -> Iterator[str]:
        own = self._classes if kind != "Any" else PythonClasses("Any", ())
        modules = {
            "json": any("json.loads" in line for line in answer),
            "os": "os." in self._client.made,
            "re": True,
            "ssl": "ssl." in self._client.made,
        }
        lines = [*(f"import {name}" for name, wanted in modules.items() if wanted), *own.imports]
        yield from sorted(lines, key=lambda line: line.startswith("from"))
        yield from self._client.imports.split("\n")
        if kind != "Any":
            adapter = ["TypeAdapter"] * (not _is_class(kind))
            yield f"from pydantic import {', '.join([*own.from_pydantic, *adapter])}"

    # -- the call, and what is read of its reply

    def _call(self, *, roomy: bool) -> list[str]:
        arguments = self._google_arguments() if self._google else self._body
        method = {
            "openai": "chat.completions.create", "anthropic": "messages.create",
            "google": "models.generate_content",
        }[self._client.module]  # fmt: skip
        if self._google and self._streams:
            method += "_stream"
        written = [f"{name}={self._words.write(value)}" for name, value in arguments.items()]
        if not roomy:
            return [f"reply = client.{method}({', '.join(written)})"]
        return [f"reply = client.{method}(", *(f"    {each}," for each in written), ")"]

    def _google_arguments(self) -> dict[str, Any]:
        """The body as Google's client takes it: settings and instructions are its `config`."""
        config = _snake(self._body.get("generationConfig", {}), {"responseJsonSchema"})
        if words := self._constants["INSTRUCTIONS"]:
            config = {"system_instruction": words, **config}
        return {
            "model": self._client.model, "contents": self._body["contents"], "config": config
        }  # fmt: skip

    def _reading(self, kind: str) -> Iterator[str]:
        """Lines that end in the record."""
        answer = self._answer()
        parsed = self._row.form is ResponseFormat.TOOL and self._client.module == "anthropic"
        if parsed and not self._streams:
            record = answer
        else:
            if self._row.form is ResponseFormat.TEXT or not _is_json(self._row.reply):
                yield f"answer = {answer}"
                answer = 'answer[answer.index("{") : answer.rindex("}") + 1]'
            record = f"json.loads({answer})"
        if self._wrapped:
            record += '["value"]'
        if kind == "Any":
            yield f"return {record}"
            return
        single = _is_class(kind)
        reader = f"{kind}.model_validate" if single else f"TypeAdapter({kind}).validate_python"
        if record.startswith("json.loads(") and record.endswith(")"):
            json_reader = f"{reader}_json" if single else f"TypeAdapter({kind}).validate_json"
            yield f"return {json_reader}({answer})"
        else:
            yield f"return {reader}({record})"

    def _answer(self) -> str:
        """The text of the reply, or the tool's input (as text if streamed), as an expression."""
        module = self._client.module
        name = f"{module} tool" if self._row.form is ResponseFormat.TOOL else module
        answer = (_STREAMED if self._streams else _WHOLE)[name]
        return f"{_AFTER_THINKING.format(answer)}[-1]" if self._thinks_aloud else answer


_AFTER_THINKING = 're.split(r"</think(?:ing)?>", {})'
_WHOLE = {
    "google": "reply.text",
    "openai": "reply.choices[0].message.content",
    "anthropic": 'next(part.text for part in reply.content if part.type == "text")',
    "anthropic tool": 'next(part.input for part in reply.content if part.type == "tool_use")',
    "openai tool": "reply.choices[0].message.tool_calls[0].function.arguments",
}
_PIECES = '"".join(getattr(getattr(part, "delta", None), "{}", "") for part in reply)'
_STREAMED = {
    "google": '"".join(part.text or "" for part in reply)',
    "openai": (
        '"".join(part.choices[0].delta.content or "" for part in reply if part.choices)'
    ),
    "anthropic": _PIECES.format("text"),
    "anthropic tool": _PIECES.format("partial_json"),
    "openai tool": (
        '"".join(each.function.arguments or "" for part in reply if part.choices'
        " for each in part.choices[0].delta.tool_calls or ())"
    ),
}  # fmt: skip
"""Where the answer is in a reply as the vendor's client gives it."""


def _is_class(kind: str) -> bool:
    return kind.isidentifier() and kind[:1].isupper()


def _is_json(reply: str | None) -> bool:
    """Whether the reply is JSON as it came, without prose or a fence around it."""
    try:
        json.loads(reply or "")
    except ValueError:
        return False
    return True


def _keeps_shape(row: Row, compiled: Compiled) -> bool:
    """Whether the reply is a record as it came, nulls and a wrapping aside."""
    parsed = parse_reply(find_answer(row.reply or "", row.mode))
    if isinstance(parsed, Exception):
        return True
    wrapped = compiled.wrapped and isinstance(parsed, dict) and parsed.keys() == {"value"}
    sent = parsed["value"] if wrapped else parsed
    return bool(_without_nulls(compiled.restore(parsed)) == _without_nulls(sent))


def _without_nulls(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _without_nulls(each) for name, each in data.items() if each is not None}
    return [_without_nulls(each) for each in data] if isinstance(data, list) else data


def _instructions(body: Mapping[str, Any]) -> str:
    """What comes before the document, in whichever place the format has for it."""
    if "systemInstruction" in body:
        return str(body["systemInstruction"]["parts"][0]["text"])
    if "system" in body:
        return str(body["system"])
    first = body.get("messages", [{}])[0]
    return str(first["content"]) if first.get("role") in ("system", "developer") else ""


def _snake(settings: Mapping[str, Any], whole: Collection[str]) -> dict[str, Any]:
    """Names as Google's client spells them; what is in `whole` is a value as it is."""
    return {
        _UPPER.sub("_", name).lower(): (
            _snake(value, whole) if isinstance(value, dict) and name not in whole else value
        )
        for name, value in settings.items()
    }


class _Words:
    """Values as Python: constants by their names, the document as the variable `document`."""

    def __init__(self, constants: Mapping[str, Any]) -> None:
        self._constants = constants

    def write(self, value: Any) -> str:
        if value == _DOCUMENT:
            return "document"
        for name, known in self._constants.items():
            if known and value == known:
                return name
        if isinstance(value, dict):
            inner = (f"{python_literal(key)}: {self.write(each)}" for key, each in value.items())
            return f"{{{', '.join(inner)}}}"
        if isinstance(value, list):
            return f"[{', '.join(map(self.write, value))}]"
        return python_literal(value)


def _spread(text: str) -> str | None:
    """A text over several lines; None where it is one line or needs escapes."""
    plain = all(line.isprintable() and line == line.rstrip() for line in text.split("\n"))
    if "\n" not in text or not plain or "\\" in text or '"""' in text or text.endswith('"'):
        return None
    return f'"""\\\n{text}"""'


# -- The vendor's client, with the key out of the environment.


@dataclass(frozen=True, slots=True)
class _Client:
    """The vendor's client: how it is imported and made, and what it asks."""

    module: str
    imports: str
    made: str
    model: str


def _make_client(column: ResolvedVariant) -> _Client:
    connection, target = column.connection, column.target
    sdk = connection.provider.sdk(connection.fields, target)
    module = sdk.module.partition(".")[0]
    # The usual address of a vendor is what its client knows by itself.
    usual = connection.provider.single and not connection.fields.base_url and not sdk.needs_address
    given = {**sdk.arguments, **sdk.attributes}
    known = {name: value for name, value in given.items() if value not in (None, "", False)}
    arguments = {
        name: python_literal(value)
        for name, value in known.items()
        if not (usual and name == "base_url")
    }
    if module == "google":
        imports, name = _fill_google(arguments, connection, target), "genai.Client"
    else:
        exchange = exchange_of(target.auth, "entra")
        signs_in, token = _token_provider(exchange) if exchange else ("", "")
        arguments |= {sdk.token_argument: token} if token else {"api_key": _main_key(connection)}
        if headers := _headers(connection, target.auth, alone=usual):
            arguments["default_headers"] = headers
        if connection.fields.ca_bundle:
            client = f"{module}.DefaultHttpxClient(verify={_trust(connection)})"
            arguments["http_client"] = client
        imports, name = f"import {module}{signs_in}", f"{module}.{sdk.client}"
    written = ", ".join(f"{each}={value}" for each, value in arguments.items())
    return _Client(module, imports, f"{name}({written})", target.model)


def _fill_google(arguments: dict[str, str], connection: Connection, target: Target) -> str:
    """Give Google's client the rest of its arguments; returns what has to be imported."""
    places: list[str] = [name for name in ("base_url", "api_version") if name in arguments]
    options: dict[str, str] = {name: arguments.pop(name) for name in places}
    if headers := _headers(connection, target.auth, alone=True):
        options["headers"] = headers
    if connection.fields.ca_bundle:
        options["client_args"] = f'{{"verify": {_trust(connection)}}}'
    imports = "from google import genai"
    if "vertexai" not in arguments:
        arguments["api_key"] = _main_key(connection)
    elif connection.fields.way != "key":
        arguments["credentials"], more = _google_sign_in(connection, target.auth[0].secret)
        imports = "\n".join([*more, imports])
        if target.url.partition("/projects/")[2].startswith("-/"):
            del arguments["project"]  # which the client asks the machine for
    if options:
        inner = ", ".join(f'"{name}": {value}' for name, value in options.items())
        arguments["http_options"] = f"{{{inner}}}"
    return imports


def _google_sign_in(connection: Connection, file: Secret) -> tuple[str, list[str]]:
    """Google's credentials without a key, as an expression, and what it imports."""
    scopes = f"scopes={python_literal([SCOPE])}"
    email = getattr(connection.fields, "impersonate", None)
    if connection.fields.way == "machine":
        made, imports = f"compute_engine.Credentials({scopes})", ["compute_engine"]
    elif connection.fields.way == "gcloud":
        made, imports = f"google.auth.default({scopes})[0]", []
    else:
        path = _path(str(connection.plain_fields["credentials_file"]))
        made, imports = f"identity_pool.Credentials.from_file({path}, {scopes})", ["identity_pool"]
        if file.public_part("type") not in {"", "external_account"}:
            made, imports = f"google.auth.load_credentials_from_file({path}, {scopes})[0]", []
    if email:
        scope = python_literal([SCOPE])
        made = f"impersonated_credentials.Credentials({made}, {python_literal(email)}, {scope})"
        imports.append("impersonated_credentials")
    names = f"from google.auth import {', '.join(imports)}"
    return made, ["import google.auth"] * ("google.auth." in made) + [names] * bool(imports)


def _token_provider(exchange: Exchange) -> tuple[str, str]:
    """How tokens of Microsoft Entra ID are fetched by azure-identity: what to import, and do."""
    credential, argument = "DefaultAzureCredential", "authority"
    if exchange.option("client_id"):
        credential, argument = "ManagedIdentityCredential", "client_id"
    value, tenant = exchange.option(argument), exchange.option("tenant")
    made = f"{credential}({f'{argument}={python_literal(value)}' if value else ''})"
    scope = python_literal(exchange.scope)
    line = f"\nfrom azure.identity import {credential}"
    if tenant and argument == "authority":
        asked = f"credential.get_token({scope}, tenant_id={python_literal(tenant)}).token"
        return line, f"lambda credential={made}: {asked}"
    return f"{line}, get_bearer_token_provider", f"get_bearer_token_provider({made}, {scope})"


def _main_key(connection: Connection) -> str:
    name, secret = next(iter(connection.secret_fields.items()), ("", None))
    return _from_environment(connection, name, secret) if secret else '"none"'


def _from_environment(connection: Connection, field: str, secret: Secret) -> str:
    """Where the key is read at run time: never the key itself."""
    reference = secret.reference or ""
    if reference.startswith("env:"):
        return f"os.environ[{python_literal(reference.removeprefix('env:'))}]"
    known = connection.provider.environment.keys
    if field == next(iter(connection.secret_fields), "") and known:
        return f"os.environ[{python_literal(known[0])}]"
    words = python_name(f"{connection.label} {field}").upper()
    return f"os.environ[{python_literal(words)}]"


def _headers(connection: Connection, auth: Iterable[AuthHeader], *, alone: bool) -> str:
    """The headers with a secret that the vendor's client does not send by itself.

    Those of the user `alone` where it knows in which header the vendor takes the key.
    """
    fields = {id(secret): name for name, secret in connection.secret_fields.items()}
    main, own = next(iter(connection.secret_fields.values()), None), connection.fields.headers
    written = []
    for header in auth:
        bearer = (header.name.lower(), header.template) == ("authorization", "Bearer {}")
        sent = (alone and header.name not in own) or (bearer and header.secret is main)
        if header.exchange or sent:
            continue
        field = fields.get(id(header.secret), header.name)
        before, _, after = header.template.partition("{}")
        value = _from_environment(connection, field, header.secret)
        pieces = (
            [python_literal(before)] * bool(before)
            + [value]
            + [python_literal(after)] * bool(after)
        )
        written.append(f"{python_literal(header.name)}: {' + '.join(pieces)}")
    return f"{{{', '.join(written)}}}" if written else ""


def _trust(connection: Connection) -> str:
    return f"ssl.create_default_context(cafile={_path(connection.fields.ca_bundle or '')})"


def _path(path: str) -> str:
    file = python_literal(path)
    return f"os.path.expanduser({file})" if path.startswith("~") else file

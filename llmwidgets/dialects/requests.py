"""What every format's request has in common: the words, the call to a target, its command line."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from llmwidgets.dialects.types import Call, Request, ResponseFormat, Target, TextPart
from llmwidgets.errors import BadRequest, FailureCode

TOOL = "record"
"""The tool that a record is handed to, if the schema is sent as one."""

_MARKER = re.compile(r"<(?=\s*+/?\s*+document\s*+>)", re.IGNORECASE)


def system_text(request: Request) -> str:
    """What comes before every document: the instructions, and the schema if it is wanted."""
    ending = ""
    if request.form is ResponseFormat.TOOL:
        ending = f"Call the tool {TOOL} once, with the record, and write nothing else."
    elif request.schema_in_prompt:
        schema = json.dumps(request.schema.schema, ensure_ascii=False)
        ending = "Reply with one JSON value, and nothing else, that fits this JSON Schema:\n"
        ending += schema
    elif request.form in {ResponseFormat.JSON_OBJECT, ResponseFormat.TEXT}:
        ending = "Reply with one JSON object, and nothing else."
    return "\n\n".join(filter(None, (request.instructions.strip(), ending)))


def document_text(text: str) -> str:
    """The document between its markers; those inside it are escaped, so it cannot end itself.

    >>> document_text("a </document> b")
    '<document>\\na &lt;/document> b\\n</document>'
    """
    return f"<document>\n{escape_markers(text)}\n</document>"


def escape_markers(text: str) -> str:
    """The text without a marker of its own."""
    return _MARKER.sub("&lt;", text) if "<" in text else text


def turns(request: Request) -> list[tuple[str, str]]:
    """The conversation as (role, text): every example with its answer, then the document."""
    spoken: list[tuple[str, str]] = []
    for example in request.examples:
        record = request.schema.adapt(example.record)
        spoken.append(("user", document_text(example.text)))
        spoken.append(("assistant", json.dumps(record, ensure_ascii=False)))
    spoken.append(("user", document_text("\n\n".join(part.text for part in request.parts))))
    return spoken


def build_call(
    target: Target, method: Literal["GET", "POST"], url: str, body: Any = None, **query: str
) -> Call:
    """The call of this URL and body; `query` is added to the target's own.

    With the option `slash`, for a server whose routes end in one, so does the path.
    """
    if target.options.get("slash"):
        parts = urlsplit(url)
        url = parts._replace(path=f"{parts.path}/").geturl()
    return Call(
        method=method,
        url=add_query(url, {**target.query, **query}),
        auth=target.auth,
        headers=dict(target.headers),
        body=body,
        ca_bundle=target.ca_bundle,
        allow_plain_http=target.allow_plain_http,
        label=target.label,
        model=target.model,
    )


_SPELL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def spell_body(body: Any) -> bytes:
    """The JSON of a body as it is sent."""
    # A text read from a broken file can contain half a character, which no server takes.
    return _SPELL(body).encode("utf-8", "replace")


_PLACE = "the place of the document 5b1f0c7e9a"
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class CallTemplate:
    """The call of a question that many texts have in common, spelled once.

    `path` leads to the one text in its body that has the document in it, between `before` and
    `after`; `head` and `tail` are the JSON around that text.
    """

    base: Call
    path: Path
    before: str
    after: str
    head: bytes
    tail: bytes

    @classmethod
    def of(cls, encode: Callable[[Request], Call], request: Request) -> CallTemplate | None:
        """The template of a request, whatever its text; None if a format has no one place for it.

        >>> CallTemplate.of(encode, request).call("Total 12.50")   # doctest: +SKIP
        """
        base = replace(encode(replace(request, parts=(TextPart(_PLACE),))), question=True)
        paths = list(_paths_to(base.body, _PLACE))
        if len(paths) != 1:
            return None
        (path,) = paths
        said: Any = base.body
        for step in path:
            said = said[step]
        before, after = said.split(_PLACE)
        head, found, tail = spell_body(base.body).partition(spell_body(said))
        return cls(base, path, before, after, head, tail) if found else None

    def call(self, text: str) -> Call:
        """The call about one text: the same as the format would make it."""
        said = f"{self.before}{escape_markers(text)}{self.after}"
        spelled = self.head + spell_body(said) + self.tail
        return replace(self.base, body=_put(self.base.body, self.path, said), spelled=spelled)


def _paths_to(node: Any, text: str) -> Iterator[Path]:
    """The ways to each text with these words, as often as they are in it."""
    if isinstance(node, str):
        yield from [()] * node.count(text)
    elif isinstance(node, dict | list):
        for step, inner in node.items() if isinstance(node, dict) else enumerate(node):
            for rest in _paths_to(inner, text):
                yield (step, *rest)


def _put(node: Any, path: Path, value: str) -> Any:
    """A copy with another value at the end of the path; what is beside it is shared."""
    if not path:
        return value
    step, *rest = path
    copied = node.copy()
    copied[step] = _put(node[step], tuple(rest), value)
    return copied


def no_such_form(
    target: Target,
    sentence: str,
    hint: str = "Test the connection again: it finds the form that the model takes.",
) -> BadRequest:
    """The error for a form of answer that a format, or a server of it, does not have."""
    code = FailureCode.RESPONSE_FORMAT
    return BadRequest(sentence, hint, label=target.label, model=target.model, code=code)


def add_query(url: str, query: dict[str, str]) -> str:
    """The URL with these added to its query, in place of those of the same name."""
    if not query:
        return url
    parts = urlsplit(url)
    kept = [each for each in parts.query.split("&") if each and each.partition("=")[0] not in query]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(query, quote_via=quote)])))


def next_page(call: Call | None, **query: str | None) -> Call | None:
    """The same call for the next page; None without a call, or if the reply names no page."""
    named = {name: value for name, value in query.items() if value}
    return replace(call, url=add_query(call.url, named)) if call and named else None


def curl_command(call: Call) -> str:
    """The call as `curl` for a POSIX shell, which sends the same method, URL, headers and body.

    `$KEY` replaces the secret (`$KEY_2` and so on further ones), `$TOKEN` a token that credentials
    are exchanged for. The document is in it, as in the call.
    """
    names: dict[int, str] = {}
    # Without --globoff, brackets and braces in an address are a list of addresses.
    lines = [f"curl --request {call.method} {shlex.quote(call.url)}", "--globoff"]
    if call.ca_bundle:
        lines.append(f"--cacert {shlex.quote(call.ca_bundle)}")
    for header in call.auth:
        count = len(names) + 1
        word = "TOKEN" if header.exchange else "KEY" if count == 1 else f"KEY_{count}"
        key = f'"${{{names.setdefault(id(header.secret), word)}}}"'
        parts = f"{header.name}: {header.template}".split("{}")
        lines.append("--header " + key.join(shlex.quote(part) if part else "" for part in parts))
    for name, value in call.headers.items():  # one without a value ends in a semicolon
        lines.append(f"--header {shlex.quote(f'{name}: {value}' if value else f'{name};')}")
    if call.body is not None:
        lines.append("--header 'content-type: application/json'")
        # As in the call, half a character is a question mark.
        body = json.dumps(call.body, ensure_ascii=False).encode("utf-8", "replace").decode()
        lines.append(f"--data-raw {shlex.quote(body)}")
    return " \\\n  ".join(lines)

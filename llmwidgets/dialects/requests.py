"""A call to a target: where it goes, with the target's own headers, query and limits."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from llmwidgets.dialects.types import Call, Target


def build_call(
    target: Target, method: Literal["GET", "POST"], url: str, body: Any = None, **query: str
) -> Call:
    """The call of this URL and body; `query` stands beside the target's own."""
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


def add_query(url: str, query: dict[str, str]) -> str:
    """The URL with these added to its query, in place of those of the same name."""
    if not query:
        return url
    parts = urlsplit(url)
    kept = [each for each in parts.query.split("&") if each and each.partition("=")[0] not in query]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(query, quote_via=quote)])))


def next_page(call: Call | None, **query: str | None) -> Call | None:
    """The same call for the next page; None where there is no call, or the reply names no page."""
    named = {name: value for name, value in query.items() if value}
    return replace(call, url=add_query(call.url, named)) if call and named else None


# -- A call as a command line for a terminal, with variables in place of its secrets.


def curl_command(call: Call) -> str:
    """The call as `curl`, `$KEY` in place of the secret (`$KEY_2` and so on for further ones).

    `$TOKEN` stands for a token that credentials are exchanged for.

    It holds the document, as the call does.
    """
    names: dict[int, str] = {}
    lines = [f"curl --request {call.method} {shlex.quote(call.url)}"]
    if call.ca_bundle:
        lines.append(f"--cacert {shlex.quote(call.ca_bundle)}")
    for header in call.auth:
        count = len(names) + 1
        word = "TOKEN" if header.exchange else "KEY" if count == 1 else f"KEY_{count}"
        name = names.setdefault(id(header.secret), word)
        before, _, after = header.template.partition("{}")
        lines.append(f'--header {shlex.quote(f"{header.name}: {before}")}"${{{name}}}"{after}')
    lines += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()]
    if call.body is not None:
        lines.append("--header 'content-type: application/json'")
        lines.append(f"--data-raw {shlex.quote(json.dumps(call.body, ensure_ascii=False))}")
    return " \\\n  ".join(lines)

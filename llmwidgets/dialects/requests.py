"""A call to a target: where it goes, with the target's own headers, query and limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from llmwidgets.dialects.types import Call, Target


def call_for(
    target: Target, method: Literal["GET", "POST"], url: str, body: Any = None, **query: str
) -> Call:
    """The call of this URL and body; `query` stands beside the target's own."""
    return Call(
        method=method,
        url=with_query(url, {**target.query, **query}),
        auth=target.auth,
        headers=dict(target.headers),
        body=body,
        ca_bundle=target.ca_bundle,
        allow_plain_http=target.allow_plain_http,
        label=target.label,
        model=target.model,
    )


def with_query(url: str, query: dict[str, str]) -> str:
    """The URL with these added to its query, in place of those of the same name."""
    if not query:
        return url
    parts = urlsplit(url)
    kept = [each for each in parts.query.split("&") if each and each.partition("=")[0] not in query]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(query, quote_via=quote)])))


def next_page(call: Call | None, **query: str | None) -> Call | None:
    """The same call for the next page; None where there is no call, or the reply names no page."""
    named = {name: value for name, value in query.items() if value}
    return replace(call, url=with_query(call.url, named)) if call and named else None

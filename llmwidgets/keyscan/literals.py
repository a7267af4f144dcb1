"""Keys by the name that they are given, in code, shells, settings and headers; and as literals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from llmwidgets.secret import KEY_SHAPES


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """One hit: from where to where, whose key or what kind of key, and its last four characters."""

    start: int
    end: int
    kind: str
    tail: str


def end_of(word: bytes) -> str:
    """The last four characters, to tell two keys apart."""
    return word[-4:].decode("utf-8", "replace")


# -- What is not a key, though it is in the place of one.

_PLACEHOLDER = re.compile(
    rb"\.\.\.|\xe2\x80\xa6|\xe2\x80\xa2|[<>{}]|x{4}|(?i:your|example|placeholder|changeme|removed)"
)
_PREFIX = re.compile(
    rb"^(?:sk-(?:[a-z]+\d*-)*|AIza|AQ\.|ya29\.|%s)"
    % b"|".join(re.escape(shape.start.encode()) for shape in KEY_SHAPES)
)
_PART = re.compile(rb"[A-Za-z0-9]{8,}")


def is_random(word: bytes) -> bool:
    """Whether it is not a placeholder: keys have digits and many different characters."""
    rest = _PREFIX.sub(b"", word)
    digits = any(character in b"0123456789" for character in rest)
    return digits and len(set(rest)) >= 8 and not _PLACEHOLDER.search(word)


def _is_key(word: bytes) -> bool:
    """Whether a part of it is neither words nor a number: names of other things are words."""
    return is_random(word) and any(
        len(re.findall(rb"[0-9]", part)) >= 2 and len(re.findall(rb"[A-Za-z]", part)) >= 2
        for part in _PART.findall(word)
    )


# -- By name: NAME="…", NAME: …, ["NAME"] = "…", %env NAME …, --name …, -H "name: …", ?key=….

_NAMED = re.compile(
    rb"(?P<word>[kK][eE][yY]|[tT][oO][kK][eE][nN]|[sS][eE][cC][rR][eE][tT]|[cC]redential|SecretStr"
    rb"|[aA][uU][tT][hH][oO][rR][iI][zZ][aA][tT][iI][oO][nN])"
    rb"(?:\\*[\"'`])?(?:[ \t]*\])?"
    rb"(?P<parted>[ \t]*(?::[ \t]*[\w.\[\]| ]{1,40}=|(?:\??[:=]=?>?|\()(?:\s{1,80}(?=[\"'`]))?"
    rb"|,?\s{0,80}(?:\\*[\"'`])?[vV]alue(?:\\*[\"'`])?[ \t]*[:=]|<-|,|>)[ \t]*(?:\(\s*)?"
    rb"(?:key[ \t]*=[ \t]*)?|[ \t]+)"
    rb"(?:[rbfuRBFU]{1,2}(?=[\"']))?(?P<quote>\\*[\"'`]{1,3})?"
    rb"(?P<scheme>(?i:bearer|basic|token|api-key)[ \t]+)?"
    rb"(?!(?:env|file|op):)(?P<value>[A-Za-z0-9_.~+/|:-]{12,400}+={0,2})"
    rb"(?(quote)(?=\\*[\"'`])|(?=[\s\"'`;,&)}\]<>\\#]|$))"
)
_NAME = re.compile(rb"(?:\b[aA][pP][iI] )?[\w.$?&-]{0,60}$")
_KEY_NAME = re.compile(
    rb"(?i:(?:^|[^a-z]|[a-z](?-i:(?=[A-Z])))"
    rb"(?:api[-_ ]?key|(?:api|access|auth|bearer|hf|hub)[-_]?token|subscription[-_]?key"
    rb"|secret[-_]?(?:access[-_]?)?key|access[-_]?key|client[-_]?secret|authorization)$)"
    rb"|apikey$|(?:Api|Azure)KeyCredential$|(?:^|\.)Secret(?:Str)?$|[?&]key$|^--token$"
    rb"|(?i:(?:^|[^a-z])(?:openai|azure|mistral|groq|xai|openrouter|anthropic|gemini|hf)[-_]?key$)"
    rb"|^(?:\$env:)?[A-Z][A-Z0-9_]*(?<!PUBLIC)(?<!PRIMARY)(?<!CACHE)(?<!SORT)_(?:KEY|TOKEN|SECRET)$"
)
_BARE = re.compile(rb"(?i:^-{0,2}(?:key|token|secret)$)")
_LONG = re.compile(rb"[A-Za-z0-9_-]*[A-Za-z0-9]{16,}[A-Za-z0-9_-]*=*")
"""What a name that says only `key` is set to, where that is not a word, a path or a number."""
_SHELL = re.compile(rb"(?:%env|%set_env|\bsetx|\bsetenv|\bset(?: -\w+)*|\bENV)[ \t]+[\"']?$")


_TO_CLIENT = re.compile(
    rb"(?i:\b\w{0,20}(?:openai|mistral|groq|xai|openrouter|anthropic|gemini|cohere|hugging_?face)\w{0,20})"
    rb"(?:\(|[\"'][ \t]*\][ \t]*=)\s{0,80}[\"'](?P<value>[A-Za-z0-9_.-]{20,200})[\"']"
)
"""What a client gets first, and a variable that is named like a provider."""

BY_NAME = "a key by its name"


def find_named(data: bytes) -> Iterator[Leak]:
    """What is given the name of a key, whatever its shape; placeholders and words are not."""
    for match in _NAMED.finditer(data):
        if not _is_key(match["value"]):
            continue
        before = max(match.start() - 60, 0)
        named = _NAME.search(data, before, match.end("word"))
        parted = match["parted"].strip()
        bare = (
            named and _BARE.search(named[0]) and parted == b"=" and _LONG.fullmatch(match["value"])
        )
        if named is None or not (bare or _KEY_NAME.search(named[0])):
            continue
        if not parted and not _is_of_shell(data, named) and not match["scheme"]:
            continue
        if parted in {b",", b"("} and not match["quote"]:
            continue
        yield Leak(*match.span("value"), BY_NAME, end_of(match["value"]))
    for match in _TO_CLIENT.finditer(data):
        if _is_key(match["value"]):
            yield Leak(*match.span("value"), BY_NAME, end_of(match["value"]))


def _is_of_shell(data: bytes, named: re.Match[bytes]) -> bool:
    """Whether a command takes this name, and after a blank its value."""
    start = named.start()
    return named[0].startswith(b"-") or bool(_SHELL.search(data, max(start - 20, 0), start))


# -- By place: a literal in the code of a cell, which a key or a passphrase of any words can be.


def _literal(name: str) -> bytes:
    """A literal of one line between quotes of either kind, one or three."""
    text = (
        rf"""(?:r|b|rb|f)?(?P<q_{name}>"{{3}}|'{{3}}|["'])"""
        rf"""(?P<{name}>(?!env:|file:)(?:\\.|(?!(?P=q_{name}))[^\\\n]){{12,400}})(?P=q_{name})"""
    )
    return text.encode()


_WRITTEN = re.compile(
    rb"(?:\b(?:api_key|auth_token|passphrase|credentials|password)[\"']?\s*[=:]\s*\(?"
    rb"|\.(?:unlock|new_identity)\()\s*" + _literal("value")
)
_CHANGED = re.compile(
    rb"\.change_passphrase\(\s*(?:(?:old|new)\s*=\s*)?" + _literal("value")
    + rb"(?:\s*,\s*(?:(?:old|new)\s*=\s*)?" + _literal("second") + rb")?"
)  # fmt: skip
_HEADERS, _HEADER = (
    re.compile(rb"\bheaders[\"']?\s*[=:]\s*\{[^{}]*\}"),
    re.compile(rb":\s*" + _literal("value")),
)


def find_literals(source: bytes) -> list[Leak]:
    """Keys and passphrases written as a literal of code, `api_key="…"`, whatever their shape.

    Placeholders and the names of variables are not reported.
    """
    literals = [(match.span("value"), match["value"]) for match in _WRITTEN.finditer(source)]
    for match in _CHANGED.finditer(source):
        literals += [(match.span(name), match[name]) for name in ("value", "second") if match[name]]
    for headers in _HEADERS.finditer(source):
        literals += [
            (match.span("value"), match["value"])
            for match in _HEADER.finditer(source, *headers.span())
            if is_random(match["value"])
        ]
    return [
        Leak(*span, "a literal in code", end_of(word))
        for span, word in literals
        if not _PLACEHOLDER.search(word)
        and len(set(word)) >= 6
        and not re.fullmatch(rb"[A-Z][A-Z_]*", word)
    ]

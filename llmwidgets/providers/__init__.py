"""The registry: every kind that can be connected, and whose key a value seems to be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module

from llmwidgets.errors import FieldError
from llmwidgets.providers.base import FieldWarning, KeyPrefix, Kind, Provider
from llmwidgets.providers.presets import describe_preset, find_preset, preset_at
from llmwidgets.secret import KEY_SHAPES

_KINDS: tuple[Kind, ...] = (
    "openai",
    "gemini",
    "vertex_ai",
    "anthropic",
    "azure_openai",
    "azure_ai_foundry",
    "bedrock",
    "custom",
)
"""One line for each kind: the name of its file, in the order of the panel."""


_KIND_LIKE = re.compile(r"[A-Za-z_ ]{1,24}")


def _load(kind: Kind) -> Provider:
    provider = import_module(f"{__name__}.{kind}").PROVIDER
    assert isinstance(provider, Provider)
    assert provider.kind == kind, f"{kind}.py defines the kind {provider.kind}"
    return provider


PROVIDERS: dict[Kind, Provider] = {kind: _load(kind) for kind in _KINDS}
"""Every kind of connection, in the order of the panel."""


def shown_kind(kind: object) -> str:
    """The kind as it may be shown: what was given by mistake can be a key."""
    if isinstance(kind, str) and kind not in PROVIDERS and (preset := find_preset(kind)):
        return preset.slug
    return kind if isinstance(kind, str) and _KIND_LIKE.fullmatch(kind) else ""


def find_provider(kind: str) -> Provider:
    """The provider of a kind; FieldError with the nearest one if it does not exist.

    >>> find_provider("openai").title
    'OpenAI'
    """
    shown = shown_kind(kind)
    if shown in PROVIDERS:
        return PROVIDERS[shown]
    if preset := find_preset(shown):
        sentence, call = describe_preset(preset)
        raise FieldError({"kind": sentence}, f"Write {call}.")
    named = f" {shown!r}" if shown else ""
    raise FieldError(
        {"kind": f"There is no kind of connection{named}.{name_nearest(shown)}"},
        f"The kinds are {', '.join(PROVIDERS)}.",
    )


def name_nearest(kind: str) -> str:
    """A sentence with the kind that is spelled most like this, or that it is a preset of.

    Empty if there is none.
    """
    if kind not in PROVIDERS and (preset := find_preset(kind)):
        sentence, _ = describe_preset(preset)
        return f' {sentence[:-1]}: endpoint = "{preset.endpoint}".'
    close = difflib.get_close_matches(kind, PROVIDERS, n=1, cutoff=0.5)
    return f" The nearest is {close[0]}." if close else ""


_TOKENS = {"ya29.": "a short-lived Google OAuth token"}
FOREIGN = (
    *(
        (issuer, KeyPrefix(start, shape=rest, never=start in _TOKENS, what=_TOKENS.get(start, "")))
        for issuer, start, rest in KEY_SHAPES
    ),
    ("", KeyPrefix("eyJ", what="a short-lived login token")),
    ("", KeyPrefix("http", what="an address, not a key", never=True)),
)
"""What is typed as a key but belongs to no kind, and the service that it belongs to."""


def key_prefixes() -> Iterator[tuple[str, KeyPrefix]]:
    """Every prefix that is known, with its owner: a kind, or a service that is not one."""
    for provider in PROVIDERS.values():
        yield from ((provider.kind, prefix) for prefix in provider.key_prefixes)
    yield from FOREIGN


def title_of(owner: str) -> str:
    """What the owner of a key is called: the title of a kind, or the service's own name."""
    return PROVIDERS[owner].title if owner in PROVIDERS else owner


@cache
def _titled_prefixes() -> tuple[tuple[str, KeyPrefix], ...]:
    return tuple((title_of(owner), each) for owner, each in key_prefixes())


def owner_of_whole_key(value: str) -> str:
    """Whose key this is beyond doubt, as a title; empty for a key that several could have made.

    The longest start that is known has to be that of a service whose whole keys look like this.
    """
    known = [(title, each) for title, each in _titled_prefixes() if value.startswith(each.start)]
    whole = {
        title
        for title, each in known
        if each.shape and re.fullmatch(re.escape(each.start) + each.shape, value)
    }
    longest = max((len(each.start) for _, each in known), default=0)
    likely = {title for title, each in known if len(each.start) == longest}
    return next(iter(whole)) if len(whole) == 1 and likely == whole else ""


_PLACEHOLDER = re.compile(
    r"<.+>|\.\.\.|…|\byour[-_]|_HERE\b|^(sk-)?x{4,16}$|^\$?\{[\w-]+\}$|^\$\w+$", re.I
)
"""What an example has where a key belongs."""


def find_warning(
    provider: Provider, field: str, value: str, endpoint: str = ""
) -> FieldWarning | None:
    """What looks wrong in one field, with the kind or service whose key it seems to be.

    A key for an `endpoint` of a service's own is judged by that service's keys. Only a public
    prefix is quoted, never the value.
    """
    sentence = provider.warn(field, value)
    preset = preset_at(endpoint) if provider.presets and endpoint else None
    if preset and field in provider.secret_fields and field != provider.key_field:
        # A token can have a scheme in front.
        found = find_warning(provider, provider.key_field, value.rpartition(" ")[2], endpoint)
        return found and replace(found, field=field)
    if field != provider.key_field:
        return FieldWarning(field, sentence) if sentence else None
    if _PLACEHOLDER.search(value):
        problem = "The key is only a placeholder: put your own key in its place."
        return FieldWarning(field, problem)
    whose = (preset.issuer or preset.title) if preset else provider.kind
    owner, prefix = _find_owner(value, whose, preset.key_start if preset else "")
    own = owner == whose
    if sentence:
        return FieldWarning(field, sentence, "" if own else owner)
    file = owner in PROVIDERS and PROVIDERS[owner].environment.file
    if not file and any(character.isspace() for character in value):
        problem = "The key contains blanks or line breaks: copy all of it, and nothing else."
        return FieldWarning(field, problem)
    if prefix is None:
        start = provider.keys_start_with
        problem = f"{provider.title}'s keys start with {start}; this one does not."
        return FieldWarning(field, problem) if start else None
    if own:
        sentence = f"{prefix.problem} {prefix.step}".strip()
        return FieldWarning(field, sentence, owner) if prefix.problem else None
    if provider.self_hosted and not prefix.never and not (preset and owner):
        return None
    hint = f"{preset.title} has keys of its own" if preset else provider.key_hint
    hint = hint or f"{provider.title} has keys of its own"
    return FieldWarning(field, f"{_describe(owner, prefix)}; {hint}.", owner)


def _find_owner(value: str, whose: str, start: str) -> tuple[str, KeyPrefix | None]:
    """The owner of the longest prefix, with it; of two as long, `whose`, which may start so too."""
    ours = [(whose, KeyPrefix(start))] if start else []
    return max(
        (known for known in (*key_prefixes(), *ours) if value.startswith(known[1].start)),
        key=lambda known: (len(known[1].start), known[0] == whose),
        default=("", None),
    )


def _describe(owner: str, prefix: KeyPrefix) -> str:
    if prefix.what:
        return f"What starts with {prefix.start} is {prefix.what}"
    known = PROVIDERS.get(owner)
    noun = "A text" if known is not None and known.environment.file else "A key"
    return f"{noun} that starts with {prefix.start} belongs to {title_of(owner)}"


__all__ = ["PROVIDERS", "find_provider"]

"""What is known of a connection now: its models' facts and ends, and when its key ends.

Of a model the provider's live list takes precedence over what policy files say, these over the
store, and that over the shipped table. `layers` None are the policy files of this machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from llmwidgets.connections.policy_file import Rules, machine_rules
from llmwidgets.dialects.types import BEST, Capability, Enforcement, ListedModel, ResponseFormat
from llmwidgets.formatting import count, format_day, format_days_until
from llmwidgets.providers.base import PRICES, Ended, ModelFacts, Provider
from llmwidgets.providers.model_facts import (
    as_of,
    describe_end,
    find_end_in_facts,
    merge_listed,
    today,
    with_declared,
)

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection

Layers = Iterable[Rules] | None


def facts_of(connection: Connection, model: str, layers: Layers = None) -> ModelFacts | None:
    """What is known of a model today; a deployment that bears a model's name is that model.

    A snapshot has the facts of its alias. None if nothing is known: then no thinking level and no
    temperature is certain.
    """
    kind, provider = connection.kind, connection.provider
    names = (provider.alias(model), model)
    declared = [connection.declared.get(name, {}) for name in names]
    for rules in reversed(tuple(machine_rules() if layers is None else layers)):
        declared += [rules.facts.get((kind, name), {}) for name in names]
    facts = with_declared(kind, model, provider.facts(model), *declared)
    listed = _listed(connection).get(model)
    if listed is not None:
        return merge_listed(facts, listed, today())
    return facts and as_of(facts, today())


def own_price(connection: Connection, model: str) -> Mapping[str, float] | None:
    """US dollars for a million tokens by the connection itself or by its organization."""
    facts = facts_of(connection, model)
    if connection.fields.price or facts is None or facts.own_price is None:
        return connection.fields.price
    return dict(zip(PRICES, facts.own_price, strict=False))


def models_of(connection: Connection, layers: Layers = None) -> tuple[str, ...]:
    """The one model that the connection names, or the whitelist of its kind.

    The whitelist is the shipped one with the models that policy files add facts of. Empty if each
    reference names its own deployment.
    """
    provider = connection.provider
    if provider.model_field is not None:
        named = str(getattr(connection.fields, provider.model_field))
        return () if connection.any_model else (named,)
    models = [facts.id for facts in provider.models]
    for rules in machine_rules() if layers is None else layers:
        models += [model for kind, model in rules.facts if kind == provider.kind]
    return tuple(dict.fromkeys(models))


def capability_of(connection: Connection, model: str) -> Capability | None:
    """What the model was seen, or is known, to enforce; None if only a probe can tell."""
    seen = connection.capabilities.get(model)
    if seen is not None:
        return seen
    listed = _listed(connection).get(model)
    if listed is not None and listed.form is not None:
        return Capability(listed.form, BEST[listed.form])
    facts = connection.provider.facts(model)
    if facts is None and connection.provider.probes:
        return None
    return Capability(facts.form if facts else ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)


_lists: dict[tuple[str, str, str], dict[str, ListedModel]] = {}
"""The models that servers listed in this process, by kind, label and address."""


_lists_kept = 0


def known_as_of() -> tuple[date, int]:
    """What all that is known of models depends on: the day, and the lists kept up to now."""
    return today(), _lists_kept


def remember_models(connection: Connection, listed: Iterable[ListedModel]) -> None:
    """Keep a live list for the rest of the process.

    A list that does not contain what the key may call (a region's or a publisher's catalogue) is
    not kept.
    """
    global _lists_kept
    if connection.provider.lists:
        _lists_kept += 1
        _lists[_key(connection)] = {model.id: model for model in listed}


def forget_models() -> None:
    """Forget every list: the tables alone count again."""
    global _lists_kept
    _lists_kept += 1
    _lists.clear()


def listed_models(connection: Connection) -> tuple[str, ...]:
    """The models that the connection's server listed in this process; empty if it did not."""
    return tuple(_listed(connection))


def find_end(connection: Connection, model: str) -> Ended | None:
    """That a model is past its end for this connection today; None if it is not, or is unknown."""
    return find_end_in_facts(facts_of(connection, model), connection.provider.successor(model))


def find_end_by_provider(provider: Provider, model: str) -> Ended | None:
    """The same by a provider's own tables alone, for a server that is reached in another way."""
    facts = provider.facts(model)
    return find_end_in_facts(facts and as_of(facts, today()), provider.successor(model))


def model_notes(connection: Connection, model: str) -> tuple[str, ...]:
    """What a user should know before the model is called: its end, and that a list lacks it."""
    notes = (end_note(connection, model), unlisted_note(connection, model))
    return tuple(filter(None, notes))


def end_note(connection: Connection, model: str) -> str:
    """A sentence if the model has ended or ends soon; else empty."""
    facts = facts_of(connection, model)
    return describe_end(facts, today()) if facts is not None else ""


def unlisted_note(connection: Connection, model: str) -> str:
    """A sentence if the server's live list lacks the model; else empty."""
    listed = _listed(connection)
    lacks = bool(listed) and not find_listed(model, listed)
    if not lacks:
        return ""
    # A server with one model often answers by whatever name.
    other = " or let another model answer them" if connection.provider.self_hosted else ""
    return f"{connection.host} does not list {model}: it may refuse the calls{other}."


def find_listed(model: str, listed: Iterable[str]) -> str:
    """The name under which a list has this very model; empty if it has not.

    >>> find_listed("llama3.2", ["qwen3", "llama3.2:latest"])
    'llama3.2:latest'
    """
    alike = [each for each in listed if _bare_name(each) == _bare_name(model)]
    return model if model in alike else next(iter(alike), "")


def _bare_name(model: str) -> str:
    return model.removeprefix("models/").removesuffix(":latest")


def _listed(connection: Connection) -> dict[str, ListedModel]:
    return _lists.get(_key(connection), {}) if _lists else {}


def _key(connection: Connection) -> tuple[str, str, str]:
    return connection.kind, connection.label, connection.address


SOON_DAYS = 14
"""From this many days before its end on there is a note about a key."""
OLD_DAYS = 90
"""By this age organizations usually replace the key of a service account."""


@dataclass(frozen=True, slots=True)
class KeyNote:
    """What a user should know about a key: in a few words, in a sentence, and the next step."""

    brief: str
    said: str
    fix: str
    ended: bool = False


def local_today() -> date:
    """The day by which keys end: the user's own."""
    return datetime.now().astimezone().date()


def key_notes(connection: Connection, on: date) -> list[KeyNote]:
    """What a user should know about the connection's key on a day; mostly nothing."""
    notes = (key_end_note(connection, on), key_age_note(connection, on))
    return [note for note in notes if note is not None]


def key_has_ended(connection: Connection, on: date) -> bool:
    """Whether the day saved as the key's last has passed; the provider decides all the same."""
    ends = connection.fields.key_ends
    return ends is not None and ends < on


def key_end_note(connection: Connection, on: date) -> KeyNote | None:
    """The end of the key, from two weeks before it on; None until then."""
    ends = connection.fields.key_ends
    if ends is None or (ends - on).days > SOON_DAYS:
        return None
    page = next((link for link in connection.provider.links if "key" in link.text.lower()), None)
    new_key = f"make a new key{f' at {page.url}' if page else ''} and save it here"
    ended = key_has_ended(connection, on)
    if ended:
        brief, said = f"ended {format_day(ends)}", f"The key ended on {format_day(ends)}."
        fix = f"If it is refused, {new_key}; if it still works, correct the day."
    else:
        brief = f"ends {format_days_until(ends, on)}"
        said = f"The key ends {format_day(ends)}, {format_days_until(ends, on)}."
        fix = f"Before that, {new_key}, with its own day."
    if connection.read_only:
        fix = "Whoever provides this connection replaces the key."
    return KeyNote(brief, said, fix, ended)


def key_age_note(connection: Connection, on: date) -> KeyNote | None:
    """The age of a service account's key that the store keeps; None while it is young.

    Google puts no day of making into the file, so the age counts from the first save.
    """
    since = connection.keyed_at or connection.saved_at
    key = connection.secret_fields.get("credentials")
    if since is None or key is None or key.reference:
        return None
    age = (on - since.astimezone().date()).days
    rotation = connection.provider.rotation
    if not rotation or age <= OLD_DAYS or key.public_part("type") != "service_account":
        return None
    return KeyNote(
        f"{count(age, 'day')} old",
        f"The key is {count(age, 'day')} old; organizations usually replace the key of a service "
        f"account by {OLD_DAYS} days.",
        rotation,
    )

"""The store that a command names: found, opened, or made at a terminal."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from typing import TypeVar

from llmwidgets.cli import report
from llmwidgets.cli.arguments import StoreOptions
from llmwidgets.cli.asking import ask_secret, can_ask, confirm, saying
from llmwidgets.connections import Policy
from llmwidgets.errors import (
    DamagedStore,
    FieldError,
    LLMWidgetsError,
    StoreError,
    StoreLocked,
    WrongPassphrase,
)
from llmwidgets.formatting import count
from llmwidgets.secret import Secret
from llmwidgets.store import identity_sources, repository
from llmwidgets.store.identity_sources import KEY, KEY_FILE
from llmwidgets.store.store import Store

T = TypeVar("T")
TRIES = 3

_HEADLESS = (
    f"set {KEY_FILE} to a file of mode 0600 that contains the identity (the recovery identity is "
    f"one), or {KEY} to the identity itself"
)
_WAYS = (
    "Run it on a terminal, where it asks (not with --no-input); or have the system remember the "
    f'store, by store.remember("keyring") or in the settings of ConnectionPanel(); or {_HEADLESS}.'
)


def name_store(options: StoreOptions) -> Store:
    """The store that --store or --organization names, else the default one, made or not."""
    if options.store and options.organization:
        raise FieldError(
            {"--store": "and --organization name a store each."}, "Give one of the two."
        )
    if options.store:
        return Store(path=options.store)
    return Store(options.organization or "default")


def find_store(options: StoreOptions) -> Store:
    """The same; StoreError if one was named and is not there."""
    store = name_store(options)
    if options.store or options.organization:
        _check_exists(store, options)
    return store


def _check_exists(store: Store, options: StoreOptions) -> None:
    try:
        repository.check_exists(store.state)
    except DamagedStore:
        raise
    except StoreError as error:
        hint = (
            f"Make it: llmwidgets connections add KIND {option_words(options)}; in code, "
            f"lw.Store.create({store.state.argument})."
        )
        missing = StoreError(error.message, hint)
    else:
        return
    raise missing


def option_words(options: StoreOptions) -> str:
    """The options that name this store, as a shell takes them."""
    named = (("--store", options.store), ("--organization", options.organization))
    return " ".join(f"{option} {shlex.quote(str(name))}" for option, name in named if name)


_RESTORE = "store.restore()"
_CALL = re.compile(r"\bstore\.\w+\(")


def shell_words(text: str, options: StoreOptions) -> str:
    """A hint as somebody in a shell can follow it: a command, else what `store` is in Python."""
    if _RESTORE in text:
        words = f"llmwidgets connections restore {option_words(options)}".rstrip()
        text = text.replace(_RESTORE, words)
    if not _CALL.search(text):
        return text
    return f"{text} In Python, store is lw.Store({name_store(options).state.argument})."


def _ways(store: Store) -> str:
    """What opens it in a shell; one that a key file made has no passphrase."""
    return _WAYS if store.state.has_passphrase else f"No passphrase opens it: {_HEADLESS}."


def unlock(store: Store, options: StoreOptions) -> None:
    """Open it by what is at hand, else by the passphrase of whoever is at the terminal.

    A store that is not made yet needs nothing. StoreLocked with what opens it in a shell,
    WrongPassphrase after three tries.
    """
    if store.exists:
        with_passphrase(store, options, lambda typed: repository.unlock_store(store.state, typed))


def with_passphrase(store: Store, options: StoreOptions, call: Callable[[Secret | None], T]) -> T:
    """What `call` returns without a passphrase, else with the one that is asked for."""
    try:
        return call(None)
    except StoreLocked as error:
        # That an identity belongs to another store has a hint of its own.
        own = error.hint != identity_sources.REMEDIES
        locked = StoreLocked(error.message, error.hint if own else _ways(store))
    if not (can_ask(options) and store.state.has_passphrase):
        raise locked
    for left in reversed(range(TRIES)):
        # In no error's frames: a wrong passphrase is often that of something else.
        passphrase = ask_secret(f"{store.state.name} is locked. Passphrase: ")
        if not passphrase:
            raise locked
        try:
            with saying("Unlocking…"):
                done = call(passphrase)
        except WrongPassphrase as error:
            if not left:
                raise
            report(f"{error} {count(left, 'try', 'tries')} left.")
        else:
            store.state.notify()
            return done
    raise locked


def unlock_for(references: Iterable[str], store: Store, options: StoreOptions) -> None:
    """Open the store where one of these connections is found nowhere else, or it was named."""
    from llmwidgets.comparison.variants import DEMO, ConnectionResolver

    if options.store or options.organization:
        unlock(store, options)
        return
    resolver = ConnectionResolver(store)
    for reference in references:
        try:
            if reference != DEMO:
                resolver.resolve(reference)
        except StoreLocked:
            unlock(store, options)
            return
        except LLMWidgetsError:
            continue  # said where it is asked


def find_open_policy(store: Store) -> Policy | None:
    """The organization's rules, if the store is open."""
    return store.policy if store.exists and not store.locked else None


# -- A store that is not there yet.


def check_can_make(store: Store, options: StoreOptions) -> None:
    """StoreLocked, with what to do, if nothing here can seal a new store."""
    if identity_sources.find_headless_identity() is not None or can_ask(options):
        return
    raise StoreLocked(
        f"{store.state.name} does not exist yet, and a new one needs a passphrase.",
        "Run it on a terminal, which makes it; or make an identity (age-keygen -o FILE; "
        f"chmod 600 FILE) and set {KEY_FILE}=FILE, then run it again.",
    )


def make_store(store: Store, options: StoreOptions) -> None:
    """Make it, sealed by what is at hand, else by a passphrase that is asked for.

    One that another command has made meanwhile is opened. StoreError if its recovery identity is
    not kept, since nobody could help later.
    """
    try:
        _make(store)
    except StoreError:
        if not store.exists:
            raise
    else:
        return
    report(
        f"{store.state.name} was made meanwhile by another command, and is used: no words and no "
        "identity that this one showed open it."
    )
    unlock(store, options)


def _make(store: Store) -> None:
    if identity_sources.find_headless_identity() is not None:
        Store.create(store.organization, path=store.path)
        report(f"{store.state.name} was made; {store.unlocked_by} opens it.")
        return
    report(f"{store.state.name} is made now. It opens by a passphrase.")
    passphrase = _ask_new_passphrase()
    recovery = identity_sources.propose_recovery()
    identity_sources.show_on_terminal(
        "If the passphrase is forgotten, this recovery identity alone opens the store. Keep it on "
        "paper or in a password manager, never beside the store; it is not shown again:",
        recovery,
    )
    if not confirm("Is it kept elsewhere?"):
        message = "No store was made: its recovery identity is not kept."
        raise StoreError(message, "Run it again, and keep it on paper or in a password manager.")
    with saying("Making it…"):
        Store.create(store.organization, passphrase=passphrase, path=store.path, recovery=recovery)
    report(f"{store.state.name} was made. Clear this terminal: what opens it stands above.")


def _ask_new_passphrase() -> Secret:
    """Six proposed words typed once, or one's own typed twice."""
    words = identity_sources.propose_passphrase()
    identity_sources.show_on_terminal("Six words that nobody can guess:", words)
    problem = "The passphrase was not typed."
    for _ in range(TRIES):
        first = ask_secret("Type them, or a passphrase of your own (12 characters or more): ")
        if first.is_same_as(words):
            return first
        try:
            identity_sources.check_passphrase(first)
        except FieldError as error:
            wrong = error.problems["passphrase"]
            problem = f"These are not the six words; as a passphrase of your own it {wrong}"
        else:
            if ask_secret("The same again: ").is_same_as(first):
                return first
            problem = "It was not typed the same twice."
        report(problem)
    raise FieldError(problem, "Run it again; no store was made.")

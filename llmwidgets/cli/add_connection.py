"""llmwidgets connections add: fill in, test, save, as the form of the panel does."""

from __future__ import annotations

import sys

from llmwidgets.cli import Exit, report
from llmwidgets.cli.arguments import AddOptions
from llmwidgets.cli.asking import can_ask, confirm
from llmwidgets.cli.checks import report_lines
from llmwidgets.cli.filling_in import FormAnswers
from llmwidgets.cli.store_access import (
    TRIES,
    check_can_make,
    find_open_policy,
    make_store,
    name_store,
    shell_words,
    unlock,
)
from llmwidgets.connections import Connection
from llmwidgets.connections.foreign_keys import base_url_of_vendor, foreign_key_error
from llmwidgets.engine.check import check, mark_checked
from llmwidgets.errors import AlreadyConnected, FieldError, LLMWidgetsError, StoreError
from llmwidgets.formatting import escape_controls
from llmwidgets.providers import find_provider
from llmwidgets.store import document, repository
from llmwidgets.store.store import Store


def run_add(options: AddOptions) -> Exit:
    """Connect a model and save it once it has passed its test."""
    store = name_store(options)
    unlock(store, options)
    if not store.exists:
        check_can_make(store, options)
    elif store.read_only:
        raise StoreError(f"{store.state.name} is read-only: nothing can be saved.", store.notice)
    answers = FormAnswers(options, _find_earlier(store, options))
    plain = answers.fill_plain()
    replaced = _find_replaced(store, plain, options)
    answers.keep_secrets(plain)
    answers.fill_secrets()
    connection = _settle_doubts(answers, options)
    passed = False
    if options.test:
        connection, passed = _test(answers, connection, store, options)
        if not passed and not _goes_on(replaced, options):
            report(f"{connection.label} was not saved.")
            return Exit.PROBLEM
    if not store.exists:
        make_store(store, options)
    store.save(connection, replace=replaced is not None)
    saved = "Saved" if passed else "Saved all the same" if options.test else "Saved untested"
    place, reference = _lower(store.state.name), _reference(connection)
    sys.stdout.write(escape_controls(f"{saved} in {place}. Use it as {reference}.") + "\n")
    return Exit.FINE if passed or not options.test else Exit.PROBLEM


def _find_earlier(store: Store, options: AddOptions) -> Connection | None:
    """The connection that --replace changes, if it can be told without its fields."""
    if not options.replace:
        return None
    single = find_provider(options.kind).single
    label = options.label
    alike = [
        each for each in store
        if each.kind == options.kind and (each.label == label if label else single)
    ]  # fmt: skip
    return alike[0] if len(alike) == 1 else None


def _find_replaced(store: Store, new: Connection, options: AddOptions) -> Connection | None:
    """The connection whose place it takes, with a yes; AlreadyConnected without."""
    try:
        document.with_connection(repository.read_store(store.state), new, over=False)
    except AlreadyConnected as error:
        taken = error
    else:
        return None
    single = new.provider.single
    alike = [
        each for each in store if each.label == new.label or (single and each.kind == new.kind)
    ]
    if len(alike) == 1:
        if options.replace or (can_ask(options) and confirm(f"{taken.message} Replace it?")):
            return alike[0]
        hint = "Replace it: --replace."
        hint = hint if single else f"Give this one another --label. {hint}"
        raise AlreadyConnected(taken.message, hint)
    raise taken


def _settle_doubts(answers: FormAnswers, options: AddOptions) -> Connection:
    """The connection, once what looks wrong with its secrets was said yes to."""
    connection = answers.build()
    own, secret = connection.kind, connection.secret_fields
    warned = [each for each in connection.field_warnings if each.field in secret]
    doubts = [each for each in warned if each.owner != own]
    asks = can_ask(options)
    doubtful = {} if asks or options.anyway else {each.field: each.sentence for each in doubts}
    if doubtful:
        raise FieldError(doubtful, "Correct it, or go on all the same: --anyway.")
    for said in connection.warnings:
        report(said)
    if not doubts:
        return connection
    if not options.anyway and not confirm("Go on all the same?"):
        raise LLMWidgetsError("Nothing was sent, and nothing saved.", "Run it again with the key.")
    if foreign_key_error(connection) is not None:
        # The base URL names the vendor's own address, so that runs send the key there as well.
        answers.values["base_url"] = base_url_of_vendor(connection)
        connection = answers.build()
    return connection


def _test(
    answers: FormAnswers, connection: Connection, store: Store, options: AddOptions
) -> tuple[Connection, bool]:
    """The connection as it was tested, and whether it passed; a fix is tried after a yes."""
    policy = find_open_policy(store)
    for _ in range(TRIES):
        found = check(connection, policy=policy, tell=lambda step: report(f"{step}…"))
        for line in report_lines(found, connection.provider):
            sys.stdout.write(shell_words(line, options) + "\n")
        sys.stdout.flush()
        if found.ok:
            return mark_checked(connection, found), True
        if not found.fix or not (can_ask(options) and confirm("Put that in, and test again?")):
            break
        answers.values.update(found.fix)
        connection = answers.build()
    return connection, False


def _goes_on(replaced: Connection | None, options: AddOptions) -> bool:
    """Whether a connection that failed is saved: never in place of one that works."""
    if replaced is not None and replaced.checked_at is not None:
        report(f"The test failed, so {replaced.label} stays as it was: it works.")
        return False
    return options.anyway or (can_ask(options) and confirm("Save it all the same?"))


def _reference(connection: Connection) -> str:
    """How code and the shell refer to it."""
    if len(connection.models) == 1 and not connection.provider.single:
        return connection.label
    return f"{connection.label}/{next(iter(connection.models), 'MODEL')}"


def _lower(name: str) -> str:
    return f"{name[:1].lower()}{name[1:]}"

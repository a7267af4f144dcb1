"""What the person at the terminal is asked, with --no-input nothing, and told meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from llmwidgets.cli.arguments import StoreOptions
from llmwidgets.secret import Secret
from llmwidgets.store.identity_sources import ask_passphrase


def can_ask(options: StoreOptions) -> bool:
    """Whether somebody is there to be asked."""
    return not options.no_input and sys.stdin is not None and sys.stdin.isatty()


def ask_words(question: str) -> str:
    """What was typed after the question, which is shown; empty at the end of the input."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def ask_secret(question: str) -> Secret:
    """What was typed after the question, which is not shown; an empty one for nothing."""
    return ask_passphrase(question) or Secret("")


@contextmanager
def saying(words: str) -> Iterator[None]:
    """The words at the terminal for as long as it takes, then taken away; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield
        return
    sys.stderr.write(words)
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write(f"\r{' ' * len(words)}\r")
        sys.stderr.flush()


def confirm(question: str) -> bool:
    """Whether the question was answered by yes."""
    return ask_words(f"{question} [y/N] ").lower() in {"y", "yes"}

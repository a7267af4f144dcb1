"""What the person at the terminal is asked: a word, a yes, a secret; with --no-input nothing."""

from __future__ import annotations

import sys

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


def confirm(question: str) -> bool:
    """Whether the question was answered by yes."""
    return ask_words(f"{question} [y/N] ").lower() in {"y", "yes"}

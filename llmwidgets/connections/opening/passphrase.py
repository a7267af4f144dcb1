"""Passphrase: its one rule, and the secret field of a front end that can ask for it."""

from __future__ import annotations

import getpass
import sys

from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret

SHORTEST = 12


def check(passphrase: Secret) -> None:
    """FieldError for a passphrase under 12 characters, for none, or of letters that came broken."""
    if len(passphrase.reveal()) < SHORTEST:
        raise FieldError(
            {"passphrase": f"has fewer than {SHORTEST} characters, or is no text."},
            "Six random words are easy to keep in mind and hard to guess.",
        )
    if any("\ud800" <= letter <= "\udfff" for letter in passphrase.reveal()):
        raise FieldError(
            {"passphrase": "has a letter that did not arrive whole."},
            "Set the terminal to UTF-8, or use letters without accents.",
        )


def asked(prompt: str) -> Secret | None:
    """What the user typed into the secret field of the notebook or the terminal, closed.

    None at once where nobody can be asked: a kernel whose front end takes no input (a run by
    nbclient, a pipeline), or no terminal. The front end shows dots and keeps nothing.
    """
    if not _somebody_is_there():
        return None
    try:
        return Secret(getpass.getpass(prompt))
    except (NotImplementedError, EOFError):  # how a kernel says that its front end cannot ask
        return None


def asked_twice(organization: str) -> Secret | None:
    """A new passphrase, typed twice; FieldError where the two differ or it is too short."""
    first = asked(f"New passphrase for the store {organization}: ")
    if first is None:
        return None
    check(first)
    second = asked("The same again: ")
    if second is None or not second.is_same_as(first):
        raise FieldError(
            {"passphrase": "was not typed the same twice."}, "Run the cell again and type it twice."
        )
    return first


def _somebody_is_there() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if hasattr(shell, "kernel"):
        return True
    return sys.stdin is not None and sys.stdin.isatty()

"""Typed in a cell: a key or passphrase written as a literal is in the notebook; say so, once."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from llmwidgets.secret import Secret

_warned: set[tuple[str, str]] = set()


def warn_if_typed(name: str, secret: Secret) -> None:
    """Write a note with the command that cleans, where a cell of this session holds the value.

    Once for each; silent outside IPython, for references and for values under 8 characters.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or secret.reference or not _stands_in_a_cell(shell, secret):
        return
    if (name, secret.tail) not in _warned:
        _warned.add((name, secret.tail))
        sys.stderr.write(_note(name, shell))


def _stands_in_a_cell(shell: Any, secret: Secret) -> bool:
    from llmwidgets.known_keys import known_key

    cells = "\n".join(map(str, getattr(shell.history_manager, "input_hist_raw", [])))
    data = f"{cells}\n{_running(shell)}".encode("utf-8", "replace")
    return any(
        data.find(spelled) >= 0
        for known in known_key("", secret)
        for kind, spelled in known.spellings
        if kind in {"raw", "JSON-escaped"}
    )


def _running(shell: Any) -> str:
    """The cell that runs now, also one that a front end keeps out of the history."""
    try:
        return str(shell.get_parent()["content"]["code"])
    except (AttributeError, KeyError, TypeError, LookupError):
        return ""


def _note(name: str, shell: Any) -> str:
    history = str(getattr(shell.history_manager, "hist_file", "") or "")
    named = [each for each in (_notebook(shell), history) if each and each != ":memory:"]
    instead = _INSTEAD.get(name, f'Use lw.ConnectionPanel(), or {name}="env:NAME".')
    if name.startswith("header "):
        instead = f'Use headers={{"{name.removeprefix("header ")}": "env:NAME"}}.'
    return (
        f"llmwidgets: The {name} is written in a cell, so the notebook and IPython's history hold "
        f"it. {instead}\nTake it out of both, once the notebook is saved:\n"
        f"    llmwidgets scan --clean {' '.join(map(shlex.quote, named))}\n"
    )


_INSTEAD = {
    "passphrase": "Leave it out: then a secret field asks.",
    "identity": "Set LLMWIDGETS_STORE_KEY_FILE to the file that holds it.",
}


def _notebook(shell: Any) -> str:
    """The notebook's path as its front end tells it; NOTEBOOK.ipynb where it does not."""
    told = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "")
    for path in (Path(told), Path(told).name):
        if told.endswith(".ipynb") and Path(path).is_file():
            return str(path)
    return "NOTEBOOK.ipynb" if hasattr(shell, "kernel") else ""

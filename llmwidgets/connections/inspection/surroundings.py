"""Surroundings: what around the store a doctor looks at: history, policies, keyring, clock."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from llmwidgets.connections.policies.policy_layers import machine_rules, policy_files
from llmwidgets.errors import StoreError
from llmwidgets.keyscan.doctor import Finding
from llmwidgets.keyscan.files import Found, search
from llmwidgets.known_keys import KnownKey
from llmwidgets.store import system_keyring

_OLDEST = datetime(2026, 11, 1, tzinfo=UTC).timestamp()


def histories() -> list[Path]:
    """IPython's history files of this user, one a profile."""
    folder = Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser()
    return sorted(folder.glob("profile_*/history.sqlite"))


def examine_history(known: Sequence[KnownKey], store: str) -> Iterator[Finding]:
    """Keys in IPython's histories: by shape, and the known ones of the store.

    `store` are the words of a command that name it: only with its keys all of them are cut.
    """
    for path in histories():
        found = [each for each in search(path, known) if isinstance(each, Found)]
        if not found:
            yield Finding("history", "fine", f"No key found in {path}.")
            continue
        ends = ", ".join(dict.fromkeys(f"{each.kind} ({each.tail})" for each in found[:5]))
        said = f"{path} holds {len(found)} times a key: {ends}."
        yield Finding(
            "history", "problem", said, f"llmwidgets scan {store}--clean {shlex.quote(str(path))}"
        )
    if not histories():
        yield Finding("history", "fine", "IPython keeps no history here.")


def examine_policies() -> Iterator[Finding]:
    """The policy files that are followed, and those that cannot be."""
    for path, rules in zip(policy_files(), machine_rules(), strict=False):
        if rules.damage:
            yield Finding("policy", "problem", *rules.damage)
        else:
            yield Finding("policy", "fine", f"{path} is in force.")
    if not policy_files():
        yield Finding("policy", "fine", "No policy file is in force.")


def examine_clock(folder: Path | None, now: Callable[[], float] = time.time) -> Finding:
    """Whether this computer's clock can be right: TLS and tokens are refused where it is not."""
    fix = "Set the clock: certificates and Google's tokens are refused by a wrong one."
    if now() < _OLDEST:
        return Finding("clock", "problem", f"It says {_day(now())}, which is past.", fix)
    files = folder.glob("*.age*") if folder is not None and folder.is_dir() else iter(())
    newest = max((each.stat().st_mtime for each in files), default=0.0)
    if newest > now() + 300:
        said = f"It says {_day(now())}, but the store was written on {_day(newest)}."
        return Finding("clock", "problem", said, fix)
    return Finding("clock", "fine", f"It says {_day(now())}.")


def examine_keyring() -> Finding:
    """The system keyring that would be used, or why none is; it is waited for three seconds."""
    try:
        return Finding("keyring", "fine", f"{system_keyring.back_end_name()} can be used.")
    except StoreError as error:
        return Finding("keyring", "fine", f"None is used. {error.message}")


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M %Z}"

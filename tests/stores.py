"""A store as another process on this computer finds it."""

from __future__ import annotations

from llmwidgets.store import age
from llmwidgets.store.state import StoreState
from llmwidgets.store.store import Store

SHIPPED_WORK_FACTOR = age.WORK_FACTOR
"""What a passphrase costs outside the tests."""


def in_another_process(store: Store, *, unlocked: bool = False) -> Store:
    """The store of the same folder, with nothing shared but the files; as open, if asked for."""
    assert store.path is not None
    other = Store(path=store.path)
    other.state = StoreState(store.path)
    if unlocked and store.state.source is not None:
        other.state.open_by(store.state.source)
    return other

"""The second output of a panel: the result as HTML, for where the widget cannot be shown."""

from __future__ import annotations

import threading
import uuid
from typing import Any


class StaticOutput:
    """An HTML-only output below the widget, brought up to date after each run.

    A live panel hides it by its own style; a notebook reopened without a kernel, GitHub and
    nbviewer show it. It holds no extracted value and no text.
    """

    def __init__(self) -> None:
        self._name = uuid.uuid4().hex
        self._turn = threading.Lock()
        self._shown = False
        self._fragment = ""

    @property
    def fragment(self) -> str:
        """The newest result as HTML; empty before there is one."""
        return self._fragment

    def display(self, data: dict[str, Any], metadata: dict[str, Any], placeholder: str) -> None:
        """Publish the widget's own output, and the HTML as a second one."""
        _publish(data, metadata=metadata)
        with self._turn:
            _publish(_bundle(self._fragment or placeholder), display_id=self._name)
            self._shown = True

    def update(self, fragment: str) -> None:
        """Put a newer result in the place of the second output, wherever it is displayed."""
        with self._turn:
            self._fragment = fragment
            if self._shown:
                _publish(_bundle(fragment), display_id=self._name, update=True)


def _publish(data: dict[str, Any], **options: Any) -> None:
    from IPython import display

    display.display(data, raw=True, **options)  # type: ignore[no-untyped-call]


def _bundle(fragment: str) -> dict[str, Any]:
    return {"text/html": f'<div class="llmwidgets-static">{fragment}</div>'}

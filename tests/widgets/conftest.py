"""What the tests of the widgets share: the page's end of a widget, without a browser."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

QUESTIONS = {
    "grid": "grid.lay", "detail": "grid.detail", "scores": "scores.show",
    "grounding": "scores.grounding", "doubt": "scores.doubt", "text": "result.text",
    "request": "result.request", "kinds": "kinds.show", "kind_rows": "kinds.rows",
}  # fmt: skip
"""What the page asks by, by the type of the answer."""


class Wire:
    """The page's end of a widget's comm, without a kernel: hears states, sends actions."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.messages: list[dict[str, Any]] = []
        self.raw: list[tuple[dict[str, Any], list[Any]]] = []
        widget.comm.publish_msg = self._published

    def _published(self, kind: str, data: Any = None, buffers: Any = None, **_rest: Any) -> None:
        self.raw.append((data or {}, list(buffers or [])))
        if data and data.get("method") == "custom":
            self.messages.append(data["content"])

    @property
    def state(self) -> dict[str, Any]:
        """The newest state the page was sent."""
        return next(each for each in reversed(self.messages) if each["type"] == "state")

    @property
    def form(self) -> dict[str, Any]:
        """The form that is open."""
        return self.state["form"]

    def field(self, name: str) -> dict[str, Any]:
        """One field of the form that is open."""
        groups = self.form["groups"]
        return next(each for group in groups for each in group["fields"] if each["name"] == name)

    def send(self, kind: str, buffers: list[bytes] | None = None, /, **content: Any) -> None:
        """Send an action as the page does and wait until its work is done."""
        data = {"method": "custom", "content": {"type": kind, **content}}
        views = [memoryview(each) for each in buffers or []]
        self.widget.comm.handle_msg({"content": {"data": data}, "buffers": views})
        self.settle()

    def ask(self, answer: str, /, **content: Any) -> dict[str, Any]:
        """Ask for a view by the type of its answer, and return the answer."""
        self.send(QUESTIONS[answer], **content)
        return next(each for each in reversed(self.messages) if each["type"] == answer)

    def settle(self) -> None:
        """Wait until nothing that was submitted is under way; a minute without an end is a hang."""
        while under_way := set(self.widget.page.under_way):
            assert wait(under_way, timeout=60, return_when=FIRST_COMPLETED).done, under_way

    def type_secret(self, field: str, value: str, **content: Any) -> None:
        """Seal a value to the kernel's key and send it, as the page does."""
        self.send("secret.sealing")
        spki = next(each["spki"] for each in self.messages if each["type"] == "sealing")
        kind = "form.secret" if "form" in content else "secret.typed"
        self.send(kind, seal(spki, field, value), field=field, sealed=True, **content)

    def see(self, what: str) -> str:
        """Have the kernel show a secret it made, sealed to a key of this page's own."""
        own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        der = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.send("store.show", what=what, view="view-1", spki=base64.b64encode(der).decode())
        message, buffers = next(
            (data["content"], buffers)
            for data, buffers in reversed(self.raw)
            if data.get("content", {}).get("type") == "shown"
        )
        assert (message["what"], message["view"], message["sealed"]) == (what, "view-1", True)
        wrapped, nonce, sealed = (bytes(each) for each in buffers)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        return AESGCM(own.decrypt(wrapped, oaep)).decrypt(nonce, sealed, what.encode()).decode()

    def submit(self, kind: str = "form.test", /, **content: Any) -> None:
        """Press a button of the open form."""
        self.send(kind, form=self.form["key"], **content)


def seal(spki: str, field: str, value: str) -> list[bytes]:
    """What WebCrypto makes in the page: wrapped key, nonce, sealed bytes."""
    public = load_der_public_key(base64.b64decode(spki))
    key, nonce = AESGCM.generate_key(256), os.urandom(12)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    closed = AESGCM(key).encrypt(nonce, value.encode(), field.encode())
    return [public.encrypt(key, oaep), nonce, closed]


@pytest.fixture(scope="session", name="seal")
def _seal() -> Callable[[str, str, str], list[bytes]]:
    """What the page makes of a value: `seal(spki, field, value)`."""
    return seal


@pytest.fixture
def wire() -> Iterator[Callable[[Any], Wire]]:
    """Join a widget to a page that asks for its state; the widget is closed at the end."""
    joined: list[Any] = []

    def join(widget: Any) -> Wire:
        joined.append(widget)
        page_end = Wire(widget)
        page_end.send("hello")
        return page_end

    yield join
    for widget in joined:
        widget.close()


@pytest.fixture
def demo_address() -> str:
    """The address of the real demo server, which speaks the OpenAI format; started if needed."""
    from llmwidgets.demo import demo_url

    return demo_url()

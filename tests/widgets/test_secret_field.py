"""A secret comes to the kernel sealed, becomes a Secret, and stands nowhere else."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.engine import event_loop
from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret
from llmwidgets.widgets.secret_field import SecretField, open_secret, public_key

CANARY = "sk-made-up-canary-0004711-3fQz"


Sealed = Callable[..., list[memoryview]]


@pytest.fixture(scope="session")
def sealed(seal) -> Sealed:
    """Seal a value for a field to the key of this process."""

    def make(value: str, field: str = "api_key") -> list[memoryview]:
        return [
            memoryview(each) for each in seal(event_loop.run_blocking(public_key()), field, value)
        ]

    return make


def test_what_the_page_seals_the_kernel_opens(sealed: Sealed) -> None:
    """A sealed value arrives whole and becomes a Secret."""
    secret = open_secret({"field": "api_key", "sealed": True}, sealed(CANARY))
    assert isinstance(secret, Secret)
    assert secret.reveal() == CANARY


@settings(max_examples=30, deadline=None)
@given(text=st.text(min_size=1).filter(lambda text: not text.startswith(("env:", "file:"))))
def test_every_text_survives_sealing(sealed: Sealed, text: str) -> None:
    """Any characters, of any script, come through."""
    opened = open_secret({"field": "a", "sealed": True}, sealed(text, "a"))
    assert opened.reveal() == Secret(text).reveal()


def test_a_plain_value_is_taken_from_the_buffer() -> None:
    """Without https the bytes come as typed, in the buffer alone."""
    buffer = memoryview(CANARY.encode())
    assert open_secret({"field": "api_key", "sealed": False}, [buffer]).reveal() == CANARY


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_chosen_file_is_read_as_tools_write_it(encoding: str) -> None:
    """A file of credentials that PowerShell wrote comes as its bytes are."""
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    buffer = memoryview(mark + f'{{"type": "{CANARY}"}}\r\n'.encode(encoding))
    opened = open_secret({"field": "credentials", "sealed": False}, [buffer])
    assert opened.reveal() == f'{{"type": "{CANARY}"}}'


@pytest.mark.parametrize("content", [f"{CANARY}é".encode("latin-1"), CANARY.encode("utf-32")])
def test_a_chosen_file_that_is_no_text_is_refused_unseen(content: bytes) -> None:
    with pytest.raises(FieldError, match="not text") as caught:
        open_secret({"field": "credentials", "sealed": False}, [memoryview(content)])
    assert caught.value.__context__ is None


def test_a_value_sealed_for_another_field_is_refused(sealed: Sealed) -> None:
    """The field's name is bound into the seal, so a value cannot be turned to another field."""
    with pytest.raises(FieldError, match="did not arrive whole"):
        open_secret({"field": "auth_token", "sealed": True}, sealed(CANARY, "api_key"))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_changed_byte_is_refused(sealed: Sealed, place: int) -> None:
    """A message changed on its way gives a sentence, never a wrong key."""
    buffers = [bytearray(each) for each in sealed(CANARY)]
    buffers[place][3] ^= 1
    with pytest.raises(FieldError, match="did not arrive whole") as caught:
        open_secret({"field": "api_key", "sealed": True}, [memoryview(each) for each in buffers])
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("content", "buffers"),
    [
        ({"field": "a", "sealed": False}, []),
        ({"field": "a", "sealed": False}, [b"x" * 70_000]),
        ({"field": "a", "sealed": False}, [b"\xff\xfe"]),
        ({"field": "a", "sealed": True}, [b"one"]),
        ({}, [b"a", b"b"]),
    ],
)
def test_anything_else_is_refused(content: dict[str, object], buffers: list[bytes]) -> None:
    """No buffer, too many bytes, bytes that are no text: a sentence with the next step."""
    with pytest.raises(FieldError, match="did not arrive whole"):
        open_secret(content, [memoryview(each) for each in buffers])


def test_the_public_key_is_one_of_2048_bits_a_process() -> None:
    """Asked twice, the kernel gives the same RSA key."""
    first, second = event_loop.run_blocking(public_key()), event_loop.run_blocking(public_key())
    assert first == second
    assert load_der_public_key(base64.b64decode(first)).key_size == 2048  # type: ignore[union-attr]


def test_the_page_learns_the_last_four_characters_only() -> None:
    """Received, stored, empty and reference: no view holds the value."""
    received = SecretField(stored=Secret("sk-older-value-00009999"), received=Secret(CANARY)).view()
    assert received == {
        "state": "received", "tail": "3fQz", "reference": None, "replaces": True,
    }  # fmt: skip
    assert SecretField(stored=Secret(CANARY)).view()["state"] == "stored"
    assert SecretField().view() == {"state": "empty"}
    assert SecretField(stored=Secret("env:KEY")).view()["reference"] == "env:KEY"
    assert SecretField(stored=Secret(CANARY)).view(told=False)["tail"] == ""

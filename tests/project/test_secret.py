"""A Secret shows itself nowhere; a text that holds one can be cleaned."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret, redact

CANARY = "made-up-canary-7f3e91b2c4d5"


class Form(BaseModel):
    key: Secret
    other: int = 0


SURFACES = {
    "repr": repr,
    "str": str,
    "format": lambda secret: f"{secret:>40}",
    "vars of a holder": lambda secret: repr(vars(Form(key=secret))),
    "model repr": lambda secret: repr(Form(key=secret)),
    "model_dump": lambda secret: repr(Form(key=secret).model_dump()),
    "model_dump_json": lambda secret: Form(key=secret).model_dump_json(),
    "json default": lambda secret: json.dumps({"key": secret}, default=repr),
    "deepcopy": lambda secret: repr(copy.deepcopy({"key": secret})),
    "attributes": lambda secret: repr([getattr(secret, name, None) for name in dir(secret)]),
}


@pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES.keys())
def test_no_surface_shows_the_value(surface) -> None:
    assert CANARY not in surface(Secret(CANARY))


def test_the_search_would_find_it() -> None:
    """The same probes over a plain text hit, so the test above can fail."""
    assert CANARY in repr(CANARY)
    assert CANARY in f"{CANARY:>40}"


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(CANARY))


def test_two_secrets_are_not_equal_by_value() -> None:
    assert Secret(CANARY) != Secret(CANARY)


def test_two_secrets_are_compared_by_name_alone() -> None:
    assert Secret(CANARY).is_same_as(Secret(f" {CANARY}\n"))
    assert not Secret(CANARY).is_same_as(Secret(CANARY[1:]))
    assert Secret("env:NOT_SET").is_same_as(Secret("env:NOT_SET"))
    assert not Secret("env:NOT_SET").is_same_as(Secret(CANARY))
    assert not Secret(CANARY).is_same_as(Secret("env:NOT_SET"))


def test_a_failed_field_beside_a_secret_does_not_print_it() -> None:
    with pytest.raises(ValidationError) as caught:
        Form(key=Secret(CANARY), other="no number")
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value.errors())


def test_locals_of_a_traceback_do_not_hold_the_value() -> None:
    def fails(secret: Secret) -> None:
        raise RuntimeError(len(secret.reveal()))

    try:
        fails(Secret(CANARY))
    except RuntimeError as error:
        seen = traceback.TracebackException.from_exception(error, capture_locals=True)
        frames = [frame.locals for frame in seen.stack]
    assert CANARY not in repr(frames)


@pytest.mark.parametrize("typed", [f"  {CANARY}\n", f'"{CANARY}"', f"'{CANARY}' "])
def test_blanks_and_quotes_around_a_pasted_key_are_cut(typed: str) -> None:
    assert Secret(typed).reveal() == CANARY


def test_a_reference_is_looked_up_at_use(monkeypatch, tmp_path) -> None:
    secret = Secret("env:MADE_UP_VARIABLE")
    with pytest.raises(FieldError, match="MADE_UP_VARIABLE is not set"):
        secret.reveal()
    monkeypatch.setenv("MADE_UP_VARIABLE", f"{CANARY}\n")
    assert secret.reveal() == CANARY
    assert CANARY not in repr(secret)
    kept = tmp_path / "key"
    kept.write_text(CANARY + "\n")
    assert Secret(f"file:{kept}").reveal() == CANARY
    with pytest.raises(FieldError, match="There is no file"):
        Secret("file:/nowhere/at/all").reveal()


@pytest.mark.parametrize(
    "shape",
    [
        "Incorrect API key provided: sk-made-up-0000000000",
        "Authorization: Bearer made.up.token-0001",
        "key AIzaMadeUpMadeUpMadeUp was refused",
        "key AQ.MadeUpMadeUpMadeUp was refused",
        "hf_MadeUpMadeUpMadeUp",
        "http://user:made-up-word@proxy.example:8080/",
        "AGE-SECRET-KEY-1MADEUPMADEUP",
    ],
)
def test_key_shapes_are_masked_in_words_from_elsewhere(shape: str) -> None:
    cleaned = redact(shape)
    assert "••••" in cleaned
    for word in ("sk-made", "made.up", "MadeUp", "made-up-word", "MADEUP"):
        assert word not in cleaned


@given(before=st.text(max_size=30), after=st.text(max_size=30))
def test_a_live_secret_is_masked_wherever_it_stands(before: str, after: str) -> None:
    secret = Secret(CANARY)
    assert CANARY not in redact(before + secret.reveal() + after)


def test_a_live_secret_inside_a_longer_key_leaves_no_rest() -> None:
    """Masking the short one first would let the end of the long one stand."""
    short = Secret("sk-made-up-key-0000")
    assert redact("The key sk-made-up-key-00003fQz failed.") == "The key •••• failed."
    assert short


@given(st.lists(st.sampled_from([CANARY, CANARY[:12], CANARY[6:], " and "])))
def test_overlapping_secrets_are_masked_whole(pieces: list[str]) -> None:
    secrets = [Secret(CANARY), Secret(CANARY[:12]), Secret(CANARY[6:])]
    cleaned = redact("".join(pieces))
    assert secrets
    for secret in secrets:
        assert secret.reveal() not in cleaned
    assert cleaned.replace("••••", "").replace(" and ", "").strip() == ""


def test_a_fingerprint_is_no_hash_that_another_process_can_count_out() -> None:
    """Workers of Dask have all the same seed."""
    key = "made-up-key-0001"

    assert Secret(key).fingerprint == Secret(key).fingerprint != Secret(f"{key}2").fingerprint
    assert Secret(key).fingerprint != hash(key)

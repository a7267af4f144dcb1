"""Sealing: strict age v1, checked by the public vectors, every flipped bit and Debian's age."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import traceback
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.errors import (
    DamagedStore,
    FieldError,
    LLMWidgetsError,
    StoreError,
    StoreLocked,
    WrongPassphrase,
)
from llmwidgets.secret import Secret
from llmwidgets.store import age
from llmwidgets.store import age as bech32
from llmwidgets.store.age import Identity, Stanza, padless, signed_part, unpadded

VECTORS = Path(__file__).parents[3] / "shared" / "data" / "age-testkit" / "vectors"
CANARY = "made-up canary plaintext 7f3a"
PASSPHRASE = Secret("a made-up passphrase")
IDENTITY = Identity.generate()


def vectors() -> list[Path]:
    """The vectors of the collection for the two kinds of stanza and the binary form."""
    if not VECTORS.is_dir():
        return []
    return [
        path
        for path in sorted(VECTORS.iterdir())
        if "hybrid" not in path.name
        and b"\narmored: yes" not in path.read_bytes().split(b"\n\n")[0]
    ]


def outcome(path: Path) -> str:
    """What our reader makes of a vector, in the words of the collection."""
    head, _, data = path.read_bytes().partition(b"\n\n")
    rows = [line.split(": ", 1) for line in head.decode().splitlines()]
    facts = dict(rows)
    if facts.get("compressed") == "zlib":
        data = zlib.decompress(data)
    keys = [value for key, value in rows if key == "identity"]
    identities = [Identity.parse(Secret(key)) for key in keys]
    try:
        if "passphrase" in facts:
            plain = age.decrypt_passphrase(data, Secret(facts["passphrase"]))
        else:
            plain = age.decrypt(data, identities)
    except (StoreLocked, WrongPassphrase):
        return "no match"
    except DamagedStore:
        return "failure"
    return f"success {hashlib.sha256(plain).hexdigest()}"


def expected(path: Path) -> str:
    facts = dict(
        line.split(": ", 1)
        for line in path.read_bytes().partition(b"\n\n")[0].decode().splitlines()
    )
    if facts["expect"] == "success":
        return f"success {facts['payload']}"
    return "no match" if facts["expect"] == "no match" else "failure"


def test_the_vectors_are_all_there() -> None:
    if not VECTORS.is_dir():
        pytest.skip("the folder shared/data with real test data is not beside the repository")
    assert len(vectors()) == 92


@pytest.mark.parametrize("path", vectors(), ids=lambda path: path.name)
def test_vector(path: Path) -> None:
    """Each applicable vector of C2SP/CCTV ends as the collection says."""
    assert outcome(path) == expected(path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 4))
def test_each_recipient_opens(plain: bytes, count: int) -> None:
    identities = [Identity.generate() for _ in range(count)]
    sealed = age.encrypt(memoryview(plain), [each.recipient for each in identities])
    assert {bytes(age.decrypt(sealed, [each])) for each in identities} == {plain}


@pytest.mark.parametrize("length", [0, 1, 65535, 65536, 65537, 131072, 200000])
def test_lengths_around_a_chunk(length: int) -> None:
    plain = os.urandom(length)
    sealed = age.encrypt(memoryview(plain), [IDENTITY.recipient])
    assert bytes(age.decrypt(sealed, [IDENTITY])) == plain


def test_passphrase_round_trip_and_cost() -> None:
    """A passphrase file says N = 2^17 and opens with its passphrase alone."""
    sealed = age.encrypt_passphrase(memoryview(b"plain"), PASSPHRASE)
    assert sealed.splitlines()[1].endswith(b" 17")
    assert bytes(age.decrypt_passphrase(sealed, PASSPHRASE)) == b"plain"
    with pytest.raises(WrongPassphrase):
        age.decrypt_passphrase(sealed, Secret("another passphrase"))


@pytest.mark.parametrize(("factor", "memory"), [(21, "2 GB"), (24, "16 GB"), (64, "2^44 GB")])
def test_a_costly_file_is_refused_before_it_costs(factor: int, memory: str) -> None:
    """Above 2^20 nothing is computed; the sentence says what memory it would take."""
    cheap = age.encrypt_passphrase(memoryview(b"plain"), PASSPHRASE, work_factor=1)
    dear = cheap.replace(b" 1\n", f" {factor}\n".encode(), 1)
    with pytest.raises(DamagedStore, match=memory.replace("^", r"\^")):
        age.decrypt_passphrase(dear, PASSPHRASE)


def small_file() -> bytes:
    return age.encrypt(memoryview(CANARY.encode()), [IDENTITY.recipient])


def refused(data: bytes) -> bool:
    try:
        age.decrypt(data, [IDENTITY])
    except (DamagedStore, StoreLocked):
        return True
    return False


def test_every_flipped_bit_is_refused() -> None:
    sealed = small_file()
    accepted = [
        bit
        for bit in range(len(sealed) * 8)
        if not refused(
            sealed[: bit // 8] + bytes([sealed[bit // 8] ^ 1 << bit % 8]) + sealed[bit // 8 + 1 :]
        )
    ]
    assert accepted == []
    assert not refused(sealed)


def test_every_truncation_and_addition_is_refused() -> None:
    sealed = small_file()
    assert [length for length in range(len(sealed)) if not refused(sealed[:length])] == []
    assert [more for more in (b"\n", b"\0", b"x" * 16, sealed) if not refused(sealed + more)] == []


def test_every_flipped_bit_of_a_passphrase_file_is_refused() -> None:
    sealed = age.encrypt_passphrase(memoryview(b"plain"), PASSPHRASE, work_factor=1)
    for bit in range(len(sealed) * 8):
        place = bit // 8
        damaged = sealed[:place] + bytes([sealed[place] ^ 1 << bit % 8]) + sealed[place + 1 :]
        with pytest.raises(StoreError):
            age.decrypt_passphrase(damaged, PASSPHRASE)


def test_an_identity_of_another_is_told_from_damage() -> None:
    with pytest.raises(StoreLocked):
        age.decrypt(small_file(), [Identity.generate()])


def test_identities_are_spelled_as_age_spells_them() -> None:
    text = IDENTITY.secret.reveal()
    assert len(text) == 74
    assert text.startswith("AGE-SECRET-KEY-1")
    assert Identity.parse(Secret(text)).recipient == IDENTITY.recipient
    assert text not in repr(IDENTITY)


@pytest.mark.parametrize(
    "text", ["", "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1QQQQ", "age1qqqq", "nonsense"]
)
def test_no_identity_is_a_field_error(text: str) -> None:
    with pytest.raises(FieldError, match="not an age identity"):
        Identity.parse(Secret(text))


def test_a_changed_letter_of_an_identity_is_noticed_and_not_shown() -> None:
    """The checksum refuses it, and no local of a frame in the traceback holds it."""
    good = IDENTITY.secret.reveal()
    bad = Secret(good[:-1] + ("Q" if good[-1] != "Q" else "P"))
    with pytest.raises(FieldError) as caught:
        Identity.parse(bad)
    assert good[20:60] not in shown(caught.value)


def test_an_unknown_recipient_is_a_field_error() -> None:
    with pytest.raises(FieldError, match="recipient"):
        age.encrypt(memoryview(b"x"), ["age1nonsense"])


def test_tag_depends_on_identity_and_message() -> None:
    other = Identity.generate()
    tags = {
        IDENTITY.tag(memoryview(b"a")), IDENTITY.tag(memoryview(b"b")), other.tag(memoryview(b"a"))
    }  # fmt: skip
    assert len(tags) == 3
    assert IDENTITY.tag(memoryview(b"a")) in tags


@given(st.binary(max_size=80))
def test_bech32_and_base64_round_trips(data: bytes) -> None:
    assert bech32.bech32_decode("age", bech32.bech32_encode("age", data)) == data
    assert unpadded(padless(data)) == data


@given(st.binary(min_size=4, max_size=40), st.data())
def test_bech32_notices_a_changed_letter(data: bytes, draw: st.DataObject) -> None:
    text = bech32.bech32_encode("age", data)
    place = draw.draw(st.integers(4, len(text) - 1))
    letter = draw.draw(st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
    changed = text[:place] + letter + text[place + 1 :]
    assert bech32.bech32_decode("age", changed) == (data if changed == text else None)


@pytest.mark.parametrize("length", [0, 47, 48, 49, 96])
def test_stanza_bodies_end_with_a_short_line(length: int) -> None:
    lines = signed_part([Stanza("x", (), bytes(length))]).split(b"\n")[2:-1]
    assert all(len(line) == 64 for line in lines[:-1])
    assert len(lines[-1]) < 64


def shown(error: BaseException) -> str:
    """The traceback with the locals of every frame, and of all that hangs on the error."""
    assert error.__traceback__ is not None
    frames = error.__traceback__.tb_next  # the first is the test's own
    told = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    chain, hanging = "".join(told.format()), error.__context__
    while hanging is not None:
        chain += repr(vars(hanging)) + repr(hanging.args)
        hanging = hanging.__context__
    return chain


def damaged_at_the_end() -> bytes:
    sealed = age.encrypt(memoryview((CANARY * 4000).encode()), [IDENTITY.recipient])
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


def test_no_traceback_shows_plaintext_or_keys() -> None:
    """A file that breaks in its second chunk: what was opened before stays out of the frames."""
    with pytest.raises(LLMWidgetsError) as caught:
        age.decrypt(damaged_at_the_end(), [IDENTITY])
    assert CANARY not in shown(caught.value)
    assert IDENTITY.secret.reveal() not in shown(caught.value)


def test_the_search_in_tracebacks_finds_what_is_there() -> None:
    def careless() -> None:
        plain = CANARY
        raise DamagedStore(str(len(plain)))

    with pytest.raises(DamagedStore) as caught:
        careless()
    assert CANARY in shown(caught.value)


@pytest.mark.skipif(shutil.which("age") is None, reason="the age tool is not installed")
def test_age_opens_ours_and_we_open_theirs(tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    key.touch(0o600)
    key.write_text(IDENTITY.secret.reveal() + "\n")
    for plain in (b"", b"one", os.urandom(70000)):
        ours = age.encrypt(memoryview(plain), [IDENTITY.recipient])
        opened = subprocess.run(
            ["age", "-d", "-i", str(key)], input=ours, capture_output=True, check=True
        )
        theirs = subprocess.run(
            ["age", "-r", IDENTITY.recipient], input=plain, capture_output=True, check=True
        )
        assert opened.stdout == plain
        assert bytes(age.decrypt(theirs.stdout, [IDENTITY])) == plain

"""A team on one file: who is let in, whose writing is believed, and what leaving means."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import DamagedStore, FieldError, StoreError, StoreLocked, UnknownConnection
from llmwidgets.store import age, document, identity_sources, sharing
from llmwidgets.store.age import Identity
from llmwidgets.store.document import Recipient, StoreDocument
from llmwidgets.store.state import state_of
from llmwidgets.store.store import Store
from tests.stores import in_another_process

PASSPHRASE = "a made-up passphrase"
ANN, BOB, EVE = Identity.generate(), Identity.generate(), Identity.generate()


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    identity_sources.forget_identity()
    yield
    identity_sources.forget_identity()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create(path=tmp_path / "team", passphrase=PASSPHRASE)
    made.save(Connection("openai", api_key="sk-made-up-0123456789abcdef"))
    return made


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Go to the computer of somebody: each remembers what it saw, and no other's."""

    def go(name: str) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"memory of {name}"))

    go("owner")
    return go


def seen_by(store: Store, identity: Identity, *trusted: str) -> Store:
    """The store as the holder of an identity opens it in a process of its own."""
    other = in_another_process(store)
    for each in trusted:
        other.trust(each)
    other.unlock(identity=identity.secret)
    return other


def custom(label: str) -> Connection:
    return Connection("custom", name="m", endpoint="http://localhost:1/v1", label=label)


def test_an_invited_member_reads_and_writes(store: Store, at: Callable[[str], None]) -> None:
    """By the line of the invitation; the owner believes what the member saves."""
    said = store.invite(ANN.recipient, "Ann")
    assert f'team.trust("{store.recipient}")' in str(said)
    assert sharing.fingerprint(ANN.recipient) in str(said)
    at("Ann")
    team = seen_by(store, ANN, store.recipient)
    assert [each.label for each in team] == ["openai"]
    team.save(custom("from Ann"))
    at("owner")
    assert [each.label for each in store] == ["openai", "from Ann"]
    store.save(custom("from the owner"))
    at("Ann")
    assert len(team) == 3


def test_members_are_listed_with_fingerprints(store: Store) -> None:
    store.invite(f" {ANN.recipient}\n", "Ann")
    listed = store.members
    assert [(each.name, each.you) for each in listed] == [
        ("owner", True), ("recovery", False), ("Ann", False)
    ]  # fmt: skip
    assert len({each.fingerprint for each in listed}) == 3
    assert all(len(each.fingerprint) == 24 for each in listed)


@pytest.mark.parametrize(
    ("recipient", "name", "said"),
    [
        ("age1nonsense", "Ann", "recipient"), (ANN.recipient, " ", "name"),
        (ANN.recipient, "owner", "name"), (ANN.recipient, "recovery", "name"),
        (BOB.recipient, "Ann", "can open the store already"), (ANN.recipient, "Bob", "Bob"),
    ],
    ids=["nonsense", "blank", "owner", "recovery", "twice", "taken"],
)  # fmt: skip
def test_what_is_no_invitation(store: Store, recipient: str, name: str, said: str) -> None:
    store.invite(BOB.recipient, "Bob")
    with pytest.raises(FieldError, match=said):
        store.invite(recipient, name)
    assert len(store.members) == 3


def test_a_secret_identity_in_place_of_a_recipient_is_not_repeated(store: Store) -> None:
    with pytest.raises(FieldError, match="secret identity") as caught:
        store.invite(ANN.secret.reveal(), "Ann")
    assert ANN.secret.reveal() not in str(caught.value)


def test_an_unknown_writer_is_refused_until_named(store: Store, at: Callable[[str], None]) -> None:
    """A new member believes nobody before the line of the invitation is run."""
    store.invite(ANN.recipient, "Ann")
    at("Ann")
    with pytest.raises(DamagedStore, match="not written by a holder") as caught:
        seen_by(store, ANN)
    assert f'store.trust("{store.recipient}")' in caught.value.hint
    with pytest.raises(DamagedStore):
        seen_by(store, ANN, BOB.recipient)
    assert len(seen_by(store, ANN, store.recipient)) == 1


def test_a_member_whom_another_let_in_is_believed(store: Store, at: Callable[[str], None]) -> None:
    """Ann saw the store before Bob came; the owner vouches for Bob in the file that Bob wrote."""
    store.invite(ANN.recipient, "Ann")
    owner = store.recipient
    at("Ann")
    team = seen_by(store, ANN, owner)
    at("owner")
    store.invite(BOB.recipient, "Bob")
    at("Bob")
    seen_by(store, BOB, owner).save(custom("from Bob"))
    at("Ann")
    assert "from Bob" in team
    at("a new computer of Ann")
    assert "from Bob" in seen_by(store, ANN, owner)


def test_the_owner_on_a_new_computer_believes_the_members(
    store: Store, at: Callable[[str], None]
) -> None:
    """The list of members carries the owner's own code, so nothing needs to be remembered."""
    store.invite(ANN.recipient, "Ann")
    owner = store.recipient
    at("Ann")
    seen_by(store, ANN, owner).save(custom("from Ann"))
    at("a new computer of the owner")
    other = in_another_process(store)
    other.unlock(PASSPHRASE)
    assert "from Ann" in other


def test_a_removed_member_is_out(store: Store, at: Callable[[str], None]) -> None:
    """The next file does not open, and the keys to revoke are named; references are not."""
    store.invite(ANN.recipient, "Ann")
    store.save(Connection("anthropic", api_key="env:ANTHROPIC_API_KEY"))
    store.save(custom("keyless"))
    gone = store.remove("Ann")
    assert gone.revoke == ("openai",)
    assert "openai" in str(gone)
    assert "revoke" in str(gone)
    assert [each.name for each in store.members] == ["owner", "recovery"]
    at("Ann")
    with pytest.raises(StoreLocked, match="does not open with this identity"):
        seen_by(store, ANN, store.recipient)


def forged(store: Store, by: Identity, like: StoreDocument, readers: list[Identity | str]) -> None:
    names = [each if isinstance(each, str) else each.recipient for each in readers]
    plain = document.serialize_document(like, by)
    (store.path / "connections.age").write_bytes(  # type: ignore[operator]
        age.encrypt(plain, names)
    )


def evil(now: StoreDocument) -> StoreDocument:
    there = Connection("custom", name="m", endpoint="https://evil.example/v1", label="openai")
    return document.with_connection(StoreDocument(**{
        name: getattr(now, name)
        for name in StoreDocument.__dataclass_fields__
        if name != "connections"
    }), there, over=True)  # fmt: skip


def test_a_removed_member_cannot_write_any_more(store: Store, at: Callable[[str], None]) -> None:
    """Neither as itself, nor with the old list of members, nor under another store's id."""
    owner = store.recipient
    store.invite(BOB.recipient, "Bob")
    store.invite(EVE.recipient, "Eve")
    at("Bob")
    team = seen_by(store, BOB, owner)
    at("owner")
    old = state_of(store.path).document
    assert old is not None
    store.remove("Eve")
    at("Bob")
    assert len(team) == 1
    new = state_of(store.path).document
    assert new is not None
    from dataclasses import replace

    tries = [
        replace(new, revision=99),
        replace(old, revision=99),
        replace(old, revision=99, roster=99),
        replace(old, store_id="another"),
        replace(document.with_recipients(old, old.recipients, [EVE]), revision=99),
    ]
    for like in tries:
        for reader, opened, where in [(BOB, team, "Bob"), (None, store, "owner")]:
            at(where)
            recipient = owner if reader is None else reader.recipient
            forged(store, EVE, evil(like), [recipient])
            with pytest.raises(DamagedStore, match="not written by a holder"):
                list(opened)


def test_a_tag_of_one_reader_says_nothing_to_another(store: Store) -> None:
    """Who can read cannot pass a member's signature on under other contents."""
    now = state_of(store.path).document
    assert now is not None
    store.invite(EVE.recipient, "Eve")
    genuine = age.decrypt(
        (store.path / "connections.age").read_bytes(),
        [EVE],  # type: ignore[operator]
    )
    changed = bytes(genuine).replace(b'"rev": 3', b'"rev": 4')
    assert changed != bytes(genuine)
    (store.path / "connections.age").write_bytes(  # type: ignore[operator]
        age.encrypt(memoryview(changed), [store.recipient])
    )
    with pytest.raises(DamagedStore, match="not written by a holder"):
        list(store)
    (store.path / "connections.age").write_bytes(  # type: ignore[operator]
        age.encrypt(genuine, [store.recipient])
    )
    assert len(store) == 1


def test_who_keeps_the_store_is_not_removed(store: Store, at: Callable[[str], None]) -> None:
    store.invite(ANN.recipient, "Ann")
    with pytest.raises(StoreError, match="cannot be removed"):
        store.remove("owner")
    with pytest.raises(UnknownConnection, match="no member 'Zoe'"):
        store.remove("Zoe")
    at("Ann")
    team = seen_by(store, ANN, store.recipient)
    for name in ("owner", "Ann"):
        with pytest.raises(StoreError, match="cannot be removed"):
            team.remove(name)
    with pytest.raises(StoreError, match="Only the owner"):
        team.change_passphrase(new="another made-up one")
    store.remove("recovery")
    assert [each.name for each in store.members] == ["owner", "Ann"]


def test_members_go_on_after_a_new_identity(store: Store, at: Callable[[str], None]) -> None:
    """The old identity vouches for the new one, so nobody has to compare again."""
    store.invite(ANN.recipient, "Ann")
    at("Ann")
    team = seen_by(store, ANN, store.recipient)
    at("owner")
    store.new_identity(PASSPHRASE)
    store.save(custom("after"))
    at("Ann")
    assert "after" in team
    team.save(custom("from Ann"))
    at("owner")
    assert "from Ann" in store


def test_a_store_copied_to_another_place_is_the_same_store(
    store: Store, at: Callable[[str], None], tmp_path: Path
) -> None:
    """What is known follows the store's id: a checkout elsewhere needs no second comparing."""
    store.invite(ANN.recipient, "Ann")
    at("Ann")
    seen_by(store, ANN, store.recipient)
    shutil.copytree(store.path, tmp_path / "copy")  # type: ignore[arg-type]
    copy = Store(path=tmp_path / "copy")
    copy.unlock(identity=ANN.secret)
    assert len(copy) == 1


def test_the_list_of_members_is_sealed(store: Store) -> None:
    store.invite(ANN.recipient, "Ann Example")
    on_disk = b"".join(path.read_bytes() for path in store.path.iterdir())  # type: ignore[union-attr]
    assert b"Ann Example" not in on_disk
    assert ANN.recipient.encode() not in on_disk
    assert Recipient("Ann Example", ANN.recipient) in state_of(store.path).document.recipients  # type: ignore[union-attr]

"""What a person is typing stays theirs while states arrive: real widgets in a real page.

A key half typed is sent to nobody, whatever another cell, another panel or the clock does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from llmwidgets import ConnectionForm, ConnectionPanel
from llmwidgets.connections.connection import Connection
from llmwidgets.secret import Secret
from llmwidgets.store.store import Store

pytestmark = pytest.mark.browser

HALF = "sk-made-up-ha"
PASSPHRASE = "copper lantern orbit mellow"
ACTIVE = """() => { const at = document.activeElement;
  return [at.value ?? at.nodeName, at.selectionStart ?? null]; }"""


def stored(*labels: str) -> Store:
    """A store in memory with a Custom connection for each label."""
    store = Store.in_memory()
    for label in labels:
        store.save(custom(label))
    return store


def custom(label: str, port: int = 1) -> Connection:
    return Connection("custom", name=label, endpoint=f"http://localhost:{port}/v1")


def open_kind(page: Any, name: str) -> None:
    page.page.locator("nav button.kind", has_text=name).first.click()
    page.deliver()
    page.page.get_by_role("heading", name=name, exact=True).wait_for()


def half_typed(page: Any, label: str = "API key", text: str = HALF) -> Any:
    """Type half of a value, the caret inside it; nothing is heard or sent up to now."""
    field = page.page.get_by_label(label)
    field.focus()
    page.page.keyboard.type(text)
    field.evaluate("each => each.setSelectionRange(2, 2)")
    page.deliver()
    page.listen()
    return field


def assert_untouched(page: Any, text: str = HALF) -> None:
    """Value, caret and focus are as they were; no event, and no message but what a page asks."""
    page.deliver()
    assert page.page.evaluate(ACTIVE) == [text, 2]
    assert page.heard == []
    assert page.sent("form.secret") == page.sent("form.edit") == page.sent("store.unlock") == []


def test_a_deleted_neighbour_leaves_a_half_typed_key_alone(joined) -> None:
    """Deleted from code: the list, the band with Undo and the form change around the field."""
    store = stored("first", "second")
    page = joined(ConnectionPanel(store))
    open_kind(page, "OpenAI")
    half_typed(page)
    for label in ("first", "second"):
        del store[label]
        assert_untouched(page)
    expect(page.page.get_by_role("button", name="Put second back")).to_have_count(1)
    store.save(custom("third"))
    assert_untouched(page)
    page.page.keyboard.press("Tab")
    page.deliver()
    assert len(page.sent("form.secret")) == 1


def test_what_another_panel_removes_takes_no_focus(joined) -> None:
    """The focus on a row or on Remove: it never lands on Undo, and Enter puts nothing back."""
    store = stored("first", "second")
    page = joined(ConnectionPanel(store))
    for focused in ("Remove", "Rename", "Test again"):
        page.page.locator("nav button.kind", has_text="second").click()
        page.deliver()
        page.page.get_by_role("button", name=focused, exact=True).focus()
        del store["second"]
        page.deliver()
        expect(page.page.locator("button:focus")).to_have_count(0)
        page.page.keyboard.press("Enter")
        page.deliver()
        assert "second" not in {each.label for each in store}
        store.save(custom("second"))
        page.deliver()


def test_who_removes_a_connection_finds_the_way_back(joined) -> None:
    """The person's own click leads to Undo, as before."""
    store = stored("first", "second")
    page = joined(ConnectionPanel(store))
    page.page.get_by_role("button", name="Remove", exact=True).click()
    page.deliver()
    expect(page.page.locator("button:focus")).to_have_text("Undo")
    page.page.keyboard.press("Enter")
    page.deliver()
    assert {each.label for each in store} == {"first", "second"}


def test_the_form_of_what_is_deleted_elsewhere_stays_while_it_is_filled_in(joined) -> None:
    """Half a key and an address typed: told, kept, and saved anew by the person alone."""
    store = Store.in_memory()
    store.save(Connection("openai", api_key="sk-made-up-older-0000-81fc"))
    page = joined(ConnectionPanel(store))
    page.page.get_by_text("Organization and project").click()
    page.page.get_by_label("Organization").fill("org-made-up")
    page.page.get_by_role("button", name="Replace key").click()
    page.deliver()
    page.page.locator("input:focus").wait_for()
    half_typed(page)
    del store["openai"]
    assert_untouched(page)
    expect(page.page.get_by_text("openai is no longer in the store")).to_be_visible()
    expect(page.page.get_by_label("Organization")).to_have_value("org-made-up")
    assert page.widget.controllers["form"].draft.secrets == {}
    store.undelete()
    assert_untouched(page)
    expect(page.page.get_by_text("is no longer in the store")).to_have_count(0)
    assert page.widget.controllers["form"].draft.secrets["api_key"].stored is not None


def test_what_is_saved_elsewhere_comes_in_beside_what_is_typed(joined) -> None:
    """Another panel changes the address: it shows, and the half-typed organization stays."""
    store = Store.in_memory()
    old = Connection("openai", api_key="sk-made-up-older-0000-81fc")
    store.save(old)
    page = joined(ConnectionPanel(store))
    page.page.get_by_text("Organization and project").click()
    page.page.get_by_text("Base URL, extra headers").click()
    half_typed(page, "Organization", "org-half")
    newer = {"base_url": "http://localhost:1/v1", "organization": "org-other"}
    store.save(Connection("openai", api_key="sk-made-up-newer-0000-92ab", **newer), replace=True)
    assert_untouched(page, "org-half")
    expect(page.page.get_by_label("Base URL")).to_have_value(newer["base_url"])
    expect(page.page.get_by_text("Stored, ends in 92ab")).to_be_visible()
    page.page.keyboard.press("Tab")
    page.deliver()
    expect(page.page.get_by_label("Organization")).to_have_value("org-half")


def test_a_form_that_nobody_touched_shows_what_is_saved_elsewhere(joined) -> None:
    """Else a later test would write the old values over the new ones."""
    store = stored("first")
    page = joined(ConnectionPanel(store))
    store.save(custom("first", port=2), replace=True)
    page.deliver()
    expect(page.page.get_by_label("Endpoint")).to_have_value("http://localhost:2/v1")


@pytest.fixture
def sealed(tmp_path: Path) -> Store:
    """An open store on disk with a key in it."""
    store = Store.create("acme", passphrase=PASSPHRASE, path=tmp_path / "store")
    store.save(Connection("openai", api_key="sk-made-up-older-0000-81fc"))
    return store


def test_a_store_that_locks_itself_leaves_the_form(joined, sealed: Store) -> None:
    """Half filled in: the values stay and the lock is told; the stored key is out of reach."""
    page = joined(ConnectionPanel(sealed))
    page.page.get_by_text("Organization and project").click()
    half_typed(page, "Organization", "org-half")
    sealed.lock()
    assert_untouched(page, "org-half")
    expect(page.page.get_by_text("The store is locked: unlock it to go on")).to_be_visible()
    expect(page.page.get_by_text("Stored, ends in 81fc")).to_have_count(0)
    assert not any(each.stored for each in page.widget.controllers["form"].draft.secrets.values())
    sealed.unlock(PASSPHRASE)
    assert_untouched(page, "org-half")
    expect(page.page.get_by_text("Stored, ends in 81fc")).to_be_visible()
    expect(page.page.get_by_text("The store is locked")).to_have_count(0)


def test_what_was_typed_is_there_again_behind_the_gate(joined, sealed: Store) -> None:
    """Locked by the clock, unlocked by hand: the form comes back as it was filled in."""
    page = joined(ConnectionPanel(sealed))
    page.page.get_by_text("Organization and project").click()
    page.page.get_by_label("Organization").fill("org-whole")
    page.deliver()
    sealed.lock()
    page.deliver()
    page.page.get_by_role("button", name="Unlock").click()
    page.deliver()
    page.page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.page.keyboard.press("Enter")
    page.deliver()
    expect(page.page.get_by_label("Organization")).to_have_value("org-whole")
    expect(page.page.get_by_text("Stored, ends in 81fc")).to_be_visible()


def test_a_half_typed_passphrase_stays_at_the_gate(joined, sealed: Store) -> None:
    """Another panel works on with the store; the field keeps text, caret and focus."""
    sealed.lock()
    page = joined(ConnectionPanel(sealed))
    half_typed(page, "Passphrase", "copper lan")
    sealed.add_for_session(custom("here"))
    assert_untouched(page, "copper lan")
    page.widget.page.push()
    assert_untouched(page, "copper lan")


def test_a_new_passphrase_half_typed_is_told_of_the_lock(joined, sealed: Store) -> None:
    """On the screen of the store nothing is sent when another panel locks it, and that is said."""
    page = joined(ConnectionPanel(sealed))
    page.page.get_by_role("button", name="Store…").click()
    page.deliver()
    half_typed(page, "New passphrase", "mellow or")
    sealed.add_for_session(custom("here"))
    assert_untouched(page, "mellow or")
    sealed.lock()
    page.deliver()
    expect(page.page.get_by_text("The store was locked meanwhile")).to_be_visible()
    assert page.sent("form.secret") == []
    expect(page.page.locator("button:focus")).to_have_count(0)


def test_a_panel_that_is_taken_off_the_page_sends_no_half_key(joined) -> None:
    """The output is cleared: the browser says change, and nobody left a field."""
    page = joined(ConnectionPanel(Store.in_memory()))
    open_kind(page, "OpenAI")
    half_typed(page)
    page.page.evaluate("document.querySelector('main').remove()")
    assert page.sent("form.secret") == []


def test_a_key_that_came_another_way_leaves_the_field(joined) -> None:
    """A second view sent one: what is half typed here stays, and is sent when it is left."""
    page = joined(ConnectionForm("openai", Store.in_memory()))
    half_typed(page)
    page.widget.controllers["form"].draft.receive("api_key", Secret("sk-made-up-other-0000-55aa"))
    page.widget.page.push()
    assert_untouched(page)
    page.page.keyboard.press("Tab")
    page.deliver()
    assert len(page.sent("form.secret")) == 1
    page.page.get_by_text("Received, ends in").wait_for()


def test_every_step_at_the_gate_reaches_the_kernel_as_it_is_meant(joined, sealed: Store) -> None:
    """The act that a message bears is beside what it says: the recovery identity still opens."""
    identity = sealed.take_recovery()
    assert identity is not None
    sealed.lock()
    page = joined(ConnectionPanel(sealed))
    page.page.get_by_role("button", name="Use the recovery identity").click()
    page.page.get_by_label("Recovery identity").fill(identity.reveal())
    page.page.get_by_role("button", name="Unlock").click()
    page.deliver()
    expect(page.page.get_by_text("choose a new passphrase now")).to_be_visible()


def test_what_would_be_dropped_while_a_form_is_busy_cannot_be_pressed(joined) -> None:
    """While it is tested and its models are looked up, the kernel drops Remove and Rename."""
    page = joined(ConnectionPanel(stored("here")))
    draft = page.widget.controllers["form"].draft
    for busy in ("Asking localhost", ""):
        draft.busy = busy
        page.widget.page.push()
        page.deliver()
        for name in ("Rename", "Remove"):
            button = page.page.get_by_role("button", name=name)
            if busy:
                expect(button).to_be_disabled()
            else:
                expect(button).to_be_enabled()

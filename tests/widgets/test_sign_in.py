"""How a form signs in: the choice, its fields, what is kept of a key, whose token is used."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from llmwidgets import PROVIDERS, Connection, ConnectionForm, ConnectionPanel
from llmwidgets.engine.check import CheckReport
from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret
from llmwidgets.store.store import Store
from llmwidgets.widgets.connection.check_view import report_view
from llmwidgets.widgets.connection.form_draft import FormDraft
from tests.forms import credentials
from tests.kinds import a_connection
from tests.servers import serving_models
from tests.sign_ins import Cloud, write_files

CANARY = "made-up-canary-0004711-3fQz"
OTHER_WAYS = [(kind, way.name) for kind in PROVIDERS for way in PROVIDERS[kind].sign_ins]
NOWHERE = "http://127.0.0.1:9"
AZURE = {"deployment": "claims-luna", "endpoint": f"{NOWHERE}/openai/v1"}

both = pytest.mark.parametrize(("kind", "way"), OTHER_WAYS)


def choose(page: Any, way: str, **values: Any) -> None:
    """Choose a way in the open form, as the page does."""
    page.submit("form.edit", values={**values, "sign_in": way})


def drawn(page: Any) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for group in page.form["groups"] for each in group["fields"]}


def part(page: Any, name: str) -> list[str]:
    groups = [group for group in page.form["groups"] if group["name"] == name]
    return [each["name"] for group in groups for each in group["fields"]]


def asks_for_a_key(kind: str, way: str) -> bool:
    fields = PROVIDERS[kind].form(way).model_fields.values()
    return any(info.annotation in (Secret, Secret | None) for info in fields)


def example(info: Any) -> str:
    return str(info.examples[0]) if info.examples else ""


def given_for(kind: str, way: str) -> dict[str, str]:
    """What a connection of this way needs at least."""
    fields = PROVIDERS[kind].form(way).model_fields
    needed = {name: example(info) for name, info in fields.items() if info.is_required()}
    if "endpoint" in needed:
        needed["endpoint"] = AZURE["endpoint"]
    return {**needed, "sign_in": way}


# -- The choice.


@pytest.mark.parametrize("kind", list(PROVIDERS))
def test_the_choice_has_the_ways_of_the_kind(kind: str, wire) -> None:
    """In the provider's order and words, the key first; a kind with one way has no choice."""
    page = wire(ConnectionForm(kind, Store.in_memory()))
    if not PROVIDERS[kind].sign_ins:
        assert page.form["sign_in"] is None
        return
    shown = page.form["sign_in"]
    assert {each["name"]: each["title"] for each in shown["ways"]} == PROVIDERS[kind].ways
    assert shown["way"] == "key"
    assert shown["keyless"] is False
    assert shown["note"] == shown["account"] == shown["back"] == shown["dropped"] == ""


@both
def test_a_way_draws_the_fields_of_its_form(kind: str, way: str, wire) -> None:
    """All of them, and the day that a key ends on only where there is a key."""
    page = wire(ConnectionForm(kind, Store.in_memory()))
    choose(page, way)
    expected = {*PROVIDERS[kind].form(way).model_fields} - {"sign_in"}
    if not asks_for_a_key(kind, way):
        expected -= {"expires"}
    assert set(drawn(page)) == expected
    assert page.form["sign_in"]["way"] == way
    choose(page, "key")
    assert set(drawn(page)) == {*PROVIDERS[kind].fields.model_fields} - {"sign_in"}


@both
def test_what_only_one_way_asks_for_stands_below_the_choice(kind: str, way: str, wire) -> None:
    """Neither folded nor among what every way asks for, but for what is advanced."""
    page = wire(ConnectionForm(kind, Store.in_memory(), sign_in=way))
    forms = [PROVIDERS[kind].form(each).model_fields for each in PROVIDERS[kind].ways]
    own = {
        name
        for name, info in PROVIDERS[kind].form(way).model_fields.items()
        if any(name not in form for form in forms) and not info.json_schema_extra
    }
    assert set(part(page, "sign_in")) == own
    assert own.isdisjoint(part(page, "main") + part(page, "optional"))
    optional = [drawn(page)[name]["optional"] for name in part(page, "sign_in")]
    assert optional == sorted(optional), "what is needed comes first"


@both
def test_a_way_says_what_becomes_of_keys_and_tokens(kind: str, way: str, wire) -> None:
    page = wire(ConnectionForm(kind, Store.in_memory(), sign_in=way))
    shown = page.form["sign_in"]
    assert shown["note"].count("no other host") == 1
    assert "{" not in shown["note"]
    address = "endpoint" if "endpoint" in PROVIDERS[kind].all_fields else "base_url"
    page.submit("form.edit", values={**given_for(kind, way), address: AZURE["endpoint"][:-3]})
    assert "sent to 127.0.0.1:9 and to no other host." in page.form["sign_in"]["note"].lower()
    assert shown["back"] == ("Use JSON credentials" if kind == "vertex_ai" else "Use an API key")
    own = next(each for each in PROVIDERS[kind].sign_ins if each.name == way)
    assert page.form["steps"] == list(own.steps or PROVIDERS[kind].steps)


@both
def test_a_way_links_to_the_pages_that_it_needs(kind: str, way: str, wire) -> None:
    """No way without a key leads to where a key is made; the key's leads to none of theirs."""
    page = wire(ConnectionForm(kind, Store.in_memory(), sign_in=way))

    own = next(each for each in PROVIDERS[kind].sign_ins if each.name == way)
    shown = [each["text"] for each in page.form["links"]]
    assert shown == [each.text for each in own.links]
    assert all(each["url"].startswith("https://") for each in page.form["links"])
    assert asks_for_a_key(kind, way) or not [text for text in shown if "key" in text.lower()]
    choose(page, "key")
    assert [each["text"] for each in page.form["links"]] == [
        each.text for each in PROVIDERS[kind].links
    ]


@pytest.mark.parametrize("said", ["", "machines", "KEY", None, 5, ["entra"], {"a": 1}])
def test_what_is_not_a_way_of_the_kind_changes_nothing(said: Any, wire) -> None:
    page = wire(ConnectionForm("azure_openai", Store.in_memory(), sign_in="entra"))
    page.submit("form.edit", values={"sign_in": said})
    assert page.form["sign_in"]["way"] == "entra"
    assert page.state["error"] is None


# -- What was typed.


@both
def test_what_was_typed_stays(kind: str, way: str, wire) -> None:
    """Shared fields have it in each way; a field of one way has it when that way is back."""
    page = wire(ConnectionForm(kind, Store.in_memory(), sign_in=way))
    texts = {
        name: example(PROVIDERS[kind].all_fields[name])
        for name, field in drawn(page).items()
        if field["type"] == "text" and example(PROVIDERS[kind].all_fields[name])
    }
    assert texts
    page.submit("form.edit", values=texts)
    choose(page, "key")
    shared = {name: each["value"] for name, each in drawn(page).items() if name in texts}
    assert shared == {name: texts[name] for name in shared}
    assert set(shared) == set(texts) & {*PROVIDERS[kind].fields.model_fields}
    choose(page, way)
    assert {name: page.field(name)["value"] for name in texts} == texts


def receive_key(page: Any, kind: str) -> str:
    name = PROVIDERS[kind].key_field
    page.type_secret(name, CANARY, form=page.form["key"])
    return name


@both
def test_a_received_key_of_another_way_is_kept_and_not_used(kind: str, way: str, wire) -> None:
    """It is told what becomes of it, and it is there again when the way of the key is chosen."""
    page = wire(ConnectionForm(kind, Store.in_memory()))
    name = receive_key(page, kind)
    choose(page, way)
    title = PROVIDERS[kind].all_fields[name].title
    if not asks_for_a_key(kind, way):
        assert page.form["sign_in"]["dropped"] == (
            f"{title}: not used to sign in like this, and gone once the form is saved."
        )
    choose(page, "key")
    assert page.form["sign_in"]["dropped"] == ""
    assert page.field(name)["secret"]["state"] == "received"


@both
def test_a_connection_is_built_of_its_own_way_alone(kind: str, way: str) -> None:
    """Whatever was typed and received for the others: nothing of it is sent or saved."""
    draft = FormDraft(kind)
    draft.receive(PROVIDERS[kind].key_field, Secret(CANARY))
    fields = PROVIDERS[kind].all_fields
    draft.take({name: example(info) for name, info in fields.items() if info.is_required()})
    draft.take(
        {
            "expires": "2030-01-01",
            **({"endpoint": AZURE["endpoint"]} if "endpoint" in fields else {}),
        }
    )
    for each in (*PROVIDERS[kind].ways, way):
        draft.choose_way(each)
    built = draft.build()
    assert built is not None, draft.problems
    assert built.fields.way == way
    if not asks_for_a_key(kind, way):
        assert (built.secret_fields, built.fields.expires) == ({}, None)
    draft.choose_way("key")
    built = draft.build()
    assert built is not None or kind == "vertex_ai"  # which reads its file
    assert built is None or built.tail == CANARY[-4:]


def test_a_key_of_another_way_is_gone_once_saved(wire) -> None:
    """A failed test, saved untested: the key that was received before is in no form any more."""
    store = Store.in_memory()
    page = wire(ConnectionForm("azure_openai", store))
    receive_key(page, "azure_openai")
    choose(page, "entra", **AZURE)
    page.submit(values={}, intent="save")
    assert page.form["report"]["ok"] is False
    page.submit("form.keep")
    (saved,) = store
    assert saved.fields.way == "entra"
    assert page.form["sign_in"]["dropped"] == ""
    choose(page, "key")
    assert page.field("api_key")["secret"] == {"state": "empty"}


def test_a_stored_key_is_told_of_and_gone_once_saved(wire) -> None:
    """A connection by key that was never tested, saved by Entra ID: its key leaves the store."""
    store = Store.in_memory()
    store.save(Connection("azure_openai", **AZURE, api_key=CANARY, allow_plain_http=True))
    page = wire(ConnectionPanel(store))
    choose(page, "entra")
    assert page.form["sign_in"]["dropped"].startswith("API key: not used")
    page.submit(values={}, intent="save")
    page.submit("form.keep")
    (saved,) = store
    assert (saved.fields.way, saved.secret_fields) == ("entra", {})


def test_another_providers_key_stops_no_way_without_a_key(wire) -> None:
    """The doubt is about a key that this way does not send."""
    page = wire(ConnectionForm("azure_openai", Store.in_memory()))
    page.type_secret("api_key", "sk-ant-api03-made-up-04711-7Qva", form=page.form["key"])
    page.submit(values=AZURE, intent="none")
    assert page.form["doubts"]
    assert page.form["report"] is None
    choose(page, "entra")
    assert page.form["doubts"] == page.form["warnings"] == []
    page.submit(values={}, intent="none")
    assert page.form["report"] is not None


@pytest.mark.parametrize("way", [way for kind, way in OTHER_WAYS if kind == "vertex_ai"])
def test_a_bad_file_blames_only_the_way_that_reads_it(way: str, wire) -> None:
    page = wire(ConnectionForm("vertex_ai", Store.in_memory()))
    page.type_secret("credentials", '{"type": "made-up"}', form=page.form["key"])
    page.settle()
    assert page.field("credentials")["error"]
    choose(page, way)
    assert not [each for each in drawn(page).values() if each["error"]]
    choose(page, "key")
    assert page.field("credentials")["error"]


@pytest.mark.parametrize("way", ["machine", "gcloud"])
def test_a_bad_file_stops_only_the_way_that_reads_it(way: str) -> None:
    draft = FormDraft("vertex_ai")
    draft.receive("credentials", Secret('{"type": "made-up"}'))
    asyncio.run(draft.read_credentials())
    assert draft.build() is None
    draft.choose_way(way)
    assert draft.build() is not None


def test_a_file_is_forgotten_with_its_form(wire, monkeypatch) -> None:
    """Saved without it: the way of the key asks for a file again, and tells nothing of the old."""
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    page = wire(ConnectionForm("vertex_ai", Store.in_memory()))
    page.type_secret(
        "credentials", credentials("https://oauth2.googleapis.com"), form=page.form["key"]
    )
    page.settle()
    assert page.field("credentials")["facts"]
    choose(page, "machine", base_url=NOWHERE)
    page.submit(values={}, intent="save")
    page.submit("form.keep")
    choose(page, "key")
    assert page.field("credentials")["secret"] == {"state": "empty"}
    assert "facts" not in page.field("credentials")


def test_a_stored_key_is_not_spoken_of_where_it_is_not_used(wire) -> None:
    """Its end, its age and its odd shape, also while the form is not filled in."""
    store = Store.in_memory()
    file = credentials("https://oauth2.googleapis.com")
    store.save(Connection("vertex_ai", credentials=file, expires="2026-11-01"))
    page = wire(ConnectionForm("vertex_ai", store))
    assert page.form["key_notes"]
    for way in ("federation", "machine"):
        choose(page, way)
        assert page.form["key_notes"] == []
    store.save(Connection("azure_openai", **AZURE, api_key="sk-ant-api03-made-up-04711-7Qva"))
    page = wire(ConnectionPanel(store))
    page.send("connections.select", kind="azure_openai", label="claims-luna")
    assert page.form["warnings"]
    choose(page, "entra")
    assert page.form["warnings"] == []


def test_what_a_check_found_is_of_one_way(wire) -> None:
    page = wire(ConnectionForm("azure_openai", Store.in_memory(), sign_in="entra"))
    page.submit(values=AZURE, intent="none")
    assert page.form["report"]["ok"] is False
    choose(page, "key")
    assert page.form["report"] is None
    assert page.form["requests"]["shown"] == []
    assert not [each for each in drawn(page).values() if each["error"]]


def test_only_a_key_ends_on_a_day(wire) -> None:
    """The day is asked for, told of and kept with the key alone."""
    store = Store.in_memory()
    ends = date(2026, 11, 1).isoformat()
    store.save(Connection("azure_openai", **AZURE, api_key=CANARY, expires=ends))
    page = wire(ConnectionPanel(store))
    assert page.form["key_notes"]
    choose(page, "entra")
    assert "expires" not in drawn(page)
    assert page.form["key_notes"] == []
    page.submit(values={}, intent="save")
    page.submit("form.keep")
    (saved,) = store
    assert saved.fields.expires is None


# -- Chosen beforehand, and connections that exist.


@both
def test_the_way_can_be_chosen_in_code(kind: str, way: str, wire) -> None:
    page = wire(ConnectionForm(kind, Store.in_memory(), sign_in=way))
    assert page.form["sign_in"]["way"] == way
    assert page.form["sign_in"]["keyless"] is not asks_for_a_key(kind, way)


@pytest.mark.parametrize("kind", list(PROVIDERS))
@pytest.mark.parametrize("said", ["entrance", "", "gcloud login", None, 5])
def test_a_way_that_the_kind_does_not_have_is_a_sentence(kind: str, said: Any) -> None:
    with pytest.raises(FieldError) as caught:
        ConnectionForm(kind, Store.in_memory(), sign_in=said)
    sentence = caught.value.problems["sign_in"]
    assert sentence.startswith(f"{PROVIDERS[kind].title} has no such way to sign in; its ")
    assert all(way in sentence for way in PROVIDERS[kind].ways)


@both
def test_a_kept_connection_opens_in_its_way(kind: str, way: str, wire) -> None:
    """In the panel and in the form of its kind, with what it was given."""
    store = Store.in_memory()
    given = given_for(kind, way)
    store.save(Connection(kind, **given))
    panel = wire(ConnectionPanel(store))
    assert panel.form["sign_in"]["way"] == way
    for name, value in given.items():
        if name != "sign_in":
            assert panel.field(name)["value"] == value
    if PROVIDERS[kind].single:
        form = wire(ConnectionForm(kind, store))
        assert form.form["sign_in"]["way"] == way
        last = [*PROVIDERS[kind].ways][-1]
        other = wire(ConnectionForm(kind, store, sign_in=last))
        assert other.form["sign_in"]["way"] == last


def test_another_form_takes_a_moved_key_as_its_key(wire) -> None:
    """A key that belongs elsewhere goes to the form there, whatever way was chosen in it."""
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("connections.select", kind="vertex_ai", label="")
    choose(page, "machine")
    page.send("connections.select", kind="openai", label="")
    page.type_secret("api_key", '{"type": "service_account"}', form=page.form["key"])
    page.submit("connections.move", kind="vertex_ai")
    assert page.form["sign_in"]["way"] == "key"
    assert page.field("credentials")["secret"]["state"] == "received"


def test_what_is_found_here_signs_in_by_its_key(wire, monkeypatch) -> None:
    """Whatever way was chosen in the form that it is filled into."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{NOWHERE}/openai/v1")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "claims-luna")
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("connections.select", kind="azure_openai", label="")
    choose(page, "entra")
    (found,) = page.state["found"]
    page.send("found.add", label=found["label"])
    assert page.form["sign_in"]["way"] == "key"
    assert page.field("api_key")["secret"]["state"] == "received"


def test_a_provided_connection_shows_its_way_and_keeps_it(wire, tmp_path, monkeypatch) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        '[connections.claims]\nkind = "azure_openai"\nsign_in = "entra"\n'
        'deployment = "claims-luna"\nendpoint = "https://acme.openai.azure.com/openai/v1"\n'
    )
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(path))
    page = wire(ConnectionPanel(Store.in_memory()))
    assert page.form["read_only"] is True
    assert page.form["sign_in"]["way"] == "entra"
    choose(page, "key")
    assert page.form["sign_in"]["way"] == "entra"


def test_a_provided_connection_is_not_changed_in_code(wire, tmp_path, monkeypatch) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[connections.vertex]\nkind = "vertex_ai"\nsign_in = "machine"\n')
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(path))
    page = wire(ConnectionForm("vertex_ai", Store.in_memory(), sign_in="gcloud"))
    assert (page.form["read_only"], page.form["sign_in"]["way"]) == (True, "machine")


# -- Where a connection is shown.


@both
def test_a_connection_without_a_key_shows_its_way(kind: str, way: str) -> None:
    """In a few words, in place of the end of a key; one with a key shows that as before."""
    connection = Connection(kind, **given_for(kind, way))
    shown = "Entra ID" if way == "entra" else PROVIDERS[kind].ways[way]
    assert connection.signed_in_by == shown
    assert repr(connection).endswith(f", signs in with {shown})")
    assert a_connection("openai").signed_in_by == ""


def test_the_list_shows_the_way(wire) -> None:
    """Where nothing else has to be known of a connection."""
    from datetime import UTC, datetime

    store, now = Store.in_memory(), datetime.now(UTC)
    store.save(Connection("azure_openai", **AZURE, sign_in="entra").with_checked_at(now))
    store.save(
        Connection("azure_openai", **{**AZURE, "deployment": "by-key"}, api_key=CANARY)
        .with_checked_at(now)
    )  # fmt: skip
    page = wire(ConnectionPanel(store))
    kind = next(each for each in page.state["kinds"] if each["kind"] == "azure_openai")
    assert {row["name"]: row["fact"] for row in kind["rows"]} == {
        "claims-luna": "Entra ID", "by-key": "",
    }  # fmt: skip


def test_an_import_shows_the_way(wire, tmp_path) -> None:
    """Before it is taken: the end of a key, or what signs in without one."""
    store = Store.in_memory()
    store.save(Connection("azure_openai", **AZURE, sign_in="entra"))
    store.save(Connection("openai", api_key="sk-made-up-canary-0004711-3fQz"))
    path = tmp_path / "all.age"
    store.export(path, passphrase="copper lantern orbit mellow")
    seen = Store.in_memory().preview(path, passphrase="copper lantern orbit mellow")
    assert {each.label: (each.tail, each.sign_in) for each in seen.offers} == {
        "claims-luna": ("", "Entra ID"), "openai": ("3fQz", ""),
    }  # fmt: skip


# -- What a check says.


def report(**parts: Any) -> Any:
    connection = Connection("azure_openai", **AZURE, sign_in="entra")
    told = {"ok": False, "sentence": "No role: ada@acme.example needs X on resource acme."}
    return report_view(CheckReport(**{**told, **parts}), connection, {"sign_in": "entra"})


def test_a_missing_role_has_a_command_for_the_owner() -> None:
    """As it is, to be pasted: an address and ids are not taken for keys; a key in it is."""
    command = (
        'az role assignment create --role "Cognitive Services OpenAI User" --assignee '
        "m.oliveira@acme.example --scope /subscriptions/01234567-89ab-cdef-0123-456789abcdef"
        "/resourceGroups/claims/providers/Microsoft.CognitiveServices/accounts/acme"
    )
    assert report(command=command)["command"] == command
    assert report()["command"] == ""
    shown = report(command="az \x1b[31m --key sk-ant-api03-made-up-0004711-7Qva-7Qva")["command"]
    assert "\x1b" not in shown
    assert "0004711" not in shown


def test_a_title_ends_where_its_sentence_does() -> None:
    """Not in an address of mail."""
    assert (
        report(sentence="No role: a.b@acme.example needs X on resource acme. It is right.")["title"]
        == "No role: a.b@acme.example needs X on resource acme."
    )


@pytest.mark.parametrize(
    ("proposed", "words", "changes"),
    [
        ({"sign_in": "entra"}, "Sign in with Microsoft Entra ID",
         [("Sign in with", "API key", "Microsoft Entra ID")]),
        ({"fix": {"sign_in": "entra"}}, "Sign in with Microsoft Entra ID",
         [("Sign in with", "API key", "Microsoft Entra ID")]),
        ({"fix": {"deployment": "luna"}}, "Apply fix and test", [("Deployment", "typed", "luna")]),
        ({"fix": {"deployment": "luna"}, "sign_in": "entra"}, "Apply fix and test",
         [("Deployment", "typed", "luna"), ("Sign in with", "API key", "Microsoft Entra ID")]),
        ({}, "Apply fix and test", []),
    ],
)  # fmt: skip
def test_a_fix_of_the_way_says_so_on_its_button(proposed: Any, words: str, changes: Any) -> None:
    connection = Connection("azure_openai", **AZURE, api_key=CANARY)
    shown = report_view(
        CheckReport(False, "Keys are off.", **proposed), connection, {"deployment": "typed"}
    )
    assert shown["apply"] == words
    assert [(each["label"], each["old"], each["new"]) for each in shown["fix"]] == changes


def test_no_state_holds_a_value_of_the_form_s_secrets(wire) -> None:
    """Whichever way is chosen meanwhile."""
    page = wire(ConnectionForm("vertex_ai", Store.in_memory()))
    page.type_secret("credentials", json.dumps({"private_key": CANARY}), form=page.form["key"])
    for way in PROVIDERS["vertex_ai"].ways:
        choose(page, way)
    assert not re.search(CANARY, json.dumps(page.messages))


# -- Who signed in.


@pytest.mark.parametrize("project", ["", "acme-claims-123456"])
@pytest.mark.parametrize("way", ["gcloud", "federation"])
def test_a_token_without_a_name_is_told_by_its_file(
    way: str, project: str, wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it lies, from home on, and the project in it; before a test nothing of the kind."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    with serving_models(kind=Cloud) as cloud:
        write_files(tmp_path / "gcloud", cloud.url)
        file = {
            "gcloud": "application_default_credentials.json", "federation": "federation.json",
        }[way]  # fmt: skip
        path = tmp_path / "gcloud" / file
        path.write_text(json.dumps({**json.loads(path.read_text()), "quota_project_id": project}))
        page = wire(ConnectionForm("vertex_ai", Store.in_memory(), sign_in=way))
        own = {"credentials_file": str(path)} if way == "federation" else {}
        given = {"project": "acme-claims-123456", "base_url": cloud.url, **own}
        page.submit("form.edit", values=given)
        assert page.form["sign_in"]["unnamed"] == ""
        page.submit("form.test", values={})
    assert page.form["sign_in"]["account"] == ""
    named = f"; its project is {project}" if project else ""
    said = f"Signed in by ~/gcloud/{file}, which does not say whose it is{named}."
    assert page.form["sign_in"]["unnamed"] == said

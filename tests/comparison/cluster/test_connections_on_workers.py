"""Each way that a connection can come from, described by the driver and found again on a worker."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.comparison.cluster.spec import (
    SchemaNumbers,
    VariantSpec,
    describe_policy,
    describe_variant,
    pack,
    read_policy,
    resolve_variant,
)
from llmwidgets.comparison.variants import ConnectionResolver, resolve_variants
from llmwidgets.connections import Policy
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine.request_builder import ResolvedVariant
from llmwidgets.errors import (
    FieldError,
    LLMWidgetsError,
    PolicyError,
    StoreLocked,
    Unauthorized,
    UnknownConnection,
)
from llmwidgets.known_keys import secret_values
from llmwidgets.store import identity_sources, state
from llmwidgets.store.age import Identity
from tests.google_cloud import GoogleCloud
from tests.kinds import KINDS, fields_of
from tests.sign_ins import SIGN_INS

KEY = "made-up-key-0001-3fQz7Lm2"
MODELS = {"openai": "gpt-6-luna", "gemini": "gemini-3.8-flash", "anthropic": "claude-haiku-5-5"}


def column_of(models: Any, store: lw.Store | None = None) -> ResolvedVariant:
    """The one variant of these models, as the driver resolves it."""
    ((_, column),) = resolve_variants(models, ConnectionResolver(store))
    return column


def sent(column: ResolvedVariant) -> bytes:
    """What of the variant travels; never a key."""
    packed = pack(describe_variant(column, "a-1a2b3c4d", SchemaNumbers()))
    assert KEY.encode() not in packed
    return packed


def found(packed: bytes) -> ResolvedVariant:
    """The variant as a worker makes it of that."""
    spec: VariantSpec = pickle.loads(packed)
    return resolve_variant(spec, ())


def key_of(column: ResolvedVariant) -> list[str]:
    return [bytes(part).decode() for _, _, secret in column.connection.secrets
            for part in secret_values(secret)]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """No store of another test is known to this process."""
    monkeypatch.setattr(state, "_states", {})


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Go to another machine: nothing is open there, and these variables are set."""

    def go(**variables: str) -> None:
        monkeypatch.setattr(state, "_states", {})
        identity_sources.forget_identity()
        for name in [each for each in os.environ if each.endswith(("_API_KEY", "_KEY_FILE"))]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return go


# -- References: made again from the fields.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["env", "file"])
def test_references_of_every_kind_are_looked_up_on_the_worker(
    kind: str, scheme: str, tmp_path: Path, move: Callable[..., None]
) -> None:
    fields = fields_of(kind, "https://r.example", key=KEY)
    secrets = [name for name, value in fields.items() if value == KEY or value[0] == "{"]
    value = fields[secrets[0]]
    (tmp_path / "key").write_text(value)
    reference = "env:WORKERS_API_KEY" if scheme == "env" else f"file:{tmp_path}/key"
    given = {**fields, **dict.fromkeys(secrets, reference), "headers": {"X-Team": reference}}
    connection = lw.Connection(kind, label="mine", **given)
    model = next(iter(connection.models))

    packed = sent(column_of([(connection, model)]))
    move(WORKERS_API_KEY=value)
    column = found(packed)

    assert (column.connection.kind, column.connection.label) == (kind, "mine")
    assert column.connection.plain_fields == connection.plain_fields
    assert column.connection.is_same_as(connection)
    assert column.target.url == connection.target(model).url
    assert key_of(column)


@pytest.mark.parametrize("name", SIGN_INS)
def test_a_way_to_sign_in_without_a_key_travels(name: str, tmp_path: Path) -> None:
    form = SIGN_INS[name]
    titles = {field.title: at for at, field in lw.PROVIDERS[form.kind].fields.model_fields.items()}
    titles["Credentials file"] = "credentials_file"
    (tmp_path / "federation.json").write_text("{}")
    plain = {
        titles[title]: value.format(url="http://127.0.0.1:9", folder=tmp_path)
        for title, value in form.plain.items()
    }
    connection = lw.Connection(form.kind, sign_in=form.way, **plain)
    model = form.named or "gemini-3.8-flash"

    column = found(sent(column_of([(connection, model)])))

    assert column.connection.fields.way == form.way
    assert column.connection.plain_fields == connection.plain_fields


@pytest.mark.parametrize("way", ["machine", "gcloud", "federation"])
def test_a_service_account_is_acted_as_from_the_worker(
    way: str, ways: dict[str, dict[str, Any]], cloud: GoogleCloud
) -> None:
    fields = {**ways[way], "impersonate": "reader@acme-1.iam.gserviceaccount.com"}
    connection = lw.Connection("vertex_ai", sign_in=way, project="acme-1", base_url=cloud.url,
                               **fields)  # fmt: skip

    column = found(sent(column_of([(connection, "gemini-3.8-flash")])))

    assert column.connection.plain_fields == connection.plain_fields


def test_a_bundle_of_certificates_is_the_workers_own() -> None:
    connection = lw.Connection("custom", name="m", endpoint="https://r.example/v1",
                               ca_bundle="/etc/worker/ca.pem")  # fmt: skip

    assert found(sent(column_of([connection]))).target.ca_bundle == "/etc/worker/ca.pem"


def test_references_in_a_store_need_no_store_on_the_worker(
    tmp_path: Path, move: Callable[..., None]
) -> None:
    store = lw.Store.create(passphrase="made-up crane violet", path=tmp_path / "acme")
    store.save(lw.Connection("openai", api_key="env:TEAM_API_KEY"))
    packed = sent(column_of("openai/gpt-6-luna", store))
    store.lock()

    move(TEAM_API_KEY=KEY)

    assert key_of(found(packed)) == [KEY]


# -- By the label: variables, policy files, presets, the demo.


@pytest.mark.parametrize("kind", MODELS)
def test_the_variables_of_a_worker_are_its_own(
    kind: str, monkeypatch: pytest.MonkeyPatch, move: Callable[..., None]
) -> None:
    variable = lw.PROVIDERS[kind].environment.keys[0]
    monkeypatch.setenv(variable, "made-up-key-of-the-driver")
    packed = sent(column_of(f"{kind}/{MODELS[kind]}"))
    assert b"made-up-key-of-the-driver" not in packed

    move(**{variable: KEY})
    assert key_of(found(packed)) == [KEY]

    move()
    with pytest.raises(UnknownConnection, match=f"{kind} is not connected here: {variable} is not"):
        found(packed)


def test_a_preset_names_its_model_in_the_reference(
    monkeypatch: pytest.MonkeyPatch, move: Callable[..., None]
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "made-up-key-of-the-driver")
    packed = sent(column_of("groq/llama-4-scout"))

    move(GROQ_API_KEY=KEY)
    column = found(packed)

    assert (column.model, column.connection.label) == ("llama-4-scout", "groq")
    assert key_of(column) == [KEY]


def test_a_connection_of_a_policy_file_is_that_of_the_workers_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, move: Callable[..., None]
) -> None:
    rows = '[connections.team]\nkind = "openai"\napi_key = "env:{}"\n'
    for name in ("DRIVER", "WORKER"):
        (tmp_path / name).write_text(rows.format(f"{name}S_API_KEY"))
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(tmp_path / "DRIVER"))
    monkeypatch.setenv("DRIVERS_API_KEY", "made-up-key-of-the-driver")
    packed = sent(column_of("team/gpt-6-luna"))

    move(WORKERS_API_KEY=KEY, LLMWIDGETS_POLICY=str(tmp_path / "WORKER"))

    assert key_of(found(packed)) == [KEY]


def test_each_worker_has_a_demo_of_its_own() -> None:
    column = column_of("demo-careful")
    packed = sent(column)
    from llmwidgets.demo import stop_demo

    stop_demo()
    again = found(packed)
    stop_demo()

    assert again.connection.origin == "demo"
    assert again.model == "demo-careful"
    assert again.target.url != column.target.url


# -- Stores: by organization, by path, opened by the worker's own means.


def a_store(folder: Path, organization: str, **more: Any) -> tuple[lw.Store, str]:
    """A store with a key in it, and the file that opens it."""
    identity = Identity.generate()
    file = folder / f"{organization}.key"
    identity.give(lambda spelled: file.write_text(spelled))
    file.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMWIDGETS_STORE_KEY_FILE", str(file))
        store = lw.Store.create(organization, **more)
        store.save(lw.Connection("openai", api_key=f"{KEY}-{organization}"))
    return store, str(file)


@pytest.mark.parametrize("by", ["organization", "path"])
def test_a_store_is_opened_by_the_workers_key_file(
    by: str, tmp_path: Path, move: Callable[..., None]
) -> None:
    place = {"path": tmp_path / "shared"} if by == "path" else {}
    store, file = a_store(tmp_path, "acme", **place)
    packed = sent(column_of("openai/gpt-6-luna", store))

    move(LLMWIDGETS_STORE_KEY_FILE=file)
    assert key_of(found(packed)) == [f"{KEY}-acme"]

    move()
    with pytest.raises(StoreLocked, match="the store is locked") as refused:
        found(packed)
    assert "LLMWIDGETS_STORE_KEY_FILE" in refused.value.hint


def test_an_identity_in_a_variable_opens_it_as_well(
    tmp_path: Path, move: Callable[..., None]
) -> None:
    store, file = a_store(tmp_path, "acme")
    packed = sent(column_of("openai/gpt-6-luna", store))

    move(LLMWIDGETS_STORE_KEY=Path(file).read_text())

    assert key_of(found(packed)) == [f"{KEY}-acme"]


def test_two_organizations_in_one_run_are_told_apart(
    tmp_path: Path, move: Callable[..., None]
) -> None:
    acme, file = a_store(tmp_path, "acme")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMWIDGETS_STORE_KEY_FILE", file)
        beta = lw.Store.create("beta")
        beta.save(lw.Connection("openai", api_key=f"{KEY}-beta"))
    columns = resolve_variants(
        [lw.Variant((store["openai"], "gpt-6-luna"), label=store.organization)
         for store in (acme, beta)],
        ConnectionResolver(acme),
    )  # fmt: skip
    packed = [sent(column) for _, column in columns]

    move(LLMWIDGETS_STORE_KEY_FILE=file)

    assert [key_of(found(each)) for each in packed] == [[f"{KEY}-acme"], [f"{KEY}-beta"]]


def test_a_worker_without_the_store_takes_its_variable(
    tmp_path: Path, move: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = a_store(tmp_path, "acme")
    packed = sent(column_of("openai/gpt-6-luna", store))

    move(OPENAI_API_KEY=KEY)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))

    assert key_of(found(packed)) == [KEY]


# -- What is only here is refused, with the lines that work.


def typed(**fields: Any) -> lw.Connection:
    return lw.Connection("openai", api_key=KEY, **fields)


def in_memory() -> lw.Connection:
    store = lw.Store.in_memory()
    store.save(typed())
    return store["openai"]


def of_the_session() -> lw.Connection:
    store = lw.Store()
    store.add_for_session(typed())
    return store["openai"]


@pytest.mark.parametrize("make", [typed, in_memory, of_the_session])
def test_a_key_that_is_only_here_is_refused(make: Callable[[], lw.Connection]) -> None:
    with pytest.raises(FieldError) as refused:
        describe_variant(column_of([(make(), "gpt-6-luna")]), "a-1a2b3c4d", SchemaNumbers())

    assert refused.value.problems == {
        "api_key of openai": "is a key that is only here, and a key is never sent."
    }
    assert 'lw.Connection("openai", api_key="env:NAME", …)' in refused.value.hint
    assert KEY not in str(refused.value)


def test_a_header_that_is_only_here_is_named() -> None:
    connection = lw.Connection("openai", api_key="env:A_KEY", headers={"X-Team": KEY})

    with pytest.raises(FieldError) as refused:
        describe_variant(column_of([(connection, "gpt-6-luna")]), "a-1a2b3c4d", SchemaNumbers())

    assert list(refused.value.problems) == ["header X-Team of openai"]
    assert 'headers={"X-Team": "env:NAME"}' in refused.value.hint


def test_a_key_replaced_since_is_not_taken_for_that_of_the_store(tmp_path: Path) -> None:
    store, _ = a_store(tmp_path, "acme")
    before = store["openai"]
    store.save(lw.Connection("openai", api_key="made-up-key-0002-of-today"), replace=True)

    with pytest.raises(FieldError, match="only here"):
        describe_variant(column_of([(before, "gpt-6-luna")]), "a-1a2b3c4d", SchemaNumbers())


# -- What a worker finds under the same label has to be the same.


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"base_url": "https://gateway.example/v1"}, "is openai at https://gateway.example/v1 here,"
         " but openai at https://api.openai.com"),
        ({"kind": "anthropic"}, "is anthropic at"),
    ],
)  # fmt: skip
def test_another_connection_of_the_label_is_refused(
    there: dict[str, str], said: str, tmp_path: Path, move: Callable[..., None]
) -> None:
    store, file = a_store(tmp_path, "acme")
    packed = sent(column_of("openai/gpt-6-luna", store))
    move(LLMWIDGETS_STORE_KEY_FILE=file)
    other = lw.Store("acme")
    connection = lw.Connection(**{"kind": "openai", "api_key": KEY, **there}, label="openai")
    del other["openai"]
    other.save(connection)

    with pytest.raises(FieldError) as refused:
        found(packed)

    assert said in refused.value.message
    assert KEY not in str(refused.value)


def test_another_model_of_the_label_is_refused(tmp_path: Path, move: Callable[..., None]) -> None:
    store, file = a_store(tmp_path, "acme")

    def luna(name: str) -> lw.Connection:
        return lw.Connection("custom", name=name, endpoint="https://r.example/v1", api_key=KEY,
                             label="ours")  # fmt: skip

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMWIDGETS_STORE_KEY_FILE", file)
        store.save(luna("luna"))
        packed = sent(column_of("ours", store))
        move(LLMWIDGETS_STORE_KEY_FILE=file)
        lw.Store("acme").save(luna("sol"), replace=True)

    with pytest.raises(FieldError, match="ours: serves sol here, but luna where"):
        found(packed)


# -- What the driver knows of a model counts everywhere.


def test_what_the_store_says_of_a_model_travels(tmp_path: Path, move: Callable[..., None]) -> None:
    store, _ = a_store(tmp_path, "acme")
    price = {"input": 7.0, "output": 9.0}
    store.allow("openai", "gpt-6.3-luna", output_limit=1234, efforts=["none", "low"], price=price)
    seen = Capability(ResponseFormat.JSON_OBJECT, Enforcement.JSON)
    store.save(store["openai"].with_capability("gpt-6.3-luna", seen), replace=True)
    column = column_of("openai/gpt-6.3-luna", store)
    assert column.own_price == price
    packed = sent(column)

    move(OPENAI_API_KEY=KEY)
    again = found(packed)

    assert (again.own_price, again.facts) == (price, column.facts)
    assert again.facts is not None
    assert again.facts.output_limit == 1234
    assert again.connection.capability("gpt-6.3-luna") == seen
    assert again.target.options == column.target.options


def test_facts_of_the_drivers_policy_file_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: Callable[..., None]
) -> None:
    (tmp_path / "policy.toml").write_text(
        "[facts.openai.gpt-7-nova]\noutput_limit = 4321\nprice = {input = 1, output = 2}\n"
    )
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    column = column_of("openai/gpt-7-nova")
    policy = pack(describe_policy(Policy()))
    packed = sent(column)

    monkeypatch.delenv("LLMWIDGETS_POLICY")
    move(OPENAI_API_KEY=KEY)
    again = found(packed)

    assert (again.facts, again.own_price) == (column.facts, {"input": 1.0, "output": 2.0})
    read_policy(pickle.loads(policy)).permit(again.connection, again.model)


# -- Whose rules count: the driver's and the worker's.


def test_a_model_that_the_organization_added_is_allowed_on_workers(
    tmp_path: Path, move: Callable[..., None]
) -> None:
    store, _ = a_store(tmp_path, "acme")
    store.allow("openai", "gpt-6.3-luna")
    column = column_of("openai/gpt-6.3-luna", store)
    policy, packed = pack(describe_policy(store.policy)), sent(column)

    move(OPENAI_API_KEY=KEY)
    again = found(packed)

    read_policy(pickle.loads(policy)).permit(again.connection, again.model)
    with pytest.raises(PolicyError):
        Policy().permit(again.connection, "gpt-6.3-luna")


@pytest.mark.parametrize("whose", ["driver", "worker"])
def test_a_policy_file_of_either_side_counts(
    whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: Callable[..., None]
) -> None:
    file = tmp_path / "policy.toml"
    rows = [
        "max_budget = 2.5", '[hosts]\ndeny = ["api.openai.com"]',
        '[connections.team]\nkind = "openai"\napi_key = "env:TEAM_API_KEY"',
    ]  # fmt: skip
    file.write_text("\n".join(rows))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    column = column_of("openai/gpt-6-luna")
    if whose == "driver":
        monkeypatch.setenv("LLMWIDGETS_POLICY", str(file))
    packed = pack(describe_policy(Policy()))
    monkeypatch.delenv("LLMWIDGETS_POLICY", raising=False)
    move(OPENAI_API_KEY=KEY)
    if whose == "worker":
        monkeypatch.setenv("LLMWIDGETS_POLICY", str(file))

    policy = read_policy(pickle.loads(packed))

    assert policy.budget(10.0) == (2.5, f"the file {file}")
    with pytest.raises(PolicyError, match="not allowed by the file"):
        policy.permit(column.connection, column.model)


def test_a_copy_of_an_error_is_its_own_where_dask_is_loaded() -> None:
    """Calls that share a refusal each name themselves in a copy."""
    import distributed  # noqa: F401

    error = Unauthorized("No.", "Yes.", label="first", model="m", code="c")
    other = copy(error)
    other.label = "second"

    assert (error.label, other.label) == ("first", "second")
    assert (str(other), other.args, other.code) == (str(error), error.args, "c")


def test_an_error_of_a_worker_has_no_key_in_it(tmp_path: Path, move: Callable[..., None]) -> None:
    """A variable with two lines, and a file with a key of another kind in several."""
    (tmp_path / "key").write_text(f"{KEY}\n{KEY}")
    connection = lw.Connection("openai", api_key=f"file:{tmp_path}/key")
    column = found(sent(column_of([(connection, "gpt-6-luna")])))

    with pytest.raises(LLMWidgetsError) as refused:
        key_of(column)

    assert "several lines" in str(refused.value)
    assert KEY not in json.dumps([refused.value.message, refused.value.hint])

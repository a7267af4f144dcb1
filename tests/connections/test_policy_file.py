"""A policy file is followed to the letter, or denies everything and says why."""

from __future__ import annotations

import os
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.connections import Connection, Policy, catalog, environment_connections
from llmwidgets.connections.policy_file import machine_rules, rules_of
from llmwidgets.errors import PolicyError, StoreError
from llmwidgets.store.store import Store

OPENAI = Connection("openai", api_key="sk-proj-a")
CUSTOM = Connection("custom", name="m", endpoint="http://localhost:1/v1")


@pytest.fixture(autouse=True)
def the_day(monkeypatch):
    """The tables were read on this day; models end on later ones."""
    monkeypatch.setattr(catalog, "today", lambda: date(2026, 11, 23))


@pytest.fixture
def places(monkeypatch, tmp_path):
    """The three places of policy files, made to lie in this test's folder; writes one of them."""
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
    paths = {
        "system": tmp_path / "system" / "llmwidgets" / "policy.toml",
        "prefix": tmp_path / "prefix" / "etc" / "llmwidgets" / "policy.toml",
        "named": tmp_path / "named.toml",
    }

    def write(place: str, text: str) -> Path:
        path = paths[place]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        if place == "named":
            monkeypatch.setenv("LLMWIDGETS_POLICY", str(path))
        return path

    return write


def refused(connection: Connection, model: str, policy: Policy | None = None) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        (policy or Policy()).permit(connection, model)
    return caught.value


def test_without_files_the_shipped_whitelist_alone_counts(places):
    assert machine_rules() == ()
    assert Policy().allowed(OPENAI) == OPENAI.models


def test_the_files_count_in_their_order(places):
    named, prefix, system = (places(name, "") for name in ("named", "prefix", "system"))
    assert [rules.path for rules in machine_rules()] == [system, prefix, named]


@pytest.mark.parametrize("place", ["system", "prefix", "named"])
def test_each_place_is_followed_and_named_in_the_refusal(places, place):
    path = places(place, '[models.openai]\ndeny = ["gpt-4o*"]\n')
    error = refused(OPENAI, "gpt-4o-mini")
    assert str(path) in error.message
    assert error.rule == f"the file {path}"
    assert "gpt-4o" not in Policy().allowed(OPENAI)
    Policy().permit(OPENAI, "gpt-6-luna")


@pytest.mark.parametrize("denies", ["system", "prefix", "named", "store"])
@pytest.mark.parametrize("allows", ["system", "prefix", "named", "store"])
def test_no_layer_allows_what_another_denies(places, denies, allows):
    """Whichever comes first: an addition widens the whitelist and lifts no denial."""
    text = {
        denies: '[models.openai]\ndeny = ["new-1"]\n',
        allows: '[models.openai]\nadd = ["new-1"]\n',
    }
    if denies == allows:
        text[denies] = '[models.openai]\ndeny = ["new-1"]\nadd = ["new-1"]\n'
    for place in {denies, allows} - {"store"}:
        places(place, text[place])
    pair = [("openai", "new-1")]
    policy = Policy(pair if allows == "store" else (), pair if denies == "store" else ())
    refused(OPENAI, "new-1", policy)
    assert "new-1" not in policy.allowed(OPENAI)


@pytest.mark.parametrize("place", ["system", "prefix", "named"])
def test_a_file_can_add_a_model_to_the_whitelist(places, place):
    places(place, '[models.openai]\nadd = ["new-1"]\n')
    Policy().permit(OPENAI, "new-1")
    assert Policy().allowed(OPENAI)[-1] == "new-1"
    refused(Connection("anthropic", api_key="sk-ant-api03-a"), "new-1")


def test_an_allow_list_narrows_and_adds_nothing(places):
    places("named", '[models.openai]\nallow = ["gpt-6*", "made-up"]\n')
    assert all(model.startswith("gpt-6") for model in Policy().allowed(OPENAI))
    refused(OPENAI, "gpt-5.5")
    refused(OPENAI, "made-up")


def test_patterns_count_for_a_kind_a_label_or_all(places):
    places("named", '[models."*"]\ndeny = ["*-ASTRA"]\n[models.work]\ndeny = ["gpt-6-sol"]\n')
    refused(OPENAI, "gpt-6-astra")
    Policy().permit(OPENAI, "gpt-6-sol")
    refused(OPENAI.with_label("work"), "gpt-6-sol")


def test_kinds_are_allowed_or_denied(places):
    places("system", '[kinds]\nallow = ["openai", "gemini"]\n')
    places("named", '[kinds]\ndeny = ["gemini"]\nallow = ["custom", "openai"]\n')
    Policy().permit(OPENAI, "gpt-6-luna")
    assert "Custom connections are not allowed by the file" in refused(CUSTOM, "m").message
    refused(Connection("gemini", api_key="AQ.a"), "gemini-3.8-flash")


@pytest.mark.parametrize(
    ("rule", "endpoint", "fine"),
    [
        ('allow = ["localhost"]', "http://localhost:11434/v1", True),
        ('allow = ["localhost:11434"]', "http://localhost:11434/v1", True),
        ('allow = ["localhost:80"]', "http://localhost:11434/v1", False),
        ('allow = ["*.acme.example"]', "https://llm.acme.example/v1", True),
        ('allow = ["*.acme.example"]', "https://llm.acme.example.evil.example/v1", False),
        ('allow = ["*.acme.example"]', "https://acme.example/v1", False),
        ('deny = ["evil.example"]', "https://EVIL.example/v1", False),
        ('deny = ["evil.example"]', "https://evil.example.:8443/v1", False),
        ('deny = ["evil.example"]', "https://good.example/v1", True),
        ('allow = ["::1"]', "http://[::1]:8000/v1", True),
    ],
)
def test_hosts_are_allowed_or_denied_by_where_texts_and_keys_go(places, rule, endpoint, fine):
    places("named", f"[hosts]\n{rule}\n")
    connection = Connection("custom", name="m", endpoint=endpoint)
    if fine:
        Policy().permit(connection, "m")
        Policy().permit(connection, None)
    else:
        assert connection.host in refused(connection, "m").message
        with pytest.raises(PolicyError):
            Policy().permit(connection, None)


def test_a_gateway_in_front_is_what_the_hosts_rule_judges(places):
    places("named", '[hosts]\nallow = ["api.openai.com"]\n')
    Policy().permit(OPENAI, "gpt-6-luna")
    other = Connection("openai", api_key="k", base_url="https://gw.example/v1")
    assert "gw.example" in refused(other, "gpt-6-luna").message


def test_the_smallest_budget_of_all_counts(places):
    assert Policy().budget(None) == (None, "")
    places("system", "max_budget = 20")
    path = places("named", "max_budget = 2.5")
    assert Policy().budget(None) == (2.5, f"the file {path}")
    assert Policy().budget(10.0) == (2.5, f"the file {path}")
    assert Policy().budget(1.0) == (1.0, "")


def test_an_organization_adds_models_unless_a_file_forbids_it(places):
    store = Store.in_memory()
    store.save(OPENAI)
    store.allow("openai", "new-1")
    store.policy.permit(OPENAI, "new-1")
    path = places("named", "allow_additions = false\n[models.openai]\nadd = ['new-2']\n")
    error = refused(OPENAI, "new-1", store.policy)
    assert "store.allow" not in str(error)
    assert str(path) in error.hint
    store.policy.permit(OPENAI, "new-2")
    with pytest.raises(PolicyError, match="lets no models be added"):
        store.allow("openai", "new-3")
    for retired in ("o1", "gpt-4"):
        assert "store.allow" not in str(refused(OPENAI, retired, store.policy))


def test_the_environment_connects_nothing_where_a_file_says_so(places, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-a")
    assert [each.label for each in environment_connections()] == ["openai"]
    places("system", "environment = false")
    places("named", "environment = true")
    assert environment_connections() == []


def test_a_connection_is_provided_with_its_secret_looked_up(places, monkeypatch):
    places(
        "named",
        '[connections.gateway]\nkind = "openai"\nbase_url = "https://llm.acme.example/v1"\n'
        'api_key = "env:GATEWAY_TOKEN"\nheaders = { "x-team" = "env:TEAM" }\n',
    )
    (gateway,) = environment_connections()
    assert (gateway.label, gateway.origin, gateway.read_only) == ("gateway", "policy", True)
    assert gateway.host == "llm.acme.example"
    monkeypatch.setenv("GATEWAY_TOKEN", "canary-canary-0001")
    assert gateway.tail == "0001"
    store = Store.in_memory()
    with pytest.raises(StoreError, match="a policy file"):
        store.save(gateway)
    with pytest.raises(StoreError, match="a policy file and is read-only"):
        store.rename("gateway", "mine")


def test_a_provided_connection_stands_before_the_variable_of_its_label(places, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-a")
    places("system", '[connections.openai]\nkind = "openai"\napi_key = "env:ONE"\n')
    places("named", '[connections.openai]\nkind = "openai"\napi_key = "env:TWO"\n')
    (only,) = environment_connections()
    assert only.secret_fields["api_key"].reference == "env:ONE"


CANARY = "sk-proj-canary-canary-0001"
DAMAGED = [
    ("max_budget = 'x", "not valid TOML at end of document"),
    ("\n\nkinds = ]", "not valid TOML at line 3"),
    ("max_bugdet = 3", "max_bugdet (line 1) is not known"),
    ("[kinds]\nallow = ['openai']\nforbid = []", "kinds.forbid (line 3) is not known"),
    (
        "[kinds]\nallow = ['opnai']",
        "kinds.allow (line 2) names a kind that does not exist. The nearest is openai.",
    ),
    ("kinds = ['openai']", "kinds (line 1) is not a table"),
    ("[kinds]\ndeny = 'openai'", "kinds.deny (line 2) is not a list of texts"),
    ("[hosts]\ndeny = ['https://a.example/v1']", "hosts.deny (line 2) contains more than a host"),
    ("[hosts]\ndeny = ['']", "hosts.deny (line 2) is not a list of texts"),
    ("[models]\ndeny = ['gpt-4o']", "models.deny (line 2) is not a table"),
    ("[models.openai]\nadd = ['gpt-*']", "models.openai.add (line 2) contains a pattern"),
    ("[models.openai]\nalow = ['gpt-*']", "models.openai.alow (line 2) is not known"),
    ("max_budget = true", "max_budget (line 1) is not an amount"),
    ("max_budget = -1", "max_budget (line 1) is not an amount"),
    ("max_budget = nan", "max_budget (line 1) is not an amount"),
    (f"max_budget = 1{'0' * 400}", "max_budget (line 1) is not an amount"),
    (f"max_budget = {'1' * 5000}", "is not valid TOML."),
    (f"kinds = {'[' * 100_000}", "is not valid TOML."),
    ("environment = 'no'", "environment (line 1) must be true or false"),
    ("allow_additions = 0", "allow_additions (line 1) must be true or false"),
    ("[connections]\na = 1", "connections.a (line 2) is not a table"),
    (
        "[connections.a]\nkind = 'opnai'",
        "connections.a.kind (line 2) names no kind. The nearest is openai.",
    ),
    ("[connections.a]\nkind = []", "connections.a.kind (line 2) names no kind"),
    (
        f"[connections.a]\nkind = 'openai'\napi_key = '{CANARY}'",
        "connections.a.api_key (line 3) contains a secret in clear",
    ),
    (
        f"[connections.a]\nkind = 'openai'\napi_key = 'env:K'\nheaders = {{ x = '{CANARY}' }}",
        "connections.a.headers (line 4) contains a secret in clear",
    ),
    (
        f"[connections.a]\nkind = 'openai'\napikey = '{CANARY}'",
        "connections.a.apikey (line 3) is not known",
    ),
    ("[connections.a]\nkind = 'openai'\nlabel = 'b'", "connections.a.label (line 3)"),
    ("[connections.a]\nkind = 'openai'", "connections.a.api_key"),
    ("[connections.a]\nkind = 'custom'\nname = 'm'\nendpoint = 'x'", "connections.a.endpoint"),
]


@pytest.mark.parametrize(("text", "said"), DAMAGED)
def test_a_file_that_cannot_be_followed_denies_everything_and_says_why(places, text, said):
    """File, key and line, and what to do; never a value of the file."""
    path = places("prefix", text)
    error = refused(OPENAI, "gpt-6-luna")
    assert str(path) in error.message
    assert said in error.message
    assert "canary" not in str(error)
    assert error.hint.startswith("Whoever keeps the file can correct it")
    assert Policy().allowed(OPENAI) == ()
    refused(CUSTOM, "m")
    with pytest.raises(PolicyError):
        Policy().permit(OPENAI, None)


@pytest.mark.parametrize("named", ["{folder}/gone.toml", "~nobody-of-this-name/policy.toml"])
def test_a_file_that_is_named_and_not_there_denies_everything(monkeypatch, tmp_path, named):
    monkeypatch.setenv("LLMWIDGETS_POLICY", named.format(folder=tmp_path))
    assert "is not there, and LLMWIDGETS_POLICY names it" in refused(OPENAI, "gpt-6-luna").message


def test_what_is_no_text_or_no_file_denies_everything(places, tmp_path, monkeypatch):
    places("named", "").write_bytes(b"\xff\xfe")
    assert "not text in UTF-8" in refused(OPENAI, "gpt-6-luna").message
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path, tmp_path / "pipe"):
        monkeypatch.setenv("LLMWIDGETS_POLICY", str(odd))
        assert "cannot be read (it is not a file)" in refused(OPENAI, "gpt-6-luna").message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_denies_everything(places):
    places("system", "").chmod(0)
    assert "cannot be read" in refused(OPENAI, "gpt-6-luna").message


def test_a_mended_file_counts_at_once(places):
    path = places("named", "nonsense")
    refused(OPENAI, "gpt-6-luna")
    path.write_text("max_budget = 1.0", "utf-8")
    Policy().permit(OPENAI, "gpt-6-luna")


@settings(deadline=None)
@given(st.text(max_size=200) | st.sampled_from([text for text, _ in DAMAGED]).map(lambda t: t[:-1]))
def test_no_text_of_a_file_raises_and_none_that_fails_to_parse_allows(text):
    """Reading is total: whatever stands there gives rules, and what is no TOML denies."""
    rules = _read(text)
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        assert rules.damage is not None


def _read(text: str):
    return rules_of(text.encode("utf-8", "surrogatepass"), Path("policy.toml"))


_NAMES = st.sampled_from(["gpt-6-luna", "gpt-6-sol", "gpt-4o", "new-1", "*", "gpt-6*", "*-sol"])
_LAYER = st.fixed_dictionaries(
    {},
    optional={
        "allow": st.lists(_NAMES, max_size=3),
        "deny": st.lists(_NAMES, max_size=2),
        "add": st.just(["new-1"]),
    },
)


@settings(deadline=None)
@given(layers=st.lists(_LAYER, max_size=3), more=_LAYER)
def test_a_further_layer_without_additions_only_narrows(layers, more):
    """For every mix of rules, and `permit` says the same as `allowed`."""
    more = {key: value for key, value in more.items() if key != "add"}
    before = Policy(layers=tuple(map(_rules, layers)))
    after = Policy(layers=(*map(_rules, layers), _rules(more)))
    assert set(after.allowed(OPENAI)) <= set(before.allowed(OPENAI))
    for model in (*OPENAI.models, "new-1"):
        try:
            after.permit(OPENAI, model)
        except PolicyError:
            assert model not in after.allowed(OPENAI)
        else:
            assert model in after.allowed(OPENAI)


def _rules(layer):
    lines = [f"{key} = {value!r}" for key, value in layer.items()]
    return _read("[models.openai]\n" + "\n".join(lines) + "\n")


def test_both_panels_say_why_nothing_can_be_called(places):
    """A damaged file is told where the user is, not only at the first call."""
    from llmwidgets import ComparisonPanel, ConnectionPanel

    path = places("named", "nonsense")
    connections, comparison = ConnectionPanel(Store.in_memory()), ComparisonPanel()
    try:
        assert any(str(path) in said for said in connections.state()["store"]["notices"])
        found = comparison.state()["setup"]["problems"]
        assert any(str(path) in each["sentence"] for each in found)
    finally:
        connections.close()
        comparison.close()


def test_the_policy_of_the_page_is_followed(places, monkeypatch):
    """Each line of it: what it says is what happens."""
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
    places("named", page.split("```toml\n")[1].split("```")[0])
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-a")
    (gateway,) = environment_connections()
    Policy().permit(gateway, "gpt-6-luna")
    Policy().permit(gateway, "gpt-6.3-luna")
    refused(gateway, "gpt-6-astra")
    refused(gateway, "gpt-5.5")
    refused(OPENAI, "gpt-6-luna")
    refused(CUSTOM, "m")
    assert Policy().budget(None)[0] == 20.0
    assert "store.allow" not in refused(gateway, "gpt-6.4-luna").hint

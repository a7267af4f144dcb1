"""What is pasted as an address stays what it is: its version, its slash, its gateway, its route."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

import llmwidgets as lw
from llmwidgets.engine import capability, event_loop
from llmwidgets.errors import FieldError
from llmwidgets.providers import PROVIDERS
from llmwidgets.secret import Secret
from tests.kinds import KINDS, address_field, fields_of, made_up_key
from tests.servers import Handler, listening

KEY = "0123456789abcdef0123456789abcdef"
GEMINI_KEY = "AQ.made-up-0004711-made-up-0004711"
APIM = "https://company.azure-api.net"
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@dataclass
class Far:
    """A server of OpenAI's format that answers at these paths alone."""

    paths: set[str]
    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def far() -> Iterator[Far]:
    end = Far(set())

    class Here(Handler):
        def do_GET(self) -> None:
            self._answer({"data": [{"id": "m"}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            message = {"role": "assistant", "content": json.dumps({"name": "x"})}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            usage = {"prompt_tokens": 9, "completion_tokens": 3}
            self._answer({"model": "m", "choices": [choice], "usage": usage})

        def _answer(self, body: object) -> None:
            end.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            if self.path.partition("?")[0] in end.paths:
                self.reply(200, body)
            elif f"{self.path}/" in end.paths:
                self.reply(308, b"", {"location": f"{self.path}/"})
            else:
                self.reply(404, {"statusCode": 404, "message": "Resource not found"})

    capability.forget_capabilities()
    with listening(Here) as server:
        end.url = f"http://127.0.0.1:{server.server_port}"
        yield end
    event_loop.stop_engine()


# -- Versions.


@pytest.mark.parametrize(
    ("typed", "kept", "called"),
    [
        ("https://gw.example/v1beta", "https://gw.example/v1beta", "https://gw.example/v1beta"),
        ("https://gw.example/v1beta/", "https://gw.example/v1beta", "https://gw.example/v1beta"),
        ("https://gw.example/g/v1alpha", "https://gw.example/g/v1alpha",
         "https://gw.example/g/v1alpha"),
        ("https://gw.example/v1", "https://gw.example/v1", "https://gw.example/v1"),
        ("https://gw.example/v1beta2/", "https://gw.example/v1beta2", "https://gw.example/v1beta2"),
        ("https://gw.example", "https://gw.example", "https://gw.example/v1"),
        ("https://gw.example/v1/gemini", "https://gw.example/v1/gemini",
         "https://gw.example/v1/gemini/v1"),
        ("https://v1.example/", "https://v1.example", "https://v1.example/v1"),
        ("https://gw.example/v1beta/openai/", "https://gw.example/v1beta",
         "https://gw.example/v1beta"),
        ("https://gw.example/v1beta/models/gemini-3.8-flash:generateContent",
         "https://gw.example/v1beta", "https://gw.example/v1beta"),
    ],
)  # fmt: skip
def test_the_version_of_a_gemini_base_url_stays_as_typed(typed, kept, called):
    """It is there once, also after it was saved and read again, and in the vendor's client."""
    connection = lw.Connection("gemini", api_key=GEMINI_KEY, base_url=typed)
    assert connection.plain_fields["base_url"] == kept
    assert connection.target("m").url == called
    again = lw.Connection("gemini", api_key=GEMINI_KEY, base_url=kept)
    assert again.target("m").url == called
    client = connection.client()
    options = client._api_client._http_options
    assert f"{options.base_url.rstrip('/')}/{options.api_version}" == called


# -- Gateways in front of Azure.


@pytest.mark.parametrize(
    ("pasted", "url", "query"),
    [
        (APIM, f"{APIM}/openai/v1", {}),
        (f"{APIM}/openai", f"{APIM}/openai/v1", {}),
        (f"{APIM}/openai/", f"{APIM}/openai/v1", {}),
        (f"{APIM}/some/path", f"{APIM}/some/path/openai/v1", {}),
        (f"{APIM}/some/openai", f"{APIM}/some/openai/v1", {}),
        (f"{APIM}/some/openai/v1/chat/completions", f"{APIM}/some/openai/v1", {}),
        (f"{APIM}/some/path/chat/completions", f"{APIM}/some/path", {}),
        (f"{APIM}/some?api-version=2025-01-01", f"{APIM}/some/openai/deployments/d",
         {"api-version": "2025-01-01"}),
        (f"{APIM}/openai?API-Version=2025-01-01", f"{APIM}/openai/deployments/d",
         {"api-version": "2025-01-01"}),
        (f"{APIM}/some/openai/deployments/d/chat/completions?api-version=2025-01-01",
         f"{APIM}/some/openai/deployments/d", {"api-version": "2025-01-01"}),
        (f"{APIM}/some/deployments/d", f"{APIM}/some/deployments/d",
         {"api-version": "2024-10-21"}),
        (f"{APIM}/some/models/chat/completions", f"{APIM}/some/models",
         {"api-version": "2024-05-01-preview"}),
        ("https://llm.company.example/azure", "https://llm.company.example/azure/openai/v1", {}),
    ],
)  # fmt: skip
def test_the_base_of_a_gateway_is_accepted(pasted, url, query):
    for kind, name in (("azure_openai", "deployment"), ("azure_ai_foundry", "model")):
        connection = lw.Connection(kind, **{name: "d"}, endpoint=pasted, api_key=KEY)
        target = connection.target("d")
        assert (target.url, dict(target.query)) == (url, query)
        managed = "Ocp-Apim-Subscription-Key" in [each.name for each in target.auth]
        assert managed is ("azure-api" in pasted)


def test_claude_behind_api_management_gets_the_key_by_its_name():
    given = {"endpoint": f"{APIM}/anthropic/v1/messages", "api_key": KEY}
    target = lw.Connection("azure_ai_foundry", model="claude-sonnet-5-5", **given).target("m")
    assert [each.name for each in target.auth][1:] == ["api-key", "Ocp-Apim-Subscription-Key"]


@pytest.mark.parametrize("kind", ["azure_openai", "azure_ai_foundry"])
def test_a_gateway_that_answers_by_deployment_is_found_by_the_check(far, kind):
    far.paths = {"/llm/openai/deployments/m/chat/completions"}
    name = PROVIDERS[kind].model_field
    found = lw.check(lw.Connection(kind, **{name: "m"}, endpoint=f"{far.url}/llm", api_key=KEY))
    assert found.fix == {"endpoint": f"{far.url}/llm?api-version=2024-10-21"}
    assert "by deployment" in found.sentence
    fixed = lw.Connection(kind, **{name: "m"}, **found.fix, api_key=KEY)
    assert lw.check(fixed).ok
    assert far.asked[-1][0].endswith("?api-version=2024-10-21")


def test_the_client_of_a_deployment_below_a_path_calls_there(far):
    """The vendor's client adds /openai by itself, or takes the whole address."""
    far.paths = {f"{base}/deployments/d/chat/completions" for base in ("/llm/openai", "/own")}
    for base in ("/llm/openai", "/own"):
        endpoint = f"{far.url}{base}/deployments/d"
        connection = lw.Connection("azure_openai", endpoint=endpoint, api_key=KEY)
        client = connection.client()
        asked = client.chat.completions.create(
            model="d", messages=[{"role": "user", "content": "x"}]
        )
        assert asked.choices[0].message.content == '{"name": "x"}'


@pytest.mark.parametrize("name", ["api-version", "API-VERSION", "Api-Version", "api-Version"])
def test_the_api_version_counts_in_any_case(name):
    endpoint = f"https://r.openai.azure.com/openai/deployments/d?{name}=2025-03-01"
    connection = lw.Connection("azure_openai", endpoint=endpoint, api_key=KEY)
    assert dict(connection.target("d").query) == {"api-version": "2025-03-01"}
    assert ("API version", "2025-03-01") in connection.fields.address_parts()


# -- A slash at the end.


@pytest.mark.parametrize(
    ("kind", "pasted", "route"),
    [
        ("custom", "/v1/chat/completions/", "/v1/chat/completions/"),
        ("custom", "/v1/chat/completions/?team=a", "/v1/chat/completions/"),
        ("openai", "/v1/chat/completions/", "/v1/chat/completions/"),
        ("azure_openai", "/openai/deployments/m/chat/completions/",
         "/openai/deployments/m/chat/completions/"),
        ("azure_openai", "/openai/v1/chat/completions/", "/openai/v1/chat/completions/"),
        ("azure_ai_foundry", "/models/chat/completions/", "/models/chat/completions/"),
        ("custom", "/v1/", "/v1/chat/completions"),
        ("custom", "/v1/chat/completions", "/v1/chat/completions"),
        ("openai", "/v1/", "/v1/chat/completions"),
        ("azure_openai", "/openai/v1/", "/openai/v1/chat/completions"),
    ],
)  # fmt: skip
def test_the_slash_of_a_route_stays_and_that_of_a_base_does_not_count(far, kind, pasted, route):
    far.paths = {route}
    fields = fields_of(kind, far.url, KEY) | {address_field(kind): far.url + pasted}
    own = PROVIDERS[kind].model_field
    connection = lw.Connection(kind, **(fields | ({own: "m"} if own else {})))
    for each in (connection, lw.Connection(kind, **{**fields, **connection.plain_fields})):
        model = each.models[0]
        got = lw.extract(SCHEMA, "text", (each, model), reuse=False, journal=False)
        assert got.status == "ok", got.failure
    assert {path.partition("?")[0] for path, _ in far.asked if "completions" in path} == {route}
    assert not any("ends in /v1" in each for each in connection.warnings)


def test_anthropics_route_keeps_its_slash():
    connection = lw.Connection(
        "anthropic", api_key="sk-ant-api03-a", base_url="https://g.example/v1/messages/"
    )
    assert connection.plain_fields["base_url"] == "https://g.example/v1/messages/"
    target = connection.target("claude-haiku-5-5")
    assert connection.dialect.models_call(target).url == "https://g.example/v1/models/?limit=1000"


def test_a_server_that_wants_the_slash_says_where_and_that_can_be_pasted(far):
    """The redirect is not followed; its target is the address to enter."""
    far.paths = {"/v1/chat/completions/"}
    first = lw.Connection("custom", name="m", endpoint=f"{far.url}/v1", label="far")
    failure = lw.extract(SCHEMA, "text", first, journal=False).failure
    named = f"{far.url}/v1/chat/completions/"
    assert named in failure.message
    second = lw.Connection("custom", name="m", endpoint=named, label="far")
    assert lw.extract(SCHEMA, "text", second, journal=False).status == "ok"


# -- Placeholders.

PLACEHOLDERS = [
    "<your-resource-name>", "{deployment}", "{{resource}}", "${RESOURCE}", "$RESOURCE",
    "YOUR_RESOURCE", "YOUR-RESOURCE-NAME", "your-resource-name", "your_deployment", "RESOURCE_NAME",
    "PROJECT-ID", "…", "...", "<region>", "[your resource]", "Your-Project",
]  # fmt: skip


def _texts(kind: str) -> list[str]:
    """The fields of a kind that take a text which is not a secret or a file."""
    fields = PROVIDERS[kind].fields.model_fields.items()
    texts = [name for name, info in fields if info.annotation in (str, str | None)]
    return [name for name in texts if name != "ca_bundle"]


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in KINDS for name in _texts(kind)]
)
@pytest.mark.parametrize("example", PLACEHOLDERS)
def test_a_placeholder_is_refused_in_each_field_that_is_shown(kind, name, example):
    address = name in {"endpoint", "base_url"}
    filled = fields_of(kind, "https://r.example", made_up_key(kind))
    values = [f"https://{example}.openai.azure.com/openai/v1", f"https://r.example/{example}/v1"]
    for value in (
        values if address else [example, f"a-{example}" if example[0] in "<{$" else example]
    ):
        with pytest.raises(
            FieldError, match=r"contains the placeholder .*your own value"
        ) as caught:
            lw.Connection(kind, **filled | {name: value})
        assert name in caught.value.problems


def test_a_placeholder_that_a_browser_encoded_is_one():
    endpoint = "https://r.openai.azure.com/openai/deployments/%7Bdeployment%7D"
    with pytest.raises(FieldError, match=r"the placeholder \{deployment\}"):
        lw.Connection("azure_openai", deployment="d", api_key=KEY, endpoint=endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["<https://r.example/v1>", "https://yours.example/v1", "https://r.example/models/v1",
     "https://model-names.example/v1", "https://[fd00::1]/v1"],
)  # fmt: skip
def test_what_only_looks_like_a_placeholder_is_accepted(endpoint):
    for model in (
        "deepseek-ai/DeepSeek-R1:together",
        "llama3.2:8b-instruct_q4.0",
        "ft:gpt-4o:a::b",
    ):
        assert lw.Connection("custom", name=model, endpoint=endpoint).models == (model,)


def test_a_key_in_a_placeholder_is_not_quoted():
    secret = "sk-proj-" + "a1" * 20
    with pytest.raises(FieldError) as caught:
        lw.Connection("custom", name=f"<{secret}>", endpoint="https://r.example/v1",
                      api_key=Secret("k"))  # fmt: skip
    assert secret not in str(caught.value)


def test_a_route_is_known_in_any_case():
    typed = lw.Connection(
        "custom", name="m", endpoint="https://gw.acme.example/V1/Chat/Completions"
    )
    assert typed.fields.endpoint == "https://gw.acme.example/V1"

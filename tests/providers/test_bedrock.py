"""Amazon Bedrock: its form, its two endpoints, ids of its other endpoint, keys that end soon."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.connections import Policy, environment_connections
from llmwidgets.connections.catalog import key_end_note, key_has_ended, local_today
from llmwidgets.connections.policy_file import rules_of
from llmwidgets.dialects import anthropic, openai
from llmwidgets.dialects.types import HTTPResponse
from llmwidgets.engine import event_loop
from llmwidgets.engine.troubleshooting import diagnose
from llmwidgets.errors import FieldError, PolicyError
from llmwidgets.keyscan.search import find_leaks
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.prices import price_per_million
from llmwidgets.secret import looks_like_key, redact
from llmwidgets.store.document import connection_from_json, connection_to_json
from llmwidgets.widgets.connection.check_view import off_whitelist, refused_rows
from tests.kinds import signed_key
from tests.servers import serving_models

BEDROCK = PROVIDERS["bedrock"]
KEY = "ABSKmade-up-key-0004711"
CLAUDE = [facts.id for facts in BEDROCK.models if facts.id.startswith("anthropic.")]
CHAT = [facts.id for facts in BEDROCK.models if facts.id not in CLAUDE]
REPLY = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def connected(region: str = "us-east-1", **more: Any) -> lw.Connection:
    return lw.Connection("bedrock", **{"api_key": KEY, "region": region, **more})


# -- The form.


@pytest.mark.parametrize(
    "typed",
    ["virginia", "us-east", "us east 1", "us-east-1.evil.example", "us-east-1/x", "1-east-us",
     "https://us-east-1.aws", "localhost", "us-east-1@evil.example", "us-east-१", "global"],
)  # fmt: skip
def test_a_text_that_is_not_a_region_is_refused(typed):
    with pytest.raises(FieldError) as caught:
        connected(typed)
    assert "is not a region of AWS: write it as us-east-1" in caught.value.problems["region"]


@pytest.mark.parametrize(
    ("typed", "read"),
    [("us-east-1", "us-east-1"), (" EU-Central-1 ", "eu-central-1"), ("us-gov-west-1",) * 2,
     ("ap-southeast-4",) * 2, ("eusc-de-east-1",) * 2],
)  # fmt: skip
def test_a_region_names_the_host(typed, read):
    connection = connected(typed)
    assert connection.fields.region == read
    assert connection.host == f"bedrock-mantle.{read}.api.aws"


def test_a_region_is_asked_for_and_never_assumed(monkeypatch):
    monkeypatch.delenv("AWS_REGION", raising=False)
    with pytest.raises(FieldError, match="Region is needed"):
        lw.Connection("bedrock", api_key=KEY)


def test_it_exists_once_per_organization():
    assert BEDROCK.single
    store = lw.Store.in_memory()
    store.save(connected())
    with pytest.raises(lw.errors.AlreadyConnected):
        store.save(connected("eu-west-1", label="europe"))


# -- Two endpoints under one address.


@pytest.mark.parametrize("model", [*CLAUDE, "anthropic.claude-mythos-5", "us.anthropic.claude-x"])
def test_claude_answers_at_the_messages_route(model):
    connection = connected()
    assert connection.dialect_for(model) is anthropic
    target = connection.target(model)
    assert target.url == "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1"
    assert (target.auth[0].name, target.auth[0].template) == ("Authorization", "Bearer {}")
    listing = anthropic.models_call(target)
    assert listing.url == "https://bedrock-mantle.us-east-1.api.aws/v1/models"


@pytest.mark.parametrize("model", [*CHAT, "qwen.qwen3-32b", "deepseek.v3.1", "xai.grok-4.3"])
def test_the_others_answer_at_chat_completions(model):
    connection = connected("eu-west-1")
    assert connection.dialect_for(model) is openai
    assert connection.target(model).url == "https://bedrock-mantle.eu-west-1.api.aws/v1"


@pytest.mark.parametrize("base", ["https://g.example", "https://g.example/bedrock/eu"])
@pytest.mark.parametrize(
    "end",
    ["", "/", "/v1", "/v1/", "/anthropic", "/anthropic/", "/anthropic/v1", "/openai/v1",
     "/anthropic/v1/messages", "/v1/chat/completions", "/openai/v1/responses", "/v1/models"],
)  # fmt: skip
def test_a_base_url_is_taken_as_either_vendors_client_has_it(base, end):
    connection = connected(base_url=base + end)
    assert connection.target(CLAUDE[0]).url == f"{base}/anthropic/v1"
    assert connection.target(CHAT[0]).url == f"{base}/v1"


def test_both_formats_are_asked_in_one_comparison():
    with serving_models(models=(*CLAUDE, *CHAT), record={"name": "Bolt"}) as server:
        connection = connected(base_url=server.url)
        models = [(connection, CLAUDE[0]), (connection, CHAT[0])]
        result = lw.compare(REPLY, ["Bolt"], models, journal=False, progress=False)
        assert [each.record for each in result] == [{"name": "Bolt"}] * 2
        asked = {each.body["model"]: each for each in server.seen if each.method == "POST"}
        assert asked[CLAUDE[0]].path == "/anthropic/v1/messages"
        assert asked[CHAT[0]].path == "/v1/chat/completions"
        assert "response_format" in asked[CHAT[0]].body
        assert "output_config" in asked[CLAUDE[0]].body
        assert {each.headers["authorization"] for each in asked.values()} == {f"Bearer {KEY}"}
    event_loop.stop_engine()


def test_the_maker_in_front_of_an_id_is_not_another_model():
    with serving_models(models=(CLAUDE[0],), record={"name": "Bolt"}) as server:
        plain = server.answer

        def without_maker(seen: Any) -> Any:
            status, body = plain(seen)
            return status, {**body, "model": CLAUDE[0].removeprefix("anthropic.") + "-20261001"}

        server.answer = without_maker  # type: ignore[method-assign]
        row = lw.extract(REPLY, "Bolt", (connected(base_url=server.url), CLAUDE[0]), journal=False)
        assert not [note for note in row.notes if "answered" in note]
    event_loop.stop_engine()


# -- What cannot be called: not yet, or not by this id.


def refusal(model: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        Policy().permit(connected(), model)
    return caught.value


@pytest.mark.parametrize("model", BEDROCK.not_yet)
def test_what_only_responses_serves_is_not_yet_called_with_the_reason(model):
    with serving_models() as server:
        with pytest.raises(PolicyError, match="cannot be called yet"):
            lw.extract(REPLY, "Bolt", (connected(base_url=server.url), model), journal=False)
        assert server.seen == []
    for id_ in (model, f"us.{model}", f"{model}-v1:0"):
        said = refusal(id_)
        assert f"{model} of Amazon Bedrock cannot be called yet: only the Responses" in said.message
        assert "bedrock/anthropic.claude-haiku-5-5" in said.hint


def test_what_is_not_yet_called_is_in_the_list_of_the_form_and_not_offered():
    rows = {row["model"]: row for row in refused_rows(connected(), Policy())}
    assert set(rows) == set(BEDROCK.not_yet)
    assert all(row["note"].startswith("not yet: only the Responses") for row in rows.values())
    assert not any(row["allow"] for row in rows.values())


def test_an_organization_that_knows_better_can_allow_it():
    policy = Policy(additions=[("bedrock", "openai.gpt-oss-120b")])
    policy.permit(connected(), "openai.gpt-oss-120b")
    rows = {row["model"] for row in refused_rows(connected(), policy)}
    assert "openai.gpt-oss-120b" not in rows


GEOS = ("us", "eu", "apac", "jp", "au", "ca", "in", "global", "us-gov")
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"


@given(
    arn=st.sampled_from(["", ARN, "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/"]),
    geo=st.sampled_from(["", *(f"{geo}." for geo in GEOS)]),
    model=st.sampled_from([*CLAUDE, *CHAT]),
    version=st.sampled_from(
        [
            "",
            "-v1:0",
            "-v1",
            "-20260901-v1:0",
            "-20260901",
            "-1:0",
            "-v1:0:200k",
            "-20260901-v1:0:48k",
        ]
    ),
)
def test_an_id_of_the_other_endpoint_is_told_with_the_right_one(arn, geo, model, version):
    given_ = f"{arn}{geo}{model}{version}"
    assert BEDROCK.served_as(given_) == model
    if given_ == model:
        Policy().permit(connected(), given_)
        return
    said = refusal(given_)
    assert f"serves this model as {model}, and not as {given_}" in said.message
    assert said.hint == f"Write bedrock/{model}."


@pytest.mark.parametrize(
    "model", ["openai.gpt-5.4", "moonshotai.kimi-k2.5", "deepseek.v3.1", "claude-opus-5", "",
              "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", "us.", "a/b:c"]
)  # fmt: skip
def test_another_id_stays_as_it_is(model):
    assert BEDROCK.served_as(model) == model


def test_of_an_unknown_model_it_is_not_said_that_it_is_served():
    said = refusal("global.moonshotai.kimi-k3")
    assert "knows no ids such as global.moonshotai.kimi-k3" in said.message
    assert "moonshotai.kimi-k3 is not on the shipped whitelist" in said.message
    assert 'store.allow("bedrock", "moonshotai.kimi-k3")' in said.hint


@pytest.mark.parametrize("model", ["us.anthropic.claude-opus-5", f"{ARN}eu.{CLAUDE[2]}"])
def test_a_404_for_such_an_id_names_the_right_one_as_well(model):
    """Where an organization allowed it, it is sent, and the server knows nothing of it."""
    found = told(404, {"error": {"type": "not_found_error", "message": "model: x"}}, model=model)
    assert f"serves this model as {BEDROCK.served_as(model)}" in found.sentence
    assert BEDROCK.served_as(model) in found.hint


# -- What the server says.


def told(
    status: int, body: Any, headers: dict[str, str] | None = None, model: str = CLAUDE[0]
) -> Any:
    connection = connected()
    payload = HTTPResponse(status, headers or {}, json.dumps(body).encode(), 0.1)
    failure = connection.dialect_for(model).explain(payload, label="bedrock", model=model)
    return diagnose(failure, connection, model=model)


def named(error: str) -> dict[str, str]:
    return {"x-amzn-errortype": f"{error}:http://internal.amazon.com/coral/com.amazon.bedrock/"}


ACCESS = "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock-mantle:CreateInference"
SAID: list[tuple[int, Any, dict[str, str], str, str]] = [
    (403, {"message": ACCESS}, named("AccessDeniedException"), "Forbidden", "Model access"),
    (403, {"Message": ACCESS}, named("AccessDeniedException"), "Forbidden", "Model access"),
    (403, {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": ACCESS}, {},
     "Forbidden", "Model access"),
    (403, {"type": "error", "error": {"type": "permission_error", "message": "No access."}}, {},
     "Forbidden", "Model access"),
    (403, {"error": {"code": "access_denied", "message": "No access."}}, {}, "Forbidden",
     "Model access"),
    (404, {"message": "Model use case details have not been submitted for this account."},
     named("ResourceNotFoundException"), "Forbidden", "Model access"),
    (403, {"Message": "Bearer Token has expired"}, {}, "Unauthorized", "new key"),
    (403, {"message": "The security token included in the request is expired"},
     named("ExpiredTokenException"), "Unauthorized", "new key"),
    (401, {"error": {"type": "authentication_error", "message": "Bearer Token has expired"}}, {},
     "Unauthorized", "new key"),
    (403, {"message": "The security token included in the request is invalid."},
     named("UnrecognizedClientException"), "Unauthorized", "copied whole"),
    (403, {"Message": "Authentication failed: Please make sure your API Key is valid."}, {},
     "Unauthorized", "copied whole"),
    (403, {"Message": "Authentication failed: Please make sure your API Key is valid."},
     named("AccessDeniedException"), "Unauthorized", "copied whole"),
    (429, {"message": "Too many requests, please wait."}, named("ThrottlingException"),
     "RateLimited", ""),
    (400, {"message": "Too many tokens per day"}, named("ServiceQuotaExceededException"),
     "RateLimited", ""),
    (424, {"message": "The model failed."}, named("ModelErrorException"), "Overloaded", ""),
    (503, {"message": "Unavailable"}, named("ServiceUnavailableException"), "Overloaded", ""),
    (408, {"message": "Timed out"}, named("ModelTimeoutException"), "Overloaded", ""),
    (404, {"message": "Could not resolve the foundation model"},
     named("ResourceNotFoundException"), "UnknownModel", "Model access"),
    (400, {"message": "The provided model identifier is invalid."}, named("ValidationException"),
     "UnknownModel", "Model access"),
    (400, {"message": "Malformed input request"}, named("ValidationException"), "BadRequest", ""),
    (400, {"message": "Input is too long for requested model."}, named("ValidationException"),
     "TooLong", ""),
    (404, {"error": {"message": "The model 'x' does not exist", "code": "model_not_found"}}, {},
     "UnknownModel", "Model access"),
]  # fmt: skip


@pytest.mark.parametrize("model", [CLAUDE[0], CHAT[0]])
@pytest.mark.parametrize(("status", "body", "headers", "kind", "hint"), SAID)
def test_the_errors_of_aws_end_in_their_class_with_the_next_step(
    status, body, headers, kind, hint, model
):
    if kind == "UnknownModel" and "error" in body and model in CLAUDE:
        body = {"type": "error", "error": {"type": "not_found_error", "message": "model: x"}}
    found = told(status, body, headers, model)
    assert found.status == kind
    assert hint in found.hint
    assert "copied whole" not in found.hint or "new key" not in found.hint


def test_what_a_server_of_aws_says_is_quoted_and_its_class_is_the_code():
    found = told(403, {"Message": ACCESS}, named("AccessDeniedException"))
    assert "bedrock-mantle:CreateInference" in found.sentence
    assert found.code == "403 AccessDeniedException"


@pytest.mark.parametrize(
    "words",
    ["The model 'openai.gpt-5.6-terra' does not support the '/v1/chat/completions' API",
     "model `openai.gpt-5.6-terra` isn't supported on this route"],
)  # fmt: skip
def test_a_model_of_another_endpoint_is_told_as_that(words):
    model = "openai.gpt-5.6-terra"
    for status in (400, 404):
        found = told(status, {"error": {"message": words, "code": "invalid"}}, model=model)
        assert found.status == "UnknownModel"
        assert f"serves the model {model} at another endpoint" in found.sentence
        assert "cannot be called yet" in found.hint


@pytest.mark.parametrize(
    ("region", "model", "elsewhere"),
    [("eu-central-1", "anthropic.claude-opus-5", "us-east-1, eu-west-1 and ap-southeast-4"),
     ("eu-west-1", "anthropic.claude-opus-5", "us-east-1 and ap-southeast-4"),
     ("us-east-1", "anthropic.claude-fable-5", ""),
     ("sa-east-1", "openai.gpt-oss-safeguard-20b", "")],
)  # fmt: skip
def test_a_region_without_the_model_is_named_with_those_that_are_known(region, model, elsewhere):
    connection = connected(region)
    body = {"type": "error", "error": {"type": "not_found_error", "message": f"model: {model}",
                                       "code": "model_not_found"}}  # fmt: skip
    payload = HTTPResponse(404, {}, json.dumps(body).encode(), 0.1)
    failure = connection.dialect_for(model).explain(payload, label="bedrock", model=model)
    found = diagnose(failure, connection, model=model)
    assert f"{model} is not served in {region}, or this account has no access" in found.sentence
    assert f"Model access, request it for {region}, or connect another region." in found.hint
    assert ("It is known to be in" in found.hint) is bool(elsewhere)
    assert elsewhere in found.hint


def test_a_check_tells_what_the_region_lacks_and_what_cannot_be_called_yet():
    listed = (*CLAUDE[:2], "openai.gpt-6-sol", "openai.gpt-oss-20b", "qwen.qwen3-32b")
    with serving_models(models=listed) as server:
        connection = connected(base_url=server.url)
        report = lw.check(connection)
        assert report.ok, report
        assert report.models == tuple(CLAUDE[:2])
        assert server.seen[0].path == "/v1/models"
        details = dict(report.details)
        assert CHAT[0] in details["Not available"]
        assert details["Not yet"].startswith("openai.gpt-6-sol, openai.gpt-oss-20b: only the Res")
        assert off_whitelist(connection, Policy()) == ["qwen.qwen3-32b"]
    event_loop.stop_engine()


# -- Keys.


@pytest.mark.parametrize(
    ("made", "seconds", "until"),
    [("20261128T101500Z", 43_200, datetime(2026, 11, 28, 22, 15, tzinfo=UTC)),
     ("20261231T235959Z", 900, datetime(2027, 1, 1, 0, 14, 59, tzinfo=UTC))],
)  # fmt: skip
def test_a_short_term_key_tells_its_own_end(made, seconds, until):
    connection = connected(api_key=signed_key(made, seconds))
    day = until.astimezone().date()
    assert connection.fields.key_ends == day
    note = key_end_note(connection, day)
    assert note is not None
    assert "today" in note.brief
    assert key_has_ended(connection, day + timedelta(days=1))
    said = " ".join(connection.warnings)
    assert f"at {until:%H:%M} UTC" in said
    assert ("ended" in said) is (until < datetime.now(UTC))
    # It is told by the key, and never saved as if the user had typed it.
    assert connection.fields.expires is None
    assert "expires" not in json.dumps(connection.plain_fields)
    again = connection_from_json(connection_to_json(connection))
    assert isinstance(again, lw.Connection)
    assert again.fields.key_ends == day


def test_a_day_of_ones_own_counts_first_and_a_lasting_key_says_nothing():
    day = local_today() + timedelta(days=90)
    assert connected(expires=day).fields.key_ends == day
    assert connected(api_key=signed_key(), expires=day).fields.key_ends == day
    assert connected().fields.key_ends is None
    assert connected().warnings == []


def test_the_key_of_a_variable_is_read_anew(monkeypatch):
    connection = connected(api_key="env:MY_BEDROCK")
    monkeypatch.delenv("MY_BEDROCK", raising=False)
    assert connection.fields.key_ends is None
    monkeypatch.setenv("MY_BEDROCK", signed_key("20261128T101500Z", 900))
    assert connection.fields.key_ends == date(2026, 11, 28)
    monkeypatch.setenv("MY_BEDROCK", KEY)
    assert connection.fields.key_ends is None


@given(rest=st.one_of(st.text(max_size=60), st.binary(max_size=60).map(
    lambda raw: base64.b64encode(raw).decode())))  # fmt: skip
def test_whatever_stands_behind_the_prefix_is_read_without_an_error(rest):
    connection = connected(api_key=f"bedrock-api-key-{rest}x")
    assert connection.fields.key_ends is None
    assert connection.fields.key_notes() == []


@pytest.mark.parametrize("seconds", ["-1", "9" * 7, "9" * 40, "x", ""])
@pytest.mark.parametrize("made", ["20261128T101500Z", "20269928T101500Z", "99991231T235959Z", ""])
def test_a_damaged_address_in_a_key_says_nothing_wrong(made, seconds):
    connection = connected(api_key=signed_key(made, seconds))
    ends = connection.fields.key_ends
    assert ends is None or (made, seconds) == ("20261128T101500Z", "9" * 7)


def test_a_key_of_another_region_is_told():
    said = " ".join(connected("eu-west-1", api_key=signed_key(region="us-west-2")).warnings)
    assert "was made for us-west-2 and is accepted there alone" in said
    assert "this connection is eu-west-1" in said
    same = connected("us-west-2", api_key=signed_key(region="us-west-2"))
    assert "was made for" not in " ".join(same.warnings)


def test_nothing_of_a_signed_key_is_shown_but_its_end():
    key = signed_key()
    connection = connected(api_key=key)
    shown = f"{connection!r} {connection.fields!r} {connection.warnings} {connection.target('m')}"
    for part in (key[20:60], "MADEUP0004711", "made-up-signature"):
        assert part not in shown


@pytest.mark.parametrize(
    "key", ["ABSK" + "QmVkcm9ja0FQSUtleS1tYWRlLXVwLTAwMDQ3MTE" * 3 + "==", signed_key()]
)
def test_its_keys_are_found_and_masked(key):
    (leak,) = find_leaks(f"a {key} b".encode(), [])
    assert leak.kind == "a key of Amazon Bedrock"
    assert redact(f"The key {key}, is wrong.") == "The key ••••, is wrong."
    assert looks_like_key(key)
    (warning,) = lw.Connection("anthropic", api_key=key).field_warnings
    assert warning.owner == "bedrock"
    assert connected(api_key=key).field_warnings == []


@pytest.mark.parametrize("start", ["AKIA", "ASIA"])
def test_an_access_key_of_aws_is_told_apart(start):
    (warning,) = connected(api_key=f"{start}MADEUP0004711").field_warnings
    assert "is the id of an AWS access key, and not an API key" in warning.sentence


# -- Variables.


@pytest.mark.parametrize(
    ("variables", "region"),
    [({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
     ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
     ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
     ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
     ({}, None), ({"AWS_REGION": "nowhere"}, None)],
)  # fmt: skip
def test_variables_connect_it_in_the_order_of_the_vendors_clients(variables, region, monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    assert not [each for each in environment_connections() if each.kind == "bedrock"]
    for name, value in {"AWS_BEARER_TOKEN_BEDROCK": KEY, **variables}.items():
        monkeypatch.setenv(name, value)
    found = [each for each in environment_connections() if each.kind == "bedrock"]
    assert [each.fields.region for each in found] == ([region] if region else [])
    for each in found:
        assert each.secret_fields["api_key"].reference == "env:AWS_BEARER_TOKEN_BEDROCK"


def test_its_environment_is_that_of_both_clients_and_comes_back(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with connected("eu-west-1").environment():
        host = "https://bedrock-mantle.eu-west-1.api.aws"
        assert os.environ["AWS_BEARER_TOKEN_BEDROCK"] == KEY
        assert os.environ["AWS_REGION"] == os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
        assert os.environ["ANTHROPIC_BEDROCK_MANTLE_BASE_URL"] == f"{host}/anthropic"
        assert os.environ["AWS_BEDROCK_BASE_URL"] == f"{host}/v1"
    assert os.environ["AWS_REGION"] == "ap-south-1"
    assert "AWS_DEFAULT_REGION" not in os.environ


# -- Facts.


@pytest.mark.parametrize("model", [*CLAUDE, *CHAT])
def test_every_model_has_a_price_a_source_and_limits(model):
    facts = BEDROCK.facts(model)
    assert facts is not None
    assert price_per_million(BEDROCK, model, datetime(2026, 11, 28, tzinfo=UTC))
    assert facts.input_limit
    assert facts.output_limit
    if model in CLAUDE:
        own = PROVIDERS["anthropic"].facts(model.removeprefix("anthropic."))
        assert own is not None
        assert (facts.efforts, facts.options) == (own.efforts, own.options)


# -- Policy files.


@pytest.mark.parametrize(
    ("text", "region", "model", "allowed"),
    [
        ('[hosts]\nallow = ["*.api.aws"]', "eu-west-1", CLAUDE[0], True),
        ('[hosts]\nallow = ["bedrock-mantle.eu-west-1.api.aws"]', "us-east-1", CLAUDE[0], False),
        ('[hosts]\nallow = ["bedrock-mantle.eu-west-1.api.aws"]', "eu-west-1", CHAT[0], True),
        ('[models.bedrock]\ndeny = ["anthropic.*"]', "eu-west-1", CLAUDE[0], False),
        ('[models.bedrock]\ndeny = ["anthropic.*"]', "eu-west-1", CHAT[0], True),
        ('[facts.bedrock."qwen.qwen3-32b"]\ninput_limit = 32000', "eu-west-1", "qwen.qwen3-32b",
         True),
    ],
)  # fmt: skip
def test_a_policy_file_rules_over_its_regions_and_models(text, region, model, allowed):
    rules = rules_of(f"{text}\n".encode(), Path("policy.toml"))
    assert rules.damage is None, rules.damage
    policy, connection = Policy(layers=(rules,)), connected(region)
    if allowed:
        policy.permit(connection, model)
    else:
        with pytest.raises(PolicyError, match=r"not allowed by the file policy\.toml"):
            policy.permit(connection, model)

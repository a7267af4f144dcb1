"""Amazon Bedrock: one key of one region, a whitelist of models, by the endpoint bedrock-mantle.

Claude answers there in Anthropic's format, some others in OpenAI's chat format. A region is asked
for, as by the vendors' own clients: none of them assumes one, and it decides where texts go.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import Field

from llmwidgets.dialects import anthropic, openai
from llmwidgets.dialects.types import AuthHeader, Dialect, Target
from llmwidgets.formatting import format_moment
from llmwidgets.providers.anthropic import PROVIDER as ANTHROPIC
from llmwidgets.providers.anthropic import messages_target
from llmwidgets.providers.base import (
    SDK,
    Advice,
    DatedPrice,
    Environment,
    Fields,
    KeyPrefix,
    Link,
    ModelFacts,
    Part,
    Portal,
    Provider,
    Step,
    base_url_field,
    openai_sdk,
    spelled,
)
from llmwidgets.providers.urls import cut_route, read_address, trim_route
from llmwidgets.secret import BEDROCK_SHAPES, Secret

_SOURCE = "anthropic 2.14.0, openai 3.57.0, pydantic-ai 2.68.0, litellm 1.110.2; read 2026-11-28"
_NORTH_AMERICA, _IRELAND = "us-east-1", "eu-west-1"


def _claude(name: str, *regions: str, prices: tuple[DatedPrice, ...] = ()) -> ModelFacts:
    """What is known of the model at its maker, without the maker's own end."""
    facts = next(each for each in ANTHROPIC.models if each.id == name)
    return replace(
        facts, id=f"anthropic.{name}", status="active", ends=None, successor=None,
        source=_SOURCE, regions=regions, prices=prices,
    )  # fmt: skip


def _safeguard(size: str, price: DatedPrice) -> ModelFacts:
    return ModelFacts(
        f"openai.gpt-oss-safeguard-{size}", efforts=("low", "medium", "high"), sampling=True,
        input_limit=131_072, output_limit=16_000, source=_SOURCE, prices=(price,),
        options={"effort": True},
    )  # fmt: skip


MODELS = (
    _claude("claude-haiku-5-5"),
    _claude("claude-sonnet-5-5"),
    _claude("claude-opus-5-5", _NORTH_AMERICA, "ap-southeast-4"),
    _claude("claude-fable-5-1"),
    _claude("claude-fable-5", _NORTH_AMERICA),
    _claude("claude-opus-5", _NORTH_AMERICA, _IRELAND, "ap-southeast-4"),
    _claude("claude-sonnet-5", _NORTH_AMERICA, _IRELAND, "ap-southeast-4"),
    _claude("claude-opus-4-8", _NORTH_AMERICA, _IRELAND, "ap-northeast-1", "ap-southeast-4"),
    _claude("claude-opus-4-7", _NORTH_AMERICA, _IRELAND, "ap-northeast-1", "ap-southeast-4"),
    _claude("claude-haiku-4-5", prices=((None, 1.0, 5.0),)),
    _safeguard("120b", (None, 0.15, 0.6)),
    _safeguard("20b", (None, 0.07, 0.2)),
)
"""The shipped whitelist: what answers at the Messages route or at chat completions.

The regions of a model are those in which a source names it. Older Claude models are served by
Bedrock Runtime alone.
"""

_RESPONSES = "only the Responses endpoint serves it, which llmwidgets does not speak"
NOT_YET = dict.fromkeys(
    (
        "openai.gpt-6.1-sol", "openai.gpt-6.1-terra", "openai.gpt-6-astra", "openai.gpt-6-sol",
        "openai.gpt-6-luna", "openai.gpt-5.6-sol", "openai.gpt-5.6-terra", "openai.gpt-5.6-luna",
        "openai.gpt-5.6-cyber", "openai.gpt-daybreak-blue-5.6-sol", "openai.gpt-5.5",
        "openai.gpt-5.4", "openai.gpt-oss-120b", "openai.gpt-oss-20b",
    ),
    _RESPONSES,
)  # fmt: skip

_OF_RUNTIME = re.compile(
    r"(?:arn:[a-z-]{3,20}:bedrock:[^:]{0,30}:[^:]{0,30}:(?:inference-profile|foundation-model)/)?"
    r"(?:(?:us-gov|us|eu|apac|jp|au|ca|in|global)\.)?"
    r"(?P<id>(?P<bare>[a-z0-9]{2,30}\.[^/:]{1,150}?)(?:-20\d{6})?(?:-v\d{1,3}(?::\d{1,3})?|-\d{1,3}:\d{1,3})?)(?::\d{1,4}k)?"
)
"""The ids of Bedrock Runtime: an ARN, a part of the world, the model, its day, version and window.
"""


def _served_as(model: str) -> str:
    """The id by which this endpoint knows a model of Bedrock Runtime.

    >>> _served_as("us.anthropic.claude-haiku-4-5-20251001-v1:0")
    'anthropic.claude-haiku-4-5'
    """
    found = _OF_RUNTIME.fullmatch(model)
    if found is None:
        return model
    known = found["bare"] in {*NOT_YET, *(facts.id for facts in MODELS)}
    return found["bare"] if known else found["id"]


_REGION = spelled(
    r"[a-z]{2,8}(?:-[a-z0-9]{1,20}){1,3}-[0-9]{1,2}",
    "is not a region of AWS: write it as us-east-1 or eu-central-1.",
    lower=True,
)
_CALLS = (
    "/anthropic/v1/messages", "/v1/messages", "/openai/v1/chat/completions",
    "/v1/chat/completions", "/openai/v1/responses", "/v1/responses", "/v1/models",
)  # fmt: skip
_BASES = ("/anthropic/v1", "/openai/v1", "/v1", "/anthropic", "/openai")


def _base(value: str) -> str:
    url = trim_route(read_address(value), *_CALLS)
    end = next((each for each in _BASES if url.lower().endswith(each)), "")
    return url[: len(url) - len(end)]


class BedrockFields(Fields):
    """The fields of Amazon Bedrock's form."""

    api_key: Secret = Field(
        title="API key",
        description="From API keys in the Amazon Bedrock console; shown there only once.",
        examples=["ABSK…"],
    )
    region: Annotated[str, _REGION] = Field(
        title="Region",
        description="The region that the key was made in; texts go there.",
        examples=[
            _NORTH_AMERICA, "us-east-2", "us-west-2", "sa-east-1", "eu-central-1", _IRELAND,
            "eu-west-2", "eu-north-1", "eu-south-1", "ap-northeast-1", "ap-south-1",
            "ap-southeast-3",
        ],
    )  # fmt: skip
    read_url = _base
    base_url: str | None = base_url_field(
        "Only for a company gateway, without /anthropic or /v1 at its end.",
        "https://llm-gateway.acme.example/bedrock",
    )

    @property
    def _signed_until(self) -> datetime | None:
        """When a short-term key ends, by what it says of itself; None for a lasting one."""
        made, seconds = self.api_key.signed_part("made"), self.api_key.signed_part("seconds")
        try:
            begun = datetime.strptime(made, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return begun + timedelta(seconds=int(seconds))
        except (ValueError, OverflowError):
            return None

    @property
    def key_ends(self) -> date | None:
        """The day saved with the key, else the user's own day on which a short-term key ends."""
        until = self._signed_until
        return self.expires or (until.astimezone().date() if until else None)

    def key_notes(self) -> list[str]:
        """When a short-term key ends, and that it was made for another region."""
        until, region = self._signed_until, self.api_key.signed_part("region")
        notes = []
        if until is not None:
            ends = "ends" if until > datetime.now(UTC) else "ended"
            notes.append(f"This is a short-term key: it {ends} {format_moment(until)} UTC.")
        if region and region != self.region and not self.base_url:
            notes.append(
                f"The key was made for {region} and is accepted there alone, and the region of "
                f"this connection is {self.region}."
            )
        return notes


def _speaks(_fields: Fields | None, model: str) -> Dialect | None:
    chat = model and not _served_as(model).startswith("anthropic.")
    return openai if chat else None


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, BedrockFields)
    host = f"https://bedrock-mantle.{fields.region}.api.aws"
    url, slash = cut_route(read_address(fields.base_url or host), *_CALLS)
    auth = (AuthHeader.bearer(fields.api_key),)
    if _speaks(fields, model) is None:
        target = messages_target(f"{url}/anthropic/v1", model, auth, slash=slash)
        return replace(target, options={**target.options, "models_url": f"{url}/v1/models"})
    options = {"token_parameter": "max_completion_tokens", "slash": slash}
    return Target(url=f"{url}/v1", model=model, auth=auth, options=options)


def _sdk(fields: Fields, target: Target) -> SDK:
    assert isinstance(fields, BedrockFields)
    if _speaks(fields, target.model) is not None:
        return replace(openai_sdk(fields, target), needs_address=True, keys=(), variables={})
    url = target.url.removesuffix("/v1")
    return SDK(
        module="anthropic",
        client="AnthropicBedrockMantle",
        arguments={"aws_region": fields.region, "base_url": url},
        variables={
            "AWS_DEFAULT_REGION": fields.region,
            "ANTHROPIC_BEDROCK_MANTLE_BASE_URL": url,
            "AWS_BEDROCK_BASE_URL": f"{url.removesuffix('/anthropic')}/v1",
        },
    )


_LASTING, _SIGNED = BEDROCK_SHAPES
_ACCESS_KEY = "the id of an AWS access key"
_NEW_KEY = "Make a new key in the Amazon Bedrock console, under API keys."

_PORTAL = Portal(
    "bedrock",
    "Amazon Bedrock: region and API key",
    "console.aws.amazon.com/bedrock",
    (
        Step("Choose the region that is to answer; texts go there.", "region"),
        Step("Under Model access request the models."),
        Step("Open API keys."),
        Step("Generate a key."),
        Step("Copy the key at once: it is shown only this one time.", "api_key"),
    ),
    (
        Part("heading", "Amazon Bedrock"),
        Part("choice", "Region", "eu-west-1", step=1),
        Part("row", "Model access", step=2),
        Part("heading", "API keys"),
        Part("button", "Generate", step=4),
        Part("value", "API key", "ABSK…", step=5),
    ),
    menu=("", "", "API keys", "", ""),
    at="API keys",
    menu_step=3,
)

PROVIDER = Provider(
    kind="bedrock",
    title="Amazon Bedrock",
    fields=BedrockFields,
    links=(
        Link("Make an account", "https://aws.amazon.com"),
        Link("Get a key", "https://console.aws.amazon.com/bedrock/home#/api-keys"),
        Link("Request models", "https://console.aws.amazon.com/bedrock/home#/modelaccess"),
    ),
    steps=(
        "Log in to the AWS console, open Amazon Bedrock and choose the region that is to answer.",
        "Under Model access request the models that you want to compare.",
        "Under API keys generate a key and copy it: it is shown only once. A long-term key starts "
        "with ABSK; a short-term one lasts at most 12 hours.",
        "Models have the ids of the endpoint bedrock-mantle, without a region in front or a "
        "version behind: anthropic.claude-opus-5-5.",
    ),
    portals=(_PORTAL,),
    dialect=anthropic,
    speaks=_speaks,
    target=_target,
    sdk=_sdk,
    models=MODELS,
    not_yet=NOT_YET,
    served_as=_served_as,
    single=True,
    key_prefixes=(
        KeyPrefix(_LASTING.start, shape=_LASTING.rest),
        KeyPrefix(
            _SIGNED.start,
            shape=_SIGNED.rest,
            step=f"A short-term key lasts at most 12 hours. {_NEW_KEY}",
        ),
        *(
            KeyPrefix(
                start,
                what=_ACCESS_KEY,
                never=True,
                problem=f"What starts with {start} is {_ACCESS_KEY}, and not an API key.",
                step=_NEW_KEY,
            )
            for start in ("AKIA", "ASIA")
        ),
    ),
    key_hint="Amazon Bedrock's start with ABSK or bedrock-api-key-",
    environment=Environment(
        keys=("AWS_BEARER_TOKEN_BEDROCK",),
        beside={"region": "AWS_REGION", "base_url": "ANTHROPIC_BEDROCK_MANTLE_BASE_URL"},
        stand_ins={"AWS_REGION": "AWS_DEFAULT_REGION"},
        others=("AWS_BEDROCK_BASE_URL", "ANTHROPIC_AWS_API_KEY"),
    ),
    no_access=Advice(
        "The key is right, but {model} is not served in {region}, or this account has no access "
        "to it.{ending}",
        "In the Amazon Bedrock console, under Model access, request it for {region}, or connect "
        "another region.{elsewhere}",
    ),
    price_provider="aws",
)

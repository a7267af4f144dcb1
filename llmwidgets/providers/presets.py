"""Presets of Custom: servers in OpenAI format by their address, with what is known of each.

Sources: the vendors' own clients and pages, November 2026. What a server enforces is what it is
known for; the probe decides.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from llmwidgets.dialects.types import ResponseFormat
from llmwidgets.providers.base import (
    Part,
    Portal,
    Preset,
    Route,
    Step,
    spell_slug,
)
from llmwidgets.providers.urls import host_of, is_loopback, read_address

ELSEWHERE = (
    "Where the kernel runs elsewhere (JupyterHub, Binder, Colab, a container), localhost is that "
    "machine: give the server an outside address and use it as the endpoint."
)
_WITH_TOOL = (
    ResponseFormat.JSON_SCHEMA, ResponseFormat.JSON_OBJECT, ResponseFormat.TOOL, ResponseFormat.TEXT
)  # fmt: skip
_KEY = "API key: what --api-key says; without it none is needed."

OUTSIDE = Route(
    "outside_address",
    "A server of your own, used by a kernel that runs elsewhere",
    (
        Step(
            "Let nobody in without a token: --api-key of vLLM, llama.cpp and sglang. Ollama has "
            "none, so let the tunnel ask for one."
        ),
        Step("Give the server an outside address with https: a tunnel, or a host of your own."),
        Step("Copy that address, with /v1 at its end.", "endpoint"),
        Step("Copy the token.", "auth_token"),
    ),
    kernel=(
        Part("heading", "Kernel elsewhere"),
        Part("text", "JupyterHub, Binder,"),
        Part("text", "Colab, a container"),
    ),
    outside=(
        Part("heading", "Outside address", step=2),
        Part("reply", "https://llm.acme.example", step=3),
        Part("reply", "token ••••••••", step=4),
    ),
    server=(
        Part("heading", "Your computer"),
        Part("reply", "localhost:11434"),
        Part("reply", "token ••••••••", step=1),
    ),
    dead=("http://localhost:11434/v1", "is the kernel's own machine, where nobody answers"),
)
"""What ELSEWHERE says, as a picture."""

_OLLAMA = Portal(
    "ollama",
    "Ollama: the terminal, the model's name and the address",
    "Terminal",
    (
        Step("Load the model and start it."),
        Step("The name, as the list shows it.", "name"),
        Step("The address at which Ollama always answers.", "endpoint"),
        Step("Any word: nobody checks it.", "api_key"),
    ),
    (
        Part("line", "ollama run llama3.2", step=1),
        Part("line", "ollama list"),
        Part("reply", "llama3.2", "2.0 GB", step=2),
        Part("value", "Address", "http://localhost:11434/v1", step=3),
        Part("value", "Key", "ollama", step=4),
    ),
)
_HUGGING_FACE = Portal(
    "hugging_face",
    "Hugging Face: where the token is made",
    "huggingface.co/settings/tokens",
    (
        Step("Under Settings open Access Tokens."),
        Step("Make a new token."),
        Step("Tick this permission."),
        Step("Copy the token.", "api_key"),
    ),
    (
        Part("heading", "Access Tokens"),
        Part("button", "Create new token", step=2),
        Part("tick", "Make calls to Inference Providers", step=3),
        Part("tick", ""),
        Part("value", "Token", "hf_…", step=4),
    ),
    menu=("Settings", "", "", "Access Tokens", ""),
    at="Access Tokens",
    menu_step=1,
)

PRESETS: tuple[Preset, ...] = (
    Preset("Ollama", "http://localhost:11434/v1", "llama3.2", "ollama", (
        "Install Ollama, then run `ollama run llama3.2` in a terminal: it loads the model.",
        "Name: as ollama list shows it. API key: any word, for example ollama.",
        "It cuts long texts silently: start it with OLLAMA_CONTEXT_LENGTH=32768.",
        ELSEWHERE,
    ), enforces="schema", watch_out="A text longer than the context is cut silently.",
        portals=(_OLLAMA, OUTSIDE)),
    Preset("Groq", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile", "gsk_…", (
        "Make a key in the console, under API Keys.",
        "Name: the model's id, as the console's list of models shows it.",
    ), key_page="https://console.groq.com/keys", variable="GROQ_API_KEY",
        enforces="schema, newer models", level="warn",
        watch_out="Older models: JSON only, if the prompt says JSON."),
    Preset("Mistral", "https://api.mistral.ai/v1", "mistral-large-latest", "your key", (
        "Make a key in the console, under API Keys.",
        "Name: the model's id; one that ends in -latest changes with time.",
    ), key_page="https://console.mistral.ai/api-keys", variable="MISTRAL_API_KEY",
        options={"inline_definitions": True},
        enforces="schema", watch_out="Shared definitions must be written out in place.",
        sent="Shared definitions of a schema are sent written out in place."),
    Preset("OpenRouter", "https://openrouter.ai/api/v1", "meta-llama/llama-3.3-70b-instruct",
        "sk-or-…", (
        "Make a key under Keys.",
        "Name: the model's id with its maker in front.",
        "Pinned provider: the only one that is asked, for a fair comparison.",
    ), key_page="https://openrouter.ai/settings/keys", variable="OPENROUTER_API_KEY",
        options={"body": {"provider": {"require_parameters": True}}}, public_list=True,
        enforces="schema, by provider", level="warn",
        watch_out="The provider can change between calls: pin one.",
        sent="Sent with every call: require_parameters, so no provider drops the schema."),
    Preset("DeepSeek", "https://api.deepseek.com", "deepseek-chat", "sk-…", (
        "Make a key on the platform, under API keys.",
        "Name: the model's id. Newer models think unless they are told not to.",
    ), key_page="https://platform.deepseek.com/api_keys", variable="DEEPSEEK_API_KEY",
        options={"forms": (ResponseFormat.JSON_OBJECT, ResponseFormat.TEXT)},
        enforces="JSON only", level="warn",
        watch_out="No schemas; newer models think first, at a cost.",
        sent="Sent for a schema: json_object, with the schema in the prompt."),
    Preset("Fireworks", "https://api.fireworks.ai/inference/v1",
        "accounts/fireworks/models/llama-v3p3-70b-instruct", "fw_…", (
        "Make a key in the settings, under API Keys.",
        "Name: the whole id, which begins with accounts/.",
    ), key_page="https://app.fireworks.ai/settings/users/api-keys",
        variable="FIREWORKS_API_KEY", issuer="Fireworks AI",
        enforces="schema", watch_out="Model names are long: accounts/fireworks/models/…"),
    Preset("Snowflake", "https://{account}.snowflakecomputing.com/api/v2/cortex/v1",
        "claude-4-sonnet", "a programmatic access token", (
        "Make a programmatic access token in Snowsight, under Settings, Authentication.",
        "Endpoint: the account's address, in any form; an underscore becomes a hyphen.",
        "Name: the model's id, as SHOW MODELS lists it.",
    ), key_page="https://docs.snowflake.com/en/user-guide/programmatic-access-tokens",
        variable="SNOWFLAKE_TOKEN", enforces="schema, some models", level="warn",
        watch_out="Only OpenAI and Claude; others ignore it silently.",
        extra={"account": "the identifier of your Snowflake account (acme-prod, say)"},
        place_variable="SNOWFLAKE_ACCOUNT",
        hosts=("*.snowflakecomputing.com", "*.snowflakecomputing.cn")),
    Preset("vLLM", "http://localhost:8000/v1", "Qwen/Qwen3-8B", "what --api-key says", (
        "Run `vllm serve Qwen/Qwen3-8B` in a terminal.",
        "Name: the model as it was served, or what --served-model-name says.",
        _KEY, ELSEWHERE,
    ), enforces="schema", watch_out="Thinking models need --reasoning-parser.",
        portals=(OUTSIDE,)),
    Preset("llama.cpp", "http://localhost:8080/v1", "qwen3-8b", "what --api-key says", (
        "Run llama-server -m MODEL.gguf --port 8080 in a terminal.",
        "Name: any; the server has the one model, and lists it by its file's name.",
        _KEY, ELSEWHERE,
    ), enforces="schema", watch_out="Whatever the name is, its one model answers.",
        portals=(OUTSIDE,)),
    Preset("sglang", "http://localhost:30000/v1", "Qwen/Qwen3-8B", "what --api-key says", (
        "Run python -m sglang.launch_server --model-path Qwen/Qwen3-8B --port 30000.",
        "Name: the model's path, or what --served-model-name says.",
        _KEY, ELSEWHERE,
    ), enforces="schema", watch_out="Thinking models need --reasoning-parser.",
        portals=(OUTSIDE,)),
    Preset("LiteLLM", "http://localhost:4000/v1", "gpt-4o", "sk-…", (
        "Run litellm --config CONFIG.yaml in a terminal; a company's proxy has its own address.",
        "Name: the model_name of its configuration. API key: a virtual key, or the master key.",
        ELSEWHERE,
    ), key_page="https://docs.litellm.ai/docs/proxy/virtual_keys",
        enforces="schema, by model", level="warn",
        watch_out="With drop_params it drops a schema silently.",
        portals=(OUTSIDE,)),
    Preset("xAI", "https://api.x.ai/v1", "grok-4", "xai-…", (
        "Make a key in the console, under API Keys.",
        "Name: the model's id, as the console shows it.",
    ), key_page="https://console.x.ai", variable="XAI_API_KEY",
        enforces="schema", watch_out="Some models think always, at a cost."),
    Preset("Together", "https://api.together.xyz/v1", "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "tgp_v1_…", (
        "Make a key in the settings, under API Keys.",
        "Name: the model's id with its maker in front.",
    ), key_page="https://api.together.ai/settings/api-keys", variable="TOGETHER_API_KEY",
        issuer="Together AI", options={"bare_schema": True},
        enforces="schema, by model", level="warn",
        watch_out="Some models take a schema, others JSON only.",
        sent="A schema is sent without a name around it, as Together reads it.",
        hosts=("api.together.xyz", "api.together.ai")),
    Preset("Cerebras", "https://api.cerebras.ai/v1", "gpt-oss-120b", "csk-…", (
        "Make a key in the console, under API keys.",
        "Name: the model's id, as the console shows it.",
    ), key_page="https://cloud.cerebras.ai", variable="CEREBRAS_API_KEY",
        enforces="schema", watch_out="It accepts some parameters and ignores them."),
    Preset("Databricks", "https://{workspace}/serving-endpoints",
        "databricks-meta-llama-3-3-70b-instruct", "dapi…", (
        "Make a personal access token in the workspace, under Settings, Developer.",
        "Endpoint: the workspace's address, as any of its pages shows it.",
        "Name: the serving endpoint's.",
    ), key_page="https://docs.databricks.com/aws/en/dev-tools/auth/pat",
        variable="DATABRICKS_TOKEN",
        options={"forms": _WITH_TOOL, "models_path": "/api/2.0/serving-endpoints"},
        enforces="schema, open models", level="warn",
        watch_out="Claude refuses a schema: it is asked by a tool call.",
        sent="Sent as json_schema, and as a tool call where that is refused.",
        extra={
            "workspace": "the host of your workspace (adb-123.4.azuredatabricks.net, say)",
        },
        place_variable="DATABRICKS_HOST",
        hosts=(
            "*.azuredatabricks.net", "*.cloud.databricks.com", "*.gcp.databricks.com",
            "*.databricks.azure.us", "*.databricks.azure.cn", "*.cloud.databricks.us",
        ),
        paths=("/ai-gateway/mlflow/v1",)),
    Preset("Hugging Face", "https://router.huggingface.co/v1",
        "deepseek-ai/DeepSeek-R1:together", "hf_…", (
        "Make a token with the permission Make calls to Inference Providers.",
        "Name: the model's id, and behind it the provider that is to serve it.",
        "The router's own address speaks the OpenAI format; that of one provider "
        "(https://router.huggingface.co/together/v1) speaks that provider's, and takes the name "
        "without `:together`.",
    ), key_page="https://huggingface.co/settings/tokens", variable="HF_TOKEN",
        public_list=True,
        enforces="schema, by provider", level="warn",
        watch_out="The provider can change: name one (MODEL:together).",
        portals=(_HUGGING_FACE,)),
    Preset("LM Studio", "http://localhost:1234/v1", "qwen3-8b", "none needed", (
        "Load a model, open Developer and start the server.",
        "Name: the model's API identifier, which is shown next to it.",
        ELSEWHERE,
    ), enforces="schema", watch_out="A model loads with a short context: raise it there.",
        portals=(OUTSIDE,)),
)  # fmt: skip
"""Servers by their default address, the most connected first."""


def find_preset(name: str) -> Preset | None:
    """The preset of this name, in any spelling, or the one that is spelled nearly so.

    >>> find_preset("LM-Studio").title, find_preset("mistrall").title
    ('LM Studio', 'Mistral')
    """
    close = difflib.get_close_matches(spell_slug(name), _BY_NAME, n=1, cutoff=0.85)
    return _BY_NAME[close[0]] if close else None


_BY_NAME = {name: each for each in PRESETS for name in (each.slug, spell_slug(each.issuer)) if name}


@lru_cache(maxsize=256)
def preset_at(endpoint: str) -> Preset | None:
    """The preset whose own host this is; a host of this computer tells nothing.

    >>> preset_at("https://api.groq.com/openai/v1").title
    'Groq'
    """
    host = host_of(endpoint)
    return next((each for each in PRESETS if _is_at(each, host)), None)


def _is_at(preset: Preset, host: str) -> bool:
    own = host_of(preset.endpoint)
    hosts = preset.hosts or (() if is_loopback(own) else (own,))
    return any(fnmatchcase(host, pattern) for pattern in hosts)


def complete_endpoint(value: str) -> str:
    """The address of a preset's host as that speaks the format; any other one as it is.

    A bare host gets its path, one of the user's own (a workspace) the path in place of a page's.

    >>> complete_endpoint("acme_prod.snowflakecomputing.com/console")
    'https://acme-prod.snowflakecomputing.com/api/v2/cortex/v1'
    """
    text = value.strip()
    whole = text if "://" in text else f"https://{text}"
    preset = preset_at(whole)
    if preset is None:
        return text
    address = read_address(whole)
    usual = read_address(preset.endpoint).path
    path = next((each for each in (usual, *preset.paths) if _leads(address.path, each)), "")
    if preset.extra:
        # Whatever page of it was pasted; no name of a host has an underscore.
        return address.origin.replace("_", "-") + (path or usual)
    return whole if address.path else address.origin + usual


def _leads(path: str, base: str) -> bool:
    return f"{path}/".startswith(f"{base}/")


def preset_endpoint(preset: Preset, place: str = "") -> str:
    """The preset's endpoint, at this place if it has one: its host, a page there, or its name.

    Empty if that is not a host of the preset's.
    """
    if not preset.extra:
        return preset.endpoint
    place = place.strip("\"' \t")  # as a key of a variable is read
    into = re.sub(r"\{\w+\}", place.replace("_", "-"), preset.endpoint) if _NAME(place) else ""
    bare = place[8:] if place[:8].lower() == "https://" else place
    for address in (f"https://{bare}", into):
        if preset_at(address) is preset:
            with suppress(ValueError):  # a password in it, say
                return complete_endpoint(address)
    return ""


_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII).fullmatch


def hands_on(endpoint: str) -> bool:
    """Whether a server hands its calls on to providers, one of which can be pinned."""
    preset = preset_at(endpoint)
    return preset is not None and "provider" in preset.options.get("body", {})


def wire_options(preset: Preset, pinned: tuple[str, ...]) -> Mapping[str, Any]:
    """The arguments of the dialect for this server; `pinned` are the only providers asked."""
    if not pinned:
        return preset.options
    chosen = {**preset.options["body"]["provider"], "order": [*pinned], "allow_fallbacks": False}
    return {**preset.options, "body": {"provider": chosen}, "answered_by": pinned}


def describe_preset(preset: Preset, model: str = "") -> tuple[str, str]:
    """How the preset is connected: a sentence, and the call that connects this model or another."""
    key = preset.key if preset.key.isalnum() else ""
    key = f"env:{preset.variable}" if preset.variable else key
    given = {"name": model or preset.name, "endpoint": preset.endpoint, "api_key": key}
    arguments = ", ".join(f'{name}="{value}"' for name, value in given.items() if value)
    return f"{preset.title} is connected as custom.", f'Connection("custom", {arguments})'

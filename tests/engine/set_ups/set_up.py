"""A broken set-up as data: what is filled in, what the far end does, what a check is to answer.

A set-up is a kind with its fields, and what the far end does. `{url}` stands for the address of
the far end (`http://127.0.0.1:port`), `{port}` for its port, `{ca}` for a certificate file,
`{silent}` for a port where nobody listens; a credential that starts with @ is made by the test.
`server` has rules (words of the request line, status, body): the first that fits answers, and
where none fits, 404. A body that is a text is sent as a web page or plain text as it stands; CHAT
stands for a model that obeys. `fault` is what the socket does instead.
"""

# ruff: noqa: E501 - recorded words stay as they came

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CHAT = object()
"""A model that answers and obeys every form."""

Rule = tuple[str, int, Any]


@dataclass(frozen=True)
class SetUp:
    """One broken set-up. `expected` is a failure's class, or ok where the set-up was mended."""

    name: str
    kind: str
    fields: dict[str, Any]
    server: tuple[Rule, ...] = ()
    expected: str = "ok"
    says: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    fix: dict[str, str] | None = None
    fault: str = ""
    environment: dict[str, str] = field(default_factory=dict)


OPENAI_KEY = "sk-proj-made-up-key-of-openai-0001"
ANTHROPIC_KEY = "sk-ant-api03-made-up-key-of-anthropic-0001"
GEMINI_KEY = "AQ.made-up-key-of-google-ai-studio-0001"
HF_KEY = "hf_madeUpTokenOfHuggingFace0001"
AZURE_KEY = "0123456789abcdef0123456789abcdef"

NOT_FOUND_PAGE = "<!doctype html><html><head><title>404 Not Found</title></head></html>"
LOGIN_PAGE = "<!DOCTYPE html><html><title>Sign in to GuestWifi</title><form></form></html>"
OPENAI_LIST = {"object": "list", "data": [{"id": "gpt-6-luna", "object": "model"}]}
ANTHROPIC_LIST = {"data": [{"id": "claude-haiku-5-5", "type": "model"}], "has_more": False}
GEMINI_LIST = {
    "models": [
        {
            "name": "models/gemini-3.8-flash",
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }
    ]
}
COUNTED = {"totalTokens": 3}


def openai(
    message: str, code: Any = None, type_: str = "invalid_request_error", **more: Any
) -> Any:
    return {"error": {"message": message, "type": type_, "param": None, "code": code, **more}}


def anthropic(type_: str, message: str, code: str = "") -> Any:
    details = {"details": {"error_code": code}} if code else {}
    return {
        "type": "error",
        "error": {"type": type_, "message": message, **details},
        "request_id": "req_1",
    }


def google(code: int, status: str, message: str, *details: Any) -> Any:
    return {"error": {"code": code, "message": message, "status": status, "details": [*details]}}


def info(reason: str, **metadata: str) -> Any:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": reason, "domain": "googleapis.com", "metadata": metadata}


def quota(**violation: str) -> Any:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [violation]}


WRONG_OPENAI = openai("Incorrect API key provided: sk-ab***yz.", "invalid_api_key")
WRONG_ANTHROPIC = anthropic("authentication_error", "invalid x-api-key")
WRONG_GEMINI = google(
    400, "INVALID_ARGUMENT", "API key not valid. Pass a valid API key.", info("API_KEY_INVALID")
)
WRONG_AZURE = {
    "error": {
        "code": "401",
        "message": "Access denied due to invalid subscription key or wrong API endpoint. Make sure "
        "to provide a valid key for an active subscription and use a correct regional API endpoint.",
    }
}
NO_DEPLOYMENT = {
    "error": {
        "code": "DeploymentNotFound",
        "message": "The API deployment for this resource does not exist. If you created the "
        "deployment within the last 5 minutes, please wait a moment and try again.",
    }
}
NO_CREDIT = openai(
    "You exceeded your current quota, please check your plan and billing details.",
    "insufficient_quota",
    "insufficient_quota",
)


def custom(endpoint: str = "{url}/v1", name: str = "m", **more: Any) -> dict[str, Any]:
    return {"name": name, "endpoint": endpoint, **more}


def at_openai(key: str = OPENAI_KEY) -> dict[str, Any]:
    return {"api_key": key, "base_url": "{url}/v1"}


def at_anthropic(key: str = ANTHROPIC_KEY) -> dict[str, Any]:
    return {"api_key": key, "base_url": "{url}"}


def at_gemini(key: str = GEMINI_KEY) -> dict[str, Any]:
    return {"api_key": key, "base_url": "{url}"}


def vertex(credentials: str = "@good", **more: Any) -> dict[str, Any]:
    return {"credentials": credentials, "base_url": "{url}", **more}


def azure(endpoint: str, deployment: str = "luna", key: str = AZURE_KEY) -> dict[str, Any]:
    return {"deployment": deployment, "endpoint": endpoint, "api_key": key}


def foundry(endpoint: str, model: str = "mistral-large-3", key: str = AZURE_KEY) -> dict[str, Any]:
    return {"model": model, "endpoint": endpoint, "api_key": key}


DATED = "{url}/openai/deployments/luna/chat/completions?api-version="
TOKEN = ("POST /token", 200, {"access_token": "ya29.made-up", "expires_in": 3599})
AZURE_LIST = ("GET", 200, {"data": [{"id": "gpt-6-luna"}]})
ANSWERS = ("/v1/", 200, CHAT)

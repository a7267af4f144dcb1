"""Broken set-ups and the answers expected of a check, written before the diagnosis was.

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


ADDRESSES = (
    SetUp(
        "missing /v1, a web page says 404", "custom", custom("{url}"),
        (ANSWERS, ("", 404, NOT_FOUND_PAGE)),
        "Unreachable", ("ends in /v1",), ("endpoint",), {"endpoint": "{url}/v1"},
    ),
    SetUp(
        "missing /v1, FastAPI says 404", "custom", custom("{url}"),
        (ANSWERS, ("", 404, {"detail": "Not Found"})),
        "Unreachable", ("ends in /v1",), ("endpoint",), {"endpoint": "{url}/v1"},
    ),
    SetUp(
        "missing /v1 behind a provider's path", "custom", custom("{url}/together"),
        (ANSWERS, ("", 404, NOT_FOUND_PAGE)),
        "Unreachable", ("ends in /v1",), ("endpoint",), {"endpoint": "{url}/together/v1"},
    ),
    SetUp(
        "missing /v1, and the page of the server answers 200", "custom", custom("{url}"),
        (ANSWERS, ("", 200, "Ollama is running")),
        "Unreachable", ("ends in /v1",), ("endpoint",), {"endpoint": "{url}/v1"},
    ),
    SetUp(
        "pasted with /chat/completions", "custom", custom("{url}/v1/chat/completions"),
        (("/v1/chat/completions/", 404, NOT_FOUND_PAGE), ANSWERS), "ok", ("answers",),
    ),
    SetUp(
        "Ollama's own path", "custom", custom("{url}/api/generate"),
        (ANSWERS, ("", 404, "404 page not found")),
        "Unreachable", ("ends in /v1",), (), {"endpoint": "{url}/v1"},
    ),
    SetUp(
        "a path behind /v1", "custom", custom("{url}/v1/llama3.2"),
        (("/v1/models", 200, CHAT), ("/v1/chat", 200, CHAT), ("", 404, NOT_FOUND_PAGE)),
        "Unreachable", ("ends in /v1",), ("endpoint",), {"endpoint": "{url}/v1"},
    ),
    SetUp(
        "/v1 twice", "custom", custom("{url}/v1/v1"),
        (("/v1/v1", 404, {"detail": "Not Found"}), ANSWERS),
        "Unreachable", ("/v1/v1",), ("endpoint",), {"endpoint": "{url}/v1"},
    ),
    SetUp(
        "the address holds a key", "custom", custom("{url}/v1?api_key=abc"),
        expected="FieldError", says=("key", "question mark"), hints=(),
    ),
    SetUp(
        "a login page of a guest network", "custom", custom(), (("", 200, LOGIN_PAGE),),
        "Unreachable", ("no model server",), ("login page",),
    ),
    SetUp(
        "a login page in front of OpenAI", "openai", at_openai(), (("", 200, LOGIN_PAGE),),
        "Unreachable", ("web page",), ("proxy",),
    ),
    SetUp(
        "nothing was started", "custom", custom("http://localhost:{silent}/v1"), (),
        "Unreachable", ("nothing is listening",), ("started",),
    ),
    SetUp(
        "localhost inside a container", "custom", custom("http://127.0.0.1:{silent}/v1"), (),
        "Unreachable", ("nothing is listening",), ("container", "outside address"),
    ),
    SetUp(
        "the wrong port, while the model runs on a usual one", "custom",
        custom("http://localhost:{silent}/v1"), (ANSWERS,),
        "Unreachable", ("nothing is listening", "{port}"), ("endpoint",),
        {"endpoint": "http://localhost:{port}/v1"}, fault="usual port",
    ),
    SetUp(
        "another program's port", "custom", custom(), (),
        "Unreachable", ("does not speak http",), ("port",), fault="nonsense",
    ),
    SetUp(
        "IPv6 address, and the server listens on IPv4 alone", "custom",
        custom("http://[::1]:{port}/v1"), (ANSWERS,),
        "Unreachable", ("nothing is listening", "127.0.0.1"), ("endpoint",),
        {"endpoint": "{url}/v1"},
    ),
    SetUp(
        "plain http to a port that speaks TLS", "custom",
        custom("http://127.0.0.1:{port}/v1", ca_bundle="{ca}"), (ANSWERS,),
        "Unreachable", ("https",), ("endpoint",),
        {"endpoint": "https://127.0.0.1:{port}/v1"}, fault="tls",
    ),
    SetUp(
        "https to a port that speaks plain http", "custom",
        custom("https://127.0.0.1:{port}/v1"), (ANSWERS,),
        "Unreachable", ("does not speak https",), ("http://",), {"endpoint": "{url}/v1"},
    ),
    SetUp(
        "a certificate that nobody here knows", "custom", custom("https://127.0.0.1:{port}/v1"),
        (ANSWERS,), "Unreachable", ("certificate", "not trusted"), ("CA bundle",), fault="tls",
    ),
    SetUp(
        "an Azure resource that does not exist", "azure_openai",
        azure("https://acme-clams.openai.azure.com/"), (),
        "Unreachable", ("no Azure resource", "acme-clams"), ("target URI",), fault="dns",
    ),
    SetUp(
        "a host that does not exist", "custom", custom("https://llm.acme.invalid/v1"), (),
        "Unreachable", ("llm.acme.invalid", "no address"), ("spelled",), fault="dns",
    ),
    SetUp(
        "the server never answers", "custom", custom(), (),
        "Unreachable", ("did not finish",), (), fault="silent",
    ),
    SetUp(
        "the server hangs up", "custom", custom(), (),
        "Unreachable", ("hung up",), ("log",), fault="hang up",
    ),
    SetUp(
        "the proxy wants a password", "openai", {"api_key": OPENAI_KEY}, (("CONNECT", 407, ""),),
        "Unreachable", ("proxy", "refuses"), ("password", "HTTPS_PROXY"),
        environment={"HTTPS_PROXY": "{url}"},
    ),
    SetUp(
        "the proxy is not there", "openai", {"api_key": OPENAI_KEY}, (),
        "Unreachable", ("proxy", "does not answer"), ("HTTPS_PROXY",),
        environment={"HTTPS_PROXY": "http://127.0.0.1:{silent}"},
    ),
    SetUp(
        "a redirect to another host", "custom", custom(), (),
        "Unreachable", ("another address",), ("endpoint",), fault="redirect",
    ),
)  # fmt: skip

KEYS = (
    SetUp(
        "OpenAI: a wrong key", "openai", at_openai(), (("", 401, WRONG_OPENAI),),
        "Unauthorized", ("key was not accepted",), ("copied whole",),
    ),
    SetUp(
        "OpenAI: Anthropic's key", "openai", at_openai(ANTHROPIC_KEY), (("", 401, WRONG_OPENAI),),
        "Unauthorized", ("sk-ant-", "Anthropic"), ("OpenAI",),
    ),
    SetUp(
        "OpenAI: Gemini's key", "openai", at_openai(GEMINI_KEY), (("", 401, WRONG_OPENAI),),
        "Unauthorized", ("AQ.", "Google"), ("OpenAI",),
    ),
    SetUp(
        "OpenAI: a Hugging Face token", "openai", at_openai(HF_KEY), (("", 401, WRONG_OPENAI),),
        "Unauthorized", ("hf_", "Hugging Face"), ("OpenAI",),
    ),
    SetUp(
        "OpenAI: a key of an Azure resource", "openai", at_openai(AZURE_KEY),
        (("", 401, WRONG_OPENAI),), "Unauthorized", ("start with sk-",), ("OpenAI",),
    ),
    SetUp(
        "Anthropic: OpenAI's key", "anthropic", at_anthropic(OPENAI_KEY),
        (("", 401, WRONG_ANTHROPIC),), "Unauthorized", ("sk-", "OpenAI"), ("Anthropic",),
    ),
    SetUp(
        "Anthropic: Gemini's key", "anthropic", at_anthropic(GEMINI_KEY),
        (("", 401, WRONG_ANTHROPIC),), "Unauthorized", ("AQ.", "Google"), ("Anthropic",),
    ),
    SetUp(
        "Gemini: OpenAI's key", "gemini", at_gemini(OPENAI_KEY), (("", 400, WRONG_GEMINI),),
        "Unauthorized", ("sk-", "OpenAI"), ("Gemini",),
    ),
    SetUp(
        "Gemini: Anthropic's key", "gemini", at_gemini(ANTHROPIC_KEY), (("", 400, WRONG_GEMINI),),
        "Unauthorized", ("sk-ant-", "Anthropic"), ("Gemini",),
    ),
    SetUp(
        "Azure: OpenAI's key", "azure_openai", azure("{url}/openai/v1", key=OPENAI_KEY),
        (("", 401, WRONG_AZURE),), "Unauthorized", ("sk-", "OpenAI"), ("Azure",),
    ),
    SetUp(
        "Hugging Face: OpenAI's key", "custom",
        custom("https://router.huggingface.co/together/v1", base_url="{url}/v1",
               api_key=OPENAI_KEY, name="deepseek-ai/DeepSeek-R1"),
        (("GET", 200, {"data": []}), ("", 401, {"error": "Invalid username or password."})),
        "Unauthorized", ("not accepted",), ("hf_",),
    ),
    SetUp(
        "Gemini: a wrong key", "gemini", at_gemini(), (("", 400, WRONG_GEMINI),),
        "Unauthorized", ("key was not accepted",), ("copied whole",),
    ),
    SetUp(
        "Gemini: an AIza key after its end", "gemini", at_gemini("AIzaMadeUpKeyOfGoogle00000000000001"),
        (("", 400, WRONG_GEMINI),), "Unauthorized", ("AIza",), ("AI Studio",),
    ),
    SetUp(
        "Gemini: a gateway sends the AQ. key as Bearer", "gemini", at_gemini(),
        (("", 401, google(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.",
                          info("ACCESS_TOKEN_TYPE_UNSUPPORTED"))),),
        "Unauthorized", ("not accepted",), ("gateway",),
    ),
    SetUp(
        "blanks and quotes around a key", "custom", custom(api_key=' "made-up-key-0001" \n'),
        (("", 200, CHAT),), "ok", ("accepts the key",), fault="only this key",
    ),
    SetUp(
        "a line end inside a key", "openai", at_openai("sk-proj-made-up\nkey-0001"),
        (("", 401, WRONG_OPENAI),), "Unauthorized", ("key",), ("copy",),
    ),
    SetUp(
        "OpenAI: an admin key", "openai", at_openai("sk-admin-made-up-key-0001"),
        (("", 403, openai("You have insufficient permissions for this operation. Missing scopes: "
                          "model.request.")),),
        "Forbidden", ("sk-admin-", "cannot run models"), ("key",),
    ),
    SetUp(
        "Anthropic: an admin key", "anthropic", at_anthropic("sk-ant-admin01-made-up-key-0001"),
        (("", 401, WRONG_ANTHROPIC),), "Unauthorized", ("sk-ant-admin",), ("Anthropic",),
    ),
    SetUp(
        "vLLM: the key is wrong, said as a string", "custom", custom(api_key="made-up-key-0001"),
        (("", 401, {"error": "Unauthorized"}),), "Unauthorized", ("not accepted",), (),
    ),
    SetUp(
        "vLLM: no key given", "custom", custom(), (("", 401, {"error": "Unauthorized"}),),
        "Unauthorized", ("asks for a key",), ("API key",),
    ),
    SetUp(
        "a variable that is not set", "openai", at_openai("env:LLMWIDGETS_NO_SUCH_VARIABLE"),
        (("", 401, WRONG_OPENAI),), "Unauthorized", ("LLMWIDGETS_NO_SUCH_VARIABLE",), (),
    ),
    SetUp(
        "Hugging Face: a token without the permission", "custom",
        custom("https://router.huggingface.co/together/v1", base_url="{url}/v1", api_key=HF_KEY,
               name="deepseek-ai/DeepSeek-R1"),
        (("GET", 200, {"data": []}),
         ("", 403, {"error": "This authentication method does not have sufficient permissions to "
                    "call Inference Providers on behalf of user acme"})),
        "Forbidden", ("right",), ("Make calls to Inference Providers",),
    ),
)  # fmt: skip

AZURE = (
    SetUp(
        "the model's name typed as deployment, the address names the right one", "azure_openai",
        azure(DATED + "2025-01-01-preview", deployment="gpt-6-luna"),
        (AZURE_LIST, ("deployments/luna", 200, CHAT), ("", 404, NO_DEPLOYMENT)),
        "UnknownModel", ("deployment", "luna", "gpt-6-luna"), ("deployment",),
        {"deployment": "luna"},
    ),
    SetUp(
        "a deployment that does not exist", "azure_openai", azure("{url}/openai/v1"),
        (AZURE_LIST, ("", 404, NO_DEPLOYMENT)),
        "UnknownModel", ("no deployment called luna",), ("name of the deployment", "5 minutes"),
    ),
    SetUp(
        "keys turned off on the resource", "azure_openai", azure("{url}/openai/v1"),
        (("", 403, {"error": {"code": "AuthenticationTypeDisabled",
                              "message": "Key based authentication is disabled for this resource."}}),),
        "Forbidden", ("keys", "turned off"), ("local authentication",),
    ),
    SetUp(
        "keys turned off, said as PermissionDenied", "azure_ai_foundry",
        foundry("{url}/models/chat/completions?api-version=2024-05-01-preview"),
        (("", 401, {"error": {"code": "PermissionDenied",
                              "message": "Key based authentication is not permitted for this "
                              "resource"}}),),
        "Unauthorized", ("keys", "turned off"), ("local authentication",),
    ),
    SetUp(
        "the key of another resource", "azure_openai", azure("{url}/openai/v1"),
        (("", 401, WRONG_AZURE),), "Unauthorized", ("not accepted",), ("another resource",),
    ),
    SetUp(
        "an api-version that does not exist", "azure_openai", azure(DATED + "2026-99-01"),
        (AZURE_LIST, ("2026-99-01", 400, {"error": {"code": "BadRequest",
                                                    "message": "API version not supported"}}),
         ("", 200, CHAT)),
        "BadRequest", ("2026-99-01",), ("endpoint",), {"endpoint": DATED + "2024-10-21"},
    ),
    SetUp(
        "an api-version that answers 404", "azure_openai", azure(DATED + "2026-99-01"),
        (AZURE_LIST, ("2026-99-01", 404, {"error": {"code": "404",
                                                    "message": "Resource not found"}}),
         ("", 200, CHAT)),
        "Unreachable", ("2026-99-01",), ("endpoint",), {"endpoint": DATED + "2024-10-21"},
    ),
    SetUp(
        "a page of the portal", "azure_openai", azure("https://portal.azure.com/#home"),
        expected="FieldError", says=("portal",), hints=(),
    ),
    SetUp(
        "Claude's address under Azure OpenAI", "azure_openai",
        azure("https://acme.services.ai.azure.com/anthropic/v1/messages"),
        expected="FieldError", says=("Claude", "Azure AI Foundry"), hints=(),
    ),
    SetUp(
        "Foundry: a model that is not deployed", "azure_ai_foundry",
        foundry("{url}/models/chat/completions?api-version=2024-05-01-preview"),
        (("GET", 404, {"error": {"code": "404", "message": "Resource not found"}}),
         ("", 400, {"error": {"code": "unknown_model", "message": "Unknown model: mistral-large-3",
                              "details": "Unknown model: mistral-large-3"}})),
        "UnknownModel", ("mistral-large-3",), ("deploy",),
    ),
    SetUp(
        "Foundry: a serverless host with another path", "azure_ai_foundry",
        foundry("https://acme.eastus2.models.ai.azure.com/score"),
        expected="FieldError", says=("score", "chat"), hints=(),
    ),
    SetUp(
        "Foundry: managed compute", "azure_ai_foundry",
        foundry("https://acme.eastus2.inference.ml.azure.com/score"),
        expected="FieldError", says=("managed compute",), hints=(),
    ),
    SetUp(
        "Foundry: a serverless path where nothing answers", "azure_ai_foundry",
        foundry("{url}/gone/v1"), (("", 404, NOT_FOUND_PAGE),),
        "Unreachable", ("nothing",), ("target URI",),
    ),
    SetUp(
        "a firewall of the resource", "azure_openai", azure("{url}/openai/v1"),
        (("", 403, {"error": {"code": "403", "message": "Access denied due to Virtual Network/"
                              "Firewall rules."}}),),
        "Forbidden", ("network",), ("firewall",),
    ),
)  # fmt: skip

GOOGLE = (
    SetUp(
        "Vertex: no private_key", "vertex_ai", vertex("@without private_key"), (TOKEN,),
        "Unauthorized", ("private_key",), ("Add key",),
    ),
    SetUp(
        "Vertex: credentials of another type", "vertex_ai", vertex("@external_account"), (TOKEN,),
        "Unauthorized", ("external_account",), ("service account",),
    ),
    SetUp(
        "Vertex: the file of an OAuth client", "vertex_ai", vertex("@oauth client"), (TOKEN,),
        "Unauthorized", ("OAuth client",), ("service account",),
    ),
    SetUp(
        "Vertex: a damaged key", "vertex_ai", vertex("@damaged"), (TOKEN,),
        "Unauthorized", ("damaged",), ("Add key",),
    ),
    SetUp(
        "Vertex: half of the file", "vertex_ai", vertex("@half"), (TOKEN,),
        "Unauthorized", ("JSON", "whole"), ("whole file",),
    ),
    SetUp(
        "Vertex: a path in place of the content", "vertex_ai",
        vertex("credentials/acme-claims-7f3a.json", project="acme-claims"), (TOKEN,),
        "Unauthorized", ("path of a file",), ("file:",),
    ),
    SetUp(
        "Vertex: the API is not turned on", "vertex_ai", vertex(),
        (TOKEN, ("", 403, google(
            403, "PERMISSION_DENIED", "Vertex AI API has not been used in project 1 before or it is "
            "disabled.", info("SERVICE_DISABLED", activationUrl="https://console.developers.google"
                              ".com/apis/api/aiplatform.googleapis.com/overview?project=1")))),
        "Forbidden", ("not turned on",), ("https://console.developers.google.com/apis",),
    ),
    SetUp(
        "Vertex: the account has no role", "vertex_ai", vertex(),
        (TOKEN, ("", 403, [google(
            403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on "
            "resource '//aiplatform.googleapis.com/projects/acme/locations/global' (or it may not "
            "exist).", info("IAM_PERMISSION_DENIED"))])),
        "Forbidden", ("no right",), ("Vertex AI User",),
    ),
    SetUp(
        "Vertex: the models are not in this location", "vertex_ai", vertex(location="europe-west4"),
        (TOKEN, ("locations/global", 200, COUNTED), ("", 404, google(
            404, "NOT_FOUND", "Publisher Model `projects/acme/locations/europe-west4/publishers/"
            "google/models/gemini-3.8-flash` was not found or your project does not have access "
            "to it."))),
        "UnknownModel", ("europe-west4",), ("global",), {"location": "global"},
    ),
    SetUp(
        "Vertex: the key was deleted", "vertex_ai", vertex(),
        (("POST /token", 400, {"error": "invalid_grant",
                               "error_description": "Invalid JWT Signature."}),),
        "Unauthorized", ("signature",), ("deleted",),
    ),
    SetUp(
        "Vertex: the account was deleted", "vertex_ai", vertex(),
        (("POST /token", 400, {"error": "invalid_grant",
                               "error_description": "Invalid grant: account not found"}),),
        "Unauthorized", ("no such account",), ("service account",),
    ),
    SetUp(
        "Vertex: the clock of this computer is wrong", "vertex_ai", vertex(),
        (("POST /token", 400, {"error": "invalid_grant", "error_description":
                               "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
                               "reasonable timeframe. Check your iat and exp values in the JWT "
                               "claim."}),),
        "Unauthorized", ("clock",), ("set the clock",),
    ),
    SetUp(
        "Vertex: no billing", "vertex_ai", vertex(),
        (TOKEN, ("", 403, google(403, "PERMISSION_DENIED", "This API method requires billing to be "
                                 "enabled.", info("BILLING_DISABLED")))),
        "QuotaExhausted", ("billing",), ("billing",),
    ),
    SetUp(
        "Gemini: the free tier does not include the model", "gemini", at_gemini(),
        (("GET", 200, GEMINI_LIST), ("countTokens", 200, COUNTED),
         ("", 429, google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.",
                          quota(quotaId="GenerateRequestsPerDayPerProjectPerModel-FreeTier",
                                quotaValue="0")))),
        "QuotaExhausted", ("quota",), ("billing",),
    ),
    SetUp(
        "Gemini: not offered in this country", "gemini", at_gemini(),
        (("", 400, google(400, "FAILED_PRECONDITION",
                          "User location is not supported for the API use.")),),
        "Forbidden", ("does not offer",), ("Vertex AI",),
    ),
    SetUp(
        "Gemini: the key lists models and may run none", "gemini", at_gemini(),
        (("GET", 200, GEMINI_LIST), ("", 403, google(
            403, "PERMISSION_DENIED", "The caller does not have permission."))),
        "Forbidden", ("no right",), ("access",),
    ),
)  # fmt: skip

MODELS = (
    SetUp(
        "Ollama: the model is not pulled", "custom", custom(name="mistral-nemo"),
        (("GET", 200, {"object": "list", "data": [{"id": "llama3.2:3b"}]}),
         ("", 404, openai('model "mistral-nemo" not found, try pulling it first',
                          type_="not_found_error"))),
        "UnknownModel", ("mistral-nemo", "llama3.2:3b"), ("ollama pull mistral-nemo",),
    ),
    SetUp(
        "Ollama: the name without its tag's number", "custom", custom(name="llama3.1:3b"),
        (("GET", 200, {"object": "list", "data": [{"id": "llama3.2:3b"}]}), ("llama3.2", 200, CHAT),
         ("", 404, openai('model "llama3.1:3b" not found, try pulling it first',
                          type_="not_found_error"))),
        "UnknownModel", ("llama3.1:3b", "llama3.2:3b"), ("ollama pull llama3.1:3b",),
        {"name": "llama3.2:3b"}, fault="only llama3.2:3b",
    ),
    SetUp(
        "vLLM: another name than the served one", "custom", custom(name="Llama-3.3-70B"),
        (("GET", 200, {"object": "list", "data": [{"id": "meta-llama/Llama-3.3-70B-Instruct"}]}),
         ("", 404, openai("The model `Llama-3.3-70B` does not exist.", 404, "NotFoundError"))),
        "UnknownModel", ("Llama-3.3-70B", "meta-llama/Llama-3.3-70B-Instruct"), (),
        {"name": "meta-llama/Llama-3.3-70B-Instruct"}, fault="only meta-llama/Llama-3.3-70B-Instruct",
    ),
    SetUp(
        "Hugging Face: a path without provider, and no provider is turned on", "custom",
        custom("https://router.huggingface.co/v1", base_url="{url}/v1", api_key=HF_KEY,
               name="deepseek-ai/DeepSeek-R1"),
        (("GET", 200, {"data": [{"id": "deepseek-ai/DeepSeek-R1"}]}),
         ("", 400, openai("The requested model 'deepseek-ai/DeepSeek-R1' is not supported by any "
                          "provider you have enabled.", "model_not_supported", param="model"))),
        "UnknownModel", ("deepseek-ai/DeepSeek-R1",), ("provider", "together"),
    ),
    SetUp(
        "LM Studio: json_object is refused, json_schema works", "custom", custom(), (),
        "ok", ("answers",), fault="LM Studio",
    ),
    SetUp(
        "a retired model of OpenAI", "custom",
        custom("https://api.openai.com/v1", name="gpt-4-turbo", base_url="{url}/v1",
               api_key=OPENAI_KEY),
        (("GET", 200, OPENAI_LIST),
         ("", 404, openai("The model `gpt-4-turbo` has been deprecated.", "model_not_found"))),
        "UnknownModel", ("retired", "gpt-4-turbo"), ("gpt-6-luna",),
    ),
    SetUp(
        "a retired Claude in Foundry", "azure_ai_foundry",
        foundry("{url}/anthropic/v1/messages", model="claude-3-7-sonnet-latest"),
        (("", 404, anthropic("not_found_error", "model: claude-3-7-sonnet-latest")),),
        "UnknownModel", ("retired", "claude-3-7-sonnet-latest"), ("claude-sonnet-5-5",),
    ),
    SetUp(
        "OpenAI: a key that may use none of the models", "openai", at_openai(),
        (("GET", 200, {"data": [{"id": "text-embedding-4"}]}),),
        "Forbidden", ("none of",), ("access",),
    ),
    SetUp(
        "the window is smaller than the test question", "custom", custom(),
        (("GET", 200, {"data": [{"id": "m"}]}),
         ("", 400, openai("This model's maximum context length is 128 tokens. However, you "
                          "requested 2300 tokens.", "context_length_exceeded"))),
        "TooLong", ("longer",), ("window",),
    ),
    SetUp(
        "Azure: the filter stops even the test question", "azure_openai", azure("{url}/openai/v1"),
        (AZURE_LIST, ("", 400, {"error": {
            "code": "content_filter", "message": "The response was filtered due to the prompt "
            "triggering Azure OpenAI's content management policy.", "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"jailbreak": {"filtered": True}}}}})),
        "Filtered", ("filter",), ("filter",),
    ),
)  # fmt: skip

MONEY = (
    SetUp(
        "OpenAI: no credit, told by the first question", "openai", at_openai(),
        (("GET", 200, OPENAI_LIST), ("", 429, NO_CREDIT)),
        "QuotaExhausted", ("no credit",), ("billing",),
    ),
    SetUp(
        "Anthropic: no credit, told by the first question", "anthropic", at_anthropic(),
        (("GET", 200, ANTHROPIC_LIST), ("count_tokens", 200, {"input_tokens": 3}),
         ("", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the "
                             "Anthropic API."))),
        "QuotaExhausted", ("no credit",), ("credit",),
    ),
    SetUp(
        "Anthropic: the spend limit is reached", "anthropic", at_anthropic(),
        (("GET", 200, ANTHROPIC_LIST),
         ("", 429, anthropic("rate_limit_error", "This request would exceed your limit.",
                             "enforced_spend_limit_reached"))),
        "QuotaExhausted", ("credit",), ("limit",),
    ),
    SetUp(
        "Gemini: credits are used up", "gemini", at_gemini(),
        (("GET", 200, GEMINI_LIST), ("countTokens", 200, COUNTED),
         ("", 429, google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."))),
        "QuotaExhausted", ("credit",), ("billing",),
    ),
    SetUp(
        "Azure: the quota of the subscription is used up", "azure_openai", azure("{url}/openai/v1"),
        (AZURE_LIST, ("", 429, NO_CREDIT)), "QuotaExhausted", ("quota",), ("billing",),
    ),
    SetUp(
        "Custom: no balance", "custom", custom(api_key="made-up-key-0001"),
        (("GET", 200, {"data": [{"id": "m"}]}), ("", 402, openai("Insufficient Balance"))),
        "QuotaExhausted", ("no credit",), (),
    ),
    SetUp(
        "OpenAI: the organization is deactivated", "openai", at_openai(),
        (("", 401, openai("The OpenAI account associated with this API key has been deactivated.",
                          "account_deactivated")),),
        "Forbidden", ("deactivated",), ("account",),
    ),
    SetUp(
        "Anthropic: the organization is on hold", "anthropic", at_anthropic(),
        (("", 400, anthropic("invalid_request_error", "Your organization is on hold.",
                             "organization_on_hold")),),
        "Forbidden", ("on hold",), ("Console",),
    ),
    SetUp(
        "too many requests for now", "openai", at_openai(),
        (("", 429, openai("Rate limit reached for requests", "rate_limit_exceeded", "requests")),),
        "RateLimited", ("limit",), ("wait",),
    ),
    SetUp(
        "Anthropic is overloaded", "anthropic", at_anthropic(),
        (("", 529, anthropic("overloaded_error", "Overloaded")),),
        "Overloaded", ("overloaded",), ("again",),
    ),
    SetUp(
        "a server with an error of its own", "custom", custom(),
        (("GET", 200, {"data": [{"id": "m"}]}), ("", 500, {"error": "CUDA out of memory"})),
        "Overloaded", ("error of its own",), ("again",),
    ),
)  # fmt: skip

CASES = (*ADDRESSES, *KEYS, *AZURE, *GOOGLE, *MODELS, *MONEY)

PERTURBED = (
    SetUp(
        "German: a wrong key", "custom", custom(api_key="made-up-key-0001"),
        (("", 401, {"fehler": {"text": "Ungültiger Schlüssel"}}),),
        "Unauthorized", ("not accepted",),
    ),
    SetUp(
        "Chinese: too many requests", "custom", custom(),
        (("GET", 200, {"data": [{"id": "m"}]}), ("", 429, {"message": "请求过于频繁，请稍后再试"})),
        "RateLimited", ("limit",),
    ),
    SetUp(
        "nginx: 401 as a web page", "custom", custom(api_key="made-up-key-0001"),
        (("", 401, "<html><h1>401 Authorization Required</h1><hr>nginx</html>"),),
        "Unauthorized", ("not accepted",),
    ),
    SetUp(
        "Bad Gateway as a web page", "custom", custom(),
        (("", 502, "<html><h1>502 Bad Gateway</h1></html>"),), "Overloaded", ("error of its own",),
    ),
    SetUp(
        "maintenance as a web page", "openai", at_openai(),
        (("", 503, "<html>Wartungsarbeiten</html>"),), "Overloaded", ("overloaded",),
    ),
    SetUp(
        "a content network's limit as a web page", "custom", custom(),
        (("", 429, "<html><title>You are being rate limited</title></html>"),),
        "RateLimited", ("limit",),
    ),
    SetUp(
        "French: 404 for a path without /v1", "custom", custom("{url}"),
        (ANSWERS, ("", 404, {"erreur": "Page introuvable"})),
        "Unreachable", ("ends in /v1",), (), {"endpoint": "{url}/v1"},
    ),
    SetUp(
        "French: the model is unknown", "custom", custom(name="llama9"),
        (("GET", 200, {"data": [{"id": "qwen3:8b"}]}),
         ("", 404, {"error": {"message": "Le modèle « llama9 » est introuvable."}})),
        "UnknownModel", ("llama9", "qwen3:8b"),
    ),
    SetUp(
        "Ollama's native words for an unknown model", "custom", custom(name="llama9"),
        (("GET", 200, {"data": [{"id": "qwen3:8b"}]}), ("", 404, {"error": "model 'llama9' not found"})),
        "UnknownModel", ("llama9",),
    ),
    SetUp(
        "Spanish: no credit", "custom", custom(api_key="made-up-key-0001"),
        (("GET", 200, {"data": [{"id": "m"}]}), ("", 402, {"mensaje": "Saldo insuficiente"})),
        "QuotaExhausted", ("no credit",),
    ),
    SetUp(
        "no credit in other words, under 403", "custom", custom(api_key="made-up-key-0001"),
        (("GET", 200, {"data": [{"id": "m"}]}),
         ("", 403, {"error": "Insufficient balance. Top up your wallet to continue."})),
        "QuotaExhausted", ("no credit",),
    ),
    SetUp(
        "the window in other words", "custom", custom(),
        (("GET", 200, {"data": [{"id": "m"}]}),
         ("", 400, {"error": "the request exceeds the available context size, try increasing it"})),
        "TooLong", ("longer",),
    ),
    SetUp(
        "Japanese: Google refuses the key", "gemini", at_gemini(),
        (("", 400, google(400, "INVALID_ARGUMENT", "API キーが無効です。", info("API_KEY_INVALID"))),),
        "Unauthorized", ("not accepted",),
    ),
    SetUp(
        "Azure behind a gateway: the key is missing there", "azure_openai", azure("{url}/openai/v1"),
        (("", 401, {"statusCode": 401, "message": "Access denied due to missing subscription key."}),),
        "Unauthorized", ("not accepted",),
    ),
    SetUp(
        "a login page in Portuguese, under 404", "openai", at_openai(),
        (("", 404, "<html lang=pt><title>Entrar na rede</title></html>"),),
        "Unreachable", ("web page",),
    ),
    SetUp(
        "200 with an error in the body", "custom", custom(),
        (("GET", 200, {"data": [{"id": "m"}]}),
         ("", 200, {"error": {"message": "Something odd happened", "code": 500}})),
        "Overloaded", ("error of its own",),
    ),
    SetUp(
        "llama.cpp is still loading the model", "custom", custom(),
        (("", 503, {"error": {"code": 503, "message": "Loading model",
                              "type": "unavailable_error"}}),),
        "Overloaded", ("overloaded",),
    ),
)  # fmt: skip
"""The same faults in other words, another language, or as a web page."""

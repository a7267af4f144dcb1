"""The same faults in other words, another language, or as a web page."""

# ruff: noqa: E501 - recorded words stay as they came

from __future__ import annotations

from tests.engine.set_ups.set_up import (
    ANSWERS,
    SetUp,
    at_gemini,
    at_openai,
    azure,
    custom,
    google,
    info,
)

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

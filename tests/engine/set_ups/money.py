"""Set-ups without credit, over a limit, or with a server in trouble."""

# ruff: noqa: E501 - recorded words stay as they came

from __future__ import annotations

from tests.engine.set_ups.set_up import (
    ANTHROPIC_LIST,
    AZURE_LIST,
    COUNTED,
    GEMINI_LIST,
    NO_CREDIT,
    OPENAI_LIST,
    SetUp,
    anthropic,
    at_anthropic,
    at_gemini,
    at_openai,
    azure,
    custom,
    google,
    openai,
)

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

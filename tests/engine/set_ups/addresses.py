"""Set-ups with a wrong address, port, scheme, proxy or network."""

from __future__ import annotations

from tests.engine.set_ups.set_up import (
    ANSWERS,
    CHAT,
    LOGIN_PAGE,
    NOT_FOUND_PAGE,
    OPENAI_KEY,
    SetUp,
    at_openai,
    azure,
    custom,
)

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
        "Unreachable", ("not a model server",), ("login page",),
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
        "Unreachable", ("llm.acme.invalid", "resolve"), ("spelled",), fault="dns",
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

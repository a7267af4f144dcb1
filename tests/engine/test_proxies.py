"""Which calls take a proxy, by the variables everybody knows; and that a broken one is named."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

import llmwidgets as lw
from llmwidgets.connections.policy import Policy
from llmwidgets.dialects.types import Call
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine.check import check_connection
from llmwidgets.engine.network import egress, transport
from llmwidgets.engine.network.proxies import proxy_for
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.errors import Failure, FailureCode
from tests.clocks import hurry
from tests.google_keys import a_service_account
from tests.kinds import KINDS, fields_of, made_up_key


@pytest.fixture(autouse=True)
def _proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    capability.forget_capabilities()
    tokens.forget_tokens()
    yield
    event_loop.stop_engine()


def test_https_takes_its_own_proxy_and_http_takes_none():
    assert proxy_for("https://api.example/v1").url == "http://proxy.example:3128"
    assert proxy_for("http://api.example/v1") is None


def test_the_user_and_the_password_leave_the_url(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://me:p%40ss@proxy.example:3128")
    proxy = proxy_for("https://api.example/v1")
    assert proxy.url == "http://proxy.example:3128"
    assert proxy.user == "me"
    assert proxy.password.reveal() == "p@ss"
    assert "p@ss" not in repr(proxy)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_loopback_is_always_reached_directly(host):
    assert proxy_for(f"https://{host}:8443/v1") is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("api.example", "https://api.example/v1", True),
        ("example", "https://api.example/v1", True),
        (".example", "https://api.example/v1", True),
        ("*.example", "https://api.example/v1", True),
        ("other, api.example", "https://api.example/v1", True),
        ("API.EXAMPLE", "https://api.example/v1", True),
        ("*", "https://api.example/v1", True),
        ("api.example:443", "https://api.example/v1", True),
        ("api.example:8443", "https://api.example/v1", False),
        ("ample", "https://api.example/v1", False),
        ("10.0.0.0/8", "https://10.2.3.4/v1", True),
        ("10.0.0.0/8", "https://11.2.3.4/v1", False),
        ("10.0.0.0/8", "https://api.example/v1", False),
        ("fd00::/8", "https://[fd00::1]/v1", True),
        ("", "https://api.example/v1", False),
    ],
)
def test_no_proxy_names_hosts_domains_ports_and_networks(monkeypatch, no_proxy, url, direct):
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(url) is None) is direct


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("bücher.example", "https://xn--bcher-kva.example/v1", True),
        ("xn--bcher-kva.example", "https://BÜCHER.example./v1", True),
        (".BÜCHER.example.", "https://llm.bücher.example/v1", True),
        ("10.0.0.1", "https://167772161/v1", True),
        ("0xa.1", "https://10.0.0.1/v1", True),
        ("10.0.0.0/8", "https://[::ffff:10.0.0.1]/v1", True),
        ("[fd00::1]:8443", "https://[fd00:0::1]:8443/v1", True),
        ("[fd00::1]:8443", "https://[fd00::1]/v1", False),
        ("fd00:0::1", "https://[fd00::1]/v1", True),
        ("api.example:port", "https://api.example/v1", False),
        ("\u0430pi.example", "https://api.example/v1", False),
    ],
)
def test_no_proxy_compares_hosts_in_their_one_spelling(monkeypatch, no_proxy, url, direct):
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(url) is None) is direct


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("http://me:canary@[::1]:3128", "[::1]:3128"),
        ("me:canary@bücher.example:1", "xn--bcher-kva.example:1"),
        ("http://me:canary@proxy.example/", "proxy.example"),
        ("socks5h://me:canary@proxy.example:1080", "proxy.example:1080"),
        ("http://proxy.example:canary", "of HTTPS_PROXY"),
        ("http://me:12#canary@proxy.example:1", "of HTTPS_PROXY"),
        ("http://me:12/canary@proxy.example:1", "of HTTPS_PROXY"),
        ("http://[canary", "of HTTPS_PROXY"),
        ("http:/me:canary@proxy.example", "of HTTPS_PROXY"),
    ],
)
def test_a_proxy_is_named_by_host_and_port_and_never_by_its_password(monkeypatch, value, place):
    monkeypatch.setenv("HTTPS_PROXY", value)
    proxy = proxy_for("https://api.example/v1")
    assert proxy.place == place
    assert "canary" not in repr(proxy)
    assert proxy.usable is (place != "of HTTPS_PROXY" and "1080" not in place)


# -- A proxy that does not do its work is what every path names, and not the server behind it.

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
PASSWORD = "canary-7c1f0e9d"


def _answering(raw: bytes) -> Iterator[str]:
    """A program that hears a call and says this; hangs up at once for nothing."""

    class Says(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(raw)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Says) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(params=["no such name", "refused", "no such name, IPv6", "407", "nothing", "noise"])
def broken(request) -> Iterator[str]:
    """Host and port of a proxy that does not work."""
    answers = {
        "407": b"HTTP/1.1 407 Wanted\r\ncontent-length: 0\r\n\r\n", "nothing": b"",
        "noise": b"220 mail.example ESMTP\r\n\r\n",
    }  # fmt: skip
    if request.param in answers:
        yield from _answering(answers[request.param])
        return
    port = request.getfixturevalue("closed_port")
    host = {"refused": "127.0.0.1", "no such name, IPv6": "[::1]"}.get(request.param)
    yield f"{host or 'proxy.nowhere.invalid'}:{port}"  # noqa: PT022 - others end with the test


def _connected(kind: str) -> tuple[lw.Connection, str]:
    credentials = json.dumps(a_service_account("https://oauth2.googleapis.com/token"))
    filled = fields_of(kind, "https://llm.acme.example", made_up_key(kind))
    if "credentials" in filled:
        filled["credentials"] = credentials
    connection = lw.Connection(kind, **filled, label="far")
    return connection, connection.models[0]


def _hint_and_message(error: Failure) -> str:
    return f"{error.message} {error.hint}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_proxy_is_named_by_the_run_the_check_and_the_list(monkeypatch, broken, kind):
    """With host and port, in the words or in the next step; its password nowhere."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@{broken}")
    connection, model = _connected(kind)
    failure = lw.extract(SCHEMA, "text", (connection, model), journal=False).failure
    report = event_loop.run_blocking(check_connection(connection, policy=Policy(), clock=hurry()))
    with pytest.raises(Failure) as caught:
        event_loop.run_blocking(egress.list_models(connection, model, policy=Policy()))
    for said in (
        _hint_and_message(failure),
        f"{report.sentence} {report.hint}",
        _hint_and_message(caught.value),
    ):
        assert f"proxy {broken}" in said, said
        assert PASSWORD not in said
        assert "Cannot resolve" not in said
        assert "no Azure resource" not in said


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_variable_that_named_the_proxy_is_the_one_to_check(monkeypatch, variable):
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv(variable, "http://proxy.nowhere.invalid:3128")
    connection, model = _connected("openai")
    failure = lw.extract(SCHEMA, "text", (connection, model), journal=False).failure
    assert failure.code == FailureCode.PROXY_UNREACHABLE
    assert failure.hint.startswith(f"Check {variable},")


def test_a_comparison_names_the_proxy_in_each_of_its_columns(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@proxy.nowhere.invalid:3128")
    chosen = [_connected(kind) for kind in ("openai", "vertex_ai", "azure_openai")]
    result = lw.compare(SCHEMA, ["a"], chosen, journal=False, progress=False)
    for extraction in result:
        assert "The proxy proxy.nowhere.invalid:3128 does not answer" in extraction.failure.message


def test_a_proxy_that_lets_nobody_in_within_the_time_is_named(monkeypatch):
    """The name of the server is not looked up here: what is not reached is the proxy."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = f"127.0.0.1:{full.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://{place}")
        call = Call("GET", "https://llm.acme.example/v1/models", label="far")
        with pytest.raises(Failure) as caught:
            event_loop.run_blocking(transport.send_call(call, connect=0.2, total=5.0))
    assert caught.value.code == FailureCode.PROXY_UNREACHABLE
    assert place in caught.value.message

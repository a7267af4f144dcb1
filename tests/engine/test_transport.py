"""The transport: every way of failing has its class, and none of them carries the key."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import subprocess
import sys
import threading
import traceback
import zlib
from pathlib import Path

import aiohttp.resolver
import pytest
import trustme
from IPython.core.ultratb import VerboseTB

from llmwidgets.dialects.types import AuthHeader, Call
from llmwidgets.engine import event_loop
from llmwidgets.engine.network import transport
from llmwidgets.errors import CallError, Unauthorized, Unreachable
from llmwidgets.secret import Secret

CANARY = "canary-key-7c1f0e9d55aa"
MARKER = "a sentence of the document"


def call_to(url: str, **more) -> Call:
    auth = (AuthHeader("Authorization", Secret(CANARY), "Bearer {}"),)
    given = {"method": "POST", "body": {"text": MARKER}, "label": "far", "model": "m", **more}
    return Call(url=f"{url}/chat/completions", auth=auth, **given)


async def _answer(seen, writer) -> None:
    writer.answer({"ok": True})


async def _hang_up(seen, writer) -> None:
    writer.close()


async def _half(seen, writer) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"half":')
    await writer.drain()
    writer.close()


async def _drip(seen, writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _stall(seen, writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
    await asyncio.sleep(30)


async def _silent(seen, writer) -> None:
    await asyncio.sleep(30)


async def _nonsense(seen, writer) -> None:
    writer.write(b"220 mail.example ESMTP\r\n\r\n")


async def _large(seen, writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n" + b" " * 20_000_000)


async def _moved(seen, writer) -> None:
    writer.answer(status=307, headers="location: http://127.0.0.1:1/steal\r\n")


async def _bad_gzip(seen, writer) -> None:
    writer.answer(b"not gzip at all", headers="content-encoding: gzip\r\n")


class _NoName(aiohttp.resolver.AbstractResolver):
    async def resolve(self, host, port=0, family=0):
        raise OSError(-2, "Name or service not known")

    async def close(self):
        pass


AFTER_THE_REQUEST = [
    (_hang_up, "hung_up"),
    (_half, "cut_short"),
    (_drip, "too_slow"),
    (_silent, "too_slow"),
    (_stall, "stalled"),
    (_nonsense, "not_http"),
    (_large, "too_big"),
    (_bad_gzip, "cut_short"),
]


IN_TIME = {"too_slow": {"total": 0.3}, "stalled": {"stall": 0.3}}
"""The limit that is to be passed; with the others a busy machine has time."""


def failing(call: Call, **limits) -> CallError:
    """The error of the call, after looking for the key in everything a notebook would show."""
    with pytest.raises(CallError) as caught:
        event_loop.run_blocking(transport.send_call(call, **limits))
    error = caught.value
    frames = list(traceback.walk_tb(error.__traceback__))
    assert MARKER not in repr([frame.f_locals for frame, _ in frames[1:]][-1])
    assert CANARY not in _shown(caught.type, error, caught.tb)
    assert error.__context__ is None
    assert error.__cause__ is None
    assert call.label == error.label
    assert error.message
    assert error.hint
    return error


def _shown(kind, error, trace) -> str:
    verbose = VerboseTB().structured_traceback(kind, error, trace)
    words = ["\n".join(verbose), "".join(traceback.format_exception(kind, error, trace))]
    while error is not None:
        words += [repr(error), str(error), repr(vars(error))]
        frames = traceback.walk_tb(error.__traceback__)
        words += [repr(frame.f_locals) for frame, _ in frames]
        error = error.__context__
    return "\n".join(words)


def test_the_search_finds_a_key_that_is_there():
    """The control: a frame with the header in a local shows the key in a Verbose traceback."""

    def leaky() -> None:
        headers = {"Authorization": f"Bearer {CANARY}"}
        raise LookupError(len(headers))

    with pytest.raises(LookupError) as caught:
        leaky()
    assert CANARY in _shown(caught.type, caught.value, caught.tb)


def test_the_reply_comes_whole_with_its_status_headers_and_times(far_end):
    async def refuse(seen, writer):
        writer.answer({"error": "no"}, 429, "Retry-After: 7\r\n")

    end = far_end(refuse)
    payload = event_loop.run_blocking(transport.send_call(call_to(end.url)))
    assert payload.status == 429
    assert payload.headers["retry-after"] == "7"
    assert json.loads(payload.body) == {"error": "no"}
    assert 0 < payload.first_byte_seconds <= payload.seconds
    sent = end.seen[0]
    assert sent.line == "POST /v1/chat/completions HTTP/1.1"
    assert sent.headers["authorization"] == f"Bearer {CANARY}"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["user-agent"].startswith("llmwidgets/")
    assert sent.json == {"text": MARKER}


def test_a_get_sends_no_body(far_end):
    end = far_end(_answer)
    event_loop.run_blocking(transport.send_call(call_to(end.url, method="GET", body=None)))
    assert end.seen[0].body == b""
    assert "content-type" not in end.seen[0].headers


def test_half_a_character_in_a_text_is_sent_as_a_question_mark(far_end):
    end = far_end(_answer)
    event_loop.run_blocking(transport.send_call(call_to(end.url, body={"text": "a\ud800b"})))
    assert end.seen[0].json == {"text": "a?b"}


@pytest.mark.parametrize(("behave", "code"), AFTER_THE_REQUEST)
def test_what_fails_after_the_request_was_perhaps_answered(far_end, behave, code):
    error = failing(call_to(far_end(behave).url), **IN_TIME.get(code, {}))
    assert (type(error), error.code, error.perhaps_answered) == (Unreachable, code, True)


def test_nobody_listens(closed_port):
    error = failing(call_to(f"http://127.0.0.1:{closed_port}/v1"))
    assert (error.code, error.perhaps_answered) == ("refused", False)
    assert "container" in error.hint


def test_nobody_listens_on_either_address_of_localhost(closed_port):
    assert failing(call_to(f"http://localhost:{closed_port}/v1")).code == "refused"


def test_a_name_that_leads_nowhere(monkeypatch):
    monkeypatch.setattr("aiohttp.connector.DefaultResolver", lambda *a, **k: _NoName())
    error = failing(call_to("https://nowhere.invalid/v1"))
    assert (error.code, error.perhaps_answered) == ("dns", False)
    assert "nowhere.invalid" in error.message


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_certificate_nobody_here_trusts(far_end, tls):
    error = failing(call_to(far_end(_answer, tls).url))
    assert (error.code, error.perhaps_answered) == ("tls", False)
    assert "CA bundle" in error.hint


def test_a_ca_bundle_makes_the_certificate_trusted(far_end, tls, authority, tmp_path):
    bundle = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(bundle))
    end = far_end(_answer, tls)
    assert (
        event_loop.run_blocking(transport.send_call(call_to(end.url, ca_bundle=str(bundle)))).status
        == 200
    )


@pytest.mark.parametrize("bundle", ["/no/such.pem", "~nobody-0/made-up.pem"])
def test_a_ca_bundle_that_is_not_there(far_end, tls, bundle):
    assert failing(call_to(far_end(_answer, tls).url, ca_bundle=bundle)).code == "ca_bundle"


def test_https_to_a_port_that_speaks_http():
    async def speak_http(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        writer.close()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(speak_http, "127.0.0.1", 0)

    async def end() -> None:
        server.close()

    server = event_loop.run_blocking(start())
    port = server.sockets[0].getsockname()[1]
    assert failing(call_to(f"https://127.0.0.1:{port}/v1")).code == "tls_spoken"
    event_loop.run_blocking(end())


def test_plain_http_goes_to_loopback_only_unless_allowed():
    """Nothing is looked up and nothing is connected to."""
    error = failing(call_to("http://models.example/v1"))
    assert (error.code, error.perhaps_answered) == ("plain_http", False)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/v1", "http://", "models", "http://[::1/v1"])
def test_what_is_no_address(url):
    assert failing(call_to(url)).code == "address"


def test_a_redirect_is_not_followed(far_end):
    end = far_end(_moved)
    error = failing(call_to(end.url))
    assert (error.code, len(end.seen)) == ("redirect", 1)


def test_a_reference_to_a_variable_that_is_not_set(far_end):
    end = far_end(_answer)
    auth = (AuthHeader("Authorization", Secret("env:NO_SUCH_KEY"), "Bearer {}"),)
    call = Call("POST", end.url, auth, body={}, label="far")
    with pytest.raises(Unauthorized, match="NO_SUCH_KEY") as caught:
        event_loop.run_blocking(transport.send_call(call))
    assert caught.value.code == "key_missing"
    assert not end.seen


@pytest.mark.parametrize("key", [f"{CANARY}\nX-Other: 1", f"“{CANARY}”"])
def test_a_key_that_no_header_takes(far_end, key):
    end = far_end(_answer)
    call = Call("POST", end.url, (AuthHeader("x-api-key", Secret(key)),), body={}, label="far")
    assert isinstance(failing(call), Unauthorized)
    assert not end.seen


def test_a_cancelled_call_leaves_no_frame_that_held_the_key(far_end):
    end = far_end(_silent)
    shown: list[str] = []

    async def stopped() -> None:
        task = asyncio.ensure_future(transport.send_call(call_to(end.url)))
        while not end.seen:
            await asyncio.sleep(0.01)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            shown.append(_shown(*sys.exc_info()))

    event_loop.run_blocking(stopped())
    assert len(shown) == 1
    assert CANARY not in shown[0]


def test_no_cookie_and_nothing_from_netrc_is_sent(far_end, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other-secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    async def set_cookie(seen, writer):
        writer.answer({}, headers="set-cookie: track=1\r\n")

    end = far_end(set_cookie)
    call = Call("POST", end.url, body={}, label="far")
    event_loop.run_blocking(transport.send_call(call))
    event_loop.run_blocking(transport.send_call(call))
    assert len(end.seen) == 2
    assert all("cookie" not in seen.headers for seen in end.seen)
    assert all("authorization" not in seen.headers for seen in end.seen)


def test_five_hundred_calls_are_in_flight_at_once(far_end):
    """The server answers none before it has seen all 500."""
    everyone = asyncio.Event()

    async def wait_for_all(seen, writer):
        if end.at_once == 500:
            everyone.set()
        await everyone.wait()
        writer.answer({"ok": True})

    end = far_end(wait_for_all)

    async def all_of_them():
        calls = [transport.send_call(call_to(end.url), total=60, connect=30) for _ in range(500)]
        return await asyncio.gather(*calls)

    payloads = event_loop.run_blocking(all_of_them())
    assert [payload.status for payload in payloads] == [200] * 500
    assert end.most_at_once == 500


def test_a_compressed_reply_is_read(far_end):
    async def compressed(seen, writer):
        writer.answer(zlib.compress(b'{"a":1}'), headers="content-encoding: deflate\r\n")

    assert (
        event_loop.run_blocking(transport.send_call(call_to(far_end(compressed).url))).body
        == b'{"a":1}'
    )


@pytest.fixture
def proxy(far_end):
    """A forward proxy that wants a password: CONNECT leads to the far end named `lead_to`."""
    wanted = "Basic " + base64.b64encode(b"me:p@ss word").decode()

    async def forward(seen, writer):
        if seen.headers.get("proxy-authorization") != wanted:
            writer.answer(status=407, headers="proxy-authenticate: Basic\r\n")
            return
        writer.answer({"through": "the proxy"})

    return far_end(forward)


PROXIED = "http://models.example/v1"


def test_a_proxy_gets_its_password_as_a_header_and_the_call_whole(proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss%20word@127.0.0.1:{proxy.port}")
    payload = event_loop.run_blocking(transport.send_call(call_to(PROXIED, allow_plain_http=True)))
    assert json.loads(payload.body) == {"through": "the proxy"}
    assert proxy.seen[0].line == f"POST {PROXIED}/chat/completions HTTP/1.1"
    assert "p@ss" not in proxy.seen[0].line


def test_a_proxy_that_refuses_a_call(proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://me:wrong-secret@127.0.0.1:{proxy.port}")
    error = failing(call_to(PROXIED, allow_plain_http=True))
    assert (error.code, error.perhaps_answered) == ("proxy_refused", False)
    assert "wrong-secret" not in str(error)


def test_a_proxy_that_refuses_a_tunnel(proxy, monkeypatch):
    """The key never reaches a proxy that only sees CONNECT."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    error = failing(call_to("https://models.example/v1"))
    assert error.code == "proxy_refused"
    assert proxy.seen[0].line == "CONNECT models.example:443 HTTP/1.1"
    assert CANARY not in repr(proxy.seen)


def test_a_proxy_that_is_not_there(monkeypatch, closed_port):
    monkeypatch.setenv("ALL_PROXY", f"127.0.0.1:{closed_port}")
    assert failing(call_to("https://models.example/v1")).code == "proxy_unreachable"


def test_a_socks_proxy_is_named_as_not_supported(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    assert failing(call_to("https://models.example/v1")).code == "proxy_kind"


def test_loopback_never_goes_through_a_proxy(far_end, monkeypatch, closed_port):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    assert event_loop.run_blocking(transport.send_call(call_to(far_end(_answer).url))).status == 200


def test_a_whole_call_through_a_real_tunnel(far_end, tls, authority, tmp_path, monkeypatch):
    """CONNECT with a password, then TLS to the far end inside the tunnel."""
    bundle = tmp_path / "company.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("models.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(bundle))
    end = far_end(_answer, context)
    seen_by_proxy: list[bytes] = []

    async def tunnel(reader, writer):
        seen_by_proxy.append(await reader.readuntil(b"\r\n\r\n"))
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", end.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pipe(reader, inner_writer), _pipe(inner_reader, writer))
        finally:
            inner_writer.close()
            writer.close()

    async def whole() -> int:
        server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret-word@127.0.0.1:{port}")
        call = call_to("https://models.example/v1", ca_bundle=str(bundle))
        payload = await transport.send_call(call)
        server.close()
        return payload.status

    assert event_loop.run_blocking(whole()) == 200
    assert b"CONNECT models.example:443" in seen_by_proxy[0]
    assert base64.b64encode(b"me:secret-word") in seen_by_proxy[0]
    assert CANARY.encode() not in seen_by_proxy[0]
    assert end.seen[0].headers["authorization"] == f"Bearer {CANARY}"


async def _pipe(reader, writer) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_leaving_with_calls_in_flight_warns_of_nothing(far_end):
    """The clients are closed before the interpreter ends, even under -W error."""
    everyone = threading.Event()

    async def hold(seen, wire):
        if end.at_once == 20:
            everyone.set()
        await asyncio.sleep(30)

    end = far_end(hold)
    code = (
        "import sys\n"
        "from llmwidgets.engine import event_loop\n"
        "from llmwidgets.engine.network import transport\n"
        "from llmwidgets.dialects.types import Call\n"
        "calls = [transport.send_call(Call('POST', sys.argv[1], body={})) for _ in range(20)]\n"
        "futures = [event_loop.submit_task(call) for call in calls]\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, end.url]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as leaving:
        assert everyone.wait(30)
        said = leaving.communicate("", timeout=30)
    assert said == ("", "")
    assert leaving.returncode == 0


def test_only_this_file_opens_the_key_of_a_call():
    engine = Path(transport.__file__).parent.parent
    openers = {path.name for path in engine.rglob("*.py") if ".reveal(" in path.read_text("utf-8")}
    assert openers <= {"transport.py", "tokens.py", "google_credentials.py"}

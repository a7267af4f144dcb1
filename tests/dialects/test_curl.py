"""A request copied as curl is the request: any shell value, sent by the real program."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwidgets.dialects.requests import curl_command
from llmwidgets.dialects.types import AuthHeader, Call
from llmwidgets.secret import Secret
from tests.servers import listening

KEY = "made-up $KEY `key` \"0001\" 'x'"
seen: list[tuple[str, str, dict[str, str], bytes]] = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        heard = {name.lower(): value for name, value in self.headers.items()}
        seen.append((self.command, self.path, heard, self.rfile.read(size)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_words: Any) -> None:
        """Nothing is printed."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with listening(Handler) as server:
        yield f"http://127.0.0.1:{server.server_port}"


ANY = st.text(st.characters(exclude_characters="\0"))
TEXT = st.text(st.sampled_from("'\"\\$`!*?~#&|;<>(){}[]\n\t %@=ä\u2028x")) | ANY
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
AFTER = WORDS.filter(lambda words: not {"{", "}"} & {*words})  # they are the template's own
PATH = st.text(st.sampled_from("ab1[]{},-:;@!$'()*+=~._%"), max_size=30)


def calls(address: str, path: str, query: str, body: Any, value: str, after: str) -> Call:
    auth = (AuthHeader("x-key", Secret(KEY), f"Token {{}}{after}"),)
    url = f"{address}/v{path}?q={query}"
    return Call(method="POST", url=url, auth=auth, headers={"x-own": value}, body=body)


@given(PATH, PATH, st.recursive(TEXT, lambda inner: st.dictionaries(TEXT, inner)), WORDS, AFTER)
def test_a_shell_reads_every_value_as_it_is(path, query, body, value, after) -> None:
    call = calls("http://127.0.0.1:9", path, query, body, value, after)
    words = [word for word in shlex.split(curl_command(call)) if word.strip("\n")]
    assert words[:5] == ["curl", "--request", "POST", call.url, "--globoff"]
    assert f"x-own: {value}" in words
    assert f"x-key: Token ${{KEY}}{after}" in words
    sent = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace").decode()
    assert words[-2:] == ["--data-raw", sent]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(PATH, PATH, st.dictionaries(TEXT, TEXT, max_size=3), WORDS, AFTER)
def test_curl_sends_the_same_request(address, path, query, body, value, after) -> None:
    """Brackets and braces in the address, quotes and dollars everywhere, a key with all of them."""
    call = calls(address, path, query, body, value, after)
    environment = {"PATH": os.environ["PATH"], "KEY": KEY, "HOME": "/nonexistent"}
    done = subprocess.run(
        ["/bin/sh", "-c", f"{curl_command(call)} --noproxy '*' --silent --show-error"],
        env=environment, capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    method, route, headers, sent = seen.pop()
    assert (method, f"{address}{route}") == ("POST", call.url)
    assert headers["x-own"] == value
    assert headers["x-key"] == f"Token {KEY}{after}"
    assert headers["content-type"] == "application/json"
    assert sent == json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def test_a_header_without_a_value_is_sent_all_the_same() -> None:
    call = Call(method="GET", url="http://[::1]:9/v1", headers={"x-empty": ""})
    words = [word for word in shlex.split(curl_command(call)) if word.strip("\n")]
    assert words == ["curl", "--request", "GET", call.url, "--globoff", "--header", "x-empty;"]

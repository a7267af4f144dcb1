"""Of a pasted line a key field takes the key alone, wherever the line came from."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.connections import Connection
from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret
from llmwidgets.store.document import connection_from_json
from llmwidgets.store.store import Store
from tests.servers import serving_models

KEY = "made-up-key-7Q2vXw9KpLr4"
LINES = [
    "Bearer {}",
    "Bearer\t{}",
    "Token {}",
    "Token: {}",
    "Api-Key {}",
    'curl https://h.example/v1/models -H "Authorization: Bearer {}"',
    "curl -X POST -H 'x-api-key: {}' https://h.example/v1",
    "$ curl -H 'Authorization: Token {}' -d '{{\"a\": 1}}' https://h.example",
    'OpenAI(api_key="{}")',
    "client = openai.OpenAI(base_url='https://h.example/v1', api_key='{}', timeout=3)",
    "bearer: {}",
    "BEARER  {}",
    "Authorization: Bearer {}",
    "authorization:Bearer {}",
    "Authorization: {}",
    '"Authorization": "Bearer {}",',
    "-H 'Authorization: Bearer {}' \\",
    '--header "x-api-key: {}"',
    "api-key: {}",
    "api-key:{}",
    "X-API-Key: {}",
    "x-goog-api-key: {}",
    "Ocp-Apim-Subscription-Key: {}",
    "OPENAI_API_KEY={}",
    'OPENAI_API_KEY = "{}";',
    'export X_API_KEY="{}"',
    "export OPENAI_API_KEY={}  # production",
    "!export OPENAI_API_KEY={}",
    "%env OPENAI_API_KEY={}",
    "%env OPENAI_API_KEY {}",
    "set OPENAI_API_KEY={}",
    'setx OPENAI_API_KEY "{}"',
    "$env:OPENAI_API_KEY = '{}'",
    'os.environ["OPENAI_API_KEY"] = "{}"',
    '"OPENAI_API_KEY": "{}",',
    "api_key: {}",
    'api_key="{}",',
    "apiKey: '{}',",
    "token: {}",
    "--api-key {}",
    "-e OPENAI_API_KEY={}",
    "API Key: {}",
    'Authorization = "Bearer {}"',
    "- OPENAI_API_KEY={}",
    "os.environ[ 'OPENAI_API_KEY' ] = '{}'",
    '"{}"',
    '"{}",',
    "\u201e{}\u201c",
    "`{}`",
    "\u201c{}\u201d",
    "{},",
    " {};\r\n",
    "\ufeff{}",
    "\u200b{}\u2060\u00a0\n",
]


def given_in_code(line: str, _folder: Path) -> Connection:
    return Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1", api_key=line)


def from_a_file(line: str, folder: Path) -> Connection:
    (folder / "key.txt").write_text(line, "utf-8")
    return given_in_code(f"file:{folder / 'key.txt'}", folder)


def from_a_reference_that_was_kept(line: str, folder: Path) -> Connection:
    (folder / "key.txt").write_text(line, "utf-8")
    fields = {"name": "m", "endpoint": "http://127.0.0.1:9/v1"}
    data = {"kind": "custom", "label": "m"}
    kept = data | {"fields": fields | {"api_key": f"file:{folder / 'key.txt'}"}}
    restored = connection_from_json(kept)
    assert isinstance(restored, Connection)
    return restored


def from_a_store(line: str, folder: Path) -> Connection:
    store = Store.in_memory()
    store.save(given_in_code(line, folder))
    return store["m"]


WAYS: dict[str, Callable[[str, Path], Connection]] = {
    "code": given_in_code,
    "file": from_a_file,
    "a store": from_a_store,
    "a reference that was kept": from_a_reference_that_was_kept,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("line", LINES)
def test_a_key_field_takes_the_key_of_a_line(way, line, tmp_path) -> None:
    connection = WAYS[way](line.replace("{}", KEY), tmp_path)
    ((_, name, secret),) = connection.secrets
    assert (name, secret.reveal(), connection.tail) == ("api_key", KEY, "pLr4")


def test_a_command_over_several_lines_has_one_key() -> None:
    line = f"curl https://h.example/v1 \\\n  -H 'x-api-key: {KEY}' \\\n  -d '{{}}'"
    assert lw.Connection("openai", api_key=line).fields.api_key.reveal() == KEY


@pytest.mark.parametrize("line", LINES)
def test_a_variable_may_hold_the_line(line, monkeypatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", line.replace("{}", KEY))
    connection = lw.Connection("openai", api_key="env:MADE_UP_KEY")
    assert connection.fields.api_key.reveal() == KEY
    assert connection.fields.api_key.reference == "env:MADE_UP_KEY"
    assert KEY not in repr(connection) + repr(connection.fields)


def test_what_the_server_gets_is_the_key() -> None:
    with serving_models() as server:
        connection = lw.Connection(
            "custom", name="m", endpoint=f"{server.url}/v1", api_key=f"Authorization: Bearer {KEY}"
        )
        assert lw.check(connection).ok
    assert {seen.headers["authorization"] for seen in server.seen} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"),
        ("Bearer made-up", "Bearer made-up"),
        ("Bearer\tmade-up", "Bearer made-up"),
        ("Token  made-up", "Token made-up"),
        ("Authorization: Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"),
        ('HF_TOKEN="made-up-0001"', "Bearer made-up-0001"),
    ],
)
def test_a_token_keeps_its_scheme(typed, sent) -> None:
    """And the value of an extra header is what was given."""
    connection = lw.Connection(
        "custom", name="m", endpoint="http://127.0.0.1:9/v1", auth_token=typed,
        headers={"X-Team": "Bearer made-up"}, token_as_typed=sent == typed,
    )  # fmt: skip
    token, team = connection.target("m").auth
    assert token.template.format(token.secret.reveal()) == sent
    assert team.secret.reveal() == "Bearer made-up"


ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+"


@given(
    st.text(ALPHABET, min_size=1), st.sampled_from(["", "=", "=="]), st.sampled_from(["", "ab:"])
)
def test_a_key_without_anything_around_it_stays_as_it_is(word, padding, before) -> None:
    """Whatever it is made of, and once more if it is looked at once more."""
    key = Secret(f"{before}{word}{padding}").as_key()
    assert key.reveal() == f"{before}{word}{padding}"
    assert not key.is_cut_out
    assert key.as_key() is key


@pytest.mark.parametrize("word", ["ollama", "key", "Bearer", "token", "abckey=", '{"a": "b"}', ""])
def test_words_that_only_look_like_a_name_stay(word) -> None:
    assert Secret(word).as_key().reveal() == word


@pytest.mark.parametrize(
    "example",
    ["<your-api-key>", "sk-...", "sk-…", "YOUR_API_KEY", "sk-xxxxxxxxxxxx", "{api_key}",
     "$OPENAI_API_KEY", "${OPENAI_API_KEY}", "YOUR-KEY", "PUT_KEY_HERE"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["openai", "custom"])
def test_the_key_of_an_example_is_warned_of(kind, example) -> None:
    fields = {} if kind == "openai" else {"name": "m", "endpoint": "http://127.0.0.1:9/v1"}
    (warning,) = lw.Connection(kind, api_key=example, **fields).warnings
    assert "placeholder" in warning
    assert not lw.Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1",
                             api_key="ollama").warnings  # fmt: skip


def test_the_key_of_another_vendor_is_named_also_where_it_is_made_of_x() -> None:
    (warning,) = lw.Connection("openai", api_key="sk-ant-api03-" + "x" * 30).warnings
    assert "Anthropic" in warning
    assert not lw.Connection("openai", api_key="sk-" + "x" * 40).warnings


def test_a_refused_line_is_in_no_frame() -> None:
    with pytest.raises(FieldError) as caught:
        lw.Connection("openai", api_key=f"export OPENAI_API_KEY='{KEY}'", no_such_field=1)
    seen = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [each for each in seen.stack if "/tests/" not in each.filename]
    assert KEY not in repr([each.locals for each in ours])

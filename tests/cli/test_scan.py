"""llmwidgets scan finds keys in every spelling and place, tells none, and cleans on request."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.keyscan.search import find_leaks, find_literals
from llmwidgets.known_keys import known_key, known_keys
from llmwidgets.providers import PROVIDERS, find_warning
from llmwidgets.secret import KEY_SHAPES, Secret, looks_like_key, redact
from llmwidgets.store.age import Identity

ROOT = Path(__file__).parents[2]
KEY = "made-up/+Canary 7Q2&'<vXw9Kp=LrTz"
SHAPED = "sk-proj-7Q2vXw9KpLr4TzB8nC1dE5fG6hJ"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> lw.Store:
    """A store that a key file opens, with one connection whose key has no known shape."""
    identity = Identity.generate()
    file = tmp_path / "key.txt"
    file.write_text(identity.secret.reveal())
    file.chmod(0o600)
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY_FILE", str(file))
    made = lw.Store.create(path=tmp_path / "store")
    made.save(
        lw.Connection("custom", name="m", endpoint="https://a.example/v1", api_key=KEY, label="box")
    )
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "work"
    place.mkdir()
    return place


def scan(store: lw.Store | None, *words: str | Path) -> int:
    named = ["--store", str(store.path)] if store else []
    return main(["scan", *named, *map(str, words)])


def notebook(*cells: dict, **more: object) -> str:
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, **more})


def code(source: str | list[str], *outputs: dict) -> dict:
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": {}}


_AS_CODE = re.compile("[+&<>']")
SPELLINGS = {
    "raw": KEY,
    "base64 0": base64.b64encode(f"{KEY}:more".encode()).decode(),
    "base64 1": base64.b64encode(f"a{KEY}:more".encode()).decode(),
    "base64 2": base64.b64encode(f"ab{KEY}".encode()).decode(),
    "base64 of a URL": base64.urlsafe_b64encode(f"user:{KEY}".encode()).decode(),
    "URL": quote(KEY, safe=""),
    "URL path": quote(KEY),
    "URL by a browser": quote(KEY, safe="!'()*"),
    "URL by small digits": re.sub("%..", lambda code: code[0].lower(), quote(KEY, safe="")),
    "form": quote_plus(KEY),
    "JSON": json.dumps(KEY),
    "JSON in a page": json.dumps(KEY).replace("/", "\\/"),
    "JSON without +": _AS_CODE.sub(lambda found: f"\\u{ord(found[0]):04X}", json.dumps(KEY)),
    "JSON in JSON": json.dumps(json.dumps(KEY)),
    "HTML": escape(KEY),
    "HTML text": escape(KEY, quote=False),
    "HTML by numbers": escape(KEY).replace("&#x27;", "&#39;"),
    "UTF-16": KEY.encode("utf-16-be").decode("latin-1"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_stored_key_is_found_in_every_spelling(store, folder, capsys, spelling) -> None:
    """The file, the line, whose key and its last four characters are told; the key is not."""
    (folder / "server.log").write_text(f"one\ntwo {SPELLINGS[spelling]} more\n")
    assert scan(store, folder) == 1
    told = capsys.readouterr()
    assert "server.log: line 2: api_key of box" in told.out
    assert "ends in LrTz" in told.out
    assert KEY not in told.out + told.err
    assert SPELLINGS[spelling] not in told.out + told.err


def test_any_key_is_found_in_base64_whatever_stands_around_it() -> None:
    chance = random.Random(4)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-_/+"
    for _ in range(300):
        word = "".join(chance.choices(letters, k=chance.randint(12, 90)))
        (known,) = known_key("k", Secret(word))
        before, after = (bytes(chance.choices(range(256), k=chance.randint(0, 40))) for _ in "ab")
        data = b"x" + base64.b64encode(before + word.encode() + after) + b"y"
        assert find_leaks(data, [known]), word
        assert not find_leaks(b"x" + base64.b64encode(before + after) + b"y", [known])


@pytest.mark.parametrize("width", [64, 76])
@pytest.mark.parametrize("parting", ["\n", "\r\n", "\\n"])
def test_base64_in_short_lines_is_found(width, parting) -> None:
    """As `base64` and mail write it, wherever the lines end."""
    long_key = "made-up-" + "7Q2vXw9KpLr4TzB8nC1d" * 8
    (known,) = known_key("k", Secret(long_key))
    for before in range(width):
        told = base64.b64encode(b"a" * before + long_key.encode()).decode()
        lines = [told[at : at + width] for at in range(0, len(told), width)]
        (leak,) = find_leaks(parting.join(lines).encode(), [known])
        assert leak.kind == "k (base64)"
        assert leak.end - leak.start > len(long_key)
    assert not find_leaks(parting.join(lines).replace("e", "f").encode(), [known])


def test_a_store_whose_file_was_lost_is_not_called_missing(store, folder, capsys) -> None:
    store.save(lw.Connection("openai", api_key="env:NO_SUCH_KEY"))
    (store.path / "connections.age").unlink()
    for command in ("scan", "connections"):
        assert (
            main([command, "--store", str(store.path), *([str(folder)] * (command == "scan"))]) == 2
        )
        assert re.search(
            r"The file is missing.*llmwidgets connections restore --store ", capsys.readouterr().err
        )


def test_clean_files_end_with_0(store, folder, capsys) -> None:
    (folder / "fine.ipynb").write_text(notebook(code("lw.Connection('openai', api_key='env:K')")))
    (folder / "notes.md").write_text(
        "sk-learn, sk-proj-your-key-goes-here-0001, AIza… and hf_token\n"
    )
    assert scan(store, folder) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "llmwidgets: Looked at 2 files (0.2 kB), among them 1 notebook with 1 cell and 0 outputs. "
        "No key was found.\n"
    )


def test_each_place_of_a_notebook_is_told(store, folder, capsys) -> None:
    state = {"application/vnd.jupyter.widget-state+json": {"state": {"1": {"value": KEY}}}}
    shown = {"output_type": "stream", "name": "stdout", "text": ["a\n", f"{KEY}\n"]}
    error = {"output_type": "error", "ename": "E", "evalue": KEY, "traceback": []}
    book = notebook(
        code("1"), code([f"k = '{KEY[:9]}", f"{KEY[9:]}'"], shown, error),
        {"cell_type": "markdown", "source": KEY, "metadata": {"tags": [KEY]}},
        metadata={"widgets": state, "title": KEY},
    )  # fmt: skip
    (folder / "a.ipynb").write_text(book)
    assert scan(store, folder / "a.ipynb") == 1
    places = [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()]
    assert places == [
        "cell 2, source", "cell 2, output 1", "cell 2, output 2", "cell 3, source",
        "cell 3, metadata", "widget state", "metadata",
    ]  # fmt: skip


def test_headers_and_the_parts_of_json_credentials_are_keys_too(folder) -> None:
    block = "\n".join(
        ["-----BEGIN PRIVATE KEY-----", "Q7xk" * 16, "Zp3v" * 16, "-----END PRIVATE KEY-----"]
    )
    account = json.dumps({"type": "service_account", "project_id": "acme-1", "private_key": block})
    vertex = lw.Connection("vertex_ai", credentials=account, headers={"X-Team": "made-up-header-9"})
    known = known_keys(vertex.secrets)
    assert [each.name for each in known] == [
        "credentials of vertex_ai",
        "header X-Team of vertex_ai",
    ]
    for text in (account, json.dumps(account), "Q7xk" * 16 + "\n", "x-team: made-up-header-9"):
        assert find_leaks(text.encode(), known), text
    assert find_leaks(b'{"project_id": "acme-1", "type": "service_account"}', known) == []


def test_a_locked_store_still_finds_what_is_shaped_like_a_key(tmp_path, folder, capsys) -> None:
    lw.Store.create(path=tmp_path / "shut", passphrase="made-up crane violet").lock()
    shut = lw.Store(path=tmp_path / "shut")
    (folder / "a.log").write_text(f"one\n{SHAPED}\n{KEY}\n")
    assert scan(shut, folder) == 1
    told = capsys.readouterr()
    assert told.out == f"{folder / 'a.log'}: line 2: a key of OpenAI, ends in G6hJ" + "\n"
    assert "is locked" in told.err
    assert "only words shaped like a key" in told.err


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        (SHAPED, "OpenAI"),
        ("sk-ant-api03-7Q2vXw9KpLr4TzB8nC1dE5fG6hJ-AA", "Anthropic"),
        ("sk-or-v1-" + "0f1e2d3c4b5a6978" * 4, "OpenRouter"),
        ("GOCSPX-7Q2vXw9KpLr4TzB8nC1dE5fG6h", "Google"),
        ("1//0gMadeUp7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN", "Google"),
        ("AIzaSyA7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN", "Google"),
        ("hf_7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN", "Hugging Face"),
        (f"AGE-SECRET-KEY-1{'QPZRY9X8GF2TVDW0S3JN54KHCE6MU' * 2}", "age id"),
        (f"{'7Q2vXw9KpLr4T' * 4}JQQJ99{'BKACYeBjFXJ3w' * 2}", "Azure"),
        ("gsk_7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN7Q2vXw9KpLr4TzB8", "Groq"),
        ("xai-" + "7Q2vXw9KpLr4TzB8nC1d" * 4, "xAI"),
        ("fw_7Q2vXw9KpLr4TzB8nC1dE5", "Fireworks"),
        ("csk-7q2vxw9kplr4tzb8nc1de5fg6hj7klmn7q2vxw9kplr4tzb8", "Cerebras"),
        ("dapi0f1e2d3c4b5a69780f1e2d3c4b5a6978", "Databricks"),
        ("r8_7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN7Q2vX", "Replicate"),
        ("tgp_v1_7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN-_7Q2vX", "Together"),
        ("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", "Perplexity"),
        ("nvapi-7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN-_7Q2vXw9KpLr4TzB8", "NVIDIA"),
        ("ghp_7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN7Q2v", "GitHub"),
        ("AQ.Ab8RN6L7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN", "Google"),
        ("sk-" + "0f1e2d3c4b5a6978" * 2, "OpenAI's form"),
        (f"-----BEGIN PRIVATE KEY-----\\n{'MIIEvQIBADANBg' * 4}", "private"),
    ],
)  # fmt: skip
def test_known_shapes(word, kind) -> None:
    (leak,) = find_leaks(
        f"key: {word[:74]!s}".encode() if "AGE" in word else f"a {word} b".encode(), []
    )
    assert kind in leak.kind
    if kind not in ("age id", "Azure", "private"):
        # In a string of code or JSON, behind the end of a line.
        (leak,) = find_leaks(f'"a\\n{word}\\nb"'.encode(), [])
        assert kind in leak.kind


@pytest.mark.parametrize("shape", KEY_SHAPES, ids=lambda shape: shape.start)
def test_files_and_messages_know_the_same_keys(shape) -> None:
    """What a file is searched for is masked in a server's words, whole or with stars in it."""
    word = shape.start + WHOLE.get(shape.start, ("7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN" * 2)[:60])
    (leak,) = find_leaks(f"a {word} b".encode(), [])
    assert leak.kind == f"a key of {shape.issuer}"
    assert redact(f"The key {word}, is wrong.") == "The key ••••, is wrong."
    assert redact(f"The key {word[: len(shape.start) + 4]}****abcd is wrong.") == (
        "The key •••• is wrong."
    )
    assert looks_like_key(word)
    assert find_warning(PROVIDERS["anthropic"], "api_key", word).owner == shape.issuer
    assert not looks_like_key(f"{shape.start}flash-3")


WHOLE = {"sk-or-": "v1-" + "0f1e2d3c4b5a6978" * 4, "dapi": "0f1e2d3c4b5a6978" * 2}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('lw.Connection("custom", api_key="f3a9c1d47b2e")', 1),
        ("lw.Store.create('acme', passphrase = 'crane violet anchor')", 1),
        ('lw.Connection("custom", api_key="""f3a9c1d47b2e""")', 1),
        ('lw.Connection("custom", api_key=(\n    "f3a9c1d47b2e"))', 1),
        ("""store.unlock("crane violet it's mine")""", 1),
        ("store.new_identity('crane violet anchor')", 1),
        ("store.change_passphrase('crane violet anchor', 'another made of words')", 2),
        ("store.change_passphrase(new='crane violet anchor')", 1),
        ('f(headers={"X-Team": "f3a9c1d47b2e", "Accept": "application/json"})', 1),
        ('lw.Connection("openai", api_key="env:OPENAI_API_KEY")', 0),
        ('lw.Connection("openai", api_key="file:~/key.txt.secret")', 0),
        ('client(api_key="your-api-key-here")', 0),
        ('client(api_key="OPENAI_API_KEY")', 0),
        ('client(api_key="ollama")', 0),
        ('client(api_key=os.environ["SOME_LONG_NAME"])', 0),
    ],
)
def test_literals_of_code(source, found) -> None:
    assert len(find_literals(source.encode())) == found


PLAIN = "m4Qv7Xw2Kp9LrTzB8nC1dE5fG6hJ0aSy"
"""A made-up key of a service whose keys have no shape of their own, as Mistral's."""
NAMED = [
    'X_API_KEY="{}"',
    "X_API_KEY={}",
    "export OPENAI_API_KEY='{}'",
    "%env OPENAI_API_KEY={}",
    "%env OPENAI_API_KEY {}",
    "%env OPENAI_API_KEY = {}",
    "%set_env OPENAI_API_KEY {}",
    "!export MISTRAL_API_KEY={}",
    '!export MISTRAL_API_KEY="{}" && run',
    'os.environ["X_API_KEY"] = "{}"',
    "os.environ['X_API_KEY']='{}'",
    'os.environ.setdefault("X_API_KEY", "{}")',
    'os.environ.update({"X_API_KEY": "{}"})',
    'os.environ.update(X_API_KEY="{}")',
    'os.environ |= {"X_API_KEY": "{}"}',
    'os.putenv("X_API_KEY", "{}")',
    'monkeypatch.setenv("X_API_KEY", "{}")',
    'os.getenv("X_API_KEY", "{}")',
    'curl -H "api-key: {}" https://x',
    "curl --header 'x-goog-api-key: {}'",
    "curl -H 'Authorization: Bearer {}'",
    '-H "Authorization: Bearer {}" \\',
    'headers = {"Authorization": f"Bearer {}"}',
    'headers = {"Authorization": "Bearer " "x", "x-api-key": "{}"}',
    'headers["X-Api-Key"] = "{}"',
    "Ocp-Apim-Subscription-Key: {}",
    'AzureKeyCredential("{}")',
    "AzureKeyCredential('{}')",
    'credential=AzureKeyCredential(key="{}")',
    'new AzureKeyCredential("{}")',
    'new ApiKeyCredential("{}")',
    'client = Mistral(api_key="{}")',
    "client = Mistral(api_key = '{}')",
    'client = Mistral(api_key=("{}"))',
    'client = Mistral(api_key=r"{}")',
    'client = Mistral(apiKey: "{}")',
    "mytool --api-key {} --x",
    "mytool --api-key={}",
    'mytool --api-key "{}"',
    "mytool --openai-api-key {}",
    "mytool --token {}",
    "api_key: {}",
    '  api_key: "{}"',
    "mistral_api_key: '{}'",
    'api_key = "{}"',
    '"api_key": "{}",',
    '"apiKey": "{}"',
    '"MISTRAL_API_KEY": "{}"',
    '\'{"api_key": "{}"}\'',
    '{\\"api_key\\": \\"{}\\"}',
    "https://h.example/v1?key={}",
    "https://h.example/v1?a=b&key={}&c=d",
    "https://h.example/v1?api-key={}",
    "https://h.example/v1?api_key={}",
    "docker run -e MISTRAL_API_KEY={} img",
    'docker run -e MISTRAL_API_KEY="{}" img',
    "docker run --env MISTRAL_API_KEY={} img",
    'Sys.setenv(MISTRAL_API_KEY = "{}")',
    'Sys.setenv("MISTRAL_API_KEY" = "{}")',
    'mistral_api_key <- "{}"',
    '$env:MISTRAL_API_KEY = "{}"',
    "$env:MISTRAL_API_KEY='{}'",
    '[Environment]::SetEnvironmentVariable("MISTRAL_API_KEY", "{}")',
    "setx MISTRAL_API_KEY {}",
    'setx MISTRAL_API_KEY "{}"',
    "set MISTRAL_API_KEY={}",
    "set -x MISTRAL_API_KEY {}",
    "set -gx MISTRAL_API_KEY {}",
    "setenv MISTRAL_API_KEY {}",
    'ENV["MISTRAL_API_KEY"] = "{}"',
    "ENV MISTRAL_API_KEY={}",
    "ENV MISTRAL_API_KEY {}",
    'process.env.MISTRAL_API_KEY = "{}";',
    'const apiKey = "{}";',
    "const apiKey: string = `{}`;",
    'API_KEY: Final = "{}"',
    'api_key: str = "{}"',
    'openai.api_key = "{}"',
    'genai.configure(api_key="{}")',
    "AZURE_OPENAI_KEY={}",
    'AZURE_KEY = "{}"',
    "HF_TOKEN={}",
    'SecretStr("{}")',
    "pydantic.SecretStr('{}')",
    'lw.Connection("custom", auth_token="{}")',
    '"auth_token": "{}"',
    "access_token={}",
    "client_secret: {}",
    'os.environ["X_API_KEY"] = os.environ["Y_API_KEY"] = "{}"',
    'api_key := "{}"',
    '"api_key" => "{}"',
    "<api_key>{}</api_key>",
    "Api-Key: {}",
    "api key: {}",
    "API Key = {}",
    "x_api_key={};",
    "api_key={},",
    "#X_API_KEY={}",
    'git config http.extraheader "Authorization: Basic {}"',
    'wget --header="x-api-key: {}"',
    "http POST h x-api-key:{}",
    "userdata: OPENAI_KEY: {}",
    "spring.ai.openai.api-key={}",
    "OPENAI__API_KEY={}",
    "kubectl create secret generic s --from-literal=api-key={}",
    'os.environ[ "X_API_KEY" ] = "{}"',
    'AzureKeyCredential(\n    "{}"\n)',
    'headers = {\n    "api-key":\n        "{}",\n}',
    'client = Groq(api_key=\n    "{}")',
    "- name: X_API_KEY\n  value: {}",
    '{"name": "X_API_KEY", "value": "{}"}',
    '<add key="X_API_KEY" value="{}"/>',
    "X_API_KEY ?= {}",
    'curl -H "Authorization: Api-Key {}"',
    'mistral_key = "{}"',
    'openaiKey: "{}"',
    'api_key=Secret("{}")',
    'client = Mistral("{}")',
    'groq.AsyncGroq("{}")',
    "os.environ['MISTRAL'] = '{}'",
]
NOT_NAMED = [
    'Mistral("mistral-large-2411-latest")',
    'os.environ["OPENAI"] = "your-key-7f3e91b2c4d5"',
    'Mistral(f"{model}-9f86d081884c7d659a2feaa0c55ad015")',
    'revision["9f86"] = "9f86d081884c7d659a2feaa0c55ad015"',
    'api_key="sk-..."',
    'api_key="your-api-key-here-12345"',
    'api_key="<YOUR_API_KEY_12345678>"',
    'api_key="${OPENAI_API_KEY}"',
    "api_key=$OPENAI_API_KEY_2024AB12",
    'api_key="$OPENAI_API_KEY"',
    "X_API_KEY=%OPENAI_API_KEY2%",
    'api_key=os.getenv("OPENAI_API_KEY")',
    'api_key=os.environ["OPENAI_API_KEY_2"]',
    "api_key: ${{ secrets.OPENAI_API_KEY2 }}",
    'api_key="{{ secrets.X }}"',
    'api_key="xxxxxxxxxxxxxxxx1234"',
    'api_key="XXXXXXXXXXXXXXXX1234"',
    'api_key="sk-xxxx1234567890abcdef"',
    'api_key="env:OPENAI_API_KEY_2024AB12"',
    'api_key="file:~/keys/openai2024ab.txt"',
    "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    'id = "123e4567-e89b-12d3-a456-426614174000"',
    '"sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
    "token abc123def456ghi789 was seen",
    "max_tokens=1234567890123456",
    'cache_key="9f86d081884c7d659a2feaa0c55ad015"',
    'primary_key: "9f86d081884c7d659a2feaa0c55ad015"',
    'PRIMARY_KEY="9f86d081884c7d659a2feaa0c55ad015"',
    'PUBLIC_KEY="9f86d081884c7d659a2feaa0c55ad015"',
    'public_key = "9f86d081884c7d659a2feaa0c55ad015"',
    "api_key=settings.openai_key_v2",
    "api_key=self.config2.api_key_for_service",
    'api_key=get_api_key2("mistral12")',
    'api_key_id = "9f86d081884c7d659a2feaa0c55ad015"',
    'api_keys = ["abc"]',
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer ${TOKEN}",
    'api_key = "test-api-key-12345"',
    'api_key = "dummy"',
    'api_key = "ollama"',
    'api_key = "op://vault/item1234ab/field"',
    'keyboard = "9f86d081884c7d659a2feaa0c55ad015"',
    'monkey="9f86d081884c7d659a2feaa0c55ad015"',
    "api_key_env: OPENAI_API_KEY_PROD_2024",
    '"integrity": "sha512-abc123def456ghi789jkl"',
    "file_sha256_token_count=9f86d081884c7d659a2feaa0c55ad015",
    "X_API_KEY=\nNEXT=m4Qv7Xw2Kp9LrTzB8nC1dE5fG6hJ0aSy",
]


@pytest.mark.parametrize("line", NAMED)
@pytest.mark.parametrize("key", [PLAIN, "0f1e2d3c4b5a69780f1e2d3c4b5a6978", "made-up-7f3e91b2c4d5"])
def test_a_value_with_the_name_of_a_key_is_found_whatever_its_shape(line, key) -> None:
    """In code, magics, shells, headers, settings of every kind, addresses: that value alone."""
    data = f"before\n{line.replace('{}', key)}\nafter\n".encode()
    (leak,) = find_leaks(data, [])
    assert data[leak.start : leak.end] == key.encode()
    assert leak.tail == key[-4:]


@pytest.mark.parametrize(
    "line",
    [
        'key="{}"', "key = '{}'", "KEY={}", 'token = "{}"', 'secret="{}"', "export KEY={}",
        'client(key="{}")', "mytool --key={}", "Key=f'{}'",
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", [PLAIN, "0f1e2d3c4b5a69780f1e2d3c4b5a6978"])
def test_a_bare_name_is_one_for_a_value_that_is_long_enough(line, key) -> None:
    data = f"before\n{line.replace('{}', key)}\nafter\n".encode()
    (leak,) = find_leaks(data, [])
    assert data[leak.start : leak.end] == key.encode()


@pytest.mark.parametrize(
    "line",
    [
        'key="customer_2024_ab12"', 'key="data/2024/9f86d081884c7d659a.json"', "key=lambda x: x[1]",
        'st.button("Go", key="button-2024-ab12cd")', '{"key": "9f86d081884c7d659a2feaa0c55ad015"}',
        'monkey="9f86d081884c7d659a2feaa0c55ad015"', 'row.key = "9f86d081884c7d659a2feaa0c55ad015"',
        "key=settings.openai_key_v2", 'key="env:MISTRAL_API_KEY_2024ABC12"',
        "key=1234567890123456789",
    ],
)  # fmt: skip
def test_a_bare_name_of_another_thing_is_no_key(line) -> None:
    assert find_leaks(f"before\n{line}\nafter\n".encode(), []) == []


@pytest.mark.parametrize("line", NOT_NAMED)
def test_what_only_stands_for_a_key_is_not_one(line) -> None:
    assert find_leaks(f"before\n{line}\nafter\n".encode(), []) == []


def test_what_is_found_by_name_is_cleaned(folder) -> None:
    """From cells, from what they printed, and from a history; a second search finds nothing."""
    sources = [line.replace("{}", PLAIN) for line in NAMED]
    cells = [code(source, {"text": f"it is {PLAIN}"}) for source in sources]
    (folder / "a.ipynb").write_text(notebook(*cells))
    history(folder / "history.sqlite", sources)
    assert scan(None, folder, "--clean", "--yes") == 1
    assert PLAIN not in (folder / "a.ipynb").read_text()
    assert PLAIN.encode() not in (folder / "history.sqlite").read_bytes()
    clean = [cell["source"] for cell in json.loads((folder / "a.ipynb").read_text())["cells"]]
    # A literal of a header's whole value goes as a whole, here and wherever else it is.
    kept = [each.replace("key-removed", "{}").replace("Bearer ", "") for each in clean]
    assert kept == [line.replace("Bearer ", "") for line in NAMED]
    (folder / "a.ipynb.with-key.bak").unlink()
    assert scan(None, folder) == 0


FILES = {
    ".env": "MISTRAL_API_KEY={}\n",
    "settings.yaml": "models:\n  - name: m\n    api_key: {}\n",
    "settings.toml": '[mistral]\napi_key = "{}"\n',
    "settings.json": '{"a": {"mistralApiKey": "{}"}}',
    "run.sh": "docker run -e MISTRAL_API_KEY={} image\n",
    "run.ps1": "$env:MISTRAL_API_KEY = '{}'\r\n",
    "app.R": 'Sys.setenv(MISTRAL_API_KEY = "{}")\n',
    "app.py": 'client = Mistral(\n    api_key="{}",\n)\n',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", FILES)
def test_files_of_settings_and_code_are_searched(folder, capsys, name, encoding) -> None:
    (folder / name).write_bytes(FILES[name].replace("{}", PLAIN).encode(encoding))
    assert scan(None, folder) == 1
    told = capsys.readouterr()
    assert "a key by its name, ends in 0aSy" in told.out
    assert PLAIN not in told.out + told.err


@given(st.binary(max_size=300), st.sampled_from(NAMED), st.binary(max_size=300))
def test_what_is_around_a_named_key_neither_hides_it_nor_slows_the_search(
    before, line, after
) -> None:
    data = before + b"\n" + line.replace("{}", PLAIN).encode() + b"\n" + after
    assert any(PLAIN.encode() in data[leak.start : leak.end] for leak in find_leaks(data, []))


def test_it_says_what_it_looked_at_and_what_not(folder, capsys) -> None:
    (folder / ".git").mkdir()
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    (folder / "dangling").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    (folder / "a.zip").write_bytes(b"PK\3\4" + bytes(2_000_000))
    (folder / "a.ipynb").write_text(notebook(code("1", {"text": "a"}, {"text": "b"}), code("2")))
    history(folder / "history.sqlite", ["1 + 1"])
    assert scan(None, folder) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(
        r"Looked at 3 files \(2\.0 MB\), among them 1 notebook with 2 cells and 2 outputs and "
        r"1 database\. Not looked into: ", told
    )  # fmt: skip
    for passed in ("1 git folder", "1 linked folder", "1 dangling link", "1 pipe", "1 packed file"):
        assert passed in told


def test_the_search_by_name_takes_a_time_that_grows_with_the_text_alone() -> None:
    """No text makes it go back and forth: it takes far less than by the square."""
    for piece in (b"api_key=", b"key: ", b"token " * 3, b'api_key="' + b"a" * 500, b"key" * 9):
        begun = time.process_time()
        find_leaks(piece * (500_000 // len(piece)), [])
        assert time.process_time() - begun < 2


def test_a_key_across_the_chunks_of_a_big_file_is_found_once(store, folder, capsys) -> None:
    size = 1 << 20
    for at in (size - 1, size - len(KEY) // 2, size - 8192, size - 8192 - 5, 2 * size - 3):
        text = bytearray(b"some words of a log line.......\n" * (at // 32 + 1_000))
        text[at : at + len(KEY)] = KEY.encode()
        (folder / "big.log").write_bytes(text)
        line = bytes(text[:at]).count(b"\n") + 1
        assert scan(store, folder) == 1
        (said,) = capsys.readouterr().out.splitlines()
        assert f": line {line}: api_key of box" in said, "the whole key, not what looks like one"


def test_a_log_with_a_key_on_every_line_is_searched_in_its_length(folder) -> None:
    """Twice the keys take twice as long: by the square this would take minutes."""
    line = f"{'word ' * 12}{SHAPED}\n".encode()
    assert len(find_leaks(line * 60_000, known_key("k", Secret(KEY)))) == 60_000


def test_rows_and_unused_pages_of_a_history_are_searched(store, folder, capsys) -> None:
    path = folder / "history.sqlite"
    history(path, ["1 + 1", f"k = {KEY!r}"])
    assert scan(store, path) == 1
    assert "history, row 2: api_key of box" in capsys.readouterr().out
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA secure_delete = OFF")
        for table in ("history", "output_history"):
            database.execute(f"DELETE FROM {table} WHERE line = 2")
    database.close()
    assert scan(store, path) == 1
    assert "a page that is no longer used" in capsys.readouterr().out


def history(path: Path, lines: list[str]) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute(
            "CREATE TABLE history (session integer, line integer, source text, source_raw text)"
        )
        database.execute("CREATE TABLE output_history (session integer, line integer, output text)")
        for number, line in enumerate(lines, 1):
            database.execute("INSERT INTO history VALUES (1, ?, ?, ?)", (number, line, line))
            database.execute("INSERT INTO output_history VALUES (1, ?, ?)", (number, line))
    database.close()


def test_git_objects_are_passed_and_the_work_tree_is_not(store, folder, capsys) -> None:
    (folder / ".git" / "objects").mkdir(parents=True)
    (folder / ".git" / "objects" / "a").write_text(KEY)
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "dangling").symlink_to(folder / "nowhere")
    assert scan(store, folder) == 0
    (folder / "sub" / "a.html").write_text(f"<p>{KEY}</p>")
    assert scan(store, folder) == 1
    assert capsys.readouterr().out.startswith(f"{folder / 'sub' / 'a.html'}: line 1")


def test_misuse_ends_with_2(store, folder, capsys) -> None:
    assert scan(store, folder / "absent") == 2
    assert main(["scan"]) == 2
    assert main(["scan", "--store", str(folder), str(folder)]) == 2
    assert main(["scan", "--organization", "no-such", str(folder)]) == 2
    assert main(["scan", "--store", str(folder), "--organization", "a", str(folder)]) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 5
    assert "There is no file or folder" in err[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unread_file_is_said(store, folder, capsys) -> None:
    (folder / "shut.log").write_text("x")
    (folder / "shut.log").chmod(0)
    assert scan(store, folder) == 2
    assert "was not searched: permission denied" in capsys.readouterr().err


def test_a_folder_that_cannot_be_looked_into_is_said(store, folder, monkeypatch, capsys) -> None:
    """What was not searched is never told as clean."""
    (folder / "shut").mkdir()
    (folder / "open.log").write_text("nothing")
    look = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert scan(store, folder) == 2
    assert f"{folder / 'shut'} was not searched: permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("name", [b"\xff\xfe.log", "ü…\n\x1b[2J.log".encode()])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_name_that_the_terminal_cannot_write_is_told(folder, name, encoding) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(SHAPED)
    done = subprocess.run(
        [sys.executable, "-m", "llmwidgets", "scan", folder],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.endswith(b"line 1: a key of OpenAI, ends in G6hJ")
    assert b"\x1b" not in line
    assert b"Traceback" not in done.stderr


def test_file_names_of_a_commit_hook(store, folder, monkeypatch, capsys) -> None:
    """As pre-commit gives them: relative, one after another, a dash in front perhaps."""
    monkeypatch.chdir(folder)
    (folder / "-a b.log").write_text("nothing")
    (folder / "c.log").write_text("nothing")
    assert scan(store, "--", "-a b.log", "c.log") == 0
    (folder / "-a b.log").write_text(KEY)
    assert scan(store, "--", "-a b.log", "c.log") == 1
    assert capsys.readouterr().out.startswith("-a b.log: line 1: api_key of box")


def test_cleaning_a_notebook_keeps_it_as_it_was_beside_it(store, folder, capsys) -> None:
    """Source, output and widget state lose the key; all else stays; the copy is private."""
    path = folder / "a.ipynb"
    book = notebook(
        code([f"k = '{KEY}'\n", "print('ä', k)"], {"output_type": "stream", "text": [f"{KEY}\n"]}),
        code('c = lw.Connection("custom", api_key="f3a9c1d47b2e")\n', {"text": "f3a9c1d47b2e"}),
        code("2 + 2", {"output_type": "execute_result", "data": {"text/plain": ["4"]}}),
        metadata={"widgets": {"state": {"a": base64.b64encode(f"v={KEY};".encode()).decode()}}},
    )
    path.write_text(book)
    path.chmod(0o640)
    assert scan(store, path, "--clean", "--yes") == 1
    told = capsys.readouterr()
    cleaned = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    new = json.loads(cleaned)
    assert new["cells"][0]["source"] == ["k = 'key-removed'\n", "print('ä', k)"]
    assert new["cells"][0]["outputs"][0]["text"] == ["key-removed\n"]
    assert new["cells"][1] == json.loads(json.dumps(
        code('c = lw.Connection("custom", api_key="key-removed")\n', {"text": "key-removed"})
    ))  # fmt: skip
    assert new["cells"][2] == json.loads(book)["cells"][2]
    backup = folder / "a.ipynb.with-key.bak"
    assert backup.read_text() == book
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert str(backup) in told.err
    assert scan(store, path) == 0
    assert sorted(each.name for each in folder.iterdir()) == ["a.ipynb", "a.ipynb.with-key.bak"]


BOOK = {
    "cells": [
        code(["k = 'KEY'\n", "print('ä ', k)"], {"text": ["a KEY and KEY\n"]}),
        {"source": "\ud800 alone", "metadata": {"tags": ["a", "KEY", "b"], "KEY": None}},
    ],
    "metadata": {"widgets": {"big": 12345678901234567890123, "low": 1.5}}, "nbformat": 4,
}  # fmt: skip


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
@pytest.mark.parametrize(
    "form", [{}, {"indent": 1}, {"indent": 4}, {"indent": "\t"}, {"separators": (",", ":")}]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "ascii"])
def test_cleaning_leaves_every_other_byte(store, folder, ending, form, encoding) -> None:
    """Whatever wrote the notebook, its diff shows the keys' lines and nothing else."""
    path = folder / "a.ipynb"
    told = json.dumps(BOOK, **form).replace("1.5", "1.50e0")
    told = (told if encoding == "ascii" else told.replace("\\u00e4", "ä")).replace("\n", ending)
    path.write_bytes((told + ending).replace("KEY", SHAPED).encode(encoding))
    assert scan(store, path, "--clean", "--yes") == 1
    assert path.read_bytes() == (told + ending).replace("KEY", "key-removed").encode(encoding)
    assert scan(store, path) == 0


def test_a_key_over_the_lines_of_a_list_goes_as_a_whole(store, folder) -> None:
    block = ["-----BEGIN PRIVATE KEY-----\n", *[f"{'Q7xk' * 16}\n"] * 3,
             "-----END PRIVATE KEY-----\n"]  # fmt: skip
    (folder / "a.ipynb").write_text(notebook(code(["a = 1\n", *block, "b = 2"]), code("c")))
    assert scan(store, folder / "a.ipynb", "--clean", "--yes") == 1
    first, second = json.loads((folder / "a.ipynb").read_text())["cells"]
    assert first["source"] == ["a = 1\n", "key-removed\n", "b = 2"]
    assert second == code("c")


def test_what_stands_behind_a_key_of_two_connections_stays(store, folder) -> None:
    """One key in two connections is found twice at one place, and cut once."""
    store.save(
        lw.Connection("custom", name="n", endpoint="https://b.example/v1", api_key=KEY, label="two")
    )
    path = folder / "a.ipynb"
    path.write_text(notebook(code(f"k = '{KEY}'  # and much more stands behind it")))
    history(folder / "history.sqlite", [f"k = '{KEY}'  # and much more stands behind it"])
    assert scan(store, folder, "--clean", "--yes") == 1
    clean = "k = 'key-removed'  # and much more stands behind it"
    assert json.loads(path.read_text())["cells"][0]["source"] == clean
    with closing(sqlite3.connect(folder / "history.sqlite")) as database, database:
        assert database.execute("SELECT source FROM history").fetchall() == [(clean,)]
    database.close()


def test_cleaning_asks_and_takes_nobody_for_no(store, folder, capsys) -> None:
    path = folder / "a.ipynb"
    path.write_text(notebook(code(KEY)))
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "llmwidgets", "scan", "--store", store.path, "--clean", path],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "--yes cleans without asking" in done.stderr
    assert path.read_bytes() == before


def test_cleaning_a_history(store, folder, capsys) -> None:
    path = folder / "history.sqlite"
    history(path, ["1 + 1", f"k = {KEY!r}", f"x = '{SHAPED}'"])
    assert scan(store, path, "--clean", "--yes") == 1
    assert scan(store, path) == 0
    assert SHAPED.encode() not in path.read_bytes()
    with closing(sqlite3.connect(path)) as database, database:
        rows = [row for (row,) in database.execute("SELECT source FROM history ORDER BY line")]
    database.close()
    assert rows == ["1 + 1", 'k = "key-removed"', "x = 'key-removed'"]

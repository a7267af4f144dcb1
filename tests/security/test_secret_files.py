"""A file or variable that holds a key is read as people's tools write it, or refused unseen.

Whatever is wrong with it, no exception holds a byte of it: neither the error, nor what it came
from, nor a local of a frame.
"""

from __future__ import annotations

import codecs
import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.connections import environment_connections, find_keys_of_other_tools
from llmwidgets.connections.policy_file import read_policy_file
from llmwidgets.engine.network.sign_in.google_credentials import Account, account_of
from llmwidgets.secret import Secret
from llmwidgets.store import identity_sources
from llmwidgets.store.age import Identity
from tests.google_keys import a_service_account
from tests.servers import serving_models

KEY = "sk-test-" + "0" * 24
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}

READ: dict[str, Callable[[str], bytes]] = {
    "UTF-8": lambda text: text.encode(),
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16, little end first": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16, big end first, without a mark": lambda text: text.encode("utf-16-be"),
}
REFUSED: dict[str, bytes] = {
    "UTF-32": KEY.encode("utf-32"),
    "UTF-32, big end first": codecs.BOM_UTF32_BE + KEY.encode("utf-32-be"),
    "UTF-32 without a mark": KEY.encode("utf-32-le"),
    "latin-1": f"{KEY}é".encode("latin-1"),
    "a zero inside": KEY.encode() + b"\0" + KEY.encode(),
    "half of UTF-16": codecs.BOM_UTF16_LE + KEY.encode("utf-16-le")[:-1],
    "half a character": codecs.BOM_UTF16_LE + KEY.encode("utf-16-le") + b"\x00\xd8",
    "several lines": f"{KEY}\n{KEY[:-1]}1\n".encode(),
    "ten million bytes": KEY.encode() * 400_000,
    "nothing": b"",
    "blanks": b" \r\n\t\n",
    "a mark alone": codecs.BOM_UTF8,
    "a mark of UTF-16 alone": codecs.BOM_UTF16_LE,
    "quotes around nothing": b'""\n',
}  # fmt: skip


def file_of(folder: Path, content: bytes) -> Path:
    path = folder / "key.txt"
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def holds(value: object) -> bool:
    """Whether the key, or bytes that spell it, can be read out of a value's own words."""
    raw = value if isinstance(value, bytes | bytearray | memoryview) else repr(value).encode()
    bare = bytes(raw).replace(b"\0", b"").replace(b"\\x00", b"")
    return KEY[:20].encode() in bare


def everything_of(error: BaseException) -> Iterator[object]:
    """What it says and carries, all that hangs on it, and the locals of every frame of ours."""
    waiting: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while waiting:
        each = waiting.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        waiting += [each.__cause__, each.__context__]
        yield from (str(each), *each.args, vars(each), getattr(each, "object", b""))
        yield getattr(each, "doc", "")
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_code.co_filename != __file__:
                yield from frame.f_locals.values()


def refusal(call: Callable[[], object]) -> lw.errors.LLMWidgetsError:
    """The error of a call, looked through for the key."""
    with pytest.raises(lw.errors.LLMWidgetsError) as caught:
        call()
    assert [each for each in everything_of(caught.value) if holds(each)] == []
    return caught.value


@pytest.mark.parametrize("encoded", READ.values(), ids=READ)
@pytest.mark.parametrize(
    "typed", [KEY, f"{KEY}\r\n", f'"{KEY}"\n', f"'{KEY}'", f"\n {KEY} \r\n\r\n"]
)
def test_a_key_is_read_as_tools_write_it(
    tmp_path: Path, encoded: Callable[[str], bytes], typed: str
) -> None:
    path = file_of(tmp_path, encoded(typed))
    assert Secret(f"file:{path}").reveal() == KEY
    with serving_models() as server:
        connection = lw.Connection("openai", api_key=f"file:{path}", base_url=f"{server.url}/v1")
        assert lw.extract(SCHEMA, "t", (connection, "gpt-6-luna")).ok
        sent = {each.headers["authorization"] for each in server.seen}
    assert sent == {f"Bearer {KEY}"}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_what_is_no_key_is_refused_by_the_files_name_and_unseen(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """By a look, a call, a check, every command; nothing is sent, nothing ends in a traceback."""
    path = file_of(tmp_path, content)
    error = refusal(Secret(f"file:{path}").reveal)
    assert str(path) in error.message
    with serving_models() as server:
        connection = lw.Connection("openai", api_key=f"file:{path}", base_url=f"{server.url}/v1")
        extraction = lw.extract(SCHEMA, "t", (connection, "gpt-6-luna"))
        assert extraction.status == "Unauthorized"
        assert str(path) in extraction.failure.message
        refusal(lambda: (_ for _ in ()).throw(extraction.failure))
        report = lw.check(connection)
        assert not report.ok
        assert str(path) in report.sentence
        assert server.seen == []
    refusal(connection.client)
    refusal(connection.environment().__enter__)
    looks = [repr(connection), connection.tail, connection.warnings, report, extraction]
    assert not any(map(holds, looks))
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[connections.gateway]\nkind = "openai"\napi_key = "file:{path}"\n')
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(policy))
    for words in (["connections"], ["doctor"], ["scan", str(tmp_path)]):
        assert main(words) in (0, 1, 2)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert not holds(said.out + said.err)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes, a missing one, an unknown home, an impossible path."""
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path, tmp_path / "pipe", "/dev/zero", tmp_path / "none", "~no-such-user/k",
                 "a\0b", f"{tmp_path}/{'x' * 300}"):  # fmt: skip
        connection = lw.Connection("openai", api_key=f"file:{name}")
        refusal(connection.secret_fields["api_key"].reveal)
        assert connection.tail == ""
        assert connection.warnings


@pytest.mark.parametrize("value", ["", "  ", "\t\n", '""', "\ufeff", f"{KEY}\n{KEY}"])
def test_a_variable_that_holds_no_key_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("MADE_UP_VARIABLE", value)
    with serving_models() as server:
        connection = lw.Connection(
            "custom", name="m", endpoint=f"{server.url}/v1", api_key="env:MADE_UP_VARIABLE",
            headers={"X-Team": "env:MADE_UP_VARIABLE"},
        )  # fmt: skip
        extraction = lw.extract(SCHEMA, "t", (connection, "m"))
        assert server.seen == []
    assert "MADE_UP_VARIABLE" in extraction.failure.message
    assert not holds(extraction.failure)


def test_a_variable_of_other_bytes_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    os.environb[b"MADE_UP_VARIABLE"] = KEY.encode() + b"\xff"
    monkeypatch.setattr(os, "environ", os.environ)  # put back with the rest
    assert "not text" in refusal(Secret("env:MADE_UP_VARIABLE").reveal).message
    del os.environ["MADE_UP_VARIABLE"]


@pytest.mark.parametrize("value", ["", " ", "\t", '""', "''"])
def test_a_known_variable_without_a_value_connects_nothing_and_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    assert [each.kind for each in environment_connections()] == ["gemini"], "by the other variable"
    error = refusal(lambda: lw.compare(SCHEMA, ["t"], ["openai/gpt-6-luna"], progress=False))
    assert "OPENAI_API_KEY is set but empty" in error.message
    assert {each.kind for each in find_keys_of_other_tools(Path("/"))} <= {"gemini"}


# -- the other files with a secret in them ---------------------------------------------------------


@pytest.mark.parametrize("encoded", READ.values(), ids=READ)
def test_credentials_a_key_file_and_an_identity_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: Callable[[str], bytes]
) -> None:
    path = file_of(tmp_path, encoded(json.dumps(a_service_account("http://127.0.0.1:9/token"))))
    assert isinstance(account_of(Secret(f"file:{path}")), Account)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert [each.kind for each in environment_connections()] == ["vertex_ai"]
    assert "vertex_ai" in {each.kind for each in find_keys_of_other_tools(tmp_path)}
    identity = Identity.generate()
    text = (
        f"# created: today\r\n# public key: {identity.recipient}\r\n{identity.secret.reveal()}\r\n"
    )
    written = file_of(tmp_path, encoded(text))
    monkeypatch.setenv(identity_sources.KEY_FILE, str(written))
    found = identity_sources.find_headless_identity()
    assert found is not None
    assert found.identity.recipient == identity.recipient
    given_by_file = identity_sources.read_given_identity(Secret(f"file:{written}"))
    assert given_by_file.identity.recipient == identity.recipient


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_a_key_file_or_credentials_of_another_kind_are_refused_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    path = file_of(tmp_path, content)
    monkeypatch.setenv(identity_sources.KEY_FILE, str(path))
    assert str(path) in refusal(identity_sources.find_headless_identity).message
    assert (
        str(path)
        in refusal(lambda: identity_sources.read_given_identity(Secret(f"file:{path}"))).message
    )
    assert not isinstance(account_of(Secret(f"file:{path}")), Account)
    connection = lw.Connection("vertex_ai", credentials=f"file:{path}", project="acme-1")
    assert not holds(lw.check(connection))


def test_an_identity_is_not_waited_for_at_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refusal(lambda: identity_sources.read_given_identity(Secret(f"file:{tmp_path / 'pipe'}")))


@pytest.mark.parametrize("encoded", READ.values(), ids=READ)
def test_dot_env_and_policy_files_are_read(tmp_path: Path, encoded: Callable[[str], bytes]) -> None:
    (tmp_path / ".env").write_bytes(encoded(f'OPENAI_API_KEY="{KEY}"\r\n'))
    (found,) = [
        each for each in find_keys_of_other_tools(tmp_path) if each.plain == tmp_path / ".env"
    ]
    assert found.secret.reveal() == KEY
    rules = read_policy_file(file_of(tmp_path, encoded("max_budget = 1.5\r\n")))
    assert (rules.damage, rules.max_budget) == (None, 1.5)


def test_one_odd_byte_of_a_dot_env_hides_no_other_line(tmp_path: Path) -> None:
    content = f"# caf\xe9\nOPENAI_API_KEY={KEY}\nANTHROPIC_API_KEY=caf\xe9{KEY}\n"
    (tmp_path / ".env").write_bytes(content.encode("latin-1"))
    found = [
        each.kind for each in find_keys_of_other_tools(tmp_path) if each.plain == tmp_path / ".env"
    ]
    assert found == ["openai"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    content=st.binary(max_size=80) | st.text(max_size=40).map(lambda t: (KEY + t).encode("utf-16"))
)
def test_whatever_a_file_holds_it_is_a_value_or_a_sentence(tmp_path: Path, content: bytes) -> None:
    """No other exception than ours, and none of its bytes in it."""
    path = file_of(tmp_path, content)
    secret = Secret(f"file:{path}")
    with suppress(lw.errors.FieldError):
        value = secret.reveal()
        assert value.strip() == value != ""
        return
    error = refusal(secret.reveal)
    assert str(path) in str(error)
    assert error.__context__ is None

"""llmwidgets connections add, check, remove and rename: the form of the panel, in a shell."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets import PROVIDERS, cli
from llmwidgets.cli import main
from llmwidgets.cli.field_options import fields_of, option_of, where_found
from llmwidgets.engine import event_loop
from llmwidgets.secret import Secret
from llmwidgets.store.age import Identity
from tests.kinds import KINDS, filled_in
from tests.servers import ModelServer, Seen, serving_models
from tests.terminals import at_terminal, only_with_terminals

KEY = "made-up-Canary7Q2vXw9KpLr4TzB8n"
PASSPHRASE = "made-up crane violet"


@pytest.fixture(autouse=True)
def engine():
    yield
    event_loop.stop_engine()


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key file, which opens the default store and seals it where it is made."""
    file = tmp_path / "key.txt"
    file.write_text(Identity.generate().secret.reveal())
    file.chmod(0o600)
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY_FILE", str(file))
    return file


def add(kind: str, *words: str) -> int:
    return main(["connections", "add", kind, *words])


def add_custom(url: str, *words: str) -> int:
    return add("custom", "--name", "m", "--endpoint", f"{url}/v1", *words)


class OnlyBelowV1(ModelServer):
    """A server that knows no other address than its own."""

    def answer(self, seen: Seen) -> tuple[int, Any]:
        if seen.path.startswith("/v1/"):
            return super().answer(seen)
        return 404, {"error": {"message": "not found"}}


# -- The fields of a kind as options.


@pytest.mark.parametrize("kind", KINDS)
def test_the_help_of_a_kind_is_its_form(kind: str, capsys) -> None:
    """Each field with its label and help line, and what the form says of where they are found."""
    with pytest.raises(SystemExit) as caught:
        add(kind, "--help")
    assert caught.value.code == 0
    out = "".join(capsys.readouterr().out.split())
    provider = PROVIDERS[kind]
    for name, info in fields_of(provider).items():
        if name == "sign_in" and len(provider.ways) == 1:
            continue
        assert option_of(provider, name) in out
        assert "".join((info.title or "").split()) in out
        assert name == "sign_in" or "".join((info.description or "").split()) in out
    for words in (*provider.steps, *(link.url for link in provider.links), *provider.ways):
        assert "".join(words.split()) in out or words == "key"
    options = set(re.findall(r"--[a-z-]+", out))
    others = {option_of(each, name) for each in PROVIDERS.values() for name in fields_of(each)}
    own = {option_of(provider, name) for name in fields_of(provider)}
    assert not (others - own - {"--name", "--organization", "--endpoint"}) & options


@pytest.mark.parametrize("kind", KINDS)
def test_the_steps_of_every_way_to_sign_in_are_those_of_the_form(kind: str) -> None:
    provider = PROVIDERS[kind]
    for way in provider.ways:
        found = provider.find_sign_in(way)
        steps = (found.steps if found else ()) or provider.steps
        links = (found.links if found else ()) or provider.links
        lines = list(where_found(provider, way))
        assert lines[: len(steps)] == [f"{at}. {step}" for at, step in enumerate(steps, 1)]
        assert lines[len(steps) :] == [f"{link.text}: {link.url}" for link in links]
    for preset in provider.presets:
        lines = list(where_found(provider, preset=preset))
        assert [line.partition(" ")[2] for line in lines[: len(preset.steps)]] == [*preset.steps]
        assert any(preset.key_page in line for line in lines) or not preset.key_page


def test_the_shell_writes_them_out_in_one_place() -> None:
    read = re.compile(r"\.(steps|links)\b|\b(steps|links)_for\(")
    files = Path(cli.__file__).parent.glob("*.py")
    homes = [path.name for path in files if read.search(path.read_text("utf-8"))]
    assert homes == ["field_options.py"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_given_as_options_is_what_is_saved(kind, identity, tmp_path, monkeypatch) -> None:
    """A key by a reference, which stays one; and no way to give one otherwise."""
    provider = PROVIDERS[kind]
    given = filled_in(kind)
    secret = provider.key_field
    monkeypatch.setenv("THE_KEY", given[secret])
    Path(tmp_path / "team").write_text("made-up-team")
    words = [word for name, value in given.items() if name != secret
             for word in (option_of(provider, name), str(value))]  # fmt: skip
    words += [option_of(provider, secret), "env:THE_KEY", "--price", "0.5", "2", "--no-test"]
    words += ["--header", f"X-Team=file:{tmp_path / 'team'}", "--expires", "2099-12-31"]
    assert add(kind, *words, "--label", "mine") == 0
    (saved,) = lw.Store()
    expected = lw.Connection(
        kind, label="mine", **{**given, secret: "env:THE_KEY"}, expires="2099-12-31",
        price={"input": 0.5, "output": 2}, headers={"X-Team": f"file:{tmp_path / 'team'}"},
    )  # fmt: skip
    assert saved.is_same_as(expected)
    assert saved.label == "mine"
    assert saved.checked_at is None


def test_a_key_on_the_command_line_is_refused_and_not_repeated(identity, capsys) -> None:
    options = [
        (kind, option_of(PROVIDERS[kind], name))
        for kind in KINDS
        for name in PROVIDERS[kind].secret_fields
    ]
    typed = [(kind, [option, KEY]) for kind, option in options]
    for words in (
        [f"--api-key={KEY}"], ["--header", f"X-Team: {KEY}"], ["--header", f"X-Team={KEY}"],
        [KEY], [f"--api-kye={KEY}"], ["--api-kye", KEY],
    ):  # fmt: skip
        typed.append(("custom", words))
    for kind, words in typed:
        assert add(kind, *words) == 2
        told = capsys.readouterr()
        assert KEY not in told.out + told.err
        assert told.err.count("\n") == 1
    assert add("custom", "--api-key", KEY) == 2
    said = capsys.readouterr().err
    assert "shell's history" in said
    assert "env:NAME or file:PATH" in said
    assert add(f"sk-proj-{KEY}") == 2
    assert KEY not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["azure_openai"], r"deployment: Deployment is needed.*endpoint: .*--deployment and --end"),
        (["openai"], r"api_key: API key is needed\. .*--api-key \(env:NAME or file:PATH\)"),
        (["custom", "--endpoint", "nonsense", "--name", "m"], r"endpoint: .*not a web address"),
        (["openai", "--api-key"], r"nobody is here.*--api-key"),
        (["groq"], r"Groq is connected as custom\. .*--preset groq"),
        (["opnai"], r"The nearest is openai\."),
        (["vertex_ai", "--sign-in", "entra"], r"invalid choice"),
        (["custom", "--preset", "groq", "--name", "m"], r"api_key: API key is needed"),
        (["custom", "--preset", "snowflake", "--name", "m", "--api-key", "env:K"], r"placeholder"),
        ([], "KIND"),
    ],
)
def test_what_is_missing_or_wrong_is_named_in_one_line(identity, words, said, capsys) -> None:
    assert main(["connections", "add", *words]) == 2
    told = capsys.readouterr().err
    assert re.search(said, told), told
    assert told.count("\n") == 1
    assert not lw.Store().exists


# -- Tested, then saved.


def test_it_is_tested_saved_and_found_again(identity, monkeypatch, capsys) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    with serving_models(record={}) as server:
        assert add_custom(server.url, "--api-key", "env:THE_KEY") == 0
        assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    told = capsys.readouterr()
    assert re.search(r"Sent to 127\.0\.0\.1:\d+: .*\n?.*Use it as m\.", told.out)
    assert "was made; LLMWIDGETS_STORE_KEY_FILE opens it" in told.err
    assert KEY not in told.out + told.err
    (saved,) = lw.Store()
    assert saved.checked_at is not None
    assert saved.capabilities
    assert main(["connections", "rename", "m", "work"]) == 0
    assert main(["connections", "remove", "work"]) == 2, "nobody can be asked"
    assert "--yes" in capsys.readouterr().err
    assert main(["connections", "remove", "work", "--yes"]) == 0
    assert main(["connections", "remove", "work", "--yes"]) == 2
    assert len(lw.Store()) == 0


def test_what_fails_its_test_is_not_saved_unless_it_is_asked_for(identity, capsys) -> None:
    dead = ("--name", "m", "--endpoint", "http://127.0.0.1:9/v1")
    assert add("custom", *dead) == 1
    told = capsys.readouterr()
    assert "was not saved" in told.err
    assert not lw.Store().exists
    assert add("custom", *dead, "--anyway") == 1
    assert "Saved all the same" in capsys.readouterr().out
    assert [each.checked_at for each in lw.Store()] == [None]


def test_what_works_is_not_replaced_by_what_does_not(identity, capsys) -> None:
    with serving_models(record={}) as server:
        assert add_custom(server.url) == 0
        capsys.readouterr()
        assert add_custom(server.url) == 2
        assert "--replace" in capsys.readouterr().err
        server.fault = "quota"
        dead = ("--endpoint", "http://127.0.0.1:9/v1", "--name", "m")
        assert add("custom", *dead, "--replace", "--anyway") == 1
        assert "stays as it was" in capsys.readouterr().err
        assert lw.Store()["m"].host in server.url
        assert add("custom", *dead, "--replace", "--no-test") == 0
    assert lw.Store()["m"].host == "127.0.0.1:9"


def test_the_fix_of_a_check_is_told_as_options(identity, capsys) -> None:
    with serving_models(OnlyBelowV1, record={}) as server:
        assert add("custom", "--name", "m", "--endpoint", server.url) == 1
        told = capsys.readouterr().out
        assert f"This fixes it: --endpoint {server.url}/v1" in told


def test_a_key_of_another_vendor_is_not_sent_without_a_yes(identity, monkeypatch, capsys) -> None:
    monkeypatch.setenv("THE_KEY", "sk-ant-api03-" + "0a" * 45)
    assert add("openai", "--api-key", "env:THE_KEY") == 2
    assert "--anyway" in capsys.readouterr().err
    assert not lw.Store().exists


def test_all_are_checked_where_none_is_named(identity, capsys) -> None:
    assert main(["connections", "check"]) == 2
    assert "Nothing is connected" in capsys.readouterr().err
    with serving_models(record={}) as server:
        assert add_custom(server.url) == 0
        dead = ("--endpoint", "http://127.0.0.1:9/v1", "--name", "dead", "--no-test")
        assert add("custom", *dead) == 0
        capsys.readouterr()
        assert main(["connections", "check", "--json"]) == 1
        rows = json.loads(capsys.readouterr().out)
        assert [(row["label"], row["ok"]) for row in rows] == [("m", True), ("dead", False)]
        assert main(["connections", "check", "m"]) == 0
        assert main(["connections", "check", "m", "dead"]) == 1


def test_without_a_terminal_a_new_store_says_how_it_is_made(monkeypatch, capsys) -> None:
    monkeypatch.setattr("getpass.getpass", lambda _: pytest.fail("it asked"))
    assert add("openai", "--api-key", "env:K", "--no-test") == 2
    said = capsys.readouterr().err
    for part in ("does not exist yet", "terminal", "age-keygen", "LLMWIDGETS_STORE_KEY_FILE"):
        assert part in said


def test_a_store_that_another_command_makes_meanwhile_is_used(
    identity, monkeypatch, capsys
) -> None:
    """Two commands that find none make one, and neither loses what was typed."""
    make = lw.Store.create

    def both(*words: Any, **more: Any) -> Any:
        make(*words, **more)
        return make(*words, **more)

    monkeypatch.setattr(lw.Store, "create", both)
    assert add("custom", "--name", "m", "--endpoint", "http://127.0.0.1:9/v1", "--no-test") == 0
    assert "was made meanwhile" in capsys.readouterr().err
    assert [each.label for each in lw.Store()] == ["m"]


# -- At a terminal.


def everything_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@only_with_terminals
def test_a_new_user_connects_and_no_secret_is_left_anywhere(tmp_path: Path) -> None:
    """Questions for what is missing, a wrong answer, a test, a new store: one command."""
    with (
        serving_models(record={}) as server,
        at_terminal("connections", "add", "custom") as terminal,
    ):
        terminal.answer("Endpoint (such as", "nonsense")
        terminal.answer("not a web address", f"{server.url}/v1")
        terminal.answer("Name (such as", "m")
        terminal.answer("API key (is not shown; Enter for none)", KEY)
        arguments = Path(f"/proc/{terminal.process.pid}/cmdline")
        typed = arguments.read_bytes() if arguments.exists() else b""
        terminal.wait_for("Six words")
        terminal.answer("Type them, or a passphrase of your own", "short")
        terminal.wait_for("fewer than 12")
        terminal.answer("Type them, or a passphrase of your own", PASSPHRASE)
        terminal.answer("The same again", PASSPHRASE)
        terminal.wait_for("AGE-SECRET-KEY-1")
        terminal.answer("Is it kept elsewhere? [y/N]", "y")
        terminal.wait_for("Making it…\r")
        assert terminal.end() == 0
        assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    assert "Use it as m." in terminal.shown
    for hidden in (KEY, PASSPHRASE):
        assert hidden not in terminal.shown
        assert hidden.encode() not in typed + everything_below(tmp_path)
    assert b"AGE-SECRET-KEY" not in everything_below(tmp_path)
    store = lw.Store()
    store.unlock(PASSPHRASE)
    assert [each.label for each in store] == ["m"]
    assert store["m"].secret_fields["api_key"].is_same_as(Secret(KEY))
    store.lock()
    (recovery,) = re.findall(r"AGE-SECRET-KEY-1\w+", terminal.shown)
    store.unlock(identity=Secret(recovery))


@only_with_terminals
def test_a_store_whose_recovery_nobody_keeps_is_not_made(tmp_path: Path) -> None:
    """What stands on the terminal alone is not in the output, which may go into a file."""
    out = tmp_path / "out.txt"
    words = ("connections", "add", "custom", "--name", "m", "--endpoint", "http://127.0.0.1:9/v1")
    with at_terminal(*words, "--no-test", to=out) as terminal:
        terminal.answer("Enter for none", "")
        terminal.wait_for("Six words")
        terminal.wait_for("Type them")
        proposed = re.search(r"guess:\s+(\w+(?: \w+){5})\n", terminal.shown)
        assert proposed
        terminal.type(proposed[1])
        terminal.answer("Is it kept elsewhere? [y/N]", "n")
        assert terminal.end() == 2
    assert "No store was made" in terminal.shown
    assert not lw.Store().exists
    assert out.read_bytes() == b""


@only_with_terminals
def test_a_fix_is_put_in_and_a_failed_test_saved_after_a_yes(identity) -> None:
    words = ("connections", "add", "custom", "--name", "m", "--endpoint")
    with (
        serving_models(OnlyBelowV1, record={}) as server,
        at_terminal(*words, server.url) as terminal,
    ):
        terminal.answer("Enter for none", "")
        terminal.answer("Put that in, and test again? [y/N]", "y")
        assert terminal.end() == 0
    assert str(lw.Store()["m"].plain_fields["endpoint"]) == f"{server.url}/v1"
    words = ("--name", "n", "--endpoint", "http://127.0.0.1:9/v1")
    with at_terminal("connections", "add", "custom", *words) as terminal:
        terminal.answer("Enter for none", "")
        terminal.answer("Save it all the same? [y/N]", "y")
        assert terminal.end() == 1
    assert [each.label for each in lw.Store()] == ["m", "n"]


def test_a_credentials_file_is_sealed_into_the_store(
    identity, tmp_path, monkeypatch, capsys
) -> None:
    """Its path is asked for, its content kept: the form's file, chosen in a shell."""
    content = filled_in("vertex_ai")["credentials"]
    file = tmp_path / "account.json"
    file.write_text(content)
    answers = iter([str(tmp_path / "absent.json"), str(file)])
    monkeypatch.setattr("sys.stdin", Typing(lambda: next(answers)))
    assert add("vertex_ai", "--no-test") == 0
    os.remove(file)
    assert lw.Store()["vertex_ai"].secret_fields["credentials"].is_same_as(Secret(content))
    assert "no such file" in capsys.readouterr().err


class Typing:
    """A terminal whose lines come from a function."""

    def __init__(self, line: Any) -> None:
        self._line = line

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return f"{self._line()}\n"


# -- What people type who have read the README alone.


def saved_at(label: str) -> lw.Connection:
    return lw.Store()[label]


def test_a_path_holds_in_every_folder_and_a_plain_word_is_a_header(
    identity, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gateway.token").write_text(KEY)
    Path("gateway.token").chmod(0o600)
    with serving_models() as server:
        words = ("--api-key", "file:gateway.token", "--header", "X-Team=billing")
        assert add_custom(server.url, *words, "--label", "gate") == 0
        monkeypatch.chdir("/")
        assert main(["connections", "check", "gate"]) == 0
        assert server.seen[-1].headers["x-team"] == "billing"
        assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("header", ["X-Api-Key=claims", "X-Team=sk-ab12", "X-Pass: hunter"])
def test_a_header_that_may_be_a_secret_is_no_plain_word(identity, header: str, capsys) -> None:
    assert add_custom("http://127.0.0.1:9", "--header", header, "--no-test") == 2
    assert "env:NAME or file:PATH" in capsys.readouterr().err


def test_what_replace_is_not_given_stays_but_no_key_goes_to_another_host(
    identity, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    words = ("--label", "gate", "--api-key", "env:THE_KEY", "--price", "1", "2", "--no-test")
    models = ("ledger-large",)
    with serving_models(models=models) as server, serving_models(models=models) as other:
        at = ("--name", "ledge-large", "--endpoint", f"{server.url}/v1")
        assert add("custom", *at, *words, "--header", "X-Team=billing") == 0
        server.fault, server.faulty = "model", '"ledge-large"'
        assert main(["connections", "check", "gate"]) == 1
        command = "llmwidgets connections add custom --label gate --replace --name ledger-large"
        assert command in capsys.readouterr().out
        assert main(command.split()[1:]) == 0
        fields = saved_at("gate").fields
        assert (fields.name, fields.price) == ("ledger-large", {"input": 1, "output": 2})
        assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"
        assert server.seen[-1].headers["x-team"] == "billing"
        assert add("custom", "--label", "gate", "--replace", "--endpoint", f"{other.url}/v1") == 0
        assert "authorization" not in other.seen[-1].headers
        assert "x-team" not in other.seen[-1].headers


def test_a_wrong_option_leads_to_the_help_of_its_command(identity, capsys) -> None:
    assert add("custom", "--nope") == 2
    assert "--nope. See llmwidgets connections add custom --help." in capsys.readouterr().err

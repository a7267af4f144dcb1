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
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.keyscan.search import find_leaks, find_literals
from llmwidgets.known_keys import known_key, known_keys
from llmwidgets.secret import Secret
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
        assert re.search(r"The file is missing.*store\.restore\(\)", capsys.readouterr().err)


def test_clean_files_end_with_0(store, folder, capsys) -> None:
    (folder / "fine.ipynb").write_text(notebook(code("lw.Connection('openai', api_key='env:K')")))
    (folder / "notes.md").write_text(
        "sk-learn, sk-proj-your-key-goes-here-0001, AIza… and hf_token\n"
    )
    assert scan(store, folder) == 0
    assert capsys.readouterr() == ("", "")


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
        (f"-----BEGIN PRIVATE KEY-----\\n{'MIIEvQIBADANBg' * 4}", "private"),
    ],
)  # fmt: skip
def test_known_shapes(word, kind) -> None:
    (leak,) = find_leaks(
        f"key: {word[:74]!s}".encode() if "AGE" in word else f"a {word} b".encode(), []
    )
    assert kind in leak.kind


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


def test_a_key_across_the_chunks_of_a_big_file_is_found_once(store, folder, capsys) -> None:
    size = 1 << 20
    for at in (size - 1, size - 10, size - 8192, size - 8192 - 5, 2 * size - 3):
        text = bytearray(b"some words of a log line.......\n" * (3 * size // 32))
        text[at : at + len(KEY)] = KEY.encode()
        (folder / "big.log").write_bytes(text)
        line = bytes(text[:at]).count(b"\n") + 1
        assert scan(store, folder) == 1
        assert [each.split(": ")[1] for each in capsys.readouterr().out.splitlines()] == [
            f"line {line}"
        ]


def test_a_log_with_a_key_on_every_line_is_searched_in_its_length(folder) -> None:
    """Twice the keys take twice as long: by the square this would take minutes."""
    line = f"{'word ' * 12}{SHAPED}\n".encode()
    assert len(find_leaks(line * 60_000, known_key("k", Secret(KEY)))) == 60_000


def test_rows_and_unused_pages_of_a_history_are_searched(store, folder, capsys) -> None:
    path = folder / "history.sqlite"
    history(path, ["1 + 1", f"k = {KEY!r}"])
    assert scan(store, path) == 1
    assert "history, row 2: api_key of box" in capsys.readouterr().out
    with sqlite3.connect(path) as database:
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
    with sqlite3.connect(folder / "history.sqlite") as database:
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
    with sqlite3.connect(path) as database:
        rows = [row for (row,) in database.execute("SELECT source FROM history ORDER BY line")]
    database.close()
    assert rows == ["1 + 1", 'k = "key-removed"', "x = 'key-removed'"]

"""Keys that other tools keep are found when asked, offered with their place, and saved sealed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import llmwidgets as lw
from llmwidgets.connections import KeyCandidate, find_keys_of_other_tools
from llmwidgets.errors import AlreadyConnected, FieldError
from tests.google_keys import a_service_account

OPENAI = "sk-proj-made-up-7Q2vXw9KpLr4TzB8"
CLAUDE = "sk-ant-api03-made-up-5Hd8sYq3MfWj"
GEMINI = "AQ.made-up-9KpLr4TzB8nC1dE5"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's folder: one below the root of a repository."""
    for name in ("LLM_USER_PATH", "CLOUDSDK_CONFIG", "JUPYTER_DATA_DIR", "OPENAI_BASE_URL",
                 "JPY_PARENT_PID"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "project" / ".git").mkdir(parents=True)
    folder = tmp_path / "project" / "notebooks"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def told(offers: list[KeyCandidate]) -> list[tuple[str, str, str]]:
    return [(each.kind, each.where, each.secret.tail) for each in offers]


def test_nothing_is_found_where_nothing_is(project) -> None:
    assert find_keys_of_other_tools() == []


def test_variables_are_offered_as_copy_and_as_reference(project, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    (offer,) = find_keys_of_other_tools()
    assert (offer.kind, offer.where) == ("openai", "OPENAI_API_KEY in the environment")
    assert offer.connection().fields.organization == "org-1"
    store = lw.Store.in_memory()
    assert "unset OPENAI_API_KEY" in offer.take(store)
    assert store["openai"].fields.api_key.reveal() == OPENAI
    monkeypatch.delenv("OPENAI_API_KEY")
    assert store["openai"].fields.api_key.reveal() == OPENAI
    said = offer.take(store, as_reference=True, replace=True)
    assert said == (
        "openai is looked up in OPENAI_API_KEY in the environment at each use: keep it there."
    )
    assert store["openai"].fields.api_key.reference == "env:OPENAI_API_KEY"


def test_dot_env_files_up_to_the_repositorys_root(project, tmp_path) -> None:
    """Quotes, comments, `export` and blanks are read as shells do; above the root nothing is."""
    near = written(
        project / ".env",
        f"# keys\nexport OPENAI_API_KEY='{OPENAI}'  # mine\nOTHER=1\nEMPTY=\nGEMINI_API_KEY=\n"
        f'ANTHROPIC_API_KEY = "{CLAUDE}"\nnonsense\n#GOOGLE_API_KEY={GEMINI}\n',
    )
    root = written(project.parent / ".env", f"GEMINI_API_KEY={GEMINI} # of the team\n", 0o644)
    written(tmp_path / ".env", f"OPENAI_API_KEY={OPENAI}")
    offers = find_keys_of_other_tools()
    assert told(offers) == [
        ("openai", f"OPENAI_API_KEY in {near}", OPENAI[-4:]),
        ("anthropic", f"ANTHROPIC_API_KEY in {near}", CLAUDE[-4:]),
        ("gemini", f"GEMINI_API_KEY in {root}", GEMINI[-4:]),
    ]
    assert [each.note for each in offers[:2]] == ["", ""]
    assert offers[2].note == "Other users of this computer can read the file."
    assert offers[2].connection().fields.api_key.reveal() == GEMINI


@pytest.mark.parametrize(
    "text",
    [
        f"OPENAI_API_KEY={OPENAI}", f"\ufeffOPENAI_API_KEY={OPENAI}",
        f"export\tOPENAI_API_KEY={OPENAI}\r\nA=b\r\n", f"OPENAI_API_KEY='{OPENAI}'#mine",
        f'CERTIFICATE="a\nOPENAI_API_KEY=made-up-decoy\nb"\nOPENAI_API_KEY={OPENAI}\n',
        f"OPENAI_API_KEY=made-up-before\nOPENAI_API_KEY={OPENAI}\n",
        f'A="it\\"s"\nOPENAI_API_KEY="{OPENAI}"', f"OPENAI_API_KEY={OPENAI}\nA='",
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_dot_env_files_as_they_come(project, text, encoding) -> None:
    if encoding == "utf-16":
        text = text.removeprefix("\ufeff")  # it writes its own mark
    (project / ".env").write_bytes(text.encode(encoding))
    (offer,) = find_keys_of_other_tools()
    assert offer.secret.reveal() == OPENAI


@pytest.mark.parametrize(
    "said", ["${OTHER}", "$OTHER", "$(op read op://a/b)", '"${OTHER}"', "op://a/b/c", "`cat key`"]
)
def test_what_a_shell_would_put_in_place_is_no_key(project, said) -> None:
    written(project / ".env", f"OPENAI_API_KEY={said}\n")
    assert find_keys_of_other_tools() == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/cwd"), reason="/proc tells the server's folder")
def test_jupyter_ai_keeps_its_file_in_the_servers_folder(tmp_path, monkeypatch) -> None:
    """A real process stands for the server; without it, or elsewhere, nothing above is read."""
    folder = tmp_path / "served" / "a" / "b"
    folder.mkdir(parents=True)
    path = written(tmp_path / "served" / ".env", f"OPENAI_API_KEY={OPENAI}\n")
    written(tmp_path / ".env", f"ANTHROPIC_API_KEY={CLAUDE}\n")
    assert find_keys_of_other_tools(folder) == []
    for served, found in [(path.parent, 1), (Path("/"), 2), (tmp_path / "home", 0)]:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd=served) as server:
            monkeypatch.setenv("JPY_PARENT_PID", str(server.pid))
            assert len(find_keys_of_other_tools(folder)) == found
    assert find_keys_of_other_tools(folder) == [], "the server has stopped"


def test_without_a_repository_only_the_kernels_own_folder_counts(tmp_path, monkeypatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    written(tmp_path / "a" / ".env", f"OPENAI_API_KEY={OPENAI}")
    assert find_keys_of_other_tools(tmp_path / "a" / "b") == []
    assert len(find_keys_of_other_tools(tmp_path / "a")) == 1


def test_the_keys_of_llm(project, tmp_path, monkeypatch) -> None:
    keys = {"// Note": "This file stores secret API credentials.", "openai": OPENAI,
            "claude": CLAUDE, "mistral": "made-up-other-key-0001", "gemini": 7}  # fmt: skip
    path = written(tmp_path / "home/config/io.datasette.llm/keys.json", json.dumps(keys))
    assert told(find_keys_of_other_tools()) == [
        ("openai", f"openai in LLM's {path}", OPENAI[-4:]),
        ("anthropic", f"claude in LLM's {path}", CLAUDE[-4:]),
    ]
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "elsewhere"))
    assert find_keys_of_other_tools() == []
    moved = written(tmp_path / "elsewhere" / "keys.json", json.dumps({"gemini": GEMINI}))
    assert told(find_keys_of_other_tools()) == [("gemini", f"gemini in LLM's {moved}", GEMINI[-4:])]


@pytest.mark.parametrize(
    ("system", "llm", "jupyter", "gcloud"),
    [
        ("linux", ".config/io.datasette.llm", ".local/share/jupyter", ".config/gcloud"),
        ("darwin", "Library/Application Support/io.datasette.llm", "Library/Jupyter",
         ".config/gcloud"),
        ("win32", "Roaming of the user/io.datasette.llm", "Roaming of the user/jupyter",
         "Roaming of the user/gcloud"),
    ],
)  # fmt: skip
def test_the_places_on_each_system(
    project, tmp_path, monkeypatch, system, llm, jupyter, gcloud
) -> None:
    """Where click, jupyter_core and gcloud put them when nothing else is said."""
    home = tmp_path / "home"
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setenv("APPDATA", str(home / "Roaming of the user"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name)
    keys = written(home / llm / "keys.json", json.dumps({"openai": OPENAI}))
    config = written(
        home / jupyter / "jupyter_ai/config.json",
        json.dumps({"api_keys": {"ANTHROPIC_API_KEY": CLAUDE}}),
    )
    login = written(
        home / gcloud / "application_default_credentials.json",
        json.dumps({"type": "authorized_user", "quota_project_id": "acme-1"}),
    )
    assert [each.plain for each in find_keys_of_other_tools()] == [keys, config, login]


def test_the_files_of_jupyter_ai(project, tmp_path) -> None:
    folder = tmp_path / "home/data/jupyter/jupyter_ai"
    config = {"model_provider_id": "openai:gpt", "api_keys": {"OPENAI_API_KEY": OPENAI}}
    first = written(folder / "config.json", json.dumps(config))
    second = written(folder / ".env", f'ANTHROPIC_API_KEY="{CLAUDE}"\n')
    assert told(find_keys_of_other_tools()) == [
        ("openai", f"OPENAI_API_KEY in Jupyter AI's {first}", OPENAI[-4:]),
        ("anthropic", f"ANTHROPIC_API_KEY in Jupyter AI's {second}", CLAUDE[-4:]),
    ]


def test_gclouds_default_credentials_as_copy_and_as_file(project, tmp_path) -> None:
    user = {"type": "authorized_user", "client_id": "a", "client_secret": "made-up-b",
            "refresh_token": "made-up-c", "quota_project_id": "acme-1"}  # fmt: skip
    path = tmp_path / "home/.config/gcloud/application_default_credentials.json"
    written(path, json.dumps(user))
    (offer,) = find_keys_of_other_tools()
    assert (offer.kind, offer.where, offer.note) == ("vertex_ai", str(path), "A login of yours.")
    assert (
        offer.connection()
        .target("gemini-3.8-flash")
        .url.endswith("/projects/acme-1/locations/global/publishers/google")
    )
    reference = offer.connection(as_reference=True).fields.credentials.reference
    assert reference == f"file:{path}"


def test_named_google_credentials(project, tmp_path, monkeypatch) -> None:
    path = written(tmp_path / "sa.json", json.dumps(a_service_account("http://127.0.0.1:9/t")))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    (offer,) = find_keys_of_other_tools()
    assert offer.note == "A service account's key. GOOGLE_APPLICATION_CREDENTIALS names it."


def test_azure_says_what_it_still_needs(project, monkeypatch) -> None:
    written(project / ".env", "AZURE_OPENAI_API_KEY=0123456789abcdef\n"
            "AZURE_OPENAI_ENDPOINT=https://acme.openai.azure.com\n")  # fmt: skip
    (offer,) = find_keys_of_other_tools()
    assert offer.note == "It still needs deployment."
    with pytest.raises(FieldError, match="deployment"):
        offer.connection()
    assert offer.connection(deployment="gpt-6-luna", label="luna").models == ("gpt-6-luna",)


def test_taking_one_seals_it_and_names_the_plain_source(project, tmp_path) -> None:
    """The plain file stays as it is, and no second plain copy is anywhere."""
    path = written(project / ".env", f"OPENAI_API_KEY={OPENAI}\n")
    store = lw.Store.create(path=tmp_path / "store", passphrase="made-up crane violet")
    (offer,) = find_keys_of_other_tools()
    assert offer.take(store) == (
        f"openai is saved. {path} still contains the key in clear: delete it there once nothing "
        "else reads it."
    )
    holding = [
        each
        for each in tmp_path.rglob("*")
        if each.is_file() and OPENAI.encode() in each.read_bytes()
    ]
    assert holding == [path]
    with pytest.raises(AlreadyConnected):
        offer.take(store)
    with pytest.raises(FieldError, match="cannot be referred to"):
        offer.take(store, as_reference=True)


@pytest.mark.parametrize("said", ["file:/etc/hostname", "env:HOME", "'file:/etc/hostname'"])
def test_a_value_that_reads_as_a_reference_is_no_key(project, tmp_path, said) -> None:
    """Whoever writes a .env also writes where the key is sent: no other file may go there."""
    written(project / ".env", f"OPENAI_API_KEY={said}\nOPENAI_BASE_URL=https://a.example/v1\n")
    written(tmp_path / "home/config/io.datasette.llm/keys.json", json.dumps({"openai": said}))
    assert find_keys_of_other_tools() == []


def test_a_file_that_names_another_host_says_so(project) -> None:
    written(project / ".env", f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL=https://a.example/v1\n")
    (offer,) = find_keys_of_other_tools()
    assert offer.note == "It is sent to https://a.example/v1."
    assert offer.connection().host == "a.example"


@pytest.mark.parametrize(
    "content", [b"{", b"[1]", b"\xff\xfe", b"null", b'{"api_keys": [1]}', b"[" * 99_999]
)
def test_damaged_files_are_passed(project, tmp_path, content) -> None:
    for name in (
        "config/io.datasette.llm/keys.json", "data/jupyter/jupyter_ai/config.json",
        ".config/gcloud/application_default_credentials.json",
    ):  # fmt: skip
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    os.mkfifo(project / ".env")
    assert find_keys_of_other_tools() == []


def test_an_offer_shows_no_key(project) -> None:
    written(project / ".env", f"OPENAI_API_KEY={OPENAI}\n")
    (offer,) = find_keys_of_other_tools()
    assert OPENAI not in repr(offer) + str(vars(type(offer)))

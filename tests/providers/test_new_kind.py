"""What CONTRIBUTING says of adding a provider, done on a copy of the tree: a file and a line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trees import ROOT, copy_tree
from tests.type_checks import check_types, checks_types

LOOKS = """
import json, os
import llmwidgets as lw
from llmwidgets.connections import environment_connections, find_keys_of_other_tools
from llmwidgets.keyscan.search import find_leaks
from llmwidgets import ConnectionForm, ConnectionPanel
from tests.tables import CONNECTIONS, provider_table, written
from tests.servers import serving_models

KEY = "acme-made-up-0004711-3fQz"
try:
    lw.Connection("acme", api_key=KEY, base_url="nonsense")
except lw.errors.FieldError as error:
    assert "is not a web address" in error.problems["base_url"]
else:
    raise AssertionError("an address that is none was taken")

row = "| Acme | `acme` | API key | one per organization | 1 whitelisted | never |"
assert row in provider_table()
assert "`acme`" in written(CONNECTIONS.read_text("utf-8"))

form = ConnectionForm("acme", lw.Store.in_memory()).state()["form"]
assert (form["title"], form["groups"][0]["fields"][0]["label"]) == ("Acme", "API key")
listed = ConnectionPanel(lw.Store.in_memory()).state()["kinds"]
assert [each["kind"] for each in listed] == list(lw.PROVIDERS)

(leak,) = find_leaks(f"key {KEY} in a log".encode(), [])
assert leak.kind == "a key of Acme"
said = lw.Connection("openai", api_key=KEY).field_warnings
assert [each.owner for each in said] == ["acme"]

with serving_models(models=("acme-large",)) as server:
    os.environ |= {"ACME_API_KEY": KEY, "ACME_BASE_URL": f"{server.url}/v1"}
    assert [each.kind for each in find_keys_of_other_tools()] == ["acme"]
    (connection,) = environment_connections()
    assert connection.secret_fields["api_key"].reference == "env:ACME_API_KEY"
    report = lw.check(connection)
    assert report.ok, report
    assert report.models == ("acme-large",), report
    assert all(each.headers["authorization"] == f"Bearer {KEY}" for each in server.seen)
    answered = lw.extract({"type": "object", "properties": {"name": {"type": "string"}},
                           "required": ["name"]}, "Bolt", (connection, "acme-large"))
    assert answered.status == "ok", answered.failure

    del os.environ["ACME_BASE_URL"]
    given = lw.Connection("acme", api_key=KEY, base_url=f"{server.url}/v1")
    client = given.client()
    assert type(client).__name__ == "OpenAI"
    assert (client.api_key, str(client.base_url)) == (KEY, f"{server.url}/v1/")
    before = dict(os.environ)
    with given.environment():
        told = {name: os.environ.get(name) for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL",
                                                        "ACME_API_KEY", "ACME_BASE_URL")}
    assert told == {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{server.url}/v1",
                    "ACME_API_KEY": KEY, "ACME_BASE_URL": f"{server.url}/v1"}, told
    assert dict(os.environ) == before
"""

PLAIN_HEADER = """
import os
import llmwidgets as lw
from tests.servers import serving_models

KEY = "acme-made-up-0004711-3fQz"
with serving_models(models=("acme-large",)) as server:
    given = lw.Connection("acme", api_key=KEY, base_url=f"{server.url}/v1", team="blue")
    with given.client() as client:
        client.chat.completions.create(
            model="acme-large", messages=[{"role": "user", "content": "Bolt"}]
        )
    sent = server.seen[-1].headers
    assert (sent.get("x-team"), sent["authorization"]) == ("blue", f"Bearer {KEY}"), sent
    with given.environment():
        assert os.environ.get("ACME_TEAM") == "blue", os.environ.get("ACME_TEAM")
    assert "ACME_TEAM" not in os.environ
"""

CONTRACTS = (
    "tests/providers/test_providers.py",
    "tests/connections/test_key_expiry.py",
    "tests/engine/test_key_hosts.py",
    "tests/widgets/test_connection_panel.py",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree with the kind that CONTRIBUTING shows, in a file and a line."""
    root = tmp_path_factory.mktemp("tree")
    copy_tree(root, "llmwidgets", "tests", "docs", "README.md", "pyproject.toml")
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Add a provider")[2]
    file, line = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2]
    providers = root / "llmwidgets" / "providers"
    (providers / "acme.py").write_text(file, "utf-8")
    registry = (providers / "__init__.py").read_text("utf-8")
    assert registry.count('    "custom",\n') == 1
    text = registry.replace('    "custom",\n', f'    "custom",\n{line}')
    (providers / "__init__.py").write_text(text, "utf-8")
    return root


def run(copy: Path, *command: str) -> None:
    foreign = [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL"))]
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, capture_output=True, text=True, check=False,
        env={**kept, "PYTHONPATH": str(copy), "HOME": str(copy)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_the_new_kind_works_everywhere(copy: Path) -> None:
    """Form, check and run against a server, environment, both exits, the search, the documents."""
    run(copy, "-c", LOOKS)


def test_a_plain_header_of_the_kind_leaves_by_both_exits(copy: Path, tmp_path: Path) -> None:
    """What the target sends beside the key, the vendor's client and the variables have too."""
    root = tmp_path / "tree"
    shutil.copytree(copy, root)
    file = root / "llmwidgets" / "providers" / "acme.py"
    text = file.read_text("utf-8")
    for before, after in (
        ('examples=["acme-…"],\n    )\n',
         'examples=["acme-…"],\n    )\n    team: str | None = Field(default=None, title="Team")\n'),
        ("        model=model,\n",
         '        model=model,\n        headers={"X-Team": fields.team} if fields.team else {},\n'),
        ('"ACME_BASE_URL"}', '"ACME_BASE_URL", "team": "ACME_TEAM"}'),
    ):  # fmt: skip
        assert text.count(before) == 1
        text = text.replace(before, after)
    file.write_text(text, "utf-8")
    run(root, "-c", PLAIN_HEADER)


def test_the_contract_tests_hold_for_the_new_kind(copy: Path) -> None:
    run(
        copy,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-k",
        "acme or kinds",
        *CONTRACTS,
    )


@checks_types
def test_the_types_of_the_new_kind(copy: Path) -> None:
    check_types(copy)
    run(copy, "-m", "ruff", "check", "llmwidgets/providers")
    run(copy, "-m", "ruff", "format", "--check", "llmwidgets/providers")

"""What CONTRIBUTING says of adding a dialect, done on a copy of the tree: one module."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.providers.test_new_kind import run
from tests.trees import ROOT, copy_tree
from tests.type_checks import check_types, checks_types

LOOKS = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
import llmwidgets as lw

SEEN = []

class Plain(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, ["acme-large"])
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        SEEN.append((self.headers["authorization"], asked))
        if asked["model"] != "acme-large":
            self.answer(404, {"error": {"message": "no such model here"}})
        else:
            text = json.dumps({"name": "Bolt", "obeyed": True})
            self.answer(200, {"answer": text, "tokens_in": 7, "tokens_out": 3})
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Plain)
Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
connection = lw.Connection("acme", api_key="acme-made-up-0004711-3fQz", base_url=url)
schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
answered = lw.extract(schema, "Bolt bills.", (connection, "acme-large"))
assert answered.data["name"] == "Bolt", answered.failure
assert answered.mode == "text only"
assert (answered.usage.input_tokens, answered.usage.output_tokens) == (7, 3)
key, asked = SEEN[-1]
assert key == "Bearer acme-made-up-0004711-3fQz"
assert "<document>" in asked["text"] and "Bolt bills." in asked["text"]
report = lw.check(connection)
assert report.models == ("acme-large",), report
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree with the dialect of the page, and the kind of the page before in that format."""
    root = tmp_path_factory.mktemp("tree")
    copy_tree(root, "llmwidgets", "tests", "pyproject.toml")
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    kind, line = examples(page, "## Add a provider")[:2]
    dialect, named = examples(page, "## Add a dialect")[:2]
    imported, given = named.splitlines()
    kind = kind.replace("from llmwidgets.dialects import openai", imported)
    kind = kind.replace("    dialect=openai,", given)
    package = root / "llmwidgets"
    (package / "dialects" / "plain.py").write_text(dialect, "utf-8")
    (package / "providers" / "acme.py").write_text(kind, "utf-8")
    registry = (package / "providers" / "__init__.py").read_text("utf-8")
    changed = registry.replace('    "custom",\n', f'    "custom",\n{line}')
    (package / "providers" / "__init__.py").write_text(changed, "utf-8")
    return root


def examples(page: str, heading: str) -> list[str]:
    section = page.partition(f"{heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_the_new_dialect_is_spoken(copy: Path) -> None:
    """A text is asked and answered, the key goes along, a check lists the models."""
    run(copy, "-c", LOOKS)


@checks_types
def test_the_new_dialect_is_typed_and_tidy(copy: Path) -> None:
    check_types(copy)
    run(copy, "-m", "ruff", "check", "llmwidgets/dialects", "llmwidgets/providers")
    run(copy, "-m", "ruff", "format", "--check", "llmwidgets/dialects")

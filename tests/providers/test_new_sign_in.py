"""What CONTRIBUTING says of adding a preset and a way to sign in, done on a copy of the tree."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.providers.test_new_kind import ROOT, copy, run

__all__ = ["copy"]

PRESET = """
import os
import llmwidgets as lw
from llmwidgets.connections import environment_connections
from tests.tables import preset_table

os.environ["ACME_API_KEY"] = "made-up-0004711-3fQz"
(found,) = [each for each in environment_connections() if each.any_model]
assert (found.label, found.title, found.host) == ("acme", "Acme", "api.acme.example")
form = lw.ConnectionForm("custom", lw.Store.in_memory()).state()["form"]
assert [each["title"] for each in form["presets"]][:2] == ["Acme", "Ollama"]
assert "https://console.acme.example/keys" in preset_table()
try:
    lw.Connection("acme")
except lw.errors.FieldError as error:
    assert "Acme is connected as custom" in error.problems["kind"], error
else:
    raise AssertionError("a preset was taken for a kind")
"""

SIGN_IN = """
from pathlib import Path
import llmwidgets as lw
from llmwidgets.engine.network.sign_in import robot_tokens
from tests.servers import ModelServer, serving_models

SECRET, TOKEN = "made-up-robot-0004711", "made-up-token-0004711"

class Acme(ModelServer):
    def answer(self, seen):
        if seen.path == "/token":
            assert seen.headers["authorization"] == f"Bearer {SECRET}"
            return 200, {"access_token": TOKEN}
        assert seen.headers["authorization"] == f"Bearer {TOKEN}", seen.headers
        return super().answer(seen)

form = lw.ConnectionForm("acme", lw.Store.in_memory(), sign_in="robot").state()["form"]
assert "Signs in at login.acme.example." in form["costs"], form["costs"]
source = Path(robot_tokens.__file__)
with serving_models(Acme, models=("acme-large",)) as server:
    code = source.read_text().replace("https://login.acme.example", server.url)
    exec(compile(code, source, "exec"), robot_tokens.__dict__)
    signed = lw.Connection("acme", sign_in="robot", secret=SECRET, base_url=f"{server.url}/v1")
    report = lw.check(signed)
    assert report.ok, report
    assert report.sentence.startswith("Sign-in accepted."), report
    assert [each.path for each in server.seen].count("/token") == 1
    assert TOKEN not in repr(report) and SECRET not in repr(report)
"""

ROBOT = '''class RobotFields(SignInFields):
    """What the form asks where a robot signs in."""

    sign_in: Way = sign_in_field("robot")
    secret: Secret = Field(title="Robot's secret")


'''


def _blocks(heading: str) -> list[str]:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition(f"\n## {heading}\n")[2]
    return re.findall(r"```python\n(.*?)```", page.partition("\n## ")[0], re.DOTALL)


def _edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text("utf-8")
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    path.write_text(text, "utf-8")


def test_a_preset_is_one_row(copy: Path, tmp_path: Path) -> None:
    """In the form, the environment, the sentences and the page on servers."""
    root = tmp_path / "tree"
    shutil.copytree(copy, root)
    (row,) = _blocks("Add a preset")
    kinds, rows = root / "llmwidgets/providers", "PRESETS: tuple[Preset, ...] = (\n"
    # The kind of the same name is another section's.
    _edit(kinds / "__init__.py", ('    "acme",\n', ""))
    _edit(kinds / "presets.py", (rows, rows + row))
    run(root, "-c", PRESET)


def test_a_way_to_sign_in_is_a_form_a_source_and_their_names(copy: Path, tmp_path: Path) -> None:
    """The form names who is asked, and a check signs in once, by what the page shows."""
    root = tmp_path / "tree"
    shutil.copytree(copy, root)
    package, (source,) = root / "llmwidgets", _blocks("Add a way to sign in")
    sign_in = package / "engine/network/sign_in"
    (sign_in / "robot_tokens.py").write_text(source, "utf-8")
    _edit(sign_in / "tokens.py", (
        "_SOURCES = {\n", '_SOURCES = {\n    "robot": "robot_tokens:fetch_for_robot",\n',
    ))  # fmt: skip
    _edit(package / "dialects/types.py", ('"entra"]', '"entra", "robot"]'))
    _edit(package / "providers/base/fields.py", ('"federation"]', '"federation", "robot"]'))
    exchange = 'Exchange("robot", hosts=("login.acme.example",))'
    _edit(
        package / "providers/acme.py",
        ("import AuthHeader, Target", "import AuthHeader, Exchange, Target"),
        ("Fields, KeyPrefix", "Fields, KeyPrefix, SignIn, SignInFields, Way, sign_in_field"),
        ("def _target(", ROBOT + "def _target("),
        ("    assert isinstance(fields, AcmeFields)\n",
         "    auth = (\n        AuthHeader.bearer(fields.api_key)\n"
         "        if isinstance(fields, AcmeFields)\n"
         f"        else AuthHeader.bearer(fields.secret, {exchange})\n    )\n"),
        ("auth=(AuthHeader.bearer(fields.api_key),),", "auth=(auth,),"),
        ("    single=True,\n",
         '    single=True,\n    sign_ins=(SignIn("robot", "A robot", RobotFields),),\n'),
    )  # fmt: skip
    run(root, "-c", SIGN_IN)

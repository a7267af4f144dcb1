"""Ten tasks for somebody who knows the README alone: what they start from, and when they are done.

    python -m tests.tasks.tasks start worst_field FOLDER     makes the folder and says the task
    python -m tests.tasks.tasks check worst_field FOLDER     0 when it is done, else 1 and why
    python -m tests.tasks.tasks stop FOLDER                  ends the folder's server

They were written before what they try was built; docs/ten_tasks.md has how they went.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llmwidgets as lw
from tests.tasks.world import (
    FIELDS,
    GATEWAY_TOKEN,
    PRICES,
    SCHEMA,
    TEAM,
    make_invoices,
)

TYPED_KEY = "sk-made-up-0123456789abcdefghijklmnopqrstuvwxyz"
MINUTES = 10


@dataclass(frozen=True)
class Task:
    """A task: its words for the person, what its folder holds, and what is wrong with a result.

    `check` returns what is still missing, or None when the task is done.
    """

    name: str
    words: str
    start: Callable[[Path], None]
    check: Callable[[Path], str | None]


# -- The world of a folder


_STARTED: dict[int, subprocess.Popen[str]] = {}
"""The servers that this process started, and so must wait for."""


def serve(folder: Path) -> str:
    """Start the company's server and return its address; `stop` ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.tasks.world"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    process.stdout.close()
    _STARTED[process.pid] = process
    (folder / "server.pid").write_text(str(process.pid))
    (folder / "server.txt").write_text(url + "\n")
    return url


def stop(folder: Path) -> None:
    """End the folder's server, if it has one."""
    pid = folder / "server.pid"
    if pid.exists():
        number = int(pid.read_text())
        os.kill(number, signal.SIGTERM)
        if process := _STARTED.pop(number, None):
            process.wait(10)
        pid.unlink()


def _company(folder: Path, *, schema: bool = True, truth: bool = True) -> str:
    """A server, a table of thirty invoices and, unless told otherwise, their schema."""
    rows = make_invoices()
    columns = ["id", "text", *FIELDS] if truth else ["id", "text"]
    with (folder / "invoices.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    if schema:
        (folder / "invoice.json").write_text(json.dumps(SCHEMA, indent=2))
    return serve(folder)


def _connections(url: str) -> list[lw.Connection]:
    return [
        lw.Connection("custom", name=name, endpoint=f"{url}/v1", label=name, price=price)
        for name, price in PRICES.items()
    ]


def _environment(folder: Path) -> dict[str, str]:
    """Variables of the person's shell, kept in `env.sh`: a configuration of the folder's own."""
    return {
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "LLMWIDGETS_STORE_KEY_FILE": str(folder / "store.key"),
    }


def _store(folder: Path) -> lw.Store:
    """The default store of that configuration; its key file opens it wherever `env.sh` was read."""
    os.environ.update({k: v for k, v in _environment(folder).items() if "KEY" not in k})
    store = lw.Store.create(passphrase="six words nobody would ever guess")
    recovery, key = store.take_recovery(), folder / "store.key"
    assert recovery is not None
    key.touch(mode=0o600)
    key.write_text(recovery.reveal() + "\n")
    lines = [f"export {name}='{value}'\n" for name, value in _environment(folder).items()]
    (folder / "env.sh").write_text("".join(lines))
    return store


def _opened(folder: Path) -> lw.Store:
    """The folder's store as a program of the person's finds it."""
    os.environ.update(_environment(folder))
    return lw.Store()


def _saved_run(folder: Path) -> lw.Comparison:
    url = serve(folder)
    rows = make_invoices()
    texts = [{"id": each["id"], "text": each["text"]} for each in rows]
    truth = {each["id"]: {name: each[name] for name in FIELDS} for each in rows}
    run = lw.compare(SCHEMA, texts, _connections(url), truth=truth, journal=False, progress=False)
    run.save(folder / "run.json")
    stop(folder)
    return run


def _answer(folder: Path) -> str:
    answer = folder / "answer.txt"
    return answer.read_text("utf-8").strip() if answer.exists() else ""


def _numbers(text: str) -> list[float]:
    return [float(each) for each in re.findall(r"\d+(?:\.\d+)?", text)]


# -- The tasks


def _start_verdict(folder: Path) -> None:
    url = _company(folder)
    store = _store(folder)
    for connection in _connections(url):
        store.save(connection)


def _check_verdict(folder: Path) -> str | None:
    program = folder / "solution.py"
    if not program.exists():
        return "solution.py is not there"
    lines = [each for each in ast.parse(program.read_text("utf-8")).body
             if not isinstance(each, ast.Import | ast.ImportFrom)]  # fmt: skip
    if len(lines) > 2:
        return f"solution.py has {len(lines)} statements beside its imports, not at most 2"
    ran = subprocess.run(
        [sys.executable, "solution.py"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, **_environment(folder)}, timeout=120,
    )  # fmt: skip
    said = ran.stdout + ran.stderr
    # The last one where a blank due date is no label; else where it says that there is none.
    verdicts = (
        "claims-large is better than claims-small",
        "claims-large leads, and nothing cheaper is shown to be as good",
        "Not enough texts to tell",
    )
    if ran.returncode or not any(each in said for each in verdicts):
        return f"solution.py does not print the verdict: {said[-300:]}"
    return None


def _start_worst_field(folder: Path) -> None:
    _saved_run(folder)


def _check_worst_field(folder: Path) -> str | None:
    return None if "due_date" in _answer(folder) else "answer.txt does not name the worst field"


def _start_cheaper(folder: Path) -> None:
    url = serve(folder)
    rows = make_invoices(200)
    texts = [{"id": each["id"], "text": each["text"]} for each in rows]
    names = ("number", "total", "currency")
    schema = {**SCHEMA, "required": list(names),
              "properties": {name: SCHEMA["properties"][name] for name in names}}  # fmt: skip
    truth = {each["id"]: {name: each[name] for name in names} for each in rows}
    lw.compare(
        schema, texts, _connections(url), truth=truth, budget=20, journal=False, progress=False
    ).save(folder / "run.json")
    stop(folder)


def _check_cheaper(folder: Path) -> str | None:
    taken = lw.load(folder / "run.json").verdict().recommended
    assert taken is not None
    named = re.findall(r"claims-\w+", _answer(folder))
    return None if named == [taken] else "answer.txt does not name the model that can be taken"


def _start_gateway(folder: Path) -> None:
    _company(folder)
    _store(folder)
    (folder / "gateway.txt").write_text(
        f"Address: {(folder / 'server.txt').read_text().strip()}/gateway/v1\n"
        f"Token:   in the file gateway.token\nHeader:  {TEAM[0]}: {TEAM[1]}\n"
        "Model:   claims-large\n"
    )
    token = folder / "gateway.token"
    token.touch(mode=0o600)
    token.write_text(GATEWAY_TOKEN + "\n")


def _check_gateway(folder: Path) -> str | None:
    for connection in _opened(folder):
        report = lw.check(connection)
        if report.ok and "/gateway/" in repr(getattr(connection.fields, "endpoint", "")):
            return None
    return "no saved connection reaches the gateway"


def _start_failed_check(folder: Path) -> None:
    url = _company(folder)
    wrong = lw.Connection("custom", name="claim-large", endpoint=f"{url}/v1", label="claims")
    _store(folder).save(wrong)


def _check_failed_check(folder: Path) -> str | None:
    store = _opened(folder)
    if "claims" not in store or not lw.check(store["claims"]).ok:
        return "the connection `claims` does not work yet"
    return None if "claims-large" in _answer(folder) else "answer.txt does not say what was wrong"


def _start_page(folder: Path) -> None:
    _saved_run(folder)


def _check_page(folder: Path) -> str | None:
    page = folder / "share.html"
    if not page.exists():
        return "share.html is not there"
    html = page.read_text("utf-8")
    wanted = ("Payable on receipt", "L-20260", "claims-small", "<mark")
    missing = [each for each in wanted if each not in html]
    if missing:
        return f"share.html does not show {missing}"
    return "share.html loads something" if re.search(r"""(src|href)=["']https?:""", html) else None


def _start_typed_key(folder: Path) -> None:
    cells = [
        {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Claims of March"},
        {"cell_type": "code", "id": "key", "metadata": {}, "execution_count": 1, "outputs": [],
         "source": f'client = OpenAI(api_key="{TYPED_KEY}")'},
        {"cell_type": "code", "id": "work", "metadata": {}, "execution_count": 2, "outputs": [],
         "source": "rows = 30"},
    ]  # fmt: skip
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "work").mkdir()
    (folder / "work" / "claims.ipynb").write_text(json.dumps(notebook, indent=1))
    (folder / "work" / "notes.txt").write_text("Nothing to see here.\n")


def _check_typed_key(folder: Path) -> str | None:
    cleaned: Any = json.loads((folder / "work" / "claims.ipynb").read_text("utf-8"))
    if any(TYPED_KEY in each.read_text("utf-8", "replace")
           for each in (folder / "work").rglob("*") if each.is_file()):  # fmt: skip
        return "the key is still there"
    sources = ["".join(each["source"]) for each in cleaned["cells"]]
    return None if "rows = 30" in sources else "other cells of the notebook were lost"


def _start_label_studio(folder: Path) -> None:
    _company(folder, truth=False)
    kinds = {"number": "textarea", "due_date": "textarea", "total": "number", "currency": "choices"}
    exported = []
    for n, row in enumerate(make_invoices(), 1):
        results = [
            {"from_name": name, "to_name": "text", "type": kind,
             "value": {"number": row[name]} if kind == "number"
             else {"choices": [row[name]]} if kind == "choices" else {"text": [row[name]]}}
            for name, kind in kinds.items() if row[name] is not None
        ]  # fmt: skip
        exported.append({"id": n, "data": {"id": row["id"], "text": row["text"]},
                         "annotations": [{"id": n, "result": results}]})  # fmt: skip
    (folder / "label_studio.json").write_text(json.dumps(exported, indent=1))


def _check_label_studio(folder: Path) -> str | None:
    shares = [each / 100 if each > 1 else each for each in _numbers(_answer(folder))]
    expected = 0.917
    if any(abs(each - expected) < 0.003 for each in shares):
        return None
    return "answer.txt does not say how many of claims-small's fields are right"


def _start_cost(folder: Path) -> None:
    _company(folder)
    _store(folder)


def _check_cost(folder: Path) -> str | None:
    os.environ.update(_environment(folder))
    rows = [{"id": each["id"], "text": each["text"]} for each in make_invoices()]
    # `low` and `high` of the same estimate that the panel and the shell show.
    estimate = lw.estimate(
        SCHEMA, rows, [(lw.Connection("openai", api_key=TYPED_KEY), "gpt-6-luna")]
    )
    bounds = (estimate.cost_low, estimate.cost_high)
    assert bounds[1] is not None
    said = _numbers(_answer(folder))
    found = any(0.5 * (bounds[0] or 0) <= each <= 1.1 * bounds[1] for each in said)
    return None if found else "answer.txt does not say what it would cost, in US dollars"


def _start_gate(folder: Path) -> None:
    url = _company(folder)
    store = _store(folder)
    for connection in _connections(url):
        store.save(connection)


def _check_gate(folder: Path) -> str | None:
    gate = folder / "gate.sh"
    if not gate.exists():
        return "gate.sh is not there"
    states = []
    for model in ("claims-large", "claims-small"):
        ran = subprocess.run(
            ["bash", "gate.sh", model], cwd=folder, capture_output=True, text=True, timeout=120,
            env={**os.environ, **_environment(folder)},
        )  # fmt: skip
        states.append(ran.returncode)
    if states != [0, 1]:
        return f"gate.sh ends with {states} for claims-large and claims-small, not with [0, 1]"
    return None


TASKS = {
    each.name: each
    for each in (
        Task("verdict", "invoices.csv has thirty invoices with four columns of truth (number, "
             "due_date, total, currency). Two connections are saved: claims-large and "
             "claims-small. Which is better? Write solution.py: it prints the verdict, in at most "
             "two statements beside its imports.", _start_verdict, _check_verdict),
        Task("worst_field", "run.json is a saved comparison. Write into answer.txt which field "
             "was got wrong most often.", _start_worst_field, _check_worst_field),
        Task("cheaper", "run.json is a saved comparison of two models. Losing 5 fields in 100 is "
             "allowed. Which can be taken, at the lowest price, safely? Its label into "
             "answer.txt.", _start_cheaper, _check_cheaper),
        Task("gateway", "gateway.txt says how your company's gateway is reached. Save a connection "
             "to it in your store, so that it works.", _start_gateway, _check_gateway),
        Task("failed_check", "The saved connection `claims` does not work. Find out why, write it "
             "into answer.txt in one line, and make it work under the same label. The server's "
             "address is in server.txt.", _start_failed_check, _check_failed_check),
        Task("page", "run.json is a saved comparison. Make share.html: one page for colleagues "
             "without Python that shows the texts with the values marked in them.",
             _start_page, _check_page),
        Task("typed_key", "Somewhere under work/ somebody typed a key. Find it and clean it; the "
             "rest stays.", _start_typed_key, _check_typed_key),
        Task("label_studio", "label_studio.json is an export of Label Studio with annotations; "
             "invoice.json is the schema. What share of claims-small's fields is right, against "
             "these annotations? (the server is in server.txt, its addresses end in /v1) The "
             "share into answer.txt.", _start_label_studio, _check_label_studio),
        Task("cost", "Nothing may be sent. What would OpenAI's gpt-6-luna cost for invoices.csv "
             "with invoice.json? You have no real key. The figure, in US dollars, into "
             "answer.txt.", _start_cost, _check_cost),
        Task("gate", "For CI: write gate.sh, which takes a saved connection's label as its first "
             "argument, asks it for invoices.csv (truth in its columns) with invoice.json, and "
             "ends with 0 where at least 95 of 100 fields are right, else with 1.",
             _start_gate, _check_gate),
    )
}  # fmt: skip


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")


def main(*words: str) -> int:
    """Run a command of the module's docstring, or show them; returns its status."""
    match words:
        case "stop", folder:
            stop(Path(folder))
            return 0
        case ("start" | "check") as command, name, folder if name in TASKS:
            return _try(command, TASKS[name], Path(folder).resolve())
    _say(f"{__doc__}\nThe tasks: {', '.join(TASKS)}.")
    return 2


def _try(command: str, task: Task, folder: Path) -> int:
    if command == "start":
        folder.mkdir(parents=True)
        task.start(folder)
        _say(f"{task.words}\n\nYou are in {folder}, and have {MINUTES} minutes.")
        if (folder / "env.sh").exists():
            _say("Your store is opened by `. ./env.sh`.")
        return 0
    wrong = task.check(folder)
    _say(wrong or "done")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Pictures of every screen of both panels: `python -m tests.pictures [WORD …]`.

Each screen is drawn in JupyterLab as a user meets it, in light, in dark, and 640 pixels wide, into
`build/pictures/`; those of the README and the notebooks (`tutorials`) go to `notebooks/pictures/`.
With words, only scenes whose name holds one of them are drawn.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.forms import FORMS, fill, make_store, open_kind, proposed_words
from tests.jupyterlab import (
    CHROMIUM_FLAGS,
    DARK,
    LIGHT,
    PANEL_WIDTH,
    PATIENCE_MS,
    REPOSITORY,
    CutConnection,
    Lab,
    LabPage,
    find_chromium,
    listen,
    start_lab,
)
from tests.outcomes import (
    DECIDED,
    EARLIER,
    ERRORS,
    LANGUAGES,
    OUTCOMES,
    REPEATED,
    WIDE,
)
from tests.servers import serving_models
from tests.sign_ins import SIGN_INS, Cloud, cell, fill_in, write_files
from tests.tutorial_pictures import tutorials
from tests.widgets.ten_questions import QUESTIONS, find

BUILD = REPOSITORY / "build" / "pictures"
NARROW = 640
PASSPHRASE = "copper lantern orbit mellow harbor quiz"

MEMORY = "import llmwidgets as lw\nstore = lw.Store.in_memory()\nlw.ConnectionPanel(store)"
CUSTOM = "import llmwidgets as lw\nlw.ConnectionForm('custom', lw.Store.in_memory())"
LASTING = "import llmwidgets as lw\nlw.ConnectionPanel(lw.Store('acme'))"
MANY = """import datetime
import llmwidgets as lw
store, now = lw.Store('acme', path=FOLDER), datetime.datetime.now(datetime.UTC)
store = lw.Store.create('acme', path=FOLDER, passphrase='PASSPHRASE')
for kind, fields in [
    ('openai', dict(api_key='sk-proj-made-up-0004711-3fQz', base_url='URL/v1')),
    ('anthropic', dict(api_key='sk-ant-api03-made-up-0004711-7Qva')),
    ('azure_openai', dict(deployment='gpt-6-sol-prod', api_key='0' * 28 + 'a91c',
                          endpoint='https://acme-claims.openai.azure.com')),
]:
    store.save(lw.Connection(kind, **fields).with_checked_at(now))
store.save(lw.Connection('custom', name='llama3.2', endpoint='http://localhost:11434/v1'))
lw.ConnectionPanel(store)"""
DEMO = """import llmwidgets as lw
from llmwidgets.demo import invoices
lw.ComparisonPanel(
    invoices.Schema, invoices.texts, truth=invoices.truth, models="demo", store=lw.Store.in_memory()
)"""
SLOW = """import llmwidgets as lw
from llmwidgets.demo import invoices
texts = [dict(text, id=f"{n}-{text['id']}") for n in range(20) for text in invoices.texts]
lw.ComparisonPanel(invoices.Schema, texts, models="demo", store=lw.Store.in_memory())"""
NOTHING = "import llmwidgets as lw\nlw.ComparisonPanel(store=lw.Store.in_memory())"
WRONG = """import llmwidgets as lw
from llmwidgets.demo import invoices
dead = lw.Connection("custom", name="llama3.2", endpoint="http://localhost:9/v1")
store = lw.Store.in_memory()
store.save(lw.Connection("openai", api_key="sk-made-up-0000-3fQz"))
lw.ComparisonPanel(invoices.Schema, ["", *(each["text"] for each in invoices.texts)],
    truth=[{"total": 1}], models=["openai/gpt-9-nova", "opanai/gpt-6-luna", dead], store=store)"""
FAILED = """import llmwidgets as lw
from llmwidgets.demo import invoices
dead = lw.Connection("custom", name="llama3.2", endpoint="http://localhost:9/v1")
lw.ComparisonPanel(invoices.Schema, invoices.texts, truth=invoices.truth,
    models=[lw.start_demo()[0], dead], store=lw.Store.in_memory())"""


@dataclass
class Camera:
    """Takes the pictures of one scene: opens its notebook, and a screen three times."""

    page: LabPage
    scene: str = ""

    def open(self, code: str) -> Any:
        """Run a cell in a notebook of its own; its panel."""
        name = f"{self.scene}.ipynb"
        self.page.lab.notebook(name, [code])
        self.page.open(name).run_all()
        panel = self.page.output()
        panel.locator("header, .cols").first.wait_for()
        return panel

    def shot(self, name: str = "") -> None:
        """The screen as it is now, in light, in dark and narrow."""
        stem = "-".join(part for part in (self.scene, name) if part)
        self.page.widen(PANEL_WIDTH)
        self.page.picture(BUILD / f"{stem}.light.png")
        self.page.picture(BUILD / f"{stem}.dark.png", theme=DARK)
        self.page.theme(LIGHT)
        self.page.widen(NARROW)
        self.page.picture(BUILD / f"{stem}.640.png")
        self.page.widen(PANEL_WIDTH)
        print(f"  {stem}")  # noqa: T201 - the command says what it drew


def connections(camera: Camera) -> None:
    """Several connections, one of them just tested; one removed, and the way back."""
    models = ("gpt-6-luna", "gpt-6-sol", "gpt-5", "gpt-9-nova")
    with serving_models(models=models) as server:
        folder = repr(str(camera.page.lab.home / "acme"))
        code = MANY.replace("FOLDER", folder).replace("PASSPHRASE", PASSPHRASE)
        panel = camera.open(code.replace("URL", server.url))
        panel.locator("nav").get_by_role("button", name="OpenAI", exact=False).first.click()
        panel.get_by_role("button", name="Test again").click()
        panel.get_by_text("whitelisted models can be used").wait_for()
        camera.shot()
        panel.get_by_role("button", name="Remove").click()
        panel.get_by_role("button", name="Put openai back").wait_for()
        camera.shot("removed")


def forms(camera: Camera) -> None:
    """Each kind's form: empty, and after its test."""
    panel = camera.open(MEMORY)
    camera.shot("none")
    for form in FORMS:
        with serving_models(models=form.models) as server:
            open_kind(panel, form.kind)
            camera.shot(form.kind)
            fill(panel, form, server.url)
            if form.kind in {"vertex_ai", "azure_openai"}:
                camera.shot(f"{form.kind}-filled")
            panel.get_by_role("button", name="Test and save").click()
            panel.get_by_text("Saved.").wait_for()
            camera.shot(f"{form.kind}-tested")


def checks(camera: Camera) -> None:
    """What a check says that is not well: a fix, a limit, a foreign key, a damaged file."""
    panel = camera.open(MEMORY)
    with serving_models(fault="model", faulty="gpt-6-luna") as server:
        open_kind(panel, "azure_openai")
        azure = next(each for each in FORMS if each.kind == "azure_openai")
        fill(panel, azure, server.url)
        panel.get_by_label("Deployment").fill("gpt-6-luna")
        panel.get_by_role("button", name="Test and save").click()
        panel.get_by_role("button", name="Apply fix and test").wait_for()
        camera.shot("fix")
        panel.locator("summary").filter(has_text="secrets cut").click()
        camera.shot("request")
    with serving_models(fault="ignore", models=("acme-gateway", "qwen3")) as server:
        open_kind(panel, "custom")
        panel.get_by_label("Name", exact=True).fill("acme-gateway")
        panel.get_by_label("Endpoint", exact=True).fill(f"{server.url}/v1")
        panel.get_by_role("button", name="Test and save").click()
        panel.get_by_text("JSON only").first.wait_for()
        camera.shot("limit")
    open_kind(panel, "openai")
    panel.get_by_label("API key").fill("sk-ant-api03-made-up-0004711-7Qva")
    panel.get_by_role("button", name="Test and save").click()
    panel.get_by_role("button", name="Use it for Anthropic").wait_for()
    camera.shot("foreign")
    open_kind(panel, "vertex_ai")
    panel.get_by_role("textbox", name="JSON credentials").fill('{"type": "external_account"}')
    panel.get_by_role("textbox", name="JSON credentials").blur()
    panel.get_by_text("get their tokens from another service").wait_for()
    camera.shot("file")


def form(camera: Camera) -> None:
    """The form of one kind by itself, before and after its test."""
    panel = camera.open(CUSTOM)
    camera.shot()
    panel.get_by_role("option", name="Ollama").click()
    panel.get_by_text("Show where this is").click()
    panel.get_by_role("img", name="1.").nth(1).wait_for()
    camera.shot("pictures")
    with serving_models(fault="ignore", models=("acme-gateway",)) as server:
        panel.get_by_label("Name", exact=True).fill("acme-gateway")
        panel.get_by_label("Endpoint", exact=True).fill(f"{server.url}/v1/chat/completions")
        panel.get_by_role("button", name="Test and save").click()
        panel.get_by_text("JSON only").first.wait_for()
        camera.shot("tested")


def presets(camera: Camera) -> None:
    """The servers that are often connected: one chosen, all of them, a search, an open address."""
    named = "import os\nos.environ['GROQ_API_KEY'] = 'gsk_made-up-0004711'\n"
    panel = camera.open(f"{named}{CUSTOM}")
    panel.get_by_role("option", name="OpenRouter").click()
    panel.get_by_text("from OpenRouter").wait_for()
    camera.shot()
    search = panel.get_by_role("combobox", name="Search 17 presets")
    search.fill("schema")
    search.press("ArrowDown")
    camera.shot("search")
    search.fill("snowflake")
    search.press("Enter")
    panel.get_by_text("Replace {account}").wait_for()
    panel.get_by_role("button", name="Show 10 more").click()
    camera.shot("open-address")
    panel = camera.open(f"{named}{MEMORY}")
    open_kind(panel, "custom")
    panel.get_by_role("option", name="Groq").click()
    panel.get_by_text("from Groq").wait_for()
    camera.shot("panel")


def sign_in(camera: Camera) -> None:
    """Every way to sign in without a key: the form, its test, a role that is missing."""
    folder = camera.page.lab.home / "sign-ins"
    with serving_models(kind=Cloud) as cloud:
        write_files(folder, cloud.url)
        code = "lw.ConnectionForm('azure_openai', lw.Store.in_memory(), sign_in='entra')"
        panel = camera.open(cell(folder, cloud.url, code))
        camera.shot()
        entra = SIGN_INS["azure-openai"]
        fill_in(panel, entra, cloud.url, folder)
        cloud.role = False
        panel.get_by_role("button", name="Test and save").click()
        panel.get_by_role("button", name="Copy the command for the owner").click()
        camera.shot("no-role")
        panel.get_by_role("button", name="Use an API key").click()
        panel.get_by_label("API key").fill("0123456789abcdef0123456789aba91c")
        panel.get_by_role("button", name="Test and save").click()
        panel.get_by_role("button", name="Sign in with Microsoft Entra ID").wait_for()
        camera.shot("keys-off")
        cloud.role = True
        for name, form in SIGN_INS.items():
            panel = camera.open(cell(folder, cloud.url, "lw.ConnectionPanel(lw.Store.in_memory())"))
            open_kind(panel, form.kind)
            panel.get_by_role("radio", name=form.way_title).click()
            panel.get_by_text("found when tested").wait_for()
            fill_in(panel, form, cloud.url, folder)
            camera.shot(f"{name}-filled")
            panel.get_by_role("button", name="Test and save").click()
            panel.get_by_text("Saved.").wait_for()
            camera.shot(f"{name}-tested")


def store(camera: Camera) -> None:
    """The store: made, kept, locked, a wrong passphrase, the way in by the recovery identity."""
    panel = camera.open(LASTING)
    with serving_models(models=("gpt-6-luna", "gpt-5")) as server:
        open_kind(panel, "openai")
        fill(panel, FORMS[0], server.url)
        panel.get_by_role("button", name="Test and save").click()
        words = proposed_words(panel)
        panel.get_by_label("Type the six words once").fill(" ".join(words.split()[:3]))
        camera.shot("create")
        panel.get_by_label("Type the six words once").fill(words)
        panel.get_by_role("button", name="Show").click()
        panel.get_by_label("I keep it somewhere other than this computer").check()
        camera.shot("create-ready")
        make_store(panel, PASSPHRASE)
        panel.get_by_text("Stored, ends in 3fQz").wait_for()
        camera.shot("made")
    panel.get_by_role("button", name="Store…").click()
    panel.get_by_role("heading", name="Members").wait_for()
    recipient = "age1" + "ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    panel.get_by_label("Name", exact=True).fill("Mara")
    panel.get_by_label("Their public key").fill(recipient)
    panel.get_by_role("button", name="Invite").click()
    panel.get_by_label("Invitation").wait_for()
    camera.shot("settings")
    panel.get_by_role("button", name="Lock", exact=True).click()
    panel.get_by_text("Forgotten it?").wait_for()
    camera.shot("locked")
    panel.get_by_label("Passphrase").fill("another one altogether")
    panel.get_by_role("button", name="Unlock").click()
    panel.locator(".err").wait_for()
    camera.shot("wrong")
    panel.get_by_role("button", name="Use the recovery identity").click()
    camera.shot("recovery")
    panel = camera.open(DEMO.replace("lw.Store.in_memory()", "lw.Store('acme')"))
    panel.get_by_text("The store is locked").wait_for()
    camera.shot("locked-comparison")


def lost(camera: Camera) -> None:
    """A kernel that was restarted, under both panels; a server that is away."""
    connection = CutConnection(camera.page)
    folder = repr(str(camera.page.lab.home / "lost"))
    code = MANY.replace("FOLDER", folder).replace("PASSPHRASE", PASSPHRASE)
    panel = camera.open(code.replace("URL", "http://localhost:9"))
    panel.locator("nav").get_by_role("button", name="Anthropic").first.click()
    panel.get_by_role("heading", name="Anthropic", exact=True).wait_for()
    panel.get_by_role("button", name="Replace key").click()
    panel.get_by_label("API key").press_sequentially("sk-ant-made-up-0004711")
    connection.cut()
    panel.get_by_text("The server does not answer.").wait_for()
    camera.shot("server")
    connection.mend()
    panel.get_by_text("Unlocked by passphrase").wait_for()
    camera.page.restart_kernel()
    panel.get_by_text("The kernel was restarted.").wait_for()
    camera.shot("connections")
    panel = camera.open("import llmwidgets as lw\nlw.ConnectionForm('custom', lw.Store())")
    camera.page.restart_kernel()
    panel.get_by_text("The kernel was restarted.").wait_for()
    camera.shot("form")
    for name, code in [("setup", DEMO), ("result", f"{DECIDED}compared(truth).explore()")]:
        panel = camera.open(code)
        camera.page.restart_kernel()
        panel.get_by_text("The kernel was restarted.").wait_for()
        camera.shot(name)


def provided(camera: Camera) -> None:
    """A connection that a policy file provides: read-only, with whose it is."""
    policy = camera.page.lab.home / "policy.toml"
    policy.write_text(
        '[connections.acme-gateway]\nkind = "custom"\nname = "llama3.2"\n'
        'endpoint = "https://llm.acme.example/v1"\napi_key = "env:ACME_KEY"\n'
    )
    named = f"import os\nos.environ['LLMWIDGETS_POLICY'] = {str(policy)!r}\n"
    panel = camera.open(named + MEMORY)
    panel.get_by_role("heading", name="acme-gateway").wait_for()
    camera.shot()


def comparison(camera: Camera) -> None:
    """The main job: before the run, the grid with an open cell, and every other view."""
    panel = camera.open(DEMO)
    panel.get_by_text("and to no other host").wait_for()
    camera.shot("before")
    panel.get_by_role("button", name=re.compile(r"^Run \d+ calls")).click()
    panel.get_by_role("grid").get_by_text("druckerei-de").first.wait_for()
    camera.shot("differences")
    panel.locator(".lw-c.differ").first.click()
    panel.locator(".lw-detail").wait_for()
    camera.shot("open-cell")
    for tab, words in [
        ("Text", "solid line: agrees with the truth"),
        ("Scoreboard", "In pairs"),
        ("Charts", "Quality against cost"),
        ("Request", "Secrets are cut."),
    ]:
        panel.get_by_role("tab", name=tab).click()
        panel.get_by_text(words).first.wait_for()
        camera.shot(tab.lower())


def decided(camera: Camera) -> None:
    """Enough labelled texts for a verdict: what matters, fields by model, copied values."""
    panel = camera.open(f"{DECIDED}compared(truth).explore()")
    panel.get_by_role("grid").get_by_text("claim-").first.wait_for()
    panel.get_by_text("copied from example").first.wait_for()
    camera.shot("differences")
    panel.locator(".lw-c", has_text="copied from example").first.click()
    panel.locator(".lw-detail .lw-ev").wait_for()
    camera.shot("copied")
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_text("% not in the text").wait_for()
    camera.shot("scoreboard")
    panel.get_by_role("tab", name="Charts").click()
    panel.get_by_text("under it the number of values").wait_for()
    camera.shot("charts")


def languages(camera: Camera) -> None:
    """Values from right to left and in wide letters: the grid, one open, a text in both widths."""
    panel = camera.open(LANGUAGES)
    panel.locator(".lw-c.differ").first.wait_for()
    camera.shot()
    panel.locator(".lw-c.differ").first.click()
    panel.locator(".lw-detail .lw-ev").wait_for()
    camera.shot("open-cell")
    panel.get_by_role("tab", name="Text").click()
    panel.locator(".lw-prose").wait_for()
    camera.shot("text")
    panel.get_by_role("button", name="Fixed width").click()
    camera.shot("fixed")


def kinds(camera: Camera) -> None:
    """Kinds of error by model with the values behind a count, and by field."""
    panel = camera.open(ERRORS)
    panel.get_by_role("tab", name="Scoreboard").click()
    table = panel.get_by_role("grid", name="Kinds of error by model")
    table.get_by_role("button", name=re.compile(r"^unit, all models")).click()
    panel.get_by_role("button", name=re.compile("^Open the row")).first.wait_for()
    camera.shot()
    panel.get_by_label("Kinds of error by").last.select_option(label="By field, all models")
    panel.get_by_role("grid", name=re.compile("Kinds of error by field")).wait_for()
    camera.shot("fields")


def outcomes(camera: Camera) -> None:
    """The three outcomes of a verdict, and wider tables than theirs, with their charts."""
    for name, code in {**OUTCOMES, **WIDE}.items():
        panel = camera.open(code)
        panel.get_by_role("grid").get_by_text("claim-").first.wait_for()
        panel.get_by_role("tab", name="Scoreboard").click()
        panel.get_by_role("heading", name="In pairs").wait_for()
        camera.shot(name)
        panel.get_by_role("tab", name="Charts").click()
        panel.get_by_text("Fields by model").wait_for()
        camera.shot(f"{name}-charts")


def repeats(camera: Camera) -> None:
    """Texts asked five times: how often each value came, the others behind it, by field."""
    panel = camera.open(REPEATED)
    panel.get_by_role("grid").get_by_text("5 of 5").first.wait_for()
    camera.shot("differences")
    panel.locator(".lw-c .lw-often", has_text="3 of 5").first.click()
    panel.locator(".lw-groups").wait_for()
    camera.shot("open-cell")
    panel.get_by_role("button", name="Show in text").click()
    panel.get_by_text("solid line: agrees with the truth").wait_for()
    camera.shot("text")
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_text("Stability, the %").wait_for()
    camera.shot("scoreboard")
    panel.get_by_role("tab", name="Charts").click()
    panel.get_by_text("Stability by field and model").wait_for()
    camera.shot("charts")
    panel.get_by_role("tab", name="Request").click()
    panel.get_by_text("Secrets are cut.").wait_for()
    camera.shot("request")


def review(camera: Camera) -> None:
    """The most doubtful fields first: with chances and labels, as ranks, and how one gets there."""
    panel = camera.open(REPEATED)
    panel.get_by_label("Order").select_option("review")
    panel.get_by_text("chance that the value is wrong").wait_for()
    panel.get_by_role("grid").focus()
    camera.page.browser_page.keyboard.press("1")
    panel.get_by_text("set with key 1").wait_for()
    camera.shot()
    panel.locator(".lw-fold").scroll_into_view_if_needed()
    camera.shot("end")
    panel = camera.open(f"{DECIDED}compared(None).explore()")
    panel.get_by_label("Order").select_option("review")
    panel.get_by_text("ranks only").wait_for()
    camera.shot("ranks")
    panel = camera.open(OUTCOMES["not-enough"])
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_role("button", name="Choose which first").wait_for()
    camera.shot("from")


def agreement(camera: Camera) -> None:
    """Without truth: how far the models say the same."""
    panel = camera.open(f"{DECIDED}compared(None).explore()")
    panel.get_by_role("grid").get_by_text("claim-").first.wait_for()
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_text("% the same as the others").first.wait_for()
    camera.shot("scoreboard")
    panel.get_by_role("tab", name="Charts").click()
    panel.get_by_text("Ranks only").wait_for()
    camera.shot("charts")


def described(camera: Camera) -> None:
    """A column that describes a field otherwise: before the run, scored, and beside the other."""
    panel = camera.open(DEMO)
    panel.get_by_role("button", name="Duplicate column").first.click()
    panel.get_by_text("the comparison's").click()
    total = panel.get_by_role("textbox", name="Description of total in column")
    total.fill("Net amount of the invoice, without tax")
    total.press("Tab")
    panel.get_by_text("Comparison: Total").wait_for()
    camera.shot("before")
    panel.get_by_role("button", name=re.compile(r"^Run \d+ calls")).click()
    panel.get_by_role("grid").wait_for()
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_text("1 description differs").wait_for()
    camera.shot("scoreboard")
    panel.get_by_role("tab", name="Request").click()
    panel.get_by_text("beside another column's").click()
    camera.shot("request")


def runs(camera: Camera) -> None:
    """Earlier runs, two of them beside each other, and the fields that flipped."""
    panel = camera.open(EARLIER)
    panel.get_by_role("grid").wait_for()
    camera.shot("from")
    panel.get_by_role("button", name="Earlier runs").click()
    panel.get_by_role("button", name="Compare these two").wait_for()
    camera.shot()
    panel.get_by_role("button", name="Compare these two").click()
    panel.get_by_role("columnheader", name="To wrong").wait_for()
    camera.shot("compared")
    panel.get_by_role("button", name=re.compile("^Show the")).first.click()
    panel.get_by_role("button", name="Hide").wait_for()
    camera.shot("flips")


def questions(camera: Camera) -> None:
    """The last screen of each of the ten questions."""
    for question in QUESTIONS:
        panel = camera.open(question.code)
        panel.get_by_role("grid").wait_for()
        for click in question.clicks:
            control = find(panel, click)
            if click.option:
                control.select_option(label=click.option)
            else:
                control.click()
        counting = panel.locator("progress, [role=status]:has-text('Counting')")
        expect(counting).to_have_count(0, timeout=PATIENCE_MS)
        camera.shot(question.name)


def running(camera: Camera) -> None:
    """A run under way, and what is left of it when it is stopped."""
    panel = camera.open(SLOW)
    panel.get_by_role("button", name=re.compile(r"^Run [\d,]+ calls")).click()
    panel.get_by_text(re.compile(r"[1-9]\d\d of 1,280 replies")).wait_for()
    camera.shot()
    panel.get_by_role("button", name="Stop").click()
    panel.get_by_role("button", name=re.compile("^Resume")).wait_for()
    camera.shot("stopped")


def empty(camera: Camera) -> None:
    """Nothing chosen yet, a search without a hit, what cannot be asked, what failed."""
    camera.open(NOTHING)
    camera.shot("nothing")
    camera.open(WRONG)
    camera.shot("mistakes")
    panel = camera.open(FAILED)
    panel.get_by_role("button", name=re.compile(r"^Run \d+ calls")).click()
    panel.get_by_role("grid").wait_for()
    camera.shot("failed")
    panel.get_by_role("searchbox", name="Search values").fill("no such value")
    panel.get_by_text("No row matches the search").wait_for()
    camera.shot("search")


def slices(camera: Camera) -> None:
    """The scores by a column of the texts: as a table, as pictures, one slice alone, its rows."""
    panel = camera.open(OUTCOMES["as-good"])
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_label("By this column").select_option("insurer")
    panel.get_by_role("heading", name="By insurer").wait_for()
    camera.shot()
    panel.get_by_role("tab", name="Charts").click()
    panel.locator(".lw-multiples").wait_for()
    camera.shot("charts")
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_role("button", name="Mutua del Mar").click()
    panel.get_by_text("chosen by insurer").wait_for()
    camera.shot("one")
    panel.get_by_role("tab", name="Differences").click()
    panel.locator(".lw-block").first.wait_for()
    camera.shot("rows")


CHOOSING = """import llmwidgets as lw
leaf = {"type": ["number", "null"]}
named = {"type": ["string", "null"]}
policy = {"type": "object", "properties": {"number": named}}
schema = {"type": "object", "properties": {"total": leaf, "currency": named, "policy": policy}}
lw.ComparisonPanel(schema, models="demo", store=lw.Store.in_memory())"""
CHOSEN = """Nr;Brief;total;currency;Police;Versicherer;Bearbeitet
R-7;Tischlerei Groß, zu zahlen 1.234,50 EUR zu Vertrag HH-1001;1234.50;EUR;HH-1001;Mutua;ja
R-8;Bäckerei Weiß, zu zahlen 89,90 EUR zu Vertrag HH-1002;neunundachtzig;EUR;HH-1002;Mutua;ja
"""


def columns(camera: Camera) -> None:
    """A table was chosen: its columns before the text is known; chosen, and a cell misfits."""
    panel = camera.open(CHOOSING)
    panel.get_by_role("button", name="Choose", exact=True).click()
    file = {"name": "briefe.csv", "mimeType": "text/csv", "buffer": CHOSEN.encode()}
    panel.locator("input[type=file]").set_input_files([file])
    panel.get_by_label("Use Brief as").wait_for()
    camera.shot("asked")
    for name, use in {"Brief": "Text", "Nr": "Id", "Police": "Truth: policy.number"}.items():
        panel.get_by_label(f"Use {name} as").select_option(use)
    panel.get_by_text("“neunundachtzig”").wait_for()
    camera.shot("misfit")


SCENES: tuple[Callable[[Camera], None], ...] = (
    connections, forms, checks, form, presets, sign_in, store, lost, provided, comparison, decided,
    kinds, outcomes, slices, review, agreement, described, repeats, languages, runs, questions,
    running, empty, columns, tutorials,
)  # fmt: skip


@contextmanager
def started() -> Iterator[LabPage]:
    """A page of a fresh JupyterLab."""
    from playwright.sync_api import sync_playwright

    chromium = find_chromium()
    home = Path(tempfile.mkdtemp(prefix="llmwidgets-pictures-"))
    lab: Lab = start_lab(home, chromium)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            context = browser.new_context(viewport={"width": 1280, "height": 1400})
            page = LabPage(lab, context.new_page())
            listen(page)
            yield page
            browser.close()
    finally:
        lab.stop()
        shutil.rmtree(home, ignore_errors=True)


def main(words: list[str]) -> None:
    """Draw every scene, or those whose name holds one of the words."""
    wanted = [each for each in SCENES if not words or any(w in each.__name__ for w in words)]
    with started() as page:
        for scene in wanted:
            scene(Camera(page, scene.__name__))
    if page.troubles:
        raise SystemExit("\n".join(page.troubles))


if __name__ == "__main__":
    main(sys.argv[1:])

"""The page's code: built from its sources, typed, linted, and a drawing that leaves a person alone.

Node and what package-lock.json names are needed here alone; an installation has the built files.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

import llmwidgets
from llmwidgets.store.store import Store
from llmwidgets.widgets.comparison.grid_model import CHUNK
from llmwidgets.widgets.comparison.grid_rows import Metrics
from tests.node import run_in
from tests.pages import KERNEL

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "llmwidgets" / "widgets" / "static"


@pytest.fixture(scope="session")
def tested(sources: Path) -> Path:
    """The sources with their unit tests built, and the page that a browser draws with."""
    done = run_in(sources, "node", "build.mjs", "--tests", "build")
    assert done.returncode == 0, done.stderr
    return sources


def test_the_built_files_are_those_of_the_sources(sources) -> None:
    """Byte by byte; who changed a source runs `make javascript`."""
    done = run_in(sources, "npm", "run", "build")
    assert done.returncode == 0, done.stderr
    fresh = {each.name: each.read_bytes() for each in (sources.parent / "static").iterdir()}
    kept = {each.name: each.read_bytes() for each in BUILT.iterdir()}
    assert sorted(fresh) == sorted(kept)
    assert [name for name in fresh if fresh[name] != kept[name]] == []


@pytest.mark.parametrize("name", ["ComparisonPanel", "ConnectionForm", "ConnectionPanel"])
def test_a_notebook_keeps_little_of_a_panels_code(wire, name) -> None:
    """What stands in the state is a loader; the module and its style sheet come when asked for."""
    given = ["openai", Store.in_memory()] if name == "ConnectionForm" else []
    page = wire(getattr(llmwidgets, name)(*given))
    kept = page.widget.get_state()
    assert len(kept["_esm"]) + len(kept["_css"]) < 2_000
    page.send("module")
    [sent] = [raw for raw in page.raw if raw[0].get("content", {}).get("type") == "module"]
    files = [BUILT / f"{page.widget.bundle}.{kind}" for kind in ("js", "css")]
    assert [bytes(each) for each in sent[1]] == [each.read_bytes() for each in files]


@pytest.mark.parametrize("task", ["types", "lint"])
def test_the_sources_are_typed_and_linted(sources, task) -> None:
    done = run_in(sources, "npm", "run", task)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_parts_that_draw_nothing(tested) -> None:
    """The unit tests under Node."""
    files = [str(each) for each in (tested / "build").glob("*.test.mjs")]
    done = run_in(tested, "node", "--test", *files)
    assert files
    assert done.returncode == 0, done.stdout + done.stderr


_MEASURED = """
import { readFileSync } from "node:fs";
import { transformSync } from "esbuild";
const source = readFileSync("src/comparison/grid/layout.ts", "utf8");
const { code } = transformSync(source, { loader: "ts" });
const page = await import(`data:text/javascript,${encodeURIComponent(code)}`);
const columns = JSON.parse(process.argv[1]).map((each) => page.measureColumns(960, ...each));
console.log(JSON.stringify({ chunk: page.CHUNK, metrics: page.METRICS, columns }));
"""


def test_the_kernel_and_the_page_measure_the_grid_by_the_same_numbers(sources) -> None:
    """Heights, how many texts are sent at once, and how many characters fit in 960 pixels.

    Where a guess is off by more than two characters, the page asks again.
    """
    shapes = list(
        product(([], ["amount"], ["lines[].description_of_goods"]), range(1, 9), (True, False))
    )
    node = "node", "--input-type=module", "--eval", _MEASURED, json.dumps(shapes)
    done = run_in(sources, *node)
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout)
    assert page["chunk"] == CHUNK
    heights = {name: getattr(Metrics(), name) for name in page["metrics"]}
    assert page["metrics"] == heights
    for (names, variants, truth), measured in zip(shapes, page["columns"], strict=True):
        guess = Metrics.guessed(variants, names, truth=truth)
        assert abs(guess.chars - measured["chars"]) <= 2
        assert abs(guess.truth_chars - measured["truthChars"]) <= 2


_ROUNDING = re.compile(r"\.(?:toFixed|toPrecision|toLocaleString)\(")


def test_figures_of_a_comparison_are_written_in_one_place() -> None:
    """What the kernel rounded (formatting.py) the page writes by words.ts alone."""
    found = (ROOT / "llmwidgets/widgets/javascript/src/comparison").rglob("*.ts*")
    assert {each.name for each in found if _ROUNDING.search(each.read_text("utf-8"))} == {
        "words.ts"
    }


def test_files_are_chosen_by_a_button_of_ours() -> None:
    """The chooser of a browser, in its own language and look, is hidden behind it."""
    sources = (ROOT / "llmwidgets/widgets/javascript/src").rglob("*.tsx")
    found = {each.name: each.read_text("utf-8") for each in sources}
    choosers = {name for name, text in found.items() if 'type="file"' in text}
    assert choosers == {"file.tsx"}
    assert re.search(r'type="file"[^>]*\n\s*hidden\n', found["file.tsx"])


FORBIDDEN = ("import ", "import(", "eval(", "new Function", "fetch(", "http://l")
FIRST_BYTES = 74_000


def test_what_the_comparison_panel_loads_first_is_small() -> None:
    """Enough to show the grid of a result; the other screens come when they are opened."""
    first = [BUILT / f"comparison_panel.{kind}" for kind in ("js", "css")]
    assert sum(each.stat().st_size for each in first) <= FIRST_BYTES


def test_a_module_holds_what_it_needs_and_its_licences() -> None:
    """No address to fetch from, nothing that a page's policy forbids; a part imports its module
    alone, which holds the licences.

    The loader imports once: what the kernel sent, as anywidget imports the loader itself.
    """
    licence = (BUILT / "THIRD_PARTY_LICENSES.txt").read_text("utf-8")
    assert "Permission is hereby granted" in licence
    loader = (BUILT / "loader.js").read_text("utf-8")
    assert [each for each in FORBIDDEN if each in loader] == ["import("]
    assert loader.count("import(") == loader.count("createObjectURL(") == 1
    modules = [each for each in BUILT.glob("*.js") if each.stem != "loader"]
    assert modules
    for module in modules:
        text = module.read_text("utf-8")
        part = "." in module.stem
        assert part or licence in text
        code = text.replace(licence, "")
        assert re.findall(r'import\{[^}]*\}from"([^"]*)"', code) == ["lw"] * part
        for forbidden in FORBIDDEN:
            assert forbidden not in code, (module.name, forbidden)
        assert (BUILT / f"{module.stem}.css").is_file()


def test_every_part_is_sent_to_whom_asks_for_it(wire) -> None:
    """What a page asks for and no panel has is answered with the module itself."""
    page = wire(llmwidgets.ComparisonPanel())
    parts = page.widget.parts
    assert {each.stem for each in BUILT.glob("comparison_panel.*.js")} == {
        f"comparison_panel.{part}" for part in parts
    }
    for part in (*parts, "../loader", None, ["views"]):
        page.send("module", part=part)
        message, files = page.raw[-1]
        known = part if part in parts else ""
        assert message["content"] == {"type": "module", "part": known}
        name = f"comparison_panel.{known}".rstrip(".")
        built = [(BUILT / f"{name}.{kind}").read_bytes() for kind in ("js", "css")]
        assert [bytes(each) for each in files] == built


LOADED = """async (loader) => {
  const url = URL.createObjectURL(new Blob([loader], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  const model = () => Object.assign(Object.create(lwModel), { get: () => "panel" });
  widget.initialize({ model: model() });
  const views = ["first", "second"].map((id) => {
    document.querySelector("main").append(Object.assign(document.createElement("div"), { id }));
    return widget.render({ model: model(), el: document.getElementById(id) });
  });
  window.leave = () => Promise.all(views).then((all) => all.forEach((each) => each()));
}"""
MODULE = """export default { render({ el }) { const drawn = document.createElement("b");
  drawn.textContent = "drawn"; el.append(drawn); return () => drawn.remove(); } }"""


@pytest.mark.browser
def test_every_view_waits_for_the_module_that_is_asked_for_once(blank) -> None:
    """Two views, each with a model object of its own, as anywidget has it: one question; both are
    drawn by what comes, with its style, and taken away."""
    blank.add_script_tag(content=KERNEL)
    blank.evaluate(LOADED, (BUILT / "loader.js").read_text("utf-8"))
    assert blank.evaluate("lwModel.sent.map((each) => each.type)") == ["module"]
    expect(blank.get_by_text("Waiting for the kernel.")).to_have_count(2)
    files = [base64.b64encode(each.encode()).decode() for each in (MODULE, "b { color: red }")]
    blank.evaluate("files => lwFromKernel({ type: 'module' }, files)", files)
    drawn = blank.get_by_text("drawn", exact=True)
    expect(drawn).to_have_count(2)
    expect(drawn.last).to_have_css("color", "rgb(255, 0, 0)")
    expect(blank.get_by_text("Waiting for the kernel.")).to_have_count(0)
    blank.evaluate("leave()")
    expect(drawn).to_have_count(0)


def test_a_wheel_holds_the_built_files_and_no_source(tmp_path) -> None:
    done = run_in(
        ROOT, sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir",
        str(tmp_path), ".",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for built in BUILT.iterdir():
        assert any(name.endswith(f"llmwidgets/widgets/static/{built.name}") for name in names)
    assert [name for name in names if "javascript" in name or "package" in name] == []
    assert any("licenses" in name and "THIRD_PARTY_LICENSES" in name for name in names)


# ---- a drawing in a real page: what is focused and half typed stays ------------------------------

MOUNTED = """() => {
  window.drawn = () => [];
  const Drawn = ({ state }) => window.drawn(state, lwPanel.send);
  const begin = (panel) => { window.lwPanel = panel; };
  const widget = createWidget("Panel", Drawn, { begin });
  widget.render({ model: lwModel, el: document.querySelector("main") });
  window.show = (state) => lwFromKernel({ type: "state", ...state }, []);
  window.sent = (kind) => lwModel.sent.filter((each) => each.type === kind);
}"""

EVERY_ORDER = """() => {
  const keys = ["a", "b", "c", "d"];
  const orders = [[]];
  for (const order of orders) {
    for (const key of keys) if (!order.includes(key)) orders.push([...order, key]);
  }
  window.drawn = ({ order }, send) => [h("p", {}, "above"), order.map((key) =>
    h("textarea", { key, "data-key": key, rows: 2, onChange: () => send("sent"),
      onBlur: () => send("left") }))];
  const wrong = [];
  for (const before of [1, 2, 3, 4].map((many) => keys.slice(0, many))) {
    for (const after of orders) {
      for (const held of before) {
        show({ order: [] });
        show({ order: before });
        const element = document.querySelector(`[data-key=${held}]`);
        element.focus();
        document.execCommand("insertText", false, "1\\n2\\n3\\n4\\n5\\n6\\n7\\n8");
        element.setSelectionRange(3, 5);
        element.scrollTop = 31;
        lwHeard.length = lwModel.sent.length = 0;
        show({ order: after });
        const now = [...document.querySelectorAll("textarea")].map((each) => each.dataset.key);
        const kept = !after.includes(held) || (document.activeElement === element
          && element.value.length === 15 && element.selectionStart === 3
          && element.selectionEnd === 5 && element.scrollTop === 31 && lwHeard.length === 0);
        if (now.join() !== after.join() || !kept || lwModel.sent.length) {
          wrong.push([before, after, held, now, lwHeard.slice(), lwModel.sent.slice()].join(" | "));
        }
      }
    }
  }
  return wrong;
}"""


@pytest.fixture
def tree(tested: Path, blank: Any) -> Any:
    """A page where `show(state)` arrives like a state and `drawn` says what is drawn of it."""
    module = (tested / "build" / "page.mjs").read_text("utf-8")
    blank.add_script_tag(content=KERNEL)
    blank.evaluate(
        """async (module) => {
          const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
          Object.assign(window, await import(url));
        }""",
        module,
    )
    blank.evaluate(MOUNTED)
    return blank


def test_a_focused_field_stays_through_every_change_of_order(tree) -> None:
    """Up to four keyed fields, each one focused, then every order of every choice of them.

    Focus, text, selection and scroll stay, no event is heard and no handler runs; where the field
    itself is gone, its half-typed value is sent to nobody.
    """
    wrong = tree.evaluate(EVERY_ORDER)
    assert not wrong, (len(wrong), wrong[:3])


def field(tree: Any, key: str = "field") -> Any:
    return tree.locator(f"[data-key={key}]")


def show(tree: Any, **state: Any) -> None:
    """Let a state arrive."""
    tree.evaluate("state => show(state)", state)


def draws(tree: Any, body: str) -> None:
    """Draw by this from now on; `state` is the newest state, `send` sends."""
    tree.evaluate(f"() => {{ window.drawn = (state, send, view) => {body}; }}")


def typed(tree: Any) -> list[Any]:
    """What has the focus: its key, what stands in it, where the caret is."""
    found: list[Any] = tree.evaluate(
        "() => { const at = document.activeElement;"
        " return [at.dataset.key || at.nodeName, at.value ?? null, at.selectionStart ?? null]; }"
    )
    return found


REVISED = """h(Control, { key: "field", "data-key": "field", value: state.value,
  onChange: (e) => send("set", { value: e.target.value }) })"""


def test_a_newer_value_waits_until_the_field_is_left(tree) -> None:
    """Typed, it is what was typed that is sent; untouched, the field takes the state's value."""
    draws(tree, REVISED)
    show(tree, value="from the kernel")
    field(tree).focus()
    tree.keyboard.press("Home")
    show(tree, value="newer")
    assert typed(tree) == ["field", "from the kernel", 0]
    field(tree).blur()
    assert field(tree).input_value() == "newer"
    assert tree.evaluate("sent('set')") == []

    field(tree).focus()
    tree.keyboard.press("Home")
    tree.keyboard.type("ha")
    show(tree, value="newest")
    assert typed(tree) == ["field", "hanewer", 2]
    field(tree).blur()
    assert field(tree).input_value() == "hanewer"
    assert [each["value"] for each in tree.evaluate("sent('set')")] == ["hanewer"]
    show(tree, value="hanewer, as it is kept")
    assert field(tree).input_value() == "hanewer, as it is kept"


def test_what_was_sent_is_shown_as_it_is_kept(tree) -> None:
    """Enter sends; the answer in another spelling is taken when the field is left."""
    draws(tree, REVISED)
    show(tree, value="1")
    field(tree).focus()
    tree.keyboard.type("2,5")
    tree.keyboard.press("Enter")
    show(tree, value="2.5")
    assert typed(tree)[:2] == ["field", "12,5"]
    field(tree).blur()
    assert field(tree).input_value() == "2.5"


def test_what_was_typed_outlives_the_answer_to_what_was_done_before(tree) -> None:
    """Also once the field is left: the state that brings another value knew nothing of it."""
    draws(tree, REVISED)
    show(tree, value="")
    for typing in ("a", "b"):
        field(tree).focus()
        tree.keyboard.press("End")
        tree.keyboard.type(typing)
        field(tree).blur()
    first, second = (each["act"] for each in tree.evaluate("sent('set')"))
    show(tree, value="of a preset", act=first)
    assert field(tree).input_value() == "ab"
    show(tree, value="ab, as it is kept", act=second)
    assert field(tree).input_value() == "ab, as it is kept"


def test_words_that_are_being_composed_stay(tree) -> None:
    """An input method in mid-word: a newer value and a vanished neighbour end nothing."""
    draws(tree, f"[state.other && h('input', {{ key: 'other' }}), {REVISED}]")
    show(tree, value="", other=True)
    tree.evaluate(
        "() => document.addEventListener('compositionend', () => lwHeard.push(['ended', '']))"
    )
    field(tree).focus()
    devtools = tree.context.new_cdp_session(tree)
    devtools.send(
        "Input.imeSetComposition", {"text": "にほ", "selectionStart": 2, "selectionEnd": 2}
    )
    tree.evaluate("() => { lwHeard.length = 0; }")
    show(tree, value="newer", other=False)
    assert typed(tree) == ["field", "にほ", 2]
    assert tree.evaluate("lwHeard") == []
    devtools.send("Input.insertText", {"text": "日本"})
    assert typed(tree)[:2] == ["field", "日本"]


def test_a_choice_that_is_open_stays(tree) -> None:
    """A focused select keeps what it shows while others come into its list."""
    draws(
        tree,
        """h(Select, { "data-key": "field", value: state.on, onPick: () => send("set"),
        options: state.all.map((value) => [value, value]) })""",
    )
    show(tree, all=["a", "b"], on="a")
    field(tree).focus()
    show(tree, all=["z", "a", "b"], on="b")
    assert typed(tree)[:2] == ["field", "a"]
    field(tree).blur()
    assert field(tree).input_value() == "b"
    assert tree.evaluate("sent('set')") == []


def test_what_is_typed_stays_in_its_row(tree) -> None:
    """Rows come, go and change places: each keeps what was typed into it."""
    draws(
        tree,
        """state.names.map((name) => h("div", { key: name }, name === "-" ? "between"
        : h("label", {}, h(Control, { id: `field-${name}` }))))""",
    )
    show(tree, names=["a", "b"])
    tree.locator("#field-a").fill("typed into a")
    tree.locator("#field-b").fill("typed into b")
    tree.locator("#field-b").evaluate("each => each.setSelectionRange(2, 2)")
    for names in (["-", "c", "b", "a"], ["b"], ["c", "-", "b"]):
        show(tree, names=names)
        assert typed(tree) == ["INPUT", "typed into b", 2]
        values = {
            name: tree.locator(f"#field-{name}").input_value() for name in names if name != "-"
        }
        assert values.get("c", "") == ""
        assert values.get("a", "typed into a") == "typed into a"


def test_what_is_typed_never_turns_up_in_another_field(tree) -> None:
    """One field stands where another stood: it is empty, whatever the two have in common."""
    draws(tree, "h('label', {}, h(Control, { id: state.name, type: 'password' }))")
    show(tree, name="old")
    tree.locator("#old").fill("typed into another")
    show(tree, name="new")
    assert tree.locator("#new").input_value() == ""


def test_nothing_is_closed_or_scrolled(tree) -> None:
    """An open fold and a scrolled box stay, though what stood above them goes."""
    draws(
        tree,
        """[state.above && h("section", {}, "above"), h(Fold, { title: "more", open: state.opened },
        h("pre", { "data-key": "box", tabindex: 0,
        style: "height:40px;overflow:auto;white-space:pre" }, "a\\n".repeat(99)))]""",
    )
    show(tree, above=True)
    tree.get_by_text("more").click()
    tree.locator("pre").evaluate("each => { each.scrollTop = 77; }")
    tree.locator("pre").focus()
    for above in (False, True, False):
        show(tree, above=above)
        assert tree.locator("pre").evaluate("each => each.scrollTop") == 77
        assert tree.locator("details").evaluate("each => each.open")
        assert typed(tree)[0] == "box"
    tree.get_by_text("more").click()
    show(tree, above=True)
    assert not tree.locator("details").evaluate("each => each.open")
    show(tree, above=True, opened=True)
    assert tree.locator("details").evaluate("each => each.open")


STEPS = """[state.there && h("input", { "data-key": "field", type: "text", "data-focus": "step",
    onChange: (e) => send("set", { value: e.target.value }) }),
  state.there && h(Button, { onClick: () => send("do") }, "Do it"),
  h(Button, { onClick: () => send("undo"), "data-focus": "step" }, "Undo"),
  h(Button, { onClick: () => send("on"), "data-key": "on", "data-next": "1", "data-main": "1" },
    "Lead on")]"""


def test_a_state_by_itself_moves_the_focus_to_no_button(tree) -> None:
    """The field is gone: Enter and Space do nothing, and what was half typed is sent to nobody."""
    draws(tree, STEPS)
    show(tree, there=True)
    field(tree).focus()
    tree.keyboard.type("sk-ha")
    show(tree, there=False)
    assert typed(tree)[0] == "SECTION"
    tree.keyboard.press("Enter")
    tree.keyboard.press("Space")
    assert tree.evaluate("lwModel.sent.map((each) => each.type)") == ["hello"]


def test_the_answer_to_an_act_leads_on(tree) -> None:
    """Who pressed a button that is gone finds the next step; not once something else was done."""
    draws(tree, STEPS)
    show(tree, there=True)
    button = tree.get_by_role("button", name="Do it")
    button.click()
    [act] = tree.evaluate("sent('do').map((each) => each.act)")
    show(tree, there=False, act=act)
    assert typed(tree)[0] == "on"
    show(tree, there=True)
    button.click()
    field(tree).focus()
    tree.keyboard.type("x")
    show(tree, there=False, act=tree.evaluate("sent('do').at(-1).act"))
    assert typed(tree)[0] == "SECTION"


def test_a_button_that_is_switched_off_keeps_the_focus(tree) -> None:
    """It says so and does nothing."""
    draws(
        tree,
        """h(Button, { onClick: () => send("do"), "data-key": "field", disabled: state.off },
        "Do it")""",
    )
    show(tree, off=False)
    field(tree).focus()
    show(tree, off=True)
    assert typed(tree)[0] == "field"
    tree.keyboard.press("Enter")
    assert tree.evaluate("sent('do')") == []
    assert field(tree).get_attribute("aria-disabled") == "true"
    show(tree, off=False)
    tree.keyboard.press("Enter")
    assert len(tree.evaluate("sent('do')")) == 1

"""A redraw in a real page: what is focused and half typed stays, whatever comes and goes."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

MOUNTED = """() => {
  window.drawn = () => [];
  mount({ model: lwModel, el: document.querySelector("main"), label: "Panel",
    draw: (state, send, view) => window.drawn(state, send, view) });
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
    h("textarea", { key, rows: 2, onchange: () => send("sent"), onblur: () => send("left") }))];
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
def tree(drawing: Any) -> Any:
    """A page where `show(state)` arrives like a state and `drawn` says what is drawn of it."""
    drawing.evaluate(MOUNTED)
    return drawing


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


REVISED = """h("input", { key: "field", type: "text", rev: state.value, value: state.value,
  onchange: (e) => send("set", { value: e.target.value }) })"""


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
        """h("select", { key: "field", rev: state.on, onchange: () => send("set") },
        state.all.map((value) => h("option", { value, selected: value === state.on }, value)))""",
    )
    show(tree, all=["a", "b"], on="a")
    field(tree).focus()
    show(tree, all=["z", "a", "b"], on="b")
    assert typed(tree)[:2] == ["field", "a"]
    field(tree).blur()
    assert field(tree).input_value() == "b"
    assert tree.evaluate("sent('set')") == []


WRAPPED = """state.names.map((name) => name === "-" ? h("div", {}, h("p", {}, "between"))
  : h("div", { class: "row" }, h("label", {},
    h("input", { id: `field-${name}`, type: "text" }))))"""


def test_fields_without_a_key_are_told_apart_by_name(tree) -> None:
    """Wrappers that bear no key: what was typed into one never turns up in another."""
    draws(tree, WRAPPED)
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


def test_nothing_is_closed_or_scrolled(tree) -> None:
    """An open fold and a scrolled box stay, though what stood above them goes."""
    draws(
        tree,
        """[state.above && h("section", {}, "above"), h("details", { key: "fold" },
        h("summary", {}, "more"), h("pre", { key: "box", tabindex: 0,
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


STEPS = """[state.there && h("input", { key: "field", type: "text", "data-focus": "step",
    onchange: (e) => send("set", { value: e.target.value }) }),
  state.there && button("Do it", () => send("do"), { key: "do" }),
  button("Undo", () => send("undo"), { key: "undo", "data-focus": "step" }),
  button("Lead on", () => send("on"), { key: "on", "data-next": "1", "data-main": "1" })]"""


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
    """It says so and does nothing, and is off like any other once it is left."""
    draws(tree, 'button("Do it", () => send("do"), { key: "field", disabled: state.off })')
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
    show(tree, off=True)
    field(tree).blur()
    tree.wait_for_function("document.querySelector('[data-key=field]').disabled")

// ConnectionPanel: the kinds at the left, the form of one at the right, what was found below.

function render({ model, el }) {
  startSealing(model);
  return mountStore({ model, el, draw: drawPanel, label: "Connections", after: (root, state, view) => {
    const list = root.querySelector(".kinds");
    if (list) rove(list, "button.kind, button.add");
    offerUndo(root, state, view);
  } });
}

function drawPanel(state, send, view) {
  const { store } = state;
  const gate = storeGate(view, state) || storeSettings(view, state);
  return [
    h("header", { key: "header" }, store.gate === "create" ? createHead(store)
      : [h("h2", {}, "Connections"), organizationChoice(view, store),
        h("span", { class: "grow" }), storeState(view, store, settingsButton(view, store))]),
    storeNotice(view, store),
    alertLine(state.error),
    undoLine(view, state),
    gate || h("div", { class: "cols panel", key: "cols" }, kindsList(view, state),
      h("div", { class: "body stack", key: state.form ? state.form.key : "empty" },
        state.form ? openForm(view, state.form) : nothingYet(view, state))),
    foundHere(view, state, gate),
  ];
}

// ---- the list of kinds -------------------------------------------------------------------------

const TELL = { ok: "works", none: "not set up", warn: "something to know", fail: "last check failed" };

function kindsList(view, state) {
  const open = (kind, label) => () => {
    view.ui = {};
    view.send("select", { kind, label });
  };
  const row = (kind, each, name, sub) => h("li", { key: `${kind.kind}/${each.label}` },
    h("button", { type: "button", class: `kind inset${sub ? " sub" : ""}`,
      "aria-current": each.selected ? "true" : undefined,
      onclick: open(kind.kind, each.label) },
    icon(each.icon, each.icon), h("span", { class: "name" }, name),
    h("span", { class: "spoken" }, `, ${TELL[each.icon]}`),
    each.fact && h("span", { class: "n" }, each.fact)));
  const many = (kind) => [
    h("li", { key: kind.kind, class: "head" },
      h("button", { type: "button", class: "kind inset",
        onclick: open(kind.kind, kind.rows.length ? kind.rows[0].label : "") },
      h("span", { class: "name" }, kind.title),
      kind.count > 0 && h("span", { class: "n" }, String(kind.count))),
      h("button", { type: "button", class: "btn bare icon sm add inset",
        "aria-label": `Add a connection: ${kind.title}`, title: `Add a connection: ${kind.title}`,
        onclick: open(kind.kind, "") }, icon("plus"))),
    kind.rows.map((each) => row(kind, each, each.name, true)),
  ];
  const single = state.kinds.filter((kind) => kind.single);
  const multiple = state.kinds.filter((kind) => !kind.single);
  return h("nav", { class: "kinds", "aria-label": "Kinds of connection", key: "kinds" },
    h("div", {}, h("h3", {}, "One per organization"),
      h("ul", {}, single.map((kind) => row(kind, kind, kind.title, false)))),
    h("div", {}, h("h3", {}, "One per model"), h("ul", {}, multiple.map(many))));
}

function nothingYet(view, state) {
  return [
    h("div", { key: "nothing" }, h("h3", {}, "No connection yet"),
      h("p", { class: "muted" }, "Pick a kind at the left",
        state.found.length ? ", or add what was found on this computer." : ".")),
    h("div", { class: "row wrap", key: "ways" }, demoButton(view, state, {})),
  ];
}

function demoButton(view, state, options) {
  return button("Use the demo server, no key needed", () => view.send("demo"),
    { key: "demo", ...options });
}

// ---- the form of one ---------------------------------------------------------------------------

function openForm(view, form) {
  const told = form.origin || form.report;
  return [
    formHead(view, form),
    h("div", { class: told ? "stack" : "beside-guide", key: "form" },
      h("div", { class: "stack", key: "fields" }, formFields(view, form), openNote(),
        doubtNote(view, form), formButtons(view, form), checkResult(view, form)),
      told
        ? h("details", { class: "folded", key: "guide-folded" }, h("summary", {}, icon("right"),
          "Where to find it"), h("div", { class: "inside" }, whereToFind(form)))
        : h("aside", { class: "stack t", key: "guide", "aria-label": "Where to find it" },
          h("h3", {}, "Where to find it"), whereToFind(form))),
  ];
}

const ORIGINS = { policy: "provided by an administrator, read-only", session: "this session only", demo: "rule-based demo, no LLM · this session only",
  environment: "from the environment" };

function formHead(view, form) {
  if (view.ui.renaming) return renameRow(view, form);
  const facts = form.origin
    ? [ORIGINS[form.origin] || (form.saved && `saved ${form.saved}`),
      form.checked && `checked ${form.checked}`].filter(Boolean).join(" · ")
    : form.about;
  const name = form.origin && form.about ? form.label : form.title;
  return h("div", { class: "row wrap head", key: "head" }, h("h2", {}, name),
    h("span", { class: "s muted" }, facts), h("span", { class: "grow" }),
    form.origin && !form.read_only && button("Rename", () => {
      view.ui.renaming = true;
      view.redraw();
      view.focusField("rename");
    }, { bare: true, small: true }),
    form.origin && !form.read_only && button("Remove", () => {
      view.ui = {};
      view.send("remove", { form: form.key });
    }, { bare: true, small: true, "data-focus": "undo" }),
    form.keeper && h("p", { class: "s muted whole" }, `From ${form.keeper}.`),
    form.reference && h("p", { class: "s muted whole" }, "In code: ", h("code", {}, form.reference)));
}

function renameRow(view, form) {
  const leave = () => {
    view.ui.renaming = false;
    view.redraw();
  };
  const rename = () => {
    const { value } = view.root.querySelector("[data-focus=rename]");
    view.ui.renaming = false;
    view.send("rename", { form: form.key, label: value });
    view.redraw();
  };
  return h("div", { class: "row head", key: "rename" },
    h("input", { class: "in narrow", type: "text", value: form.label, rev: form.rev,
      "aria-label": `New label of ${form.label}`, "data-focus": "rename", autocomplete: "off",
      onkeydown: (e) => {
        if (e.key === "Enter") rename();
        else if (e.key === "Escape") leave();
        else return;
        e.preventDefault();
      } }),
    button("Rename", rename, {}), button("Cancel", leave, { bare: true }));
}

/** Who removed a connection here finds the focus on the way back, not on another's Remove: that
    button bears the same name, so that a redraw without it leads there as well. */
function offerUndo(root, state, view) {
  const fresh = state.deleted && root.dataset.deleted !== state.deleted;
  if (fresh && view.own && root.contains(focused(root))) {
    root.querySelector("[data-focus=undo]")?.focus({ preventScroll: true });
  }
  root.dataset.deleted = state.deleted;
}

/** What was removed last can come back, until the store is locked. */
function undoLine(view, state) {
  if (!state.deleted || state.store.gate) return null;
  return h("div", { class: "band", key: "undo", role: "status" }, h("div", { class: "row" },
    h("span", { class: "grow" }, h("span", { class: "b" }, `${state.deleted} is removed.`),
      " Its key can be put back until the store is locked."),
    button("Undo", () => view.send("undelete"), { small: true, "data-focus": "undo",
      "aria-label": `Put ${state.deleted} back` })));
}

export default { render };

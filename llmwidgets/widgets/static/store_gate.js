// The store: its state in the header, and the screens that stand before it.

const SHORTEST = 12;

/** Right side of a header: open or locked, by what, and the button that changes it. */
function storeState(view, store) {
  if (!store.exists) return null;
  if (store.locked) {
    return [icon("lock", "muted"), h("span", { class: "s muted", key: "lockstate" }, "Locked"),
      store.gate !== "unlock" && button("Unlock", () => view.send("gate", { screen: "unlock" }),
        { small: true, key: "unlock" })];
  }
  if (!store.by) return null;
  return [icon("open", "muted"),
    h("span", { class: "s muted", key: "lockstate" }, `Unlocked by ${store.by}`),
    button("Lock", () => view.send("lock"), { small: true, key: "lock" })];
}

function storeNotice(store) {
  return store.notices.length > 0 && h("div", { class: "band", key: "notice", role: "note" },
    store.notices.map((said) => note("info", "", said)));
}

/** The screen that asks for a passphrase, to unlock or to make the store; null without one. */
function storeGate(view, state) {
  const { store } = state;
  if (!store.gate) return null;
  return store.gate === "create" ? createGate(view, store) : unlockGate(view, store);
}

function passphraseField(name, label, help, said, onEnter) {
  const ids = { control: `lw-gate-${name}`, line: `lw-gate-${name}-line` };
  return h("div", { class: "field grow", key: ids.control },
    h("label", { for: ids.control }, label),
    h("input", { class: "in", type: "password", id: ids.control, autocomplete: "off",
      "data-lpignore": "true", "data-1p-ignore": "", "data-passphrase": name,
      "data-focus": name, "data-next": name === "passphrase" ? "1" : undefined,
      "aria-describedby": ids.line, "aria-required": "true",
      "aria-invalid": said ? "true" : undefined,
      onkeydown: (e) => {
        if (e.key !== "Enter") return;
        e.preventDefault();
        e.stopPropagation();
        onEnter();
      } }),
    said ? h("p", { class: "err", id: ids.line, role: "alert" }, said)
      : h("p", { class: "help", id: ids.line }, help));
}

function saidOf(store) {
  return store.said ? [store.said.sentence, store.said.hint].filter(Boolean).join(" ") : "";
}

function typed(view, name) {
  return view.root.querySelector(`[data-passphrase="${name}"]`);
}

function unlockGate(view, store) {
  const unlock = () => {
    if (store.busy) return;
    sendSecret(view.model, typed(view, "passphrase"), "passphrase");
    inOrder(view.model, () => view.send("unlock"));
  };
  return h("div", { class: "body stack gate", key: "gate" },
    h("div", { class: "row top narrow" },
      passphraseField("passphrase", "Passphrase",
        `Opens the store ${store.organization} in this session; it is stored nowhere.`,
        saidOf(store), unlock),
      button(store.busy ? "Unlocking…" : "Unlock", unlock,
        { "aria-disabled": store.busy ? "true" : undefined, class: "btn go beside",
          "data-main": "1" })),
    openNote(),
    h("div", { class: "row wrap" },
      button("Go on without the store", () => view.send("gate", { screen: "" }), { bare: true }),
      h("span", { class: "s muted" }, "No prompt wanted, as on a server? Set ",
        h("code", {}, "LLMWIDGETS_STORE_KEY_FILE"), ".")));
}

function createGate(view, store) {
  const problem = view.ui.createProblem || saidOf(store);
  const create = () => {
    if (store.busy) return;
    const [first, second] = [typed(view, "passphrase"), typed(view, "again")];
    view.ui.createProblem = first.value.length < SHORTEST
      ? `The passphrase has fewer than ${SHORTEST} characters.`
      : first.value !== second.value ? "The two are not the same." : "";
    if (view.ui.createProblem) {
      view.redraw();
      view.focusField(first.value.length < SHORTEST ? "passphrase" : "again");
      return;
    }
    second.value = "";
    sendSecret(view.model, first, "passphrase");
    inOrder(view.model, () => view.send("create"));
  };
  return [
    h("div", { class: "step gate", key: "gate" },
      h("div", {}, h("h3", {}, "Passphrase"),
        h("p", { class: "s muted" }, "Asked for once per session, stored nowhere. Without it "
          + "nobody opens the store.")),
      h("div", { class: "stack narrow" },
        passphraseField("passphrase", "Passphrase",
          "Six random words are easy to keep in mind and hard to guess.", problem,
          () => view.focusField("again")),
        passphraseField("again", "The same again", "So that a slip of the hand locks nobody out.",
          "", create),
        openNote())),
    h("footer", { key: "create", class: "wrap" },
      button(store.busy ? "Creating…" : "Create store and save", create,
        { go: true, "aria-disabled": store.busy ? "true" : undefined, "data-main": "1" }),
      button("Back to the form", () => view.send("gate", { screen: "" }), { bare: true }),
      h("span", { class: "grow" }),
      h("span", { class: "s muted m nw narrow-hide" }, store.path)),
  ];
}

/** What stands in the header while the store is made. */
function createHead(store) {
  return [h("h2", {}, `Create the store for ${store.organization}`), h("span", { class: "grow" }),
    h("span", { class: "s muted" }, "Keys are encrypted on disk. The file also opens with the ",
      h("code", {}, "age"), " tool.")];
}

/** Enter in a field presses the step that leads on; what every widget over a store does. */
function storeKeys(view, submit) {
  view.root.addEventListener("keydown", (e) => {
    if (e.key === "Enter" && e.target.matches("input[data-field], textarea[data-field], "
      + "[data-secret]") && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      submit();
    }
  });
}

/** Who pressed Test finds the focus on what is wrong, or the step that mends it. */
function leadOn(root, state) {
  const next = root.querySelector("[data-next]") || root.querySelector("[aria-invalid=true]");
  const sign = next && [state.store.gate, state.form?.key, next.dataset.focus,
    next.getAttribute("aria-invalid")].join(" ");
  if (sign && root.dataset.led !== sign && document.activeElement?.matches(".lw [data-main]")) {
    next.focus({ preventScroll: true });
  }
  root.dataset.led = sign || "";
}

/** Mount with what forms need: the model, room for what only the page knows, Enter as submit. */
function mountStore(options) {
  return mount({ ...options,
    after: (root, state) => {
      if (options.after) options.after(root, state);
      leadOn(root, state);
    },
    onmessage: (message) => hearSealing(options.model, message),
    begin: (view) => {
      view.model = options.model;
      view.ui = {};
      view.focusField = (name) => setTimeout(() =>
        view.root.querySelector(`[data-focus="${name}"]`)?.focus());
      storeKeys(view, () => submitForm(view, view.state.form, "test",
        { intent: view.state.form.origin === "session" ? "session" : "save" }));
    } });
}

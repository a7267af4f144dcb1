// The store: its state in the header, and the screen that opens it.

/** Right side of a header: open or locked, by what, and what can be done about it. */
function storeState(view, store, more) {
  if (store.memory) return null;
  if (!store.exists) {
    return button("Create the store", () => view.send("gate", { screen: "create" }),
      { small: true, bare: true, key: "create" });
  }
  if (store.locked) {
    return [icon("lock", "muted"), h("span", { class: "s muted", key: "lockstate" }, "Locked",
      store.why && `: ${store.why}`, store.changed && ` · last changed ${store.changed}`),
    store.gate !== "unlock" && button("Unlock", () => view.send("gate", { screen: "unlock" }),
      { small: true, key: "unlock" })];
  }
  if (!store.by) return null;
  return [icon("open", "muted"),
    h("span", { class: "s muted", key: "lockstate" }, `Unlocked by ${store.by}`,
      h("span", { class: "narrow-hide" },
        store.locks_after > 0 && ` · locks after ${store.locks_after} min idle`)), more,
    button("Lock", () => view.send("lock"), { small: true, key: "lock" })];
}

function storeNotice(view, store) {
  return store.notices.length > 0 && h("div", { class: "band", key: "notice", role: "note" },
    store.notices.map((said) => note("info", "", said)),
    store.rolled_back && h("div", { class: "row indent" }, button("Go on from the older file",
      () => view.send("accept_rollback"), { small: true })));
}

/** The screen that stands before the rest, to unlock or to make the store; null without one. */
function storeGate(view, state) {
  const { store } = state;
  if (store.gate === "create") return createGate(view, store);
  if (store.gate === "unlock") return unlockGate(view, store);
  if (view.seen) Object.assign(view, { seen: undefined, ui: {} });
  return null;
}

function gateField(name, label, help, said, onEnter, more = {}) {
  const ids = { control: `lw-gate-${name}`, line: `lw-gate-${name}-line` };
  return h("div", { class: "field grow", key: ids.control },
    h("label", { for: ids.control }, label),
    h("input", { class: "in", type: "password", id: ids.control, autocomplete: "off",
      "data-lpignore": "true", "data-1p-ignore": "", "data-typed": name,
      "data-focus": name, "aria-describedby": ids.line, "aria-required": "true",
      "aria-invalid": said ? "true" : undefined, ...more,
      onkeydown: (e) => {
        if (e.key !== "Enter") return;
        e.preventDefault();
        e.stopPropagation();
        onEnter();
      } }),
    said ? h("p", { class: "err", id: ids.line, role: "alert" }, said)
      : h("p", { class: "help", id: ids.line }, help));
}

function saidOf(store, by = "passphrase") {
  return store.said?.by === by ? [store.said.sentence, store.said.hint].filter(Boolean).join(" ") : "";
}

function typed(view, name) {
  return view.root.querySelector(`[data-typed="${name}"]`);
}

/** A tick for the best place that remembers the identity, where there is one. */
function rememberTick(view, store) {
  const [place] = store.offered;
  if (!place) return null;
  return choice([place.words, " ", h("span", { class: "muted" }, place.where)],
    Boolean(view.ui.remember), (on) => {
      view.ui.remember = on;
      view.redraw();
    }, { key: "remember" });
}

function remembered(view, store) {
  return view.ui.remember ? store.offered[0]?.place || "" : "";
}

/** Seconds until the next try; the page counts down by itself from what the kernel said. */
function countDown(view, store) {
  if (view.counted !== store) {
    view.counted = store;
    view.until = performance.now() + store.wait * 1000;
  }
  const left = Math.ceil((view.until - performance.now()) / 1000);
  clearTimeout(view.counting);
  if (left > 0) {
    view.counting = setTimeout(view.redraw, (view.until - performance.now()) % 1000 || 1000);
  }
  return Math.max(0, left);
}

function unlockGate(view, store) {
  const lost = view.ui.lost;
  const name = lost ? "recovery" : "passphrase";
  const left = countDown(view, store);
  const held = store.busy || left > 0;
  const unlock = () => {
    if (held) return;
    sendSecret(view.model, typed(view, name), name);
    inOrder(view.model, () => view.send("unlock", { by: name, remember: remembered(view, store) }));
  };
  const turn = (to) => () => {
    view.ui.lost = to;
    view.redraw();
    view.focusField(to ? "recovery" : "passphrase");
  };
  const said = [saidOf(store, name), left > 0 && `You can try again in ${left} s.`].filter(Boolean).join(" ");
  const field = lost
    ? gateField("recovery", "Recovery identity", "Kept elsewhere since the store was made; "
      + "it starts with AGE-SECRET-KEY-1.", said, unlock)
    : gateField("passphrase", "Passphrase", `Opens the store ${store.organization} in this session; `
      + "it is stored nowhere.", said, unlock, { "data-next": "1" });
  return h("div", { class: "body stack gate", key: "gate" },
    h("div", { class: "row top narrow" }, field,
      button(store.busy ? "Unlocking…" : "Unlock", unlock,
        { "aria-disabled": held ? "true" : undefined, class: "btn go beside", "data-main": "1" })),
    store.backup && h("div", { class: "callout warn", key: "rescue" },
      note("warn", "The damaged file is kept as it is.", `A backup of ${store.backup} lies beside it.`,
        h("div", { class: "row act" }, button("Go back to the backup", () => view.send("rescue"),
          { go: true })))),
    rememberTick(view, store),
    openNote(),
    h("p", { class: "s muted" }, lost
      ? [textButton("Use the passphrase", turn(false)), "."]
      : ["Forgotten it? ", textButton("Use the recovery identity", turn(true)),
        ". No prompt wanted, as on a server? Set ", h("code", {}, "LLMWIDGETS_STORE_KEY_FILE"), "."]),
    h("div", { class: "row" },
      button("Go on without the store", () => view.send("gate", { screen: "" }), { bare: true })));
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
function leadOn(root, state, view) {
  const next = root.querySelector("[data-next]") || root.querySelector("[aria-invalid=true]");
  const sign = next && [state.store.gate, state.form?.key, next.dataset.focus,
    next.getAttribute("aria-invalid")].join(" ");
  if (sign && view.own && root.dataset.led !== sign && focused(root)?.matches(".lw [data-main]")) {
    next.focus({ preventScroll: true });
  }
  root.dataset.led = sign || "";
}

/** The kernel hears that a form is being filled in, so that it is not put away; never what is typed. */
function tellTyping(view) {
  view.root.addEventListener("input", ({ target }) => {
    const form = view.state?.form;
    if (!form || view.touching === form.rev || !target.closest(".field")) return;
    view.touching = form.rev;
    view.send("typing", { form: form.key });
  });
}

/** Mount with what forms need: the model, room for what only the page knows, Enter as submit. */
function mountStore(options) {
  return mount({ ...options,
    after: (root, state, view) => {
      if (options.after) options.after(root, state, view);
      leadOn(root, state, view);
    },
    onmessage: (message, buffers, view) => {
      hearSealing(options.model, message);
      hearShown(view, message, buffers);
    },
    begin: (view) => {
      view.model = options.model;
      view.ui = {};
      view.focusField = (name) => setTimeout(() =>
        view.root.querySelector(`[data-focus="${name}"]`)?.focus());
      tellTyping(view);
      storeKeys(view, () => submitForm(view, view.state.form, "test",
        { intent: view.state.form.origin === "session" ? "session" : "save" }));
    } });
}

// The screen that makes a store: a passphrase that the user has, an identity that the user keeps.

const SHORTEST = 12;
const HIDDEN = "•".repeat(44);

// ---- what the kernel shows once ----------------------------------------------------------------

/** Ask for the words or the identity; they come sealed to a key that never leaves this view. */
async function askToShow(view, what) {
  if (!view.opener) {
    view.opener = { name: freshId("view"), keys: !canSeal() ? null : crypto.subtle.generateKey(
      { name: "RSA-OAEP", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]),
        hash: "SHA-256" }, false, ["encrypt", "decrypt"]) };
  }
  const { name, keys } = view.opener;
  let spki = "";
  if (keys) {
    const raw = await crypto.subtle.exportKey("spki", (await keys).publicKey);
    spki = btoa(String.fromCharCode(...new Uint8Array(raw)));
  }
  view.send("show", { what, spki, view: name });
}

async function hearShown(view, message, buffers) {
  if (message.type !== "shown" || message.view !== view.opener?.name) return;
  const [wrapped, iv, sealed] = buffers.map((each) =>
    each.buffer.slice(each.byteOffset, each.byteOffset + each.byteLength));
  let bytes = wrapped;
  if (message.sealed) {
    const { subtle } = crypto;
    const { privateKey } = await view.opener.keys;
    const once = await subtle.importKey("raw",
      await subtle.decrypt({ name: "RSA-OAEP" }, privateKey, wrapped), "AES-GCM", false, ["decrypt"]);
    bytes = await subtle.decrypt({ name: "AES-GCM", iv,
      additionalData: new TextEncoder().encode(message.what) }, once, sealed);
  }
  view.seen = { ...view.seen, [message.what]: new TextDecoder().decode(bytes) };
  const then = view.then?.[message.what];
  if (then) {
    delete view.then[message.what];
    then(view.seen[message.what]);
  }
  view.redraw();
}

/** Do something with the identity, which is asked for when it is first needed. */
function withRecovery(view, act) {
  if (view.seen?.recovery) {
    act(view.seen.recovery);
    return;
  }
  view.then = { ...view.then, recovery: act };
  askToShow(view, "recovery");
}

// ---- the screen --------------------------------------------------------------------------------

function createGate(view, store) {
  const { ui } = view;
  const making = store.making || { count: 0, bits: 0 };
  if (view.proposed !== making.count || !view.seen) {
    view.proposed = making.count;
    view.seen = { ...view.seen, words: "" };
    askToShow(view, "words");
  }
  const missing = missingParts(view);
  const create = () => {
    ui.createProblem = ui.own ? ownProblem(view) : "";
    if (store.busy || missing.length || ui.createProblem) {
      view.redraw();
      if (ui.createProblem) view.focusField(/same/.test(ui.createProblem) ? "again" : "passphrase");
      return;
    }
    const field = typed(view, "passphrase");
    if (ui.own) typed(view, "again").value = "";
    else field.value = spaced(field.value);
    sendSecret(view.model, field, "passphrase");
    inOrder(view.model, () => view.send("create", { own: Boolean(ui.own), kept: Boolean(ui.kept),
      remember: remembered(view, store) }));
  };
  const held = store.busy || missing.length > 0;
  return [
    h("div", { class: "step gate", key: "gate" },
      h("div", {}, h("h3", {}, "1. Passphrase"),
        h("p", { class: "s muted" }, "Asked for once per session, stored nowhere.")),
      h("div", { class: "stack t" }, ui.own ? ownWords(view, store, create)
        : proposedWords(view, store, making, create),
      rememberTick(view, store), openNote())),
    recoveryStep(view, store),
    h("footer", { key: "create", class: "wrap" },
      button(store.busy ? "Creating…" : view.state.form?.waits ? "Create store and save"
        : "Create store", create,
      { go: true, "aria-disabled": held ? "true" : undefined, "data-main": "1",
        "aria-describedby": "lw-create-missing" }),
      button("Go on without the store", () => view.send("gate", { screen: "" }), { bare: true }),
      h("span", { class: "s muted", id: "lw-create-missing", role: "status" },
        missing.length > 0 && `Missing: ${listedWords(missing)}.`),
      h("span", { class: "grow" }),
      h("span", { class: "s muted m nw narrow-hide" }, store.path)),
  ];
}

function spaced(text) {
  return text.trim().split(/\s+/).join(" ");
}

function listedWords(parts) {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

/** How many of the words shown were typed, from the first on. */
function typedWords(view) {
  const shown = (view.seen?.words || "").split(" ").filter(Boolean);
  const given = spaced(view.ui.given || "").split(" ");
  const wrong = given.findIndex((each, n) => each !== shown[n]);
  return { of: shown.length, right: wrong < 0 ? given.length : wrong,
    more: given.length > shown.length };
}

function missingParts(view) {
  const { ui } = view;
  const { of, right, more } = typedWords(view);
  return [
    !ui.own && of > 0 && right < of && (right === 0 ? "the six words, typed once"
      : right === of - 1 ? "the last word" : `the last ${of - right} words`),
    !ui.own && of > 0 && right === of && more && "nothing but the six words",
    ui.own && !ui.given && "the passphrase",
    !ui.kept && "the tick in step 2",
  ].filter(Boolean);
}

function ownProblem(view) {
  const [first, second] = [typed(view, "passphrase"), typed(view, "again")];
  if (first.value.length < SHORTEST) return `The passphrase has fewer than ${SHORTEST} characters.`;
  return first.value === second.value ? "" : "The two are not the same.";
}

function proposedWords(view, store, making, create) {
  const { ui, seen } = view;
  const { of, right } = typedWords(view);
  const words = (seen?.words || "").split(" ").filter(Boolean);
  return [
    h("ol", { class: "words", key: "words", "aria-label": "Proposed passphrase" }, words.length
      ? words.map((word) => h("li", {}, word)) : [1, 2, 3, 4, 5, 6].map(() => h("li", {}, "…"))),
    h("div", { class: "row wrap", key: "instead" },
      button("Other words", () => {
        ui.given = "";
        typed(view, "passphrase").value = "";
        view.send("words");
      }, { small: true }),
      button("Type my own", () => turnOwn(view, true), { small: true, bare: true }),
      h("span", { class: "grow" }),
      h("span", { class: "s muted" }, `six made-up words, about ${making.bits} bits`)),
    gateField("passphrase", "Type the six words once",
      of > 0 && `So that you know you have them: ${Math.min(right, of)} of ${of}.`,
      saidOf(store), create, { type: "text", class: "in m", spellcheck: "false",
        autocapitalize: "off", "data-next": "1", oninput: (e) => {
          ui.given = e.target.value;
          view.redraw();
        } }),
  ];
}

function ownWords(view, store, create) {
  const { ui } = view;
  const problem = ui.createProblem || saidOf(store);
  return [
    gateField("passphrase", "Passphrase", `At least ${SHORTEST} characters; several words are easy `
      + "to keep in mind and hard to guess.", /same/.test(problem) ? "" : problem,
    () => view.focusField("again"), { "data-next": "1", oninput: (e) => {
      const before = ui.given;
      ui.given = e.target.value ? "typed" : "";
      if (before !== ui.given) view.redraw();
    } }),
    gateField("again", "The same again", "So that a slip of the hand locks nobody out.",
      /same/.test(problem) ? problem : "", create),
    h("div", { class: "row", key: "instead" },
      button("Propose six words", () => turnOwn(view, false), { small: true, bare: true })),
  ];
}

function turnOwn(view, own) {
  const field = typed(view, "passphrase");
  if (field) field.value = "";
  Object.assign(view.ui, { own, given: "", createProblem: "" });
  view.redraw();
  view.focusField("passphrase");
}

function recoveryStep(view, store) {
  const { ui, seen } = view;
  const open = ui.showing && seen?.recovery;
  const show = () => withRecovery(view, () => {
    ui.showing = !ui.showing;
    view.redraw();
  });
  const copy = () => withRecovery(view, async (identity) => {
    const done = await copied(identity);
    ui.copied = done ? "Copied. Paste it into a password manager, then clear the clipboard."
      : "The browser does not let this page copy: select it and copy it.";
    ui.showing ||= !done;
    view.redraw();
  });
  return h("div", { class: "step", key: "recovery" },
    h("div", {}, h("h3", {}, "2. Recovery identity"),
      h("p", { class: "s muted" }, "The only way in if the passphrase is forgotten. Shown once.")),
    h("div", { class: "stack t" },
      h("div", { class: "in ro m" },
        h("span", { class: "grow", "aria-label": open ? undefined : "Recovery identity, hidden" },
          open ? seen.recovery : `AGE-SECRET-KEY-1${HIDDEN}`),
        button(open ? "Hide" : "Show", show, { bare: true, small: true, class: "btn bare sm within" })),
      h("div", { class: "row wrap" },
        button("Save recovery page", () => withRecovery(view, (identity) =>
          saveRecoveryPage(store, identity)), { small: true }),
        button("Copy", copy, { small: true, bare: true }),
        h("span", { class: "s muted", role: "status" }, ui.copied || "")),
      choice("I keep it somewhere other than this computer", Boolean(ui.kept), (on) => {
        ui.kept = on;
        view.redraw();
      }, { key: "kept" })));
}

/** A page to print: the identity, what it opens, and the two ways to use it. */
function saveRecoveryPage(store, identity) {
  const page = document.implementation.createHTMLDocument(`Recovery of ${store.organization}`);
  const day = new Date().toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  const add = (name, text) => {
    const element = page.createElement(name);
    element.textContent = text;
    page.body.append(element);
  };
  const style = page.createElement("style");
  style.textContent = "body{font:16px/1.5 sans-serif;max-width:42em;margin:3em auto;padding:0 1em}"
    + "pre{font:14px/1.6 monospace;padding:1em;border:1px solid;white-space:pre-wrap;"
    + "overflow-wrap:anywhere}";
  page.head.append(style);
  add("h1", `Recovery of the store ${store.organization}`);
  add("p", `Made on ${day} for ${store.path}. Whoever has this page and that folder can read every `
    + "key in it. Keep it on paper or in a password manager, never beside the store.");
  add("pre", identity);
  add("h2", "If the passphrase is forgotten");
  add("p", "In a notebook: lw.ConnectionPanel(), then Use the recovery identity. The panel asks for a "
    + "new passphrase at once.");
  add("p", "Without llmwidgets: put the line above in a file and run");
  add("pre", "age -d -i THE-FILE connections.age");
  download(`recovery-${store.organization.replace(/[^\w.-]+/g, "-")}.html`,
    ["<!doctype html>", page.documentElement.outerHTML], "text/html");
}

/** What stands in the header while the store is made. */
function createHead(store) {
  return [h("h2", {}, `Create the store for ${store.organization}`), h("span", { class: "grow" }),
    h("span", { class: "s muted narrow-hide" }, "Keys are encrypted on disk. The file also opens "
      + "with the ", h("code", {}, "age"), " tool.")];
}

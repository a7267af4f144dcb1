// A secret on its way to the kernel. The input is read and emptied in the same tick; from there
// on the value exists only inside `seal`, which turns it into buffers and drops it.

const sealing = new WeakMap(); // widget model → { spki: Promise, tell, last: Promise }

/** Ask the kernel for its public key; `hearSealing` gets the answer. */
function startSealing(model) {
  if (!sealing.has(model)) {
    const entry = { last: Promise.resolve() };
    entry.spki = new Promise((resolve) => { entry.tell = resolve; });
    sealing.set(model, entry);
  }
  if (canSeal()) model.send({ type: "sealing" });
}

function hearSealing(model, message) {
  if (message.type === "sealing") sealing.get(model)?.tell(message.spki);
}

function canSeal() {
  return Boolean(globalThis.crypto?.subtle);
}

async function seal(model, field, bytes) {
  if (!canSeal()) return { sealed: false, buffers: [bytes.buffer] };
  const { subtle } = crypto;
  const spki = Uint8Array.from(atob(await sealing.get(model).spki), (c) => c.charCodeAt(0));
  const theirs = await subtle.importKey("spki", spki, { name: "RSA-OAEP", hash: "SHA-256" },
    false, ["encrypt"]);
  const once = await subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt"]);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const additionalData = new TextEncoder().encode(field);
  const closed = await subtle.encrypt({ name: "AES-GCM", iv, additionalData }, once, bytes);
  bytes.fill(0);
  const wrapped = await subtle.encrypt({ name: "RSA-OAEP" }, theirs,
    await subtle.exportKey("raw", once));
  return { sealed: true, buffers: [wrapped, iv.buffer, closed] };
}

/** Empty the input now, send its value sealed; the order of everything sent this way is kept. */
function sendSecret(model, input, field, more = {}) {
  const bytes = new TextEncoder().encode(input.value);
  input.value = input.lwKept = "";
  if (bytes.length === 0) return;
  // A field that is taken off the page says "change" as well: nobody left it, so nothing is sent.
  const left = Promise.resolve().then(() => input.isConnected);
  inOrder(model, async () => {
    if (!await left) {
      bytes.fill(0);
      return;
    }
    const { sealed, buffers } = await seal(model, field, bytes);
    post(model, { type: "secret", field, sealed, ...more }, buffers);
  });
}

/** Do something after every secret under way has left. */
function inOrder(model, act) {
  const entry = sealing.get(model);
  entry.last = entry.last.then(act).catch((error) => {
    model.send({ type: "page_error", name: String(error?.name || "Error") });
  });
  return entry.last;
}

/**
 * The control of a secret: an input until something is there, then a line that only tells it.
 * spec: {name, label, secret: {state, tail, reference, replaces}, multiline, placeholder, error}
 */
function secretControl(view, spec, ids) {
  const { model, ui, form } = view;
  const open = `replace:${form}:${spec.name}`;
  const { state } = spec.secret;
  const asked = state === "empty" || (ui[open] && state === "stored");
  if (!asked && !inHand(view, `${open}:input`)) {
    if (state === "received") delete ui[open];
    return h("div", { class: "row", key: `${open}:line` },
      h("div", { class: "in ro grow" }, icon("lock", "muted"), secretLine(spec.secret, spec.brief),
        !spec.told && state === "received" && button("Clear", () => send("clear"), { bare: true, small: true,
          class: "btn bare sm within", "aria-label": `Clear ${spec.label}` })),
      !spec.told && state === "stored" && button(replaceLabel(spec), () => {
        ui[open] = true;
        view.redraw();
        view.focusField(spec.name);
      }, { "data-focus": spec.name }));
  }
  function send(what) {
    view.send(what, { form, field: spec.name });
  }
  const leave = (input) => sendSecret(model, input, spec.name, { form });
  const input = h(spec.multiline ? "textarea" : "input", {
    class: `in m${spec.multiline ? " masked" : ""}`, id: ids.control, key: `${open}:input`,
    type: spec.multiline ? undefined : "password", rows: spec.multiline ? 3 : undefined,
    autocomplete: "off", autocapitalize: "off", spellcheck: "false", "data-lpignore": "true",
    "data-1p-ignore": "", placeholder: spec.placeholder, "aria-describedby": ids.line,
    "aria-invalid": spec.error ? "true" : undefined, "aria-required": String(!spec.optional),
    "data-secret": spec.name, "data-focus": spec.name,
    onchange: (e) => leave(e.target),
    onkeydown: (e) => {
      if (e.key === "Escape" && ui[open]) {
        e.preventDefault();
        e.target.value = "";
        delete ui[open];
        view.redraw();
        view.focusField(spec.name);
      }
    },
    onpaste: (e) => {
      const field = e.target;
      if (field.value === "" && !spec.multiline) setTimeout(() => leave(field));
      else if (spec.multiline) setTimeout(() => leave(field));
    },
  });
  const cancel = ui[open] && button("Keep the old one", () => {
    delete ui[open];
    view.redraw();
    view.focusField(spec.name);
  }, { bare: true });
  if (!spec.multiline) return h("div", { class: "row" }, input, cancel);
  return h("div", { class: "stack x dropzone", key: `${open}:drop`,
    ondragover: (e) => e.preventDefault(),
    ondrop: (e) => {
      e.preventDefault();
      if (e.dataTransfer.files[0]) leaveFile(e.dataTransfer.files[0]);
    } }, input, h("div", { class: "row" }, fileButton(), cancel,
    h("span", { class: "s muted" }, "or drop the file here")));

  function leaveFile(file) {
    const form_ = { form };
    if (file.size > 65536) {
      view.send("page_error", { name: "The file is larger than 64 kB, so it is no key." });
      return;
    }
    inOrder(model, async () => {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const { sealed, buffers } = await seal(model, spec.name, bytes);
      post(model, { type: "secret", field: spec.name, sealed, ...form_ }, buffers);
    });
  }
  function fileButton() {
    const chooser = h("input", { type: "file", accept: ".json,application/json", hidden: true,
      tabindex: "-1", onchange: (e) => {
        if (e.target.files[0]) leaveFile(e.target.files[0]);
        e.target.value = "";
      } });
    return h("span", {}, chooser, button("Choose file", (e) =>
      e.target.closest("span").querySelector("input").click(), { small: true }));
  }
}

function replaceLabel(spec) {
  return /key$/i.test(spec.label) ? "Replace key" : "Replace";
}

/** `brief`: the connection lasts for this session only, so nothing is stored. */
function secretLine(secret, brief) {
  if (secret.reference) {
    return h("span", { class: "grow" }, "Looked up at each use: ", h("code", {}, secret.reference));
  }
  const ends = secret.tail ? [", ends in ", h("code", {}, secret.tail)] : "";
  const said = secret.state === "received" ? "Received" : brief ? "Kept for this session" : "Stored";
  return h("span", { class: "grow" }, said, ends,
    secret.state === "received" && ", not saved yet");
}

/** The sentence that stands under the form where the page cannot seal; else nothing. */
function openNote() {
  return canSeal() ? null
    : note("warn", "This page is not https:", "the key crosses the network as typed.");
}

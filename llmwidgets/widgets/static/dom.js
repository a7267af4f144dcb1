// Helpers every widget shares. Data becomes text nodes and attributes, never markup.
//
//   h(tag, props, ...children)   an element; `on…` are handlers, `key` keeps it apart in a redraw
//   icon, button, link, note, alertLine, table, tag, choice        small parts of the look
//   rove(list, selector)         arrow keys inside a list that is one tab stop
//   mount({ model, el, draw })   asks for the state, redraws at each one, keeps focus and typing
//
// A redraw builds a fresh tree and changes the old one where they differ, so focus, caret, scroll
// and open <details> stay. An input keeps what was typed until its `rev` property changes, and for
// as long as it has the focus.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "indeterminate", "open", "hidden"]);

const CONTROL = /^(INPUT|TEXTAREA|SELECT)$/;

// A person's newest act in this module's panels. What is sent bears it, and so does a state that
// answers it: only such a state, or a handler of the page, may move the focus.
let act = "";
let handling = 0;
let drawing = 0;
let answering = false;
let answered = 0;

function h(tag, props, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS(SVG, tag.slice(4))
    : document.createElement(tag);
  element.lwOn = {};
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) listen(element, name.slice(2), value);
    else if (name === "key") element.dataset.key = value;
    else if (name === "rev") element.dataset.rev = value;
    else if (name === "class") element.setAttribute("class", value);
    else if (PROPERTIES.has(name) && name in element) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child instanceof Node ? child : String(child));
  }
  if (CONTROL.test(element.nodeName)) element.lwKept = element.value;
  return element;
}

// One listener a kind of event, looked up at the time of the event: a redraw swaps the handler. The
// browser says "change" of a field that a redraw takes away: that is nobody's act, and is not heard.
function listen(element, event, handler) {
  element.lwOn[event] = handler;
  element.addEventListener(event, (e) => {
    if (drawing || !element.lwOn[event] || (element.lwOff && event === "click")) return;
    handling += 1;
    if (event === "change" && element.type === "checkbox") element.lwTicked = ordinal(act);
    try {
      element.lwOn[event](e);
    } finally {
      handling -= 1;
    }
  });
}

// ---- small parts -------------------------------------------------------------------------------

let serial = 0;
function freshId(stem) {
  serial += 1;
  return `lw-${stem}-${Math.random().toString(36).slice(2, 8)}-${serial}`;
}

/** A 16 px icon: ok none warn fail lock open down right left plus wait. `tone` colours it. */
function icon(name, tone) {
  return h("span", { class: `i ${name}${tone ? ` tone-${tone}` : ""}`, "aria-hidden": "true" });
}

/** options: go, bare, small, iconOnly, key, title, disabled, and any attribute or handler. */
function button(label, onclick, options = {}) {
  const { go, bare, small, iconOnly, ...rest } = options;
  const looks = ["btn", go && "go", bare && "bare", small && "sm", iconOnly && "icon"];
  return h("button", { type: "button", class: looks.filter(Boolean).join(" "), onclick,
    "aria-label": iconOnly ? label : undefined, title: iconOnly ? label : undefined, ...rest },
  iconOnly ? icon(iconOnly) : label);
}

/** A button that reads like a link. */
function textButton(label, onclick, options = {}) {
  return h("button", { type: "button", class: "aslink", onclick, ...options }, label);
}

/** A link to a page elsewhere; anything but http(s) and mailto stays plain text. */
function link(text, url) {
  if (!/^(https?:|mailto:)/i.test(url || "")) return document.createTextNode(text);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, text);
}

/** Icon, bold sentence, plain sentence, then whatever leads on. */
function note(name, title, text, ...more) {
  return h("div", { class: "note" }, icon(name, name),
    h("p", {}, title && h("span", { class: "b" }, title), title && text ? " " : "", text), more);
}

/** The panel's error: a sentence and the next step, read out at once. */
function alertLine(error) {
  return h("div", { key: "alert", role: "alert", class: error ? "callout fail" : "quiet" },
    error && h("div", { class: "note" }, icon("fail", "fail"), h("h3", {}, error.sentence),
      error.hint && h("p", {}, error.hint)));
}

/** Whether the text is in the clipboard now; a page without the right to write there shows it. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Save what the parts make as a file that the browser downloads. */
function download(name, parts, type) {
  const place = URL.createObjectURL(new Blob(parts, { type }));
  const anchor = h("a", { href: place, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(place), 10000); // the browser may read it a little later
}

function tag(text) {
  return h("span", { class: "tag" }, text);
}

/** A tick box with its words; `rev` makes a redraw take the state's value. */
function choice(label, checked, onchange, options = {}) {
  return h("label", { class: "choice", key: options.key },
    h("input", { type: "checkbox", checked, rev: String(checked), ...options, key: undefined,
      onchange: (e) => onchange(e.target.checked) }), h("span", {}, label));
}

/** head: [{text, right}], rows: [{key, off, cells: [node or text]}]; the first cell heads its row. */
function table(head, rows, options = {}) {
  const right = (n) => (head[n] && head[n].right ? "r" : undefined);
  return h("table", { class: options.class || "flush" },
    options.caption && h("caption", {}, options.caption),
    h("thead", {}, h("tr", {}, head.map((each, n) =>
      h("th", { scope: "col", class: right(n) }, each.text)))),
    h("tbody", {}, rows.map((row) =>
      h("tr", { key: row.key, class: row.off ? "off" : undefined }, row.cells.map((cell, n) =>
        h(n ? "td" : "th", { class: right(n), scope: n ? undefined : "row" }, cell))))));
}

// ---- keys --------------------------------------------------------------------------------------

/** Arrow keys, Home and End move inside `list`, which is one tab stop (roving tabindex). */
function rove(list, selector) {
  const items = () => [...list.querySelectorAll(selector)].filter((each) => !each.disabled);
  const point = (target) => items().forEach((each) => {
    each.tabIndex = each === target ? 0 : -1;
  });
  const settle = () => {
    const all = items();
    const chosen = all.find((each) => each === focused(list))
      || all.find((each) => each.getAttribute("aria-current") || each.ariaSelected === "true");
    point(chosen || all[0]);
  };
  if (!list.dataset.roved) {
    list.dataset.roved = "1";
    list.addEventListener("focusin", (e) => {
      if (e.target.matches(selector)) point(e.target);
    });
    list.addEventListener("keydown", (e) => {
      const all = items();
      const at = all.indexOf(focused(list));
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[e.key];
      const to = e.key === "Home" ? 0 : e.key === "End" ? all.length - 1
        : step ? Math.min(all.length - 1, Math.max(0, at + step)) : -1;
      if (at < 0 || to < 0) return;
      e.preventDefault();
      all[to].focus();
    });
  }
  settle();
}

/** The panel keeps its key events, so that the notebook's shortcuts stay asleep inside it. */
function keepKeys(root) {
  for (const event of ["keydown", "keyup", "keypress"]) {
    root.addEventListener(event, (e) => {
      if (e.key === "Escape" && event === "keydown" && !e.defaultPrevented) {
        const cell = root.closest(".jp-Cell, .jp-OutputArea");
        document.activeElement?.blur();
        cell?.closest("[tabindex]")?.focus();
        return; // nothing was open: the keys go back to the notebook
      }
      e.stopPropagation();
    });
  }
  root.dataset.lmSuppressShortcuts = "true";
  root.setAttribute("data-lm-suppress-shortcuts", "true");
}

// ---- state -------------------------------------------------------------------------------------

/** Send to the kernel, with the act that led to it. */
function post(model, content, buffers) {
  model.send(act ? { ...content, act } : content, undefined, buffers);
}

/** The place of an act among those of this page; 0 for none. */
function ordinal(id) {
  return Number((id || "").split("-").at(-1)) || 0;
}

/** Whether a person is in a field, or has typed there what the kernel has not heard. */
function inHand(view, key) {
  const field = view.root.querySelector(`[data-key="${CSS.escape(key)}"]`);
  return Boolean(field) && (field.value !== field.lwKept || (!view.own && field === focused(field)));
}

/**
 * Draw a widget: `draw(state, send, root)` gives the children of the panel.
 * options.label names the region; begin(view) runs once, before the first state; onmessage sees
 * every other message; after(root, state, view) runs behind each redraw. Returns what anywidget
 * calls when the view goes. `view.own` says whether a person's act led to this redraw: else nothing
 * may move the focus.
 */
function mount({ model, el, draw, label, begin, onmessage, after }) {
  const root = h("section", { class: "lw", "aria-label": label, "aria-busy": "true", tabindex: -1 },
    h("p", { class: "waiting muted" }, "Waiting for the kernel. If this stays, run the cell again."));
  el.append(root);
  keepKeys(root);
  followTyping(root);
  for (const event of ["pointerdown", "keydown", "click", "input", "change", "paste", "drop"]) {
    root.addEventListener(event, () => {
      if (!drawing) act = freshId("act");
    }, true);
  }
  const view = { root, state: null, own: false, redraw: () => redraw(handling > 0), send,
    answers: (message) => Boolean(message.act) && message.act === act };
  function send(type, content = {}, buffers = []) {
    post(model, { type, ...content }, buffers);
  }
  function redraw(own) {
    if (!view.state) return;
    view.own = own;
    root.removeAttribute("aria-busy");
    const held = root.contains(focused(root)) ? focused(root) : null;
    const fresh = h("section", {}, draw(view.state, send, view));
    drawing += 1;
    answering = own;
    try {
      morphChildren(root, fresh);
    } finally {
      drawing -= 1;
      answering = false;
    }
    if (held && !root.contains(focused(root))) keepFocus(held, own);
    if (after) after(root, view.state, view);
    view.drawn = true;
  }
  // What had the focus is gone. Behind a person's act its namesake takes it, else the step that
  // leads on; a state that arrives by itself leaves it on the panel, where no key does anything.
  function keepFocus(held, own) {
    const name = own && held.dataset?.focus;
    const next = (name && root.querySelector(`[data-focus="${CSS.escape(name)}"]`))
      || (own && (root.querySelector("[data-next]") || root.querySelector("[data-main]"))) || root;
    next.focus({ preventScroll: true });
  }
  function hear(message, buffers) {
    if (message.type === "state") {
      view.state = message;
      answered = Math.max(answered, ordinal(message.act));
      redraw(view.answers(message));
    } else if (onmessage) onmessage(message, buffers, view);
  }
  if (begin) begin(view);
  model.on("msg:custom", hear);
  send("hello");
  return () => model.off("msg:custom", hear);
}

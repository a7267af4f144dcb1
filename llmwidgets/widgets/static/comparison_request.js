// The exact request of one call, secrets cut, and the reply to it.

function drawRequest(state, send, view) {
  view.ui.request = view.ui.request || { index: 0, column: 0 };
  const wanted = view.ui.request;
  const got = need(view, send, "request", wanted, (each) => each.index === wanted.index && each.column === wanted.column);
  const shown = got || view.got.request;
  const set = (change) => {
    view.ui.request = { ...wanted, ...change };
    view.redraw();
  };
  return [
    h("div", { class: "lw-bar row wrap", key: "place" },
      button("Previous text", () => set({ index: wanted.index - 1 }), { iconOnly: "left", small: true, key: "before", disabled: wanted.index === 0 }),
      button("Next text", () => set({ index: wanted.index + 1 }), { iconOnly: "right", small: true, key: "next",
        disabled: wanted.index >= state.result.texts - 1 }),
      h("span", { class: "m b", role: "status" }, shown ? shown.id : ""),
      h("span", { class: "s muted" }, `${wanted.index + 1} of ${state.result.texts}`), h("span", { class: "grow" }),
      h("div", { class: "row wrap", role: "group", "aria-label": "Model" }, state.result.variants.map((each, column) =>
        h("button", { type: "button", class: "chip", key: `who-${each.letter}`, "aria-pressed": String(column === wanted.column),
          onclick: () => set({ column }) }, letter(each.letter), each.label)))),
    !shown ? waiting("Reading the request.") : drawExchange(shown, send, wanted),
    shown && drawInstructions(shown, state, view),
    h("footer", { key: "foot", class: "lw-low" }, h("p", { class: "s muted" },
      shown && new Set(shown.instructions.map(([, said]) => said)).size > 1
        ? "Every column got the same schema and text; the instructions differ as shown above. Secrets are cut."
        : "Every model got the same instructions, schema and text; only the spelling differs. Secrets are cut.")),
  ];
}

function drawExchange(shown, send, wanted) {
  return h("div", { class: "cols lw-halves lw-even", key: "exchange" },
    h("div", { class: "body stack t", key: "asked" },
      h("div", { class: "row" }, h("h3", {}, "Request"), h("span", { class: "s muted" }, shown.mode), h("span", { class: "grow" }),
        shown.request && button("Copy as curl", () => send("curl", wanted), { small: true, key: "curl" })),
      shown.request ? [h("p", { class: "m lw-line" }, shown.line), h("pre", { class: "lw-code", tabindex: 0 }, shown.request)]
        : h("p", { class: "muted" }, shown.why),
      shown.losses.length > 0 && h("div", { class: "stack x" }, h("p", { class: "s" }, "Not enforced by the server, checked in the reply:"),
        h("ul", { class: "s muted" }, shown.losses.map((each) => h("li", {}, each))))),
    h("div", { class: "body stack t", key: "came" },
      h("div", { class: "row" }, h("h3", {}, "Reply"), h("span", { class: "s muted" }, shown.said)),
      shown.failure && h("div", { class: "note" }, icon("fail", "fail"), h("h3", {}, shown.failure.sentence),
        shown.failure.hint && h("p", {}, shown.failure.hint)),
      shown.reply && h("pre", { class: "lw-code", tabindex: 0 }, shown.reply),
      h("table", { class: "flush" }, h("tbody", {}, shown.facts.map(([name, value]) => h("tr", {},
        h("th", { class: "muted nw", scope: "row" }, name), h("td", {}, value)))))));
}

// ---- how two columns are asked -------------------------------------------------------------------

/** The words of two texts: [kind, words], kind "" in both, "gone" in the first, "come" in the second. */
function wordsChanged(before, after) {
  const [a, b] = [before, after].map((each) => each.split(/(\s+)/).slice(0, 1600));
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  const parts = [];
  const add = (kind, word) => {
    const last = parts[parts.length - 1];
    if (last && last[0] === kind) last[1] += word;
    else parts.push([kind, word]);
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add("", a[i]);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && table[i + 1][j] >= table[i][j + 1])) {
      add("gone", a[i]);
      i += 1;
    } else {
      add("come", b[j]);
      j += 1;
    }
  }
  return parts;
}

/** The instructions of this column, and what differs from another one's. */
function drawInstructions(shown, state, view) {
  const own = shown.instructions[shown.column];
  const others = shown.instructions.filter(([, said], n) => n !== shown.column && said !== own[1]);
  if (!others.length) return null;
  const beside = others.find(([name]) => name === view.ui.beside) || others[0];
  const names = Object.fromEntries(state.result.variants.map((each) => [each.letter, each.label]));
  return h("details", { key: "asked-how", class: "body lw-asked" },
    h("summary", {}, icon("right"), "Instructions of ", letter(own[0]), " beside another column's ",
      h("span", { class: "muted" }, `${others.length} differ`)),
    h("div", { class: "stack t inside" },
      h("div", { class: "row wrap", role: "group", "aria-label": "Beside" }, others.map(([name]) => h("button", { type: "button", class: "chip",
        key: `beside-${name}`, "aria-pressed": String(name === beside[0]), onclick: () => {
          view.ui.beside = name;
          view.redraw();
        } }, letter(name), names[name]))),
      h("p", { class: "lw-code lw-diff" }, wordsChanged(beside[1], own[1]).map(([kind, words]) =>
        (kind === "gone" ? h("del", {}, words) : kind === "come" ? h("ins", {}, words) : words))),
      h("p", { class: "s muted" }, `Struck out: only in ${beside[0]}. Underlined: only in ${own[0]}.`)));
}

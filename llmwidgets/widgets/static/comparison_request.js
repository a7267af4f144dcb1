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
    h("footer", { key: "foot", class: "lw-low" }, h("p", { class: "s muted" },
      "Every model got the same instructions, schema and text; only the spelling differs. Secrets are cut.")),
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

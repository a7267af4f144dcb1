// One line of the grid, one cell, and the detail that opens under a cell.

const GLYPHS = { agree: "=", differ: "≠", missing: "−", invented: "+", "null in words": "∅", failed: "!", unlabelled: "", waiting: "" };
const SPOKEN = { agree: "agrees", differ: "differs", missing: "no value", invented: "invented", "null in words": "null in words",
  failed: "failed", unlabelled: "not labelled", waiting: "not answered yet" };

/** A fact beside the state of a cell, by its number on the wire. */
const FLAGS = ["", "not in the text", "copied from example"];

const stateClass = (state) => (state === "null in words" ? "nulled" : state);
const WORDS = { among: "models differ", against: "models agree against the truth" };

function drawDifferences(state, send, view) {
  if (!view.grid) {
    view.grid = new DifferencesGrid(view, send);
    view.grid.begin();
  }
  view.seen = (first, last) => {
    const place = view.root.querySelector(".lw-seen");
    if (place) place.textContent = seenWords(view, first, last);
  };
  const got = view.got.grid;
  const { live, read, texts } = state.result;
  const more = got && got.read < read && (live || read === texts || (view.grid.untouched && read >= 4 * got.read));
  if (more && !view.grid.waits && (view.grid.untouched || !got.texts)) view.grid.ask();
  const stub = view.grid.root.isConnected ? h("div", { key: "grid", "data-owned": "" }) : view.grid.root;
  if (!view.grid.root.isConnected) requestAnimationFrame(() => view.grid.draw());
  const empty = Boolean(got && got.empty);
  return [
    drawFilters(state, view),
    more && !view.grid.untouched && h("div", { class: "lw-bar row", key: "fresh" },
      h("span", { class: "s" }, live ? `${read - got.read} more texts have answers.` : "All texts are read now."),
      button("Show them, most disagreement first", () => view.grid.ask(), { small: true, key: "fresh" })),
    empty && drawNothing(state, view, got),
    h("div", { key: "scroll", hidden: empty, class: "lw-hold" }, stub),
    drawLabels(state, send),
    h("footer", { key: "foot", class: "lw-low" }, hints([[["↑", "↓", "←", "→"], "move"], [["Enter"], "open"],
      [["Esc"], "close"], [["/"], "search"], [["1", "–", "9"], "take as truth"], [["T"], "type it"],
      [["0"], "not in the text"]]), h("span", { class: "grow" }),
    h("span", { class: "s muted lw-seen", "data-owned": "" })),
  ];
}

function seenWords(view, first, last) {
  const got = view.got.grid;
  if (!got || !got.texts) return "";
  const few = first === last ? `text ${first}` : `texts ${first}–${last}`;
  return `${few} of ${got.texts}${got.said}`;
}

function drawFilters(state, view) {
  const { filter } = view.ui;
  const counts = state.result.counts;
  const set = (change) => {
    Object.assign(filter, change);
    view.grid.ask();
    view.redraw();
  };
  const chip = (name) => h("button", { type: "button", class: "chip", key: `chip-${name}`,
    "aria-pressed": String(filter.states.includes(name)), disabled: !counts[name],
    onclick: () => set({ states: filter.states.includes(name)
      ? filter.states.filter((each) => each !== name) : [...filter.states, name] }) },
  GLYPHS[name] && h("span", { class: `g ${stateClass(name)}` }, GLYPHS[name]), h("span", {}, WORDS[name] || name), h("b", {}, counts[name]));
  const truth = state.result.truth;
  const names = ["differ", "missing", ...(truth ? ["invented"] : []), ...(counts["null in words"] || filter.states.includes("null in words") ? ["null in words"] : []), "failed", ...(truth && state.result.variants.length > 1
    ? ["among", "against"] : [])];
  return h("div", { class: "lw-bar row wrap", key: "filters", role: "search" },
    searchBox("values", view, "Search values, texts", () => {
      clearTimeout(view.ui.timer);
      view.ui.timer = setTimeout(() => set({ query: view.ui.values || "" }), 150);
    }),
    h("button", { type: "button", class: "chip", key: "chip-only", "aria-pressed": String(filter.only === "disagree"),
      onclick: () => set({ only: filter.only === "disagree" ? "all" : "disagree" }) },
    h("b", {}, counts.disagree), ` of ${counts.rows} rows disagree`),
    names.filter((name) => GLYPHS[name] || counts[name] || filter.states.includes(name)).map(chip),
    h("span", { class: "grow" }),
    select([["", "All fields"], ...state.result.fields.map((each) => [each, each])], filter.field,
      (value) => set({ field: value }), "one-field", "Field"),
    select([["loud", "Most disagreement first"], ["given", "In the order of the texts"]], filter.sort,
      (value) => set({ sort: value }), "sort", "Order"));
}

function drawNothing(state, view, got) {
  const ask = (change) => {
    Object.assign(view.ui.filter, change);
    if ("query" in change) {
      view.ui.values = "";
      const box = view.root.querySelector('[data-key="find-values"]');
      if (box) box.value = "";
    }
    view.grid.ask();
    view.redraw();
  };
  return h("div", { key: "nothing", class: "body stack t", role: "status" },
    h("div", { class: "note" }, icon(got.empty.good ? "ok" : "none", got.empty.good ? "ok" : "none"),
      h("h3", {}, got.empty.sentence), got.empty.hint && h("p", { class: "muted" }, got.empty.hint),
      h("div", { class: "row wrap" }, got.empty.ways.map((way) => button(way.label, () => ask(way.filter),
        { small: true, key: `way-${way.label}` })))));
}

// ---- lines ---------------------------------------------------------------------------------------

function gridLine(grid, n, block, line) {
  const place = (col) => ({ id: grid.cellId({ block: n, line: line.at, col }), "data-at": `${n} ${line.at} ${col}` });
  const style = `top:${line.top}px;height:${line.height}px`;
  if (!block) return h("div", { class: "lw-grow lw-group", role: "row", style }, h("span", { class: "lw-wide muted", role: "gridcell", "aria-label": "not read yet" }, "…"));
  if (line.kind === "group") {
    return h("div", { class: "lw-grow lw-group", role: "row", style }, h("div", { class: "lw-wide row", role: "gridcell",
      ...place(0), "aria-label": `Text ${block.id}, ${block.said}. Enter reads the text.` },
    h("span", { class: "m b" }, block.id), h("span", { class: "lw-title" }, block.title), h("span", { class: "grow" }),
    h("span", { class: "muted nw narrow-hide" }, block.said),
    textButton("Read the text", () => grid.read(n), { tabindex: -1, class: "aslink nw" })));
  }
  if (line.kind === "fold") {
    const open = grid.unfolded.has(n);
    return h("div", { class: "lw-grow lw-fold", role: "row", style }, h("div", { class: "lw-wide row muted", role: "gridcell",
      ...place(0), "aria-expanded": String(open), onclick: () => grid.fold(n) },
    icon(open ? "down" : "right"), h("span", {}, block.fold)));
  }
  return h("div", { class: line.row.q ? "lw-grow lw-quiet" : "lw-grow", role: "row", style, key: `row ${line.row.p}` },
    h("span", { class: "lw-cell lw-f m", role: "rowheader", title: line.row.p, ...place(0) }, line.row.name),
    grid.truth ? truthCell(line.row, place(1)) : null,
    grid.variants.map((variant, col) => variantCell(grid, n, block, line, variant, col, place)));
}

function truthCell(row, place) {
  const [text, kind, made] = row.t;
  return h("span", { class: kind === "value" ? "lw-cell lw-t" : "lw-cell lw-t none", role: "gridcell", title: made ? `${text} (${made})` : text,
    "aria-label": `truth of ${row.name}: ${text}${made ? `, ${made}` : ""}`, ...place },
  made && h("span", { class: "lw-made", "aria-hidden": "true" }, "new"), h("span", { class: "lw-v" }, text));
}

function variantCell(grid, n, block, line, variant, col, place) {
  const at = place(1 + grid.truth + col);
  const failed = block.failed?.[col];
  if (failed) {
    if (line.at !== 1) return h("span", { class: "lw-cell lw-under", role: "presentation" });
    const lines = grid.lines(n).filter((each) => each.kind === "row" && !each.row.q);
    const last = lines[lines.length - 1];
    const height = last.top + last.height - line.top;
    return h("span", { class: "lw-cell lw-c failed", role: "gridcell", "aria-rowspan": lines.length, style: `height:${height}px`,
      "aria-label": `${variant.label}: failed, ${failed.name}. ${failed.said}`, title: failed.said, ...at },
    h("span", { class: "lw-v" }, h("b", {}, failed.name), h("span", {}, failed.said),
      failed.again && textButton("Ask again", () => grid.send("resume"), { tabindex: -1 })));
  }
  const [state, text, flag] = line.row.c[col];
  const truth = grid.truth && line.row.t[1] !== "blank" ? `, truth ${line.row.t[0]}` : "";
  return h("span", { class: `lw-cell lw-c ${stateClass(state)}${text === "none" || text === "no value" ? " none" : ""}`, role: "gridcell", title: text,
    "aria-label": `${line.row.name}, ${variant.label}: ${text}, ${SPOKEN[state]}${flag ? `, ${FLAGS[flag]}` : ""}${truth}`, ...at },
  h("span", { class: "lw-v" }, state === "differ" && line.row.t[1] === "value" ? changed(line.row.t[0], text) : text),
  flag ? h("span", { class: "lw-nit" }, FLAGS[flag]) : null);
}

/** The text with what differs from the truth in <ins>; whole where most of it differs. */
function changed(truth, text) {
  let start = 0;
  while (start < truth.length && start < text.length && truth[start] === text[start]) start += 1;
  let end = 0;
  while (end < truth.length - start && end < text.length - start
    && truth[truth.length - 1 - end] === text[text.length - 1 - end]) end += 1;
  const middle = text.slice(start, text.length - end);
  if (!middle || middle.length > text.length * 0.6) return text;
  return [text.slice(0, start), h("ins", {}, middle), text.slice(text.length - end)];
}

// ---- detail --------------------------------------------------------------------------------------

function gridDetail(grid, content) {
  if (!content) return h("p", { class: "muted" }, "Reading the reply.");
  const { view } = grid;
  const show = (tab, change) => {
    Object.assign(view.ui, change, { tab });
    view.redraw();
  };
  return h("div", { class: "lw-ev" },
    h("div", { class: "stack t" },
      h("div", { class: "row wrap" }, h("h3", { class: "m" }, content.name), h("span", { class: "muted" }, content.description)),
      content.failure && h("div", { class: "note" }, icon("fail", "fail"), h("h3", {}, content.failure.sentence),
        content.failure.hint && h("p", {}, content.failure.hint)),
      content.quote && h("p", { class: "lw-quote" }, content.quote.before, h("mark", {}, content.quote.mark), content.quote.after),
      content.absent && h("p", { class: "s tone-inv" }, content.absent),
      content.reply && h("details", {}, h("summary", { class: "s" }, icon("right"), "The reply as it came"),
        h("pre", { class: "lw-code inside" }, content.reply)),
      h("div", { class: "row wrap" },
        button("Show in text", () => show("text", { text: { index: content.index, path: content.path } }), { small: true }),
        content.column >= 0 && button("Show request", () => show("request",
          { request: { index: content.index, column: content.column } }), { small: true }),
        content.again && button(content.again, () => grid.send("resume"), { small: true })),
      labelButtons(grid, content)),
    h("table", { class: "flush" }, h("tbody", {}, content.facts.map(([name, value, more]) => h("tr", {},
      h("th", { class: "muted nw", scope: "row" }, name.length === 1 ? [letter(name), " ", more.label] : name),
      h("td", {}, h(name.length === 1 ? "b" : "span", {}, value), more.said && h("span", { class: "muted" }, ` ${more.said}`)))))));
}

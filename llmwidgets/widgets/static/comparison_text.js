// One text with the words every value came from, beside the list of fields.

function drawText(state, send, view) {
  view.ui.text = view.ui.text || { index: 0, path: null };
  const wanted = view.ui.text;
  const got = need(view, send, "text", { index: wanted.index }, (each) => each.index === wanted.index);
  const shown = got || view.got.text;
  if (!shown) return waiting("Reading the text.");
  const path = wanted.path ?? shown.fields[0]?.path;
  const go = (by) => {
    const index = Math.max(0, Math.min(shown.total - 1, wanted.index + by));
    view.ui.text = { index, path };
    view.redraw();
  };
  const pick = (to) => {
    view.ui.text = { index: wanted.index, path: to };
    view.redraw();
    view.root.querySelector(".lw-sp.on")?.scrollIntoView({ block: "nearest" });
    view.root.querySelector(".lw-vals [aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  };
  return [
    h("div", { class: "lw-bar row wrap", key: "place" },
      button("Previous text", () => go(-1), { iconOnly: "left", small: true, key: "before", disabled: wanted.index === 0 }),
      button("Next text", () => go(1), { iconOnly: "right", small: true, key: "next", disabled: wanted.index >= shown.total - 1 }),
      h("span", { class: "m b", role: "status" }, shown.id),
      h("span", { class: "s muted" }, `${shown.index + 1} of ${shown.total}`), h("span", { class: "grow" }),
      h("span", { class: "row wrap s lw-key" }, state.result.truth && h("span", {}, letter("T"), " truth"),
        state.result.variants.map((each) => h("span", {}, letter(each.letter), " ", each.label)))),
    h("div", { class: "cols lw-reading", key: "reading", onkeydown: (e) => textKeys(e, view, shown, path, go, pick) },
      h("div", { class: "lw-doc inset", key: "doc", tabindex: 0, role: "region", "aria-label": `Text ${shown.id}` },
        h("p", { class: "lw-prose" }, prose(shown, path)),
        shown.cut && h("p", { class: "s muted" }, shown.cut)),
      h("div", { class: "lw-vals", key: "vals", role: "listbox", "aria-label": "Fields", tabindex: 0 },
        shown.fields.map((each) => drawValues(each, each.path === path, pick)))),
    h("footer", { key: "foot", class: "lw-low" }, hints([[["↑", "↓"], "next field"], [["←", "→"], "next text"],
      [["Esc"], "back to the differences"]]), h("span", { class: "grow" }),
    h("span", { class: "s muted" }, state.result.truth ? "solid line: agrees with the truth · dashed: differs"
      : "solid line: the models agree · dashed: they differ")),
  ];
}

function textKeys(e, view, shown, path, go, pick) {
  if (e.altKey || e.ctrlKey || e.metaKey) return;
  const at = shown.fields.findIndex((each) => each.path === path);
  const to = (n) => shown.fields[n] && pick(shown.fields[n].path);
  const moves = { ArrowUp: () => to(at - 1), ArrowDown: () => to(at + 1), ArrowLeft: () => go(-1),
    ArrowRight: () => go(1), Escape: () => backToGrid(view, shown.id, path) };
  if (!moves[e.key]) return;
  e.preventDefault();
  moves[e.key]();
}

function backToGrid(view, id, path) {
  view.ui.tab = "differences";
  view.redraw();
  const { grid } = view;
  if (!grid) return;
  for (const [n, block] of grid.blocks) {
    if (block.id !== id) continue;
    const line = grid.lines(n).findIndex((each) => each.row?.p === path);
    grid.moveTo(n, Math.max(0, line));
  }
  grid.root.focus({ preventScroll: true });
}

/** The text cut at every start and end, so that spans may overlap; letters stand at each end. */
function prose(shown, path) {
  const cuts = [...new Set([0, shown.text.length, ...shown.spans.flatMap((each) => [each.s, each.e])])]
    .sort((a, b) => a - b);
  return cuts.slice(0, -1).map((from, n) => {
    const to = cuts[n + 1];
    const words = shown.text.slice(from, to);
    const here = shown.spans.filter((each) => each.s < to && each.e > from);
    if (!here.length) return words;
    const classes = ["lw-sp", here.some((each) => each.path === path) && "on",
      here.every((each) => each.state !== "agree") && "dif"].filter(Boolean).join(" ");
    const ends = here.filter((each) => each.e === to);
    const who = [...new Set(ends.flatMap((each) => [...each.letters]))].sort(byLetter).join("");
    return [h("span", { class: classes, title: here.map((each) => `${each.name}: ${each.letters}`).join("\n") }, words),
      who && h("span", { class: "lw-who" }, who)];
  });
}

function byLetter(a, b) {
  return a === b ? 0 : a === "T" ? -1 : b === "T" ? 1 : a < b ? -1 : 1;
}

function drawValues(field, on, pick) {
  return h("div", { key: `value-${field.path}`, role: "option", "aria-selected": String(on),
    class: on ? "lw-field on" : "lw-field", onclick: () => pick(field.path) },
  h("span", { class: "m lw-fname", title: field.path }, field.name),
  h("div", { class: "lw-v4" }, field.groups.map((each) => [
    h("span", { class: "lw-k" }, each.letters),
    h("span", { class: `g ${stateClass(each.state)}` }, each.state === "truth" ? "" : GLYPHS[each.state]),
    h("span", { class: valueClass(each) }, each.text,
      each.flag && h("span", { class: "lw-nit" }, each.flag))])));
}

function valueClass(group) {
  const none = group.kind === "value" ? "" : " none";
  if (group.state === "agree") return `muted${none}`;
  return group.state === "truth" || none ? none : "b";
}

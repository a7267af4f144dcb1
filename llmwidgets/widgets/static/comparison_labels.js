// Truth that grows: keys 1–9 take a column's value, T types one, 0 says that the text has none.

/** What the keys of a label do at the active row; nothing where it is no field. */
function labelKeys(grid, e) {
  if (e.ctrlKey || e.metaKey) return { z: () => grid.send("undo") };
  const keys = { t: () => grid.typeTruth(), 0: () => grid.label({ none: true }) };
  grid.variants.slice(0, 9).forEach((_, column) => {
    keys[column + 1] = () => grid.label({ column });
  });
  return keys;
}

Object.assign(DifferencesGrid.prototype, {
  /** Send a label for a row, the active one if none is named. */
  label(content, row) {
    const line = row || this.lines(this.at.block)[this.at.line]?.row;
    const block = this.blocks.get(this.at.block);
    if (!line || !block || line.name === "all fields") return;
    this.showTruth();
    this.send("label", { index: block.index, path: line.p, ...content });
  },

  /** The first label brings the column of truth; the grid is laid out anew around its cell. */
  showTruth() {
    if (this.truth) return;
    this.view.ui.labelling = true;
    this.at.col += this.at.col > 0 ? 1 : 0;
    this.askAgain();
  },

  askAgain() {
    const line = this.lines(this.at.block)[this.at.line];
    this.keep = { index: this.blocks.get(this.at.block)?.index, block: this.at.block,
      path: line?.row?.p, col: this.at.col };
    this.ask();
  },

  goBack() {
    const { index, block, path, col } = this.keep;
    this.keep = null;
    if (this.blocks.get(block)?.index !== index) return;
    const line = this.lines(block).findIndex((each) => each.row && each.row.p === path);
    this.moveTo(block, Math.max(0, line), col);
  },

  /** Where the person is in the grid, and the same place in the next layout. */
  held() {
    const block = this.blocks.get(this.at.block);
    return { at: { ...this.at }, open: this.open, top: this.root.scrollTop, index: block?.index,
      path: this.lines(this.at.block)[this.at.line]?.row?.p };
  },

  hold({ at, open, top, index, path }) {
    this.moved = true;
    if (this.blocks.get(at.block)?.index === index) {
      const line = this.lines(at.block).findIndex((each) => each.row && each.row.p === path);
      this.at = { ...at, line: Math.max(0, line) };
      this.open = open;
    }
    if (this.open) this.redrawBlock(this.open.block);
    this.root.scrollTop = top;
    this.draw();
  },

  /** Texts whose truth or values changed: their rows are drawn anew, everything else stays. */
  changed(message) {
    if (message.layout !== this.layout) return;
    const path = this.lines(this.at.block)[this.at.line]?.row?.p;
    const anchor = this.blockAt(this.root.scrollTop);
    const into = this.root.scrollTop - this.tops[anchor];
    for (const [n, block] of message.blocks) {
      if (!this.blocks.has(n)) continue;
      this.blocks.set(n, block);
      this.heights[n] = block.h;
      this.stale.add(n);
      if (this.open?.block === n) this.readAgain(n, block);
    }
    this.prefix();
    if (into > 0 && this.tops[anchor] + into !== this.root.scrollTop) this.root.scrollTop = this.tops[anchor] + into;
    const line = path === undefined ? -1 : this.lines(this.at.block).findIndex((each) => each.row && each.row.p === path);
    if (line >= 0) this.at.line = line;
    this.draw();
  },

  readAgain(n, block) {
    if (!block.rows.some((row) => row.p === this.open.path)) {
      this.open = null;
      return;
    }
    this.send("detail", { index: block.index, path: this.open.path, column: Math.max(this.open.col - 1 - this.truth, -1) });
  },

  /** An input in the cell of truth: Enter keeps what is typed, Escape leaves it. */
  typeTruth(row) {
    this.showTruth();
    const line = row ? this.lines(this.at.block).find((each) => each.row === row) : this.lines(this.at.block)[this.at.line];
    const at = this.lines(this.at.block).findIndex((each) => each.row && each.row === line?.row);
    const cell = at >= 0 && document.getElementById(this.cellId({ ...this.at, line: at, col: 1 }));
    if (!cell || line.row.name === "all fields") return;
    const was = line.row.t[1] === "value" ? line.row.t[0] : "";
    const { block } = this.at;
    const end = () => {
      input.onblur = null;
      input.remove();
      delete cell.dataset.owned;
      this.typing = null;
      const { later } = this;
      this.later = null;
      if (later) later();
      else this.redrawBlock(block);
    };
    const done = (keep) => {
      this.root.focus({ preventScroll: true });
      if (keep && input.value !== was) this.label({ value: input.value }, line.row);
      end();
    };
    const input = h("input", { class: "lw-typing", type: "text", value: was, "aria-label": `Truth of ${line.row.name}`,
      onkeydown: (e) => {
        e.stopPropagation();
        if (e.key !== "Enter" && e.key !== "Escape") return;
        e.preventDefault();
        input.onblur = null;
        done(e.key === "Enter");
      } });
    // Rows that arrive meanwhile leave the cell alone; who looks into another window comes back.
    input.onblur = () => input !== focused(this.root) && end();
    this.typing = { block, path: line.row.p };
    cell.dataset.owned = "";
    cell.append(input);
    input.focus();
    input.select();
  },
});

/** The same by mouse, in the detail of a cell. */
function labelButtons(grid, content) {
  const row = grid.lines(grid.open.block).find((each) => each.row && each.row.p === content.path)?.row;
  if (!row || row.name === "all fields") return null;
  const take = content.column >= 0 && !content.failed;
  return h("div", { class: "row wrap" }, h("span", { class: "s muted" }, "Truth:"),
    take && button(`Take ${grid.variants[content.column].letter}`, () => grid.label({ column: content.column }, row), { small: true }),
    button("Type it", () => grid.typeTruth(row), { small: true }),
    button("Not in the text", () => grid.label({ none: true }, row), { small: true }));
}

/** How many labels were made here, the way back, and the way out. */
function drawLabels(state, send) {
  const { labels, undo } = state.result;
  if (!labels) return null;
  return h("div", { class: "lw-bar row wrap lw-labels", key: "labels" },
    h("p", { class: "s", role: "status" }, h("b", {}, labels), labels === 1 ? " label made here, " : " labels made here, ",
      "after the values were seen"), h("span", { class: "grow" }),
    button("Undo", () => send("undo"), { small: true, bare: true, key: "undo", title: `${undo} (Ctrl+Z)` }),
    button("Labels as CSV", () => send("corrections", { format: "csv" }), { small: true, bare: true, key: "labels-csv" }),
    button("JSONL", () => send("corrections", { format: "jsonl" }), { small: true, bare: true, key: "labels-jsonl" }));
}

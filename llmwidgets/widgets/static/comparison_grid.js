// The grid of differences: rows are fields, columns are variants, grouped by text.
//
// The kernel lays the grid out: a height for every text, in pixels, as 32-bit numbers. The page
// asks for the texts that come into sight, a chunk at a time, and draws only those; a text whose
// values need more lines grows when it arrives, and what is in sight stays where it is. One tab
// stop: the grid keeps the focus and `aria-activedescendant` points at the cell.

const GRID = { letter: 7.4, line: 16, pad: 9, group: 29, fold: 25, failed: 74, narrow: 106, chunk: 40, margin: 600, most: 150 };

class DifferencesGrid {
  constructor(view, send) {
    this.view = view;
    this.send = send;
    this.id = freshId("grid");
    this.at = { block: 0, line: 0, col: 2 };
    this.heights = new Uint32Array(0);
    this.reset();
    this.canvas = h("div", { class: "lw-canvas", role: "presentation" });
    this.head = h("div", { class: "lw-grow lw-head", role: "row", "aria-rowindex": 1 });
    this.root = h("div", { key: "grid", "data-owned": "", class: "lw-grid inset", role: "grid", tabindex: 0,
      "aria-label": "Differences", onkeydown: (e) => this.key(e), onclick: (e) => this.click(e),
      onscroll: () => this.soon() }, this.head, this.canvas);
    this.watch = new ResizeObserver(() => this.resized());
    this.watch.observe(this.root);
    this.grown = new ResizeObserver(() => this.measureDetail());
  }

  reset() {
    this.blocks = new Map();
    this.asked = new Set();
    this.drawn = new Map();
    this.unfolded = new Set();
    this.open = null;
    this.aim = null;
    this.tops = null;
  }

  // ---- layout ----------------------------------------------------------------------------------

  get variants() {
    return this.view.state.result.variants;
  }

  get truth() {
    return this.view.state.result.truth ? 1 : 0;
  }

  /** Whether nobody has moved in it, so that a newer layout surprises nobody. */
  get untouched() {
    return this.root.scrollTop === 0 && !this.open && !this.root.contains(document.activeElement);
  }

  /** Ask for the layout: what to show, and how much fits in a cell. */
  ask() {
    this.measureColumns();
    this.waits = true;
    this.send("grid", { ...this.view.ui.filter, chars: this.chars, truth_chars: this.truthChars,
      metrics: { line: GRID.line, pad: GRID.pad, group: GRID.group, fold: GRID.fold, failed: this.narrow ? GRID.narrow : GRID.failed } });
  }

  measureColumns() {
    const width = this.root.clientWidth || 960;
    const narrow = width <= 760;
    const longest = Math.max(0, ...this.view.state.result.fields.map((name) => name.length));
    const field = narrow ? 128 : Math.round(Math.max(width * 0.17, Math.min(width * 0.22, longest * 7.3 + 42)));
    const truth = this.truthWidth = this.truth * (narrow ? 96 : Math.max(110, Math.round(width * 0.15)));
    const count = this.variants.length;
    const each = Math.max(narrow ? 104 : 150, Math.floor((width - field - truth) / count));
    this.narrow = narrow;
    this.chars = Math.max(8, Math.floor((each - (narrow ? 24 : 34)) / GRID.letter));
    this.truthChars = Math.max(8, Math.floor((truth - 17) / GRID.letter));
    this.width = Math.max(width, field + truth + each * count);
    const tracks = `${field}px ${truth ? `${truth}px ` : ""}repeat(${count},minmax(${each}px,1fr))`;
    this.root.style.setProperty("--lw-tracks", tracks);
    this.root.style.setProperty("--lw-truth-left", `${field}px`);
    this.canvas.style.width = this.head.style.width = `${this.width}px`;
  }

  resized() {
    if (!this.root.isConnected || !this.root.clientWidth) return;
    const before = this.chars;
    this.measureColumns();
    if (before && Math.abs(before - this.chars) > 2) this.ask();
    else this.draw();
  }

  lay(message, buffers) {
    this.waits = false;
    this.view.got.grid = message;
    this.layout = message.layout;
    const raw = buffers[0];
    this.heights = new Uint32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
    this.reset();
    this.canvas.replaceChildren();
    this.root.setAttribute("aria-rowcount", message.lines + 1);
    this.root.setAttribute("aria-colcount", 1 + this.truth + this.variants.length);
    this.drawHead();
    this.at = { block: 0, line: 0, col: 1 + this.truth };
    this.root.scrollTop = 0;
    this.prefix();
    this.take(message, true);
    this.view.redraw();
  }

  prefix() {
    const tops = new Float64Array(this.heights.length + 1);
    for (let n = 0; n < this.heights.length; n += 1) tops[n + 1] = tops[n] + this.heights[n] + this.extra(n);
    this.tops = tops;
    this.canvas.style.height = `${tops[tops.length - 1]}px`;
  }

  extra(n) {
    const block = this.blocks.get(n);
    const detail = this.open && this.open.block === n ? this.open.height : 0;
    return detail + (block && this.unfolded.has(n) ? block.rows.filter((row) => row.q)
      .reduce((sum, row) => sum + row.h, 0) : 0);
  }

  blockAt(y) {
    let [low, high] = [0, this.heights.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tops[middle + 1] <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // ---- rows come by message --------------------------------------------------------------------

  want(from, to) {
    const first = Math.floor(Math.max(0, from) / GRID.chunk);
    const last = Math.floor(Math.min(this.heights.length - 1, to) / GRID.chunk);
    for (let chunk = first; chunk <= last; chunk += 1) {
      if (this.asked.has(chunk)) continue;
      this.asked.add(chunk);
      this.send("blocks", { layout: this.layout, from: chunk * GRID.chunk, count: GRID.chunk });
    }
  }

  take(message, first) {
    if (message.layout !== this.layout || !message.blocks) return;
    const anchor = this.blockAt(this.root.scrollTop);
    const into = this.root.scrollTop - this.tops[anchor];
    message.blocks.forEach((block, n) => {
      this.blocks.set(message.from + n, block);
      this.heights[message.from + n] = block.h;
      const drawn = this.drawn.get(message.from + n);
      if (drawn) {
        drawn.remove();
        this.drawn.delete(message.from + n);
      }
    });
    this.asked.add(Math.floor(message.from / GRID.chunk));
    this.prefix();
    if (into > 0 && this.tops[anchor] + into !== this.root.scrollTop) this.root.scrollTop = this.tops[anchor] + into;
    if (first) this.at.line = this.lines(0).findIndex((line) => line.kind === "row");
    if (this.at.line < 0) this.at.line = 0;
    const { aim } = this;
    if (aim && this.blocks.has(aim.block)) this.moveTo(aim.block, aim.line, aim.col);
    else this.draw();
  }

  /** What a text shows, top to bottom: its head, its rows, the fold. */
  lines(n) {
    const block = this.blocks.get(n);
    if (!block) return [{ kind: "group", top: 0, height: GRID.group }];
    const unfolded = this.unfolded.has(n);
    const lines = [{ kind: "group", top: 0, height: GRID.group }];
    let top = GRID.group;
    const add = (kind, height, row) => {
      lines.push({ kind, top, height, row });
      top += height;
      if (this.open && this.open.block === n && row && this.open.path === row.p) top += this.open.height;
    };
    block.rows.filter((row) => !row.q).forEach((row) => add("row", row.h, row));
    if (block.fold && unfolded) block.rows.filter((row) => row.q).forEach((row) => add("row", row.h, row));
    if (block.fold) add("fold", GRID.fold);
    return lines;
  }

  // ---- drawing ---------------------------------------------------------------------------------

  soon() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    if (!this.tops || !this.root.isConnected) return;
    const [top, bottom] = [this.root.scrollTop, this.root.scrollTop + this.root.clientHeight];
    const from = this.blockAt(Math.max(0, top - GRID.margin));
    const to = Math.min(this.heights.length - 1, this.blockAt(bottom + GRID.margin));
    for (const [n, element] of this.drawn) {
      if (n < from || n > to) {
        element.remove();
        this.drawn.delete(n);
      }
    }
    for (let n = from; n <= to; n += 1) this.drawBlock(n, top, bottom);
    this.want(from - GRID.chunk / 2, to + GRID.chunk / 2);
    this.point();
    const first = Math.min(this.blockAt(top) + 1, this.heights.length);
    const last = Math.min(this.blockAt(Math.max(0, bottom - 50)) + 1, this.heights.length);
    this.view.seen?.(first, last);
  }

  drawBlock(n, top, bottom) {
    const block = this.blocks.get(n);
    const long = block && block.rows.length > GRID.most;
    let element = this.drawn.get(n);
    if (element && !long) {
      element.style.top = `${this.tops[n]}px`;
      return;
    }
    const lines = this.lines(n).map((line, at) => ({ ...line, at })).filter((line) => !long || line.kind !== "row"
      || line.at === 1 || (this.tops[n] + line.top + line.height > top - GRID.margin
        && this.tops[n] + line.top < bottom + GRID.margin));
    const fresh = h("div", { class: "lw-block", role: "rowgroup" },
      lines.map((line) => gridLine(this, n, block, line)));
    fresh.style.top = `${this.tops[n]}px`;
    fresh.style.height = `${this.tops[n + 1] - this.tops[n]}px`;
    if (this.open?.block === n && block) fresh.append(this.detailElement(n));
    if (element) element.replaceWith(fresh);
    else {
      const after = [...this.drawn.entries()].filter(([m]) => m > n).sort((a, b) => a[0] - b[0])[0];
      this.canvas.insertBefore(fresh, after ? after[1] : null);
    }
    this.drawn.set(n, fresh);
  }

  redrawBlock(n) {
    this.prefix();
    const element = this.drawn.get(n);
    if (element) {
      element.remove();
      this.drawn.delete(n);
    }
    this.draw();
  }

  drawHead() {
    const names = this.variants.map((each) => h("span", { class: "lw-cell", role: "columnheader",
      title: each.title || each.label }, h("span", { class: "row" }, letter(each.letter),
      h("span", { class: "m" }, each.label))));
    this.head.replaceChildren(
      h("span", { class: "lw-cell lw-f", role: "columnheader" }, "Field"),
      ...(this.truth ? [h("span", { class: "lw-cell lw-t", role: "columnheader" }, "Truth")] : []), ...names);
  }

  // ---- the active cell -------------------------------------------------------------------------

  cellId({ block, line, col }) {
    return `${this.id}-${block}-${line}-${col}`;
  }

  point() {
    this.canvas.querySelectorAll(".on").forEach((each) => each.classList.remove("on"));
    const line = this.lines(this.at.block)[this.at.line];
    const col = line && line.kind === "row" ? this.at.col : 0;
    const cell = document.getElementById(this.cellId({ ...this.at, col }))
      || document.getElementById(this.cellId({ ...this.at, line: 1, col }));
    if (!cell) return;
    cell.classList.add("on");
    this.root.setAttribute("aria-activedescendant", cell.id);
  }

  moveTo(block, line, col = this.at.col) {
    const last = this.heights.length - 1;
    if (last < 0) return;
    this.at = { block: Math.max(0, Math.min(last, block)), line, col };
    this.aim = this.blocks.has(this.at.block) ? null : { ...this.at };
    this.want(this.at.block, this.at.block);
    const lines = this.lines(this.at.block);
    this.at.line = Math.max(0, Math.min(lines.length - 1, line));
    const where = lines[this.at.line];
    const y = this.tops[this.at.block] + where.top;
    const view = this.root.clientHeight - this.head.offsetHeight;
    if (y < this.root.scrollTop) this.root.scrollTop = y;
    else if (y + where.height > this.root.scrollTop + view) this.root.scrollTop = y + where.height - view;
    this.draw();
    const cell = document.getElementById(this.cellId(this.at));
    if (cell && this.width > this.root.clientWidth && this.at.col > this.truth) {
      const fixed = parseFloat(this.root.style.getPropertyValue("--lw-truth-left")) + this.truthWidth;
      const left = cell.offsetLeft;
      if (left - fixed < this.root.scrollLeft) this.root.scrollLeft = left - fixed;
      if (left + cell.offsetWidth > this.root.scrollLeft + this.root.clientWidth) {
        this.root.scrollLeft = left + cell.offsetWidth - this.root.clientWidth;
      }
    }
  }

  step(by) {
    let { block, line } = this.at;
    line += by;
    if (line < 0 && block > 0) {
      block -= 1;
      line = Infinity;
    } else if (line >= this.lines(block).length && block < this.heights.length - 1) {
      block += 1;
      line = 0;
    }
    this.moveTo(block, line);
  }

  page(by) {
    const y = this.tops[this.at.block] + (this.lines(this.at.block)[this.at.line]?.top || 0);
    const wanted = Math.max(0, y + by * (this.root.clientHeight - 60));
    const block = Math.min(this.heights.length - 1, this.blockAt(wanted));
    const inside = wanted - this.tops[block];
    const line = this.lines(block).findLastIndex((each) => each.top <= inside);
    this.moveTo(block, Math.max(0, line));
  }

  key(e) {
    if (e.target !== this.root && e.key !== "Escape") return;
    const wide = this.truth + this.variants.length;
    const moves = {
      ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1),
      ArrowRight: () => this.moveTo(this.at.block, this.at.line, Math.min(wide, this.at.col + 1)),
      ArrowLeft: () => this.moveTo(this.at.block, this.at.line, Math.max(0, this.at.col - 1)),
      Home: () => (e.ctrlKey ? this.moveTo(0, 0) : this.moveTo(this.at.block, this.at.line, 0)),
      End: () => (e.ctrlKey ? this.moveTo(this.heights.length - 1, Infinity)
        : this.moveTo(this.at.block, this.at.line, wide)),
      PageDown: () => this.page(1), PageUp: () => this.page(-1),
      Enter: () => this.enter(), " ": () => this.enter(),
    };
    const escape = e.key === "Escape" && this.open ? () => this.shut() : null;
    const move = escape || moves[e.key];
    if (!move || e.altKey || e.metaKey) return;
    e.preventDefault();
    move();
  }

  click(e) {
    const cell = e.target.closest("[data-at]");
    if (!cell || e.target.closest("button, a")) return;
    const [block, line, col] = cell.dataset.at.split(" ").map(Number);
    const again = this.open && this.open.block === block && this.open.col === col
      && this.lines(block)[line]?.row?.p === this.open.path;
    this.at = { block, line, col };
    this.root.focus({ preventScroll: true });
    if (again) this.shut();
    else this.enter();
  }

  enter() {
    const line = this.lines(this.at.block)[this.at.line];
    if (!line) return;
    if (line.kind === "group") this.read(this.at.block);
    else if (line.kind === "fold") this.fold(this.at.block);
    else this.openDetail(this.at.block, line.row, this.at.col);
  }

  read(n, path) {
    const block = this.blocks.get(n);
    if (!block) return;
    this.view.ui.text = { index: block.index, path: path || null };
    this.view.ui.tab = "text";
    this.view.redraw();
    this.view.root.querySelector(".lw-doc")?.focus();
  }

  fold(n) {
    if (this.unfolded.has(n)) this.unfolded.delete(n);
    else this.unfolded.add(n);
    this.redrawBlock(n);
  }

  // ---- the detail of one cell ------------------------------------------------------------------

  openDetail(n, row, col) {
    const before = this.open;
    const place = Math.max(col - 1 - this.truth, -1);
    this.open = { block: n, path: row.p, col, height: 120, content: null };
    if (before && before.block !== n) this.redrawBlock(before.block);
    this.redrawBlock(n);
    this.send("detail", { index: this.blocks.get(n).index, path: row.p, column: place });
  }

  detail(message) {
    if (!this.open || message.path !== this.open.path
      || message.index !== this.blocks.get(this.open.block)?.index) return;
    this.open.content = message;
    this.redrawBlock(this.open.block);
  }

  detailElement(n) {
    const line = this.lines(n).find((each) => each.row && each.row.p === this.open.path);
    const element = h("div", { class: "lw-detail", role: "row" }, h("div", { role: "gridcell",
      "aria-label": "Detail" }, gridDetail(this, this.open.content)));
    element.style.top = `${line.top + line.height}px`;
    element.style.width = `${this.root.clientWidth}px`;
    this.grown.disconnect();
    this.grown.observe(element);
    this.detailBox = element;
    return element;
  }

  measureDetail() {
    if (!this.open || !this.detailBox?.isConnected) return;
    const height = Math.ceil(this.detailBox.getBoundingClientRect().height);
    if (!height || height === this.open.height) return;
    this.open.height = height;
    this.redrawBlock(this.open.block);
  }

  shut() {
    const { block } = this.open;
    this.open = null;
    this.redrawBlock(block);
    this.root.focus({ preventScroll: true });
  }
}

// The grid of differences: rows are fields, columns are variants, grouped by text.
//
// The kernel lays the grid out: a height for every text, in pixels, as 32-bit numbers. The page
// asks for the texts that come into sight, a chunk at a time, and draws only those; a text whose
// values need more lines grows when it arrives, and what is in sight stays where it is. One tab
// stop: the grid keeps the focus and `aria-activedescendant` points at the cell.

const GRID = { letter: 7.4, line: 16, pad: 9, group: 29, fold: 25, failed: 74, narrow: 106, chunk: 10, margin: 600, most: 150 };

const FIRST_TURN = "first";

class GridOfRows {
  constructor(view, send) {
    this.view = view;
    this.send = send;
    this.id = freshId("grid");
    this.at = { block: 0, line: 0, col: 2 };
    this.heights = new Uint32Array(0);
    this.reset();
    this.canvas = h("div", { class: "lw-canvas", role: "presentation" });
    this.head = h("div", { class: "lw-grow lw-head", role: "row", "aria-rowindex": 1 });
    this.root = h("div", { key: "grid", "data-owned": "", "data-next": "", class: "lw-grid inset", role: "grid", tabindex: 0,
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
    this.stale = new Set();
    this.unfolded = new Set();
    this.open = null;
    this.aim = null;
    this.moved = false;
    this.tops = null;
  }

  // ---- layout ----------------------------------------------------------------------------------

  get variants() {
    return this.view.state.result.variants;
  }

  get truth() {
    return this.view.state.result.truth || this.view.ui.labelling ? 1 : 0;
  }

  /** Whether nobody has moved in it, so that a newer layout surprises nobody. */
  get untouched() {
    return this.root.scrollTop === 0 && !this.open && !this.moved;
  }

  /** The first layout comes unasked with a view's first state; any later one is asked for. */
  begin() {
    if (this.view.drawn) {
      this.ask();
      return;
    }
    this.measureColumns();
    this.waits = true;
    this.turn = FIRST_TURN;
    setTimeout(() => this.coming && this.ask(true), 1000);
  }

  get coming() {
    return this.waits && this.turn === FIRST_TURN;
  }

  /** Ask for the layout: what to show, and how much fits in a cell. Nobody wished for one that only
      fits better (`stays`): what is open, active and in sight is so afterwards. */
  ask(stays = false) {
    this.stays = stays;
    this.measureColumns();
    this.waits = true;
    this.turn = freshId("turn");
    this.send("grid", { ...this.view.ui.filter, turn: this.turn, chars: this.chars, truth_chars: this.truthChars,
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
    if (before && Math.abs(before - this.chars) > 2 && !this.coming) this.ask(true);
    else this.draw();
  }

  /** Take a layout in, if it answers the newest question of this view. */
  lay(message, buffers) {
    if (message.turn !== this.turn || (message.turn === FIRST_TURN && !this.waits)) return;
    if (this.typing) {
      this.later = () => this.lay(message, buffers); // it would take the field away
      return;
    }
    this.waits = false;
    const held = this.stays && !this.untouched && this.held();
    this.view.got.grid = message;
    this.layout = message.layout;
    const raw = buffers[0];
    this.heights = new Uint32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
    this.reset();
    this.canvas.replaceChildren();
    this.root.setAttribute("aria-rowcount", message.lines + 1);
    this.root.setAttribute("aria-colcount", 1 + this.truth + this.variants.length);
    this.drawHead();
    this.at = { block: 0, line: 0, col: 1 + this.truth + (this.view.aimColumn || 0) };
    this.view.aimColumn = null;
    this.root.scrollTop = 0;
    this.prefix();
    this.take(message, true);
    if (this.keep) this.goBack();
    else if (held) this.hold(held);
    if (Math.abs(message.chars - this.chars) > 2) this.ask(true);
    requestAnimationFrame(() => this.view.redraw()); // the rows come first, what stands around them next
  }

  prefix() {
    const { heights } = this;
    const tops = new Float64Array(heights.length + 1);
    const taller = new Set(this.open ? [...this.unfolded, this.open.block] : this.unfolded);
    for (let n = 0; n < heights.length; n += 1) {
      tops[n + 1] = tops[n] + heights[n] + (taller.size && taller.has(n) ? this.extra(n) : 0);
    }
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
      this.stale.add(message.from + n);
    });
    this.asked.add(Math.floor(message.from / GRID.chunk));
    this.prefix();
    if (into > 0 && this.tops[anchor] + into !== this.root.scrollTop) this.root.scrollTop = this.tops[anchor] + into;
    if (first) this.at.line = this.lines(0).findIndex((line) => line.kind === "row");
    if (this.at.line < 0) this.at.line = 0;
    const { aim } = this;
    if (aim && this.blocks.has(aim.block)) this.moveTo(aim.block, aim.line, aim.col);
    else if (!first) this.draw();
    else {
      this.draw(0); // what is in sight now, what scrolling brings a frame later
      this.soon();
    }
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

  /** Draw what is in sight, and so many pixels above and below it. */
  draw(margin = GRID.margin) {
    if (!this.tops || !this.root.isConnected) return;
    const [top, bottom] = [this.root.scrollTop, this.root.scrollTop + this.root.clientHeight];
    const from = this.blockAt(Math.max(0, top - margin));
    const to = Math.min(this.heights.length - 1, this.blockAt(bottom + margin));
    for (const [n, element] of this.drawn) {
      if (n >= from && n <= to) continue;
      if (element.contains(focused(this.root))) this.drawBlock(n, top, bottom);
      else {
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
    if (element && !long && !this.stale.has(n)) {
      element.style.top = `${this.tops[n]}px`;
      return;
    }
    const lines = this.lines(n).map((line, at) => ({ ...line, at })).filter((line) => !long || line.kind !== "row"
      || line.at === 1 || (this.typing?.block === n && this.typing.path === line.row.p) || (this.tops[n] + line.top + line.height > top - GRID.margin
        && this.tops[n] + line.top < bottom + GRID.margin));
    const fresh = h("div", { class: "lw-block", role: "rowgroup" },
      lines.map((line) => gridLine(this, n, block, line)));
    fresh.style.top = `${this.tops[n]}px`;
    fresh.style.height = `${this.tops[n + 1] - this.tops[n]}px`;
    if (this.open?.block === n && block) fresh.append(this.detailElement(n));
    this.stale.delete(n);
    if (element) morph(element, fresh);
    else {
      element = fresh;
      const after = [...this.drawn.entries()].filter(([m]) => m > n).sort((a, b) => a[0] - b[0])[0];
      this.canvas.insertBefore(fresh, after ? after[1] : null);
      this.drawn.set(n, fresh);
    }
    if (this.open?.block === n) this.watchDetail(element.querySelector(":scope > .lw-detail"));
  }

  redrawBlock(n) {
    this.prefix();
    this.stale.add(n);
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
}

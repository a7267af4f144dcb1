// The grid under the hand: the active cell, the keys, the detail that opens below a cell.

class DifferencesGrid extends GridOfRows {
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
      Enter: () => this.enter(), " ": () => this.enter(), ...labelKeys(this, e),
    };
    const escape = e.key === "Escape" && this.open ? () => this.shut() : null;
    const move = escape || moves[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (!move || e.altKey || e.metaKey) return;
    e.preventDefault();
    this.moved = true;
    move();
  }

  click(e) {
    const cell = e.target.closest("[data-at]");
    if (!cell || e.target.closest("button, a")) return;
    const [block, line, col] = cell.dataset.at.split(" ").map(Number);
    const again = this.open && this.open.block === block && this.open.col === col
      && this.lines(block)[line]?.row?.p === this.open.path;
    this.at = { block, line, col };
    this.moved = true;
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
    const element = h("div", { class: "lw-detail", role: "row", key: `detail ${this.open.path} ${this.open.col}` }, h("div", { role: "gridcell",
      "aria-label": "Detail" }, gridDetail(this, this.open.content)));
    element.style.top = `${line.top + line.height}px`;
    element.style.width = `${this.root.clientWidth}px`;
    return element;
  }

  watchDetail(element) {
    if (this.detailBox === element) return;
    this.grown.disconnect();
    if (element) this.grown.observe(element);
    this.detailBox = element;
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

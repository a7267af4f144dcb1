// The grid of differences: rows are fields, columns are variants, grouped by text.
//
// The kernel lays the grid out: a height for every text, in pixels, as 32-bit numbers. The page
// asks for the texts that come into sight, a chunk at a time, and draws only those; a text whose
// values need more lines grows when it arrives, and what is in sight stays where it is. One tab
// stop: the grid keeps the focus and `aria-activedescendant` points at the cell.

import { render, type VNode } from "preact";
import { focused, focusIn } from "../../panel/page";
import { type Panel, PanelContext } from "../../panel/panel";
import { type Buffers, freshName } from "../../panel/protocol";
import type { Block, GridAnswer } from "../state";
import type { View } from "../view";
import { seenWords } from "../words";
import { Lines, Texts } from "./cells";
import { type GridAct, gridAct } from "./keys";
import type { At, Held, Line, Typing } from "./layout";
import { CHUNK, Layout, METRICS, measureColumns, metricsOf, scrollInto } from "./layout";
import { fitRows, lineHeight } from "./measuring";
import { Opened } from "./opened";

/** The turn of the rows that come unasked with a view's first state. */
const FIRST = "first";
const FIRST_MS = 1000;
/** Pixels above and below what is in sight that are drawn too. */
const MARGIN = 600;
/** Of a text with more rows only those in sight are drawn. */
const MOST_ROWS = 150;
type Why = "fit" | "more" | "label";
/** Characters that a layout may be off by. */
const NEAR = 2;

export class Grid {
  readonly id = freshName("lw");
  layout = new Layout();
  answer: GridAnswer | null = null;
  columns = measureColumns(960, [], 1, false);
  /** Where a truth is being typed. */
  typing: Typing | null = null;
  /** The order of review that is shown, if it has come, and how many of its rows. */
  order: { most: number; order?: number } = { most: 0 };
  /** The truth that the newest label took the place of. */
  changedLast: { name: string; was: string } | null = null;
  /** An answer to `ask` is on its way. */
  waits = false;
  /** The active cell. */
  at: At = { block: 0, line: 0, col: 2 };
  #root: HTMLElement | null = null;
  #moved = false;
  #turn = "";
  #why?: Why;
  #aim: (At & { enter?: boolean }) | null = null;
  #later: (() => void) | null = null;
  #labelled: { index: number; path: string } | null = null;
  /** What is to be done once the grid stands in the page again. */
  #next: (() => void) | null = null;
  #top = 0;
  #frame = 0;
  /** Pixels: of a line of text as this browser draws it, and what the newest layout was asked by. */
  #lineHeight = METRICS.line;
  #metrics = METRICS;
  #drawn = new Map<number, VNode>();
  readonly #resized = new ResizeObserver(() => this.#fit());

  /** The detail of one cell. */
  readonly opened = new Opened(this);

  constructor(readonly view: View) {}

  get #result() {
    const { state } = this.view;
    return state.screen === "results" ? state.result : null;
  }

  get variants() {
    return this.#result?.variants ?? [];
  }

  /** How many columns of truth there are: 1 or 0. */
  get truth(): number {
    const { labelling, filter } = this.view;
    return this.#result?.truth || labelling || filter.sort === "review" ? 1 : 0;
  }

  /** Whether nobody has moved in it, so that a newer layout surprises nobody. */
  get untouched(): boolean {
    return this.#scroll === 0 && !this.layout.open && !this.#moved;
  }

  get #scroll(): number {
    return this.#root?.scrollTop ?? this.#top;
  }

  get #canvas(): HTMLElement {
    return this.#root!.lastElementChild as HTMLElement;
  }

  get line(): Line | undefined {
    return this.layout.line(this.at);
  }

  focus(): void {
    this.#root?.focus({ preventScroll: true });
  }

  // ---- in the page -------------------------------------------------------------------------------

  /** The element stands in the page now, or (null) no longer. */
  attach(root: HTMLElement | null): void {
    if (!root) {
      this.#top = this.#scroll;
      this.#resized.disconnect();
      this.typing = null;
      render(null, this.#canvas);
    }
    this.#root = root;
    this.#drawn.clear();
    if (!root) return;
    const next = this.#next;
    this.#next = null;
    this.#measure();
    this.#resized.observe(root);
    if (this.#turn) {
      this.draw();
      root.scrollTop = this.#top;
      next?.();
    } else if (this.view.drawn) this.ask();
    else this.#awaitFirst();
  }

  /** The first layout comes unasked with a view's first state; any later one is asked for. */
  #awaitFirst(): void {
    this.waits = true;
    this.#turn = FIRST;
    setTimeout(() => this.#coming && this.ask("fit"), FIRST_MS);
  }

  get #coming(): boolean {
    return this.waits && this.#turn === FIRST;
  }

  /** Ask for the layout: what to show, and how much fits in a cell. One that only fits better (`fit`)
      leaves what is open, active and in sight, one with the column of truth (`label`) what is active;
      one of `more` texts, that nobody wished for, is not taken where somebody moves until it comes. */
  ask(why?: Why): void {
    if (!this.#root) {
      this.#next = () => this.ask();
      return;
    }
    this.#measure();
    this.#why = why;
    this.waits = true;
    this.#turn = freshName("lw");
    const { chars, truthChars, narrow } = this.columns;
    const { filter } = this.view;
    this.#metrics = metricsOf(this.#lineHeight, narrow);
    const [type, wanted] =
      filter.sort === "review" ? ["review.lay", this.order] : ["grid.lay", filter];
    this.view.send(type, {
      ...wanted,
      turn: this.#turn,
      chars,
      truth_chars: truthChars,
      metrics: this.#metrics,
    });
  }

  #measure(): void {
    const { clientWidth, style } = this.#root!;
    this.columns = measureColumns(
      clientWidth || 960,
      this.#result!.fields,
      this.variants.length,
      this.truth > 0,
      this.#lineHeight,
    );
    const { tracks, field, width: whole } = this.columns;
    style.setProperty("--lw-tracks", tracks);
    style.setProperty("--lw-truth-left", `${field}px`);
    style.setProperty("--lw-width", `${whole}px`);
  }

  #fit(): void {
    if (!this.#root?.clientWidth) return;
    const { chars, tracks } = this.columns;
    this.#measure();
    if (tracks !== this.columns.tracks) {
      this.layout.unfit();
      this.#drawn.clear();
    }
    const near = Math.abs(chars - this.columns.chars) <= NEAR && !this.#grows();
    if (near || this.#coming) this.draw();
    else this.ask("fit");
  }

  /** Reckon with larger letters from now on, if they are drawn larger. */
  #grows(): boolean {
    const before = this.#lineHeight;
    const line = (this.#root && lineHeight(this.#canvas)) ?? before;
    this.#lineHeight = Math.max(before, line);
    return line > before;
  }

  // ---- what the kernel sends ---------------------------------------------------------------------

  /** Take a layout in, if it answers the newest question of this view. */
  lay(message: GridAnswer, buffers: Buffers): void {
    if (message.turn !== this.#turn || (this.#turn === FIRST && !this.waits)) return;
    if (this.#why === "more" && !this.untouched && this.answer?.texts) {
      this.waits = false;
      this.view.redraw(); // a button leads to it instead
      return;
    }
    if (this.typing) {
      this.#later = () => this.lay(message, buffers); // it would take the field away
      return;
    }
    const held =
      this.#why === "label" || (this.#why === "fit" && !this.untouched) ? this.#hold() : null;
    this.waits = false;
    this.#aim = null;
    this.#moved = false;
    this.answer = message;
    const { review } = message;
    if (review) this.order.order = review.order;
    this.layout = Layout.of(buffers[0]!, review !== null, this.#metrics);
    this.#drawn.clear();
    this.at = { block: 0, line: 0, col: 1 + this.truth + this.view.column };
    this.view.column = 0;
    if (this.#root) this.#root.scrollTop = 0;
    this.#put(message.blocks.map((block, n) => [n, block]));
    this.at.line = Math.max(
      0,
      this.layout.lines(0).findIndex((line) => line.kind === "row"),
    );
    this.draw(0); // what is in sight now, what scrolling brings a frame later
    this.soon();
    if (held) this.#goBack(held);
    const { aim } = this.view;
    this.view.aim = null;
    if (aim) this.find(aim.id, aim.path);
    if (this.#grows() || Math.abs(message.chars - this.columns.chars) > NEAR) this.ask("fit");
    requestAnimationFrame(() => this.view.redraw()); // the rows come first, what is around them next
  }

  /** Rows that came into sight. */
  take({ layout, from, blocks }: GridAnswer): void {
    if (layout !== this.answer?.layout) return;
    this.#put(blocks.map((block, n) => [from + n, block]));
    const aim = this.#aim;
    if (aim && this.layout.blocks.has(aim.block)) {
      this.moveTo({ block: aim.block, line: aim.line, col: aim.col });
      if (aim.enter) this.#enter();
    } else this.draw();
  }

  /** Texts whose truth or values changed: their rows are drawn anew, everything else stays. */
  changed({ layout, blocks }: { layout: number; blocks: [number, Block][] }): void {
    if (layout !== this.answer?.layout) return;
    const path = this.line?.row?.p;
    const known = blocks.filter(([n]) => this.layout.blocks.has(n));
    const { open } = this.layout;
    for (const [n, block] of known) if (open?.block === n) this.opened.readAgain(open, block);
    this.#tellChange(known);
    this.#put(known);
    const line = this.layout.lineOf(this.at.block, path);
    if (line >= 0) this.at.line = line;
    this.draw();
  }

  #put(blocks: [number, Block][]): void {
    for (const [n, block] of blocks) {
      this.layout.put(n, block);
      this.#drawn.delete(n);
    }
    this.#settle();
  }

  /** Heights have changed: what is in sight stays where it is. */
  #settle(): void {
    const { layout } = this;
    const anchor = layout.blockAt(this.#scroll);
    const into = this.#scroll - layout.tops[anchor]!;
    layout.measure();
    const top = layout.tops[anchor]! + into;
    if (into < 0 || top === this.#scroll) return;
    if (this.#root) this.#canvas.style.height = `${layout.height}px`;
    this.#scrollTo(top);
  }

  #scrollTo(top: number): void {
    this.#top = top;
    if (this.#root) this.#root.scrollTop = top;
  }

  // ---- drawing -----------------------------------------------------------------------------------

  soon = (): void => {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  };

  /** Draw what is in sight, and some pixels above and below it. */
  draw(margin = MARGIN): void {
    const { layout } = this;
    if (!this.#root || !this.answer) return;
    const [top, bottom] = [this.#scroll, this.#scroll + this.#root.clientHeight];
    const from = layout.blockAt(Math.max(0, top - margin));
    const to = Math.min(layout.count - 1, layout.blockAt(bottom + margin));
    const held = Number(
      focusIn(this.#canvas)?.closest<HTMLElement>(".lw-block")?.dataset.block ?? -1,
    );
    const shown = held >= 0 && held < from ? [held] : [];
    for (let n = from; n <= to; n += 1) shown.push(n);
    if (held > to) shown.push(held);
    for (const n of this.#drawn.keys()) if (!shown.includes(n)) this.#drawn.delete(n);
    this.#canvas.style.height = `${layout.height}px`;
    const lines = shown.map((n): [number, VNode] => [n, this.#lines(n, top, bottom)]);
    render(
      <PanelContext.Provider value={this.view.panel as unknown as Panel}>
        <Texts grid={this} shown={lines} />
      </PanelContext.Provider>,
      this.#canvas,
    );
    const fitted = fitRows(this.#canvas, layout);
    if (fitted.length) {
      for (const n of fitted) this.#drawn.delete(n);
      this.#settle();
      this.draw(margin);
      return;
    }
    for (const chunk of layout.missing(from - CHUNK / 2, to + CHUNK / 2)) {
      this.view.send("grid.blocks", {
        layout: this.answer.layout,
        from: chunk * CHUNK,
        count: CHUNK,
      });
    }
    this.#point();
    const first = Math.min(layout.blockAt(top) + 1, layout.count);
    const last = Math.min(layout.blockAt(Math.max(0, bottom - 50)) + 1, layout.count);
    const seen = this.view.panel.root.querySelector(".lw-seen");
    if (seen) seen.textContent = seenWords(first, last, this.answer.texts, this.answer.said);
  }

  /** What was drawn of a text last time, or its lines anew. */
  #lines(n: number, top: number, bottom: number): VNode {
    const there = this.#drawn.get(n);
    if (there) return there;
    const { layout, typing } = this;
    const long = (layout.blocks.get(n)?.rows.length ?? 0) > MOST_ROWS;
    const typed = typing?.block === n ? typing.row.p : undefined;
    const lines = long
      ? layout.linesWithin(n, top - MARGIN, bottom + MARGIN, typed)
      : layout.lines(n);
    const made = <Lines grid={this} n={n} lines={lines} />;
    if (!long) this.#drawn.set(n, made);
    return made;
  }

  redraw(...texts: number[]): void {
    this.layout.measure();
    for (const n of texts) this.#drawn.delete(n);
    this.draw();
  }

  cellId(block: number, line: number, col: number): string {
    return `${this.id}-${block}-${line}-${col}`;
  }

  #cell({ block, line, col }: At): HTMLElement | null {
    return this.#canvas.querySelector(`#${this.cellId(block, line, col)}`);
  }

  /** Mark the active cell, and say which it is. */
  #point(): void {
    for (const each of this.#canvas.querySelectorAll(".on")) each.classList.remove("on");
    const col = this.line?.kind === "row" ? this.at.col : 0;
    const cell = this.#cell({ ...this.at, col }) ?? this.#cell({ ...this.at, line: 1, col });
    cell?.classList.add("on");
    if (cell) this.#root!.setAttribute("aria-activedescendant", cell.id);
    else this.#root!.removeAttribute("aria-activedescendant"); // scrolled away, it is not drawn
  }

  // ---- moving about ------------------------------------------------------------------------------

  /** Make a place the active one, as far as it is another, and bring it into sight. */
  moveTo(change: Partial<At>): void {
    const { layout } = this;
    if (!layout.count) return;
    const to = { ...this.at, ...change };
    this.at = { ...to, ...layout.clamp(to) };
    this.#aim = layout.blocks.has(this.at.block) ? null : { ...to, block: this.at.block };
    if (!this.#root) {
      this.#next = () => this.moveTo({});
      return;
    }
    this.see(this.at.block, () => this.line!);
    const cell = this.#cell(this.at);
    const { width, fixed } = this.columns;
    if (!cell || width <= this.#root.clientWidth || this.at.col <= this.truth) return;
    this.#root.scrollLeft = scrollInto(
      cell.offsetLeft - fixed,
      cell.offsetWidth,
      this.#root.scrollLeft,
      this.#root.clientWidth - fixed,
    );
  }

  onKeyDown = (e: KeyboardEvent): void => {
    const inside = e.target !== this.#root;
    const shut = e.key === "Escape" && this.layout.open;
    const act = inside ? undefined : gridAct(e, this.variants.length);
    if (!act && !shut) return;
    e.preventDefault();
    this.#moved = true;
    if (shut) this.opened.shut();
    else this.#act(act!);
  };

  #act([name, by]: GridAct): void {
    const wide = this.truth + this.variants.length;
    const page = (this.#root!.clientHeight - 60) * (by ?? 0);
    const acts = {
      step: () => this.moveTo(this.layout.step(this.at, by!)),
      page: () => this.moveTo(this.layout.jump(this.at, page)),
      column: () => this.moveTo({ col: Math.max(0, Math.min(wide, this.at.col + by!)) }),
      home: () => this.moveTo({ col: 0 }),
      end: () => this.moveTo({ col: wide }),
      top: () => this.moveTo({ block: 0, line: 0 }),
      bottom: () => this.moveTo({ block: Infinity, line: Infinity }),
      enter: () => this.#enter(),
      undo: () => this.view.send("labels.undo"),
      type: () => this.typeTruth(),
      none: () => this.label({ none: true }),
      take: () => this.label({ column: by }),
    };
    acts[name]();
  }

  onClick = (e: MouseEvent): void => {
    const target = e.target as Element;
    const cell = target.closest<HTMLElement>("[data-at]");
    if (!cell || target.closest("button, a, input")) return;
    const [block, line, col] = cell.dataset.at!.split(" ").map(Number) as [number, number, number];
    const { open } = this.layout;
    this.at = { block, line, col };
    this.#moved = true;
    this.focus();
    if (open?.block === block && open.col === col && this.line?.row?.p === open.path)
      this.opened.shut();
    else this.#enter();
  };

  #enter(): void {
    const { block, col } = this.at;
    const line = this.line;
    if (this.#aim) this.#aim.enter = true;
    else if (line?.kind === "group") this.read(block);
    else if (line?.kind === "fold") this.#fold(block);
    else if (line) this.opened.open(block, line.row!, col);
  }

  read(n: number): void {
    const block = this.layout.blocks.get(n);
    if (block) this.view.show("text", { text: { index: block.index, path: null } }, "doc");
  }

  #fold(n: number): void {
    if (this.layout.flat) {
      this.order.most = this.answer!.review!.next;
      this.ask("fit");
      return;
    }
    const { unfolded } = this.layout;
    if (!unfolded.delete(n)) unfolded.add(n);
    this.at.line = this.layout.lines(n).length - 1; // the fold is the last line of its text
    this.redraw(n);
  }

  /** Make a field of a text the active one: the way back from where the text is read. */
  find(id: string, path: string | null): void {
    for (const [n, block] of this.layout.blocks) {
      const line = this.layout.lineOf(n, path ?? undefined);
      if (block.id !== id || (this.layout.flat && line < 0)) continue;
      this.moveTo({ block: n, line: Math.max(0, line) });
    }
  }

  /** Bring a part of a text into sight, as far as there is room below the heads of the columns. */
  see(block: number, part: () => { top: number; height: number }): void {
    const root = this.#root!;
    const room = root.clientHeight - (root.firstElementChild as HTMLElement).offsetHeight;
    const goal = () => {
      const { top, height } = part();
      const place = this.layout.tops[block]! + top;
      return scrollInto(place, Math.min(height, room), this.#scroll, room);
    };
    this.#scrollTo(goal());
    this.draw();
    // What came into sight can be taller than was reckoned.
    const again = goal();
    if (again === this.#scroll) return;
    this.#scrollTo(again);
    this.draw();
  }

  get sight(): number {
    return this.#root!.clientWidth;
  }

  // ---- where the person is, from one layout to the next ------------------------------------------

  #hold(): Held {
    return {
      at: { ...this.at },
      index: this.layout.blocks.get(this.at.block)?.index,
      path: this.line?.row?.p,
      open: this.layout.open,
      top: this.#scroll,
    };
  }

  #goBack({ at, index, path, open, top }: Held): void {
    // Where more rows were opened the first of them is in the place of their line.
    const same = index === -1 || this.layout.blocks.get(at.block)?.index === index;
    const line = Math.max(0, this.layout.lineOf(at.block, path));
    if (this.#why === "label") {
      if (same) this.moveTo({ ...at, line });
      return;
    }
    this.#moved = true;
    if (same) {
      this.at = { ...at, line };
      this.layout.open = open;
      if (open) this.redraw(open.block);
    }
    this.#scrollTo(top);
    this.draw();
  }

  // ---- truth that grows --------------------------------------------------------------------------

  /** Of what was labelled last, say which truth it changed; gone with the label. */
  #tellChange(blocks: [number, Block][]): void {
    const labelled = this.#labelled;
    for (const [, { index, rows }] of blocks) {
      if (index !== labelled?.index) continue;
      const row = rows.find(({ p }) => p === labelled.path);
      const was = row?.t[3];
      this.changedLast = was ? { name: row!.name, was } : null;
      this.view.redraw();
    }
  }

  /** Send a label for a row, the active one if none is named; rows by themselves are gone through
      from one to the next. */
  label(content: object, row = this.line?.row): void {
    const block = this.layout.blocks.get(this.at.block);
    if (!row || !block || row.name === "all fields") return;
    this.#showTruth();
    this.#labelled = { index: block.index, path: row.p };
    this.view.send("labels.set", { index: block.index, path: row.p, ...content });
    if (this.layout.flat) this.moveTo(this.layout.step(this.at, 1));
  }

  /** The first label brings the column of truth; the grid is laid out anew around its cell. */
  #showTruth(): void {
    if (this.truth) return;
    this.view.labelling = true;
    this.at.col += this.at.col > 0 ? 1 : 0;
    this.#drawn.clear();
    this.ask("label");
    this.view.redraw();
  }

  /** A field in the cell of truth: Enter keeps what is typed, Escape leaves it. */
  typeTruth(row = this.line?.row): void {
    if (!row || row.name === "all fields") return;
    this.#showTruth();
    this.typing = { block: this.at.block, row, was: row.t[1] === "value" ? row.t[0] : "" };
    this.redraw(this.at.block);
  }

  /** Keep what was typed, or (null) leave it. */
  endTyping(typed: string | null): void {
    const { typing } = this;
    if (!typing) return;
    const own = focused(this.#root!);
    this.typing = null;
    if (own?.closest(".lw-typing")) this.focus();
    if (typed !== null && typed !== typing.was) this.label({ value: typed }, typing.row);
    const later = this.#later;
    this.#later = null;
    if (later) later();
    else this.redraw(typing.block);
  }
}

// The detail that is open below one cell: opened, filled, as tall as it is drawn, shut.

import type { Block, Detail, Row } from "../state";
import type { Grid } from "./grid";
import type { Open } from "./layout";

/** Pixels, until it is drawn. */
const HEIGHT = 120;

export class Opened {
  /** The one that a person opened and that is not filled yet. */
  #opening: Open | null = null;
  readonly #grown = new ResizeObserver(([entry]) => this.#measure(entry!.target));

  constructor(private readonly grid: Grid) {}

  open(n: number, row: Row, col: number): void {
    const { layout, view } = this.grid;
    const before = layout.open;
    layout.open = this.#opening = { block: n, path: row.p, col, height: HEIGHT, content: null };
    this.grid.redraw(n, before?.block ?? n);
    this.ask(layout.open);
    view.panel.loadPart("views").then(() => layout.open && this.grid.redraw(layout.open.block));
  }

  /** Ask for it, by another of its repeats where one is named. */
  ask(open = this.grid.layout.open!, repeat = open.repeat): void {
    const { layout, truth, view } = this.grid;
    open.repeat = repeat;
    const { index } = layout.blocks.get(open.block)!;
    const column = Math.max(open.col - 1 - truth, -1);
    view.send("grid.detail", { index, path: open.path, column, repeat });
  }

  readAgain(open: Open, block: Block): void {
    if (block.rows.some((row) => row.p === open.path)) this.ask(open);
    else this.grid.layout.open = null;
  }

  fill(message: Detail): void {
    const { open, blocks } = this.grid.layout;
    if (message.path !== open?.path || message.index !== blocks.get(open.block)?.index) return;
    open.content = message;
    this.grid.redraw(open.block);
  }

  /** Follow the height of what is drawn. The one that goes is said after the one that comes, where
      that stands above it; of what has gone no height is taken. */
  watch = (element: HTMLElement | null): void => {
    if (!element) return;
    this.#grown.disconnect();
    this.#grown.observe(element);
  };

  #measure(element: Element): void {
    const { open } = this.grid.layout;
    const height = Math.ceil(element.getBoundingClientRect().height);
    if (!open || !height) return;
    if (height !== open.height) {
      open.height = height;
      this.grid.redraw(open.block);
    }
    if (this.#opening === open && open.content) this.#see(open);
  }

  /** Once it is filled: its row and as much of it as there is room for come into sight. */
  #see(open: Open): void {
    this.#opening = null;
    const { at, line } = this.grid;
    if (at.block !== open.block || line?.row?.p !== open.path) return;
    this.grid.see(open.block, () => {
      const { top, height } = this.grid.line!;
      return { top, height: height + open.height };
    });
  }

  shut(): void {
    const { layout } = this.grid;
    const { block } = layout.open!;
    layout.open = null;
    this.grid.redraw(block);
    this.grid.focus();
  }
}

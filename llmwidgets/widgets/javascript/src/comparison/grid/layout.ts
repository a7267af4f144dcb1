// Where everything stands in the virtual grid, in pixels: pure, so that it is tested without a page.
//
// The kernel gives a height for every text. A text that is unfolded or has a detail open is taller
// by that much. A text shows lines: its head, a line for each row, and the fold.

import type { Block, Detail, Row } from "../state";

/** Heights in pixels for text in lines of this height, as the kernel reckons with them. */
export const metricsOf = (line: number, narrow = false) => ({
  line,
  pad: 9,
  group: line + 13,
  fold: line + 9,
  failed: (narrow ? 6 : 4) * line + 10,
});
/** Before anything is measured: what a browser draws whose letters nobody made larger. */
export const METRICS = metricsOf(16);
const NARROW = 760;
const LETTER = 7.4 / METRICS.line;

/** How many texts are asked for at once. */
export const CHUNK = 10;

export interface Columns {
  narrow: boolean;
  /** How many characters fit in a cell, and in one of the truth. */
  chars: number;
  truthChars: number;
  /** Pixels: of the column of fields, of all that stays in sight, of the whole grid. */
  field: number;
  fixed: number;
  width: number;
  tracks: string;
}

/** The columns of a panel of this width; `Metrics.guessed` in Python guesses the same. */
export function measureColumns(
  width: number,
  fields: string[],
  variants: number,
  labelled: boolean,
  line = METRICS.line,
): Columns {
  const narrow = width <= NARROW;
  const letter = LETTER * line;
  const longest = Math.max(0, ...fields.map((name) => name.length));
  const field = narrow
    ? 128
    : Math.round(Math.max(width * 0.17, Math.min(width * 0.22, longest * 7.3 + 42)));
  const truth = labelled ? (narrow ? 96 : Math.max(110, Math.round(width * 0.15))) : 0;
  const each = Math.max(narrow ? 104 : 150, Math.floor((width - field - truth) / variants));
  return {
    narrow,
    field,
    fixed: field + truth,
    chars: Math.max(8, Math.floor((each - (narrow ? 24 : 34)) / letter)),
    truthChars: Math.max(8, Math.floor((truth - 17) / letter)),
    width: Math.max(width, field + truth + each * variants),
    tracks: `${field}px ${truth ? `${truth}px ` : ""}repeat(${variants},minmax(${each}px,1fr))`,
  };
}

export interface Line {
  kind: "group" | "row" | "fold";
  at: number;
  top: number;
  height: number;
  row?: Row;
}

/** The detail that is open under a cell. */
export interface Open {
  block: number;
  path: string;
  col: number;
  /** The repeat that was asked for; without one it is the first that gave the value shown. */
  repeat?: number;
  height: number;
  content: Detail | null;
}

export interface Place {
  block: number;
  line: number;
}

/** The place of a cell. */
export interface At extends Place {
  col: number;
}

/** Where the person is, to be found again in the next layout. */
export interface Held {
  at: At;
  index: number | undefined;
  path: string | undefined;
  open: Open | null;
  top: number;
}

/** The truth that is being typed into a cell, and what was there. */
export interface Typing {
  block: number;
  row: Row;
  was: string;
}

export class Layout {
  blocks = new Map<number, Block>();
  unfolded = new Set<number>();
  open: Open | null = null;
  tops = new Float64Array(1);
  private asked = new Set<number>();
  private fitted = new WeakSet<Row>();

  /** Of a `flat` one each row stands by itself, without the head of its text. */
  constructor(
    private heights = new Uint32Array(0),
    readonly flat = false,
    private metrics = METRICS,
  ) {
    this.measure();
  }

  /** The layout whose heights came in binary. */
  static of(
    { buffer, byteOffset, byteLength }: DataView,
    flat: boolean,
    metrics: typeof METRICS,
  ): Layout {
    const heights = buffer.slice(byteOffset, byteOffset + byteLength);
    return new Layout(new Uint32Array(heights as ArrayBuffer), flat, metrics);
  }

  get count(): number {
    return this.heights.length;
  }

  get height(): number {
    return this.tops[this.count]!;
  }

  put(n: number, block: Block): void {
    this.blocks.set(n, block);
    this.heights[n] = block.h;
    this.asked.add(Math.floor(n / CHUNK));
  }

  /** Whether a row has the height that its values take in this page. */
  fits(row: Row): boolean {
    return this.fitted.has(row);
  }

  /** Take the height that a row has in the page. */
  fit(n: number, row: Row, height: number): void {
    this.fitted.add(row);
    if (!row.q) this.heights[n]! += height - row.h;
    row.h = height;
  }

  /** Columns became wider or narrower: every height is to be measured anew. */
  unfit(): void {
    this.fitted = new WeakSet();
  }

  /** Where every text begins; to be called when a height has changed. */
  measure(): void {
    const { heights, open, unfolded } = this;
    this.tops = new Float64Array(heights.length + 1);
    for (let n = 0; n < heights.length; n += 1) {
      const taller = unfolded.has(n) || open?.block === n ? this.extra(n) : 0;
      this.tops[n + 1] = this.tops[n]! + heights[n]! + taller;
    }
  }

  private extra(n: number): number {
    let height = this.open?.block === n ? this.open.height : 0;
    if (this.unfolded.has(n)) {
      for (const row of this.blocks.get(n)?.rows ?? []) height += row.q && row.h;
    }
    return height;
  }

  /** The text that stands at this height. */
  blockAt(y: number): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tops[middle + 1]! <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What a text shows, top to bottom. */
  lines(n: number): Line[] {
    const block = this.blocks.get(n);
    const lines: Line[] = [];
    let top = 0;
    const add = (kind: Line["kind"], height: number, row?: Row) => {
      lines.push({ kind, at: lines.length, top, height, row });
      top += height;
      if (row && this.open?.block === n && this.open.path === row.p) top += this.open.height;
    };
    if (!this.flat || !block) add("group", this.metrics.group);
    if (!block) return lines;
    for (const quiet of this.unfolded.has(n) && block.fold ? [0, 1] : [0]) {
      for (const row of block.rows) if (row.q === quiet) add("row", row.h, row);
    }
    if (block.fold) add("fold", this.metrics.fold);
    return lines;
  }

  /** Those of them between two heights of the whole layout, the first row, one that is typed in,
      and all that is not a row. */
  linesWithin(n: number, from: number, to: number, typed: string | undefined): Line[] {
    const above = this.tops[n]!;
    return this.lines(n).filter(
      ({ kind, at, row, top, height }) =>
        kind !== "row" ||
        at === 1 ||
        row!.p === typed ||
        (above + top + height > from && above + top < to),
    );
  }

  line({ block, line }: Place): Line | undefined {
    return this.lines(block)[line];
  }

  /** The line of a field in a text, -1 where it is not shown. */
  lineOf(n: number, path: string | undefined): number {
    return path === undefined ? -1 : this.lines(n).findIndex((each) => each.row?.p === path);
  }

  /** Chunks of texts around these that nobody has asked for, which are asked for now. */
  missing(from: number, to: number): number[] {
    const found = [];
    const last = Math.floor(Math.min(this.count - 1, to) / CHUNK);
    for (let chunk = Math.floor(Math.max(0, from) / CHUNK); chunk <= last; chunk += 1) {
      if (this.asked.has(chunk)) continue;
      this.asked.add(chunk);
      found.push(chunk);
    }
    return found;
  }

  // ---- moving about ------------------------------------------------------------------------------

  /** One line down (1) or up (-1), over the edge of a text. */
  step({ block, line }: Place, by: number): Place {
    const to = line + by;
    if (to < 0 && block > 0) return { block: block - 1, line: Infinity };
    if (to >= this.lines(block).length && block < this.count - 1)
      return { block: block + 1, line: 0 };
    return { block, line: to };
  }

  /** The line that many pixels further down. */
  jump(place: Place, pixels: number): Place {
    const y = Math.max(0, this.tops[place.block]! + (this.line(place)?.top ?? 0) + pixels);
    const block = Math.min(this.count - 1, this.blockAt(y));
    const inside = y - this.tops[block]!;
    return {
      block,
      line: Math.max(
        0,
        this.lines(block).findLastIndex((each) => each.top <= inside),
      ),
    };
  }

  /** The nearest place that there is. */
  clamp({ block, line }: Place): Place {
    const there = Math.max(0, Math.min(this.count - 1, block));
    return { block: there, line: Math.max(0, Math.min(this.lines(there).length - 1, line)) };
  }
}

/** Where to scroll so that [top, top + height] is in sight; `scroll` itself where it is already. */
export function scrollInto(top: number, height: number, scroll: number, sight: number): number {
  if (top < scroll) return top;
  return top + height > scroll + sight ? top + height - sight : scroll;
}

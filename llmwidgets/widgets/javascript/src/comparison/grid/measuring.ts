// The heights that rows take in this page: letters can be larger, and scripts wider, than reckoned.

import { type Layout, METRICS } from "./layout";

/** Of a fraction of a pixel so much may be over before a whole one is taken. */
const SLACK = 0.1;

const tall = (element: Element) => Math.ceil(element.getBoundingClientRect().height - SLACK);

/** How high one line of text is, by the head of a text; undefined where none is drawn. */
export function lineHeight(canvas: Element): number | undefined {
  const head = canvas.querySelector(".lw-group");
  return head ? tall(head) - METRICS.group + METRICS.line : undefined;
}

/** Rows that are drawn for the first time, by the height of what is in them, get that height in the
    layout; returns their texts. */
export function fitRows(canvas: Element, layout: Layout): number[] {
  const texts: number[] = [];
  for (const drawn of canvas.querySelectorAll<HTMLElement>(".lw-block")) {
    const n = Number(drawn.dataset.block);
    const lines = layout.lines(n);
    const fresh = [...drawn.querySelectorAll<HTMLElement>("[data-line]")].flatMap((line) => {
      const row = lines[Number(line.dataset.line)]?.row;
      return row && !layout.fits(row) ? [[row, tall(line)] as const] : [];
    });
    if (!fresh.length) continue;
    texts.push(n);
    const failed = [...drawn.querySelectorAll(".lw-c.failed[style]")].map(tall);
    for (const [row, height] of fresh) layout.fit(n, row, height);
    // A failure stands beside all rows that are open, and the last of them makes the room it needs.
    const open = lines.flatMap(({ row }) => (row && !row.q ? row : []));
    const last = open.at(-1);
    const more = Math.max(0, ...failed) - open.reduce((sum, row) => sum + row.h, 0);
    if (last && more > 0) layout.fit(n, last, last.h + more);
  }
  return texts;
}

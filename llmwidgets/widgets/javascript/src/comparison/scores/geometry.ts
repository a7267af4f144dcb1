// Where everything stands in the charts: scales, marks, and labels that do not overlap.

import type { Interval, Point, Range, Scores } from "../answers";
import { shortNumber } from "../words";

export const CHART = { width: 470, height: 252, left: 48, right: 462, top: 24, bottom: 204 };
const LETTER = 7.2;
const LONGEST_NAME = 22;

type Box = [left: number, top: number, right: number, bottom: number];
export type Anchor = "start" | "middle" | "end";

/** Words at a place of the chart. */
export interface Words {
  x: number;
  y: number;
  words: string;
  anchor: Anchor;
}

/** A model's box, the line of its interval, and its name where there is room. */
export interface Mark {
  point: Point;
  x: number;
  y: number;
  line?: string;
  name?: Words;
}

/** Everything that a chart draws inside its frame; `right` is where the lines of its scale end. */
export interface Plot {
  right: number;
  aside: boolean;
  axis: Words[];
  marks: Mark[];
}

function overlap(a: Box, b: Box): boolean {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

/** From percent to pixels, the highest on top. */
export function yScale([low, high]: Range): (value: number) => number {
  return (value) => CHART.bottom - ((CHART.bottom - CHART.top) * (value - low)) / (high - low || 1);
}

export function gridLines({ scale: [low, high], step }: Scores): number[] {
  const lines = [];
  for (let value = low; value <= high; value += step) lines.push(value);
  return lines;
}

/** Round steps of a log scale around the values: 1, 2, 5 within a decade where it is narrow. */
export function logScale(
  values: number[],
  from: number,
  to: number,
): { x: (value: number) => number; marks: number[] } {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const marks: number[] = [];
  for (
    let power = Math.floor(Math.log10(low)) - 1;
    power <= Math.ceil(Math.log10(high)) + 1;
    power += 1
  ) {
    for (const each of [1, 2, 5]) marks.push(each * 10 ** power);
  }
  const start = marks.findLast((mark) => mark <= low * 0.9)!;
  const end = marks.find((mark) => mark >= high * 1.1)!;
  const inside = marks.filter((mark) => mark >= start && mark <= end);
  const wide = Math.log10(end / start) > 2.2;
  return {
    x: (value) => from + ((to - from) * Math.log(value / start)) / Math.log(end / start),
    marks: wide ? inside.filter((mark) => Math.abs(Math.log10(mark) % 1) < 1e-9) : inside,
  };
}

/** A label that fits beside its point; the whole one is in the scoreboard. */
export function chartName({ label, recommended }: Point): string {
  const name = label.length > LONGEST_NAME ? `${label.slice(0, LONGEST_NAME - 1)}…` : label;
  return recommended ? `${name} ✓` : name;
}

function under(words: string, x: number, y = 224): Words {
  return { x, y, words, anchor: "middle" };
}

// ---- against cost --------------------------------------------------------------------------------

/** Priced models on a log scale; free ones and unknown prices in places of their own. Null where no
    price is known. */
export function costPlot({ points, scale }: Scores): Plot | null {
  const known = points.filter((each) => each.right !== null);
  const priced = known.filter((each) => each.cost! > 0);
  if (!priced.length) return null;
  const aside = [
    { words: "free", some: known.filter((each) => each.cost === 0) },
    { words: "unknown", some: known.filter((each) => each.cost === null) },
  ].filter(({ some }) => some.length);
  const right = CHART.right - 96 * aside.length;
  const [y, placed] = [yScale(scale), [] as Box[]];
  const log = logScale(
    priced.map((each) => each.cost!),
    CHART.left,
    right - 18,
  );
  const axis = [
    ...log.marks.map((mark) => under(`$${shortNumber(mark)}`, log.x(mark))),
    under("cost per 1,000 texts, log scale", (CHART.left + right) / 2, 244),
  ];
  const marks = priced.map((each) => tallMark(each, log.x(each.cost!), y, placed, right, false));
  aside.forEach(({ words, some }, n) => {
    const from = right + 12 + 96 * n;
    axis.push(under(words, from + 42));
    for (const [m, each] of some.entries()) {
      const x = from + (84 * (m + 0.5)) / some.length;
      marks.push(tallMark(each, x, y, placed, from + 84, some.length > 1));
    }
  });
  return { right, aside: aside.length > 0, axis, marks };
}

/** A box with its interval upright; its name in the first of five spots that is free. */
function tallMark(
  point: Point,
  x: number,
  y: (value: number) => number,
  placed: Box[],
  right: number,
  bare: boolean,
): Mark {
  const at = y(point.right!);
  const [low, high] = point.interval ? [y(point.interval[0]), y(point.interval[2])] : [];
  const words = chartName(point);
  const wide = words.length * LETTER;
  const below = low === undefined ? at + 24 : low + 16;
  const spots: [number, number, Anchor][] = [
    [x, below, "middle"],
    [x, (high ?? at) - 8, "middle"],
    [x + 13, at + 4, "start"],
    [x - 13, at + 4, "end"],
    [x, below + 16, "middle"],
  ];
  const boxOf = ([nx, ny, anchor]: [number, number, Anchor]): Box => {
    const left = anchor === "start" ? nx : anchor === "end" ? nx - wide : nx - wide / 2;
    return [left, ny - 11, left + wide, ny + 3];
  };
  const spot = bare
    ? undefined
    : spots.find((each) => {
        const box = boxOf(each);
        return (
          box[0] > 8 &&
          box[2] < Math.max(right, CHART.right) + 4 &&
          each[1] < CHART.bottom - 2 &&
          each[1] > 12 &&
          !placed.some((other) => overlap(box, other))
        );
      });
  placed.push([x - 9, (high ?? at - 8) - 2, x + 9, (low ?? at + 8) + 2]);
  if (spot) placed.push(boxOf(spot));
  return {
    point,
    x,
    y: at,
    line:
      low === undefined ? undefined : `M${x} ${low}V${high}M${x - 4} ${low}h8M${x - 4} ${high}h8`,
    name: spot && { x: spot[0], y: spot[1], words, anchor: spot[2] },
  };
}

// ---- against time --------------------------------------------------------------------------------

/** Median to 95th percentile on a log scale; boxes move down a little where they would overlap. */
export function timePlot({ points, scale }: Scores): Plot | null {
  const timed = points.filter((each) => each.right !== null && each.p50! > 0);
  if (!timed.length) return null;
  const late = (each: Point) => Math.max(each.p95 || 0, each.p50!);
  const log = logScale(
    timed.flatMap((each) => [each.p50!, each.p95 || each.p50!]),
    CHART.left,
    CHART.right - 14,
  );
  const [y, placed] = [yScale(scale), [] as Box[]];
  const marks = [...timed]
    .sort((a, b) => b.right! - a.right!)
    .map((point): Mark => {
      let at = y(point.right!);
      const [from, to] = [log.x(point.p50!), log.x(late(point))];
      const words = chartName(point);
      const wide = words.length * LETTER + 16;
      const flip = to + wide > CHART.right;
      const [left, right] = flip ? [from - wide - 8, to] : [from - 8, to + wide];
      const box = (): Box => [left, at - 9, right, at + 9];
      while (placed.some((other) => overlap(box(), other))) at += 2;
      placed.push(box());
      return {
        point,
        x: from,
        y: at,
        line: `M${from} ${at}H${to}M${to} ${at - 4}v8`,
        name: { x: flip ? from - 14 : to + 8, y: at + 4, words, anchor: flip ? "end" : "start" },
      };
    });
  return {
    right: CHART.right,
    aside: false,
    marks,
    axis: [
      ...log.marks.map((mark) => under(`${shortNumber(mark)} s`, log.x(mark))),
      under(
        "median (box) to 95th percentile of a reply, log scale",
        (CHART.left + CHART.right) / 2,
        244,
      ),
    ],
  };
}

// ---- a line in a table ---------------------------------------------------------------------------

/** From a value to pixels in a line of this width, held within its ends. */
export function lineScale(
  [low, high]: Range,
  width: number,
  pad: number,
): (value: number) => number {
  return (value) =>
    pad + ((width - 2 * pad) * (Math.min(high, Math.max(low, value)) - low)) / (high - low || 1);
}

export function intervalWords([from, value, to]: Interval, band: Range | null): string {
  const said = from === null ? `${value}` : `${value}, ${from} to ${to}`;
  return band ? `${said}; the margin goes from ${band[0]} to ${band[1]}` : said;
}

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Point, Range, Scores } from "../src/comparison/answers";
import {
  CHART,
  chartName,
  costPlot,
  gridLines,
  intervalWords,
  lineScale,
  logScale,
  timePlot,
  yScale,
} from "../src/comparison/scores/geometry";
import { shortNumber } from "../src/comparison/words";

function point(
  label: string,
  right: number | null,
  cost: number | null,
  p50: number | null = 1,
  p95 = 2,
): Point {
  const interval =
    right === null ? null : ([right - 5, right, right + 3] as [number, number, number]);
  const said: [string, string] = ["", ""];
  return { letter: label[0]!, label, recommended: false, right, interval, cost, p50, p95, said };
}

function scores(...points: Point[]): Scores {
  return { points, scale: [70, 100] as Range, step: 10 } as Scores;
}

test("percent to pixels, the highest on top", () => {
  const y = yScale([70, 100]);
  assert.equal(y(100), CHART.top);
  assert.equal(y(70), CHART.bottom);
  assert.ok(y(80) > y(90));
  assert.deepEqual(gridLines(scores()), [70, 80, 90, 100]);
});

test("a log scale holds every value, and its marks rise from end to end", () => {
  for (const values of [[0.16, 2.14], [1], [0.001, 900], [3.2, 3.3]]) {
    const { x, marks } = logScale(values, 48, 444);
    for (const value of values) assert.ok(x(value) > 48 && x(value) < 444, String(value));
    const places = marks.map(x);
    assert.ok(places.every((each, n) => n === 0 || each > places[n - 1]!));
    assert.ok(marks.length >= 2);
  }
});

test("numbers of an axis are short", () => {
  assert.deepEqual([0.05, 2, 1000, 20000].map(shortNumber), ["0.05", "2", "1,000", "20,000"]);
});

test("free and unknown prices have places of their own", () => {
  const plot = costPlot(
    scores(point("a", 90, 1.5), point("b", 80, 0), point("c", 85, null), point("d", null, 2)),
  )!;
  assert.deepEqual(
    plot.marks.map(({ point: { label } }) => label),
    ["a", "b", "c"],
  );
  assert.equal(plot.right, CHART.right - 192);
  assert.ok(plot.aside);
  assert.deepEqual(plot.axis.map(({ words }) => words).slice(-2), ["free", "unknown"]);
  assert.ok(plot.marks[1]!.x > plot.right && plot.marks[2]!.x > plot.marks[1]!.x);
  assert.equal(costPlot(scores(point("b", 80, 0), point("c", 85, null))), null);
});

test("names lie over no other name and no interval of another box", () => {
  const many = Array.from({ length: 8 }, (_, n) => point(`model-${n}`, 90 + (n % 3), 1 + n / 10));
  const { marks } = costPlot(scores(...many))!;
  const boxes = marks
    .flatMap(({ name }) => (name ? [name] : []))
    .map(({ x, y, words, anchor }) => {
      const wide = words.length * 7.2;
      const left = anchor === "start" ? x : anchor === "end" ? x - wide : x - wide / 2;
      return [left, y - 11, left + wide, y + 3] as const;
    });
  for (const [n, a] of boxes.entries()) {
    for (const b of boxes.slice(n + 1)) {
      assert.ok(a[0] >= b[2] || b[0] >= a[2] || a[1] >= b[3] || b[1] >= a[3]);
    }
  }
});

test("boxes against time do not overlap, and names stay inside", () => {
  const many = Array.from({ length: 6 }, (_, n) => point(`model-${n}`, 90, null, 1 + n / 100, 3));
  const plot = timePlot(scores(...many))!;
  const ys = plot.marks.map(({ y }) => y);
  assert.equal(new Set(ys).size, 6);
  assert.ok(ys.every((y, n) => n === 0 || y - ys[n - 1]! >= 18));
  assert.equal(timePlot(scores(point("a", 90, 1, null))), null);
});

test("a name is cut where it is long, and ticked where it is recommended", () => {
  assert.equal(chartName(point("a".repeat(30), 1, 1)), `${"a".repeat(21)}…`);
  assert.equal(chartName({ ...point("short", 1, 1), recommended: true }), "short ✓");
});

test("an interval in words and in a line", () => {
  assert.equal(intervalWords([80, 85, 90], null), "85, 80 to 90");
  assert.equal(intervalWords([null, 85, null], [80, 90]), "85; the margin goes from 80 to 90");
  const x = lineScale([70, 100], 112, 4);
  assert.deepEqual([x(70), x(100), x(0), x(200)], [4, 108, 4, 108]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CHUNK,
  Layout,
  METRICS,
  measureColumns,
  metricsOf,
  scrollInto,
} from "../src/comparison/grid/layout";
import type { Block, Row } from "../src/comparison/state";

function row(p: string, q: 0 | 1 = 0, h = 25): Row {
  return { p, name: p, t: ["", "blank"], c: [], q, h };
}

function block(rows: Row[], index = 0): Block {
  const fold = rows.some((each) => each.q) ? "more" : "";
  const open = rows.filter((each) => !each.q).reduce((sum, each) => sum + each.h, 0);
  return {
    id: `t${index}`,
    index,
    title: "",
    said: "",
    failed: null,
    fold,
    rows,
    h: METRICS.group + open + (fold ? METRICS.fold : 0),
  };
}

/** Three texts: two rows and a fold of one, one row, not read yet. */
function layout(): Layout {
  const made = new Layout(Uint32Array.of(1, 1, 60));
  made.put(0, block([row("a"), row("b", 0, 41), row("c", 1)]));
  made.put(1, block([row("a")], 1));
  made.measure();
  return made;
}

test("tops add the heights up, and every pixel belongs to one text", () => {
  const made = layout();
  assert.deepEqual([...made.tops], [0, 120, 174, 234]);
  assert.equal(made.height, 234);
  for (let y = 0; y < 234; y += 1) {
    const n = made.blockAt(y);
    assert.ok(made.tops[n]! <= y && y < made.tops[n + 1]!, String(y));
  }
  assert.equal(made.blockAt(10_000), 3);
});

test("an unfolded text and an open detail push down what comes after", () => {
  const made = layout();
  made.unfolded.add(0);
  made.open = { block: 0, path: "a", col: 2, height: 100, content: null };
  made.measure();
  assert.deepEqual([...made.tops], [0, 245, 299, 359]);
  assert.deepEqual(
    made.lines(0).map(({ kind, top, height }) => [kind, top, height]),
    [
      ["group", 0, 29],
      ["row", 29, 25],
      ["row", 154, 41],
      ["row", 195, 25],
      ["fold", 220, 25],
    ],
  );
});

test("the lines of a text end where the next one begins, whatever is open in it", () => {
  for (const unfolded of [false, true]) {
    for (const path of [null, "a", "b"]) {
      const made = layout();
      if (unfolded) made.unfolded.add(0);
      made.open = path ? { block: 0, path, col: 1, height: 77, content: null } : null;
      made.measure();
      const last = made.lines(0).at(-1)!;
      assert.equal(last.top + last.height, made.tops[1]);
    }
  }
});

test("a text that is not read shows its head alone", () => {
  assert.deepEqual(
    layout()
      .lines(2)
      .map(({ kind }) => kind),
    ["group"],
  );
  assert.equal(layout().lineOf(2, "a"), -1);
  assert.equal(layout().lineOf(0, "b"), 2);
  assert.equal(layout().lineOf(0, undefined), -1);
});

test("each chunk is asked for once, and none beyond the last text", () => {
  const made = new Layout(new Uint32Array(35).fill(50));
  assert.deepEqual(made.missing(-8, 12), [0, 1]);
  assert.deepEqual(made.missing(0, 99), [2, 3]);
  assert.deepEqual(made.missing(0, 99), []);
  made.put(0, block([row("a")]));
  assert.equal(made.blocks.size, 1);
  assert.equal(new Layout(new Uint32Array(3 * CHUNK)).missing(3 * CHUNK, 3 * CHUNK).length, 0);
});

test("stepping goes through every line of every text and stays inside", () => {
  const made = layout();
  const seen = [];
  let place = { block: 0, line: 0 };
  for (let n = 0; n < 20; n += 1) {
    seen.push(`${place.block}.${place.line}`);
    place = made.clamp(made.step(place, 1));
  }
  assert.deepEqual([...new Set(seen)], ["0.0", "0.1", "0.2", "0.3", "1.0", "1.1", "2.0"]);
  for (let n = 0; n < 20; n += 1) place = made.clamp(made.step(place, -1));
  assert.deepEqual(place, { block: 0, line: 0 });
});

test("a page further is about a screen below", () => {
  const made = layout();
  assert.deepEqual(made.jump({ block: 0, line: 1 }, 120), { block: 1, line: 1 });
  assert.deepEqual(made.jump({ block: 1, line: 1 }, -1000), { block: 0, line: 0 });
  assert.deepEqual(made.jump({ block: 0, line: 0 }, 1000), { block: 2, line: 0 });
});

test("scrolling moves no further than it must", () => {
  assert.equal(scrollInto(100, 20, 50, 200), 50);
  assert.equal(scrollInto(10, 20, 50, 200), 10);
  assert.equal(scrollInto(300, 20, 50, 200), 120);
});

test("columns fill the panel, and scroll where they would be too narrow", () => {
  const wide = measureColumns(960, ["amount"], 2, true);
  assert.deepEqual([wide.narrow, wide.field, wide.fixed, wide.width], [false, 163, 307, 960]);
  assert.equal(wide.tracks, "163px 144px repeat(2,minmax(326px,1fr))");
  const many = measureColumns(960, ["amount"], 8, false);
  assert.equal(many.width, 163 + 8 * 150);
  assert.equal(many.fixed, many.field);
  const narrow = measureColumns(640, ["amount"], 3, true);
  assert.deepEqual([narrow.narrow, narrow.field], [true, 128]);
  assert.deepEqual([metricsOf(16, true).failed, METRICS.failed], [106, 74]);
  const large = measureColumns(960, ["amount"], 2, true, 32);
  assert.ok(large.chars * 2 <= wide.chars);
});

test("a row takes the height that it has in the page, and what is below moves", () => {
  const made = layout();
  const { rows } = made.blocks.get(0)!;
  made.fit(0, rows[1]!, 73);
  made.fit(0, rows[2]!, 57);
  made.measure();
  assert.deepEqual([...made.tops], [0, 152, 206, 266]);
  assert.deepEqual(
    rows.map((each) => made.fits(each)),
    [false, true, true],
  );
  made.unfolded.add(0);
  made.measure();
  assert.deepEqual([...made.tops], [0, 209, 263, 323]);
  made.unfit();
  assert.ok(!made.fits(rows[1]!));
});

test("where rows stand by themselves none has the head of its text above it", () => {
  const made = new Layout(Uint32Array.of(41, 41, 41, 25), true);
  const alone = (p: string, index: number): Block => ({ ...block([row(p, 0, 57)], index), h: 57 });
  made.put(0, alone("a", 0));
  made.put(1, alone("b", 0));
  made.put(3, { ...block([], -1), fold: "The next 20 of 100", h: 25 });
  made.measure();
  assert.deepEqual([...made.tops], [0, 57, 114, 155, 180]);
  assert.deepEqual(
    [0, 1, 2, 3].map((n) => made.lines(n).map(({ kind }) => kind)),
    [["row"], ["row"], ["group"], ["fold"]],
  );
  assert.deepEqual(made.step({ block: 0, line: 0 }, 1), { block: 1, line: 0 });
  assert.equal(made.lineOf(1, "b"), 0);
  assert.equal(made.lineOf(1, "a"), -1);
});

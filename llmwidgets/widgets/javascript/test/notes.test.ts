import assert from "node:assert/strict";
import { test } from "node:test";
import { spanNotes } from "../src/connections/check";

const row = (note: string, more = {}) => ({
  model: note,
  reply: "",
  price: "",
  note,
  loud: false,
  off: true,
  ...more,
});

test("a reason for several models in turn is told once", () => {
  assert.deepEqual(spanNotes([]), []);
  assert.deepEqual(spanNotes([row("a"), row("a"), row("b"), row("a")]), [2, 0, 1, 1]);
  assert.deepEqual(spanNotes([row("a"), row("a"), row("a")]), [3, 0, 0]);
});

test("every row has its own note where it has none, is in use, or can be allowed", () => {
  assert.deepEqual(spanNotes([row(""), row("")]), [1, 1]);
  assert.deepEqual(spanNotes([row("a", { off: false }), row("a", { off: false })]), [1, 1]);
  assert.deepEqual(spanNotes([row("a", { allow: true }), row("a"), row("a")]), [1, 2, 0]);
  assert.deepEqual(spanNotes([row("a"), row("a", { allow: true })]), [1, 1]);
  assert.deepEqual(spanNotes([row("a", { off: false }), row("a")]), [1, 1]);
});

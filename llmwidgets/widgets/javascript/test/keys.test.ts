import assert from "node:assert/strict";
import { test } from "node:test";
import { gridAct, type Key } from "../src/comparison/grid/keys";
import { tableTarget } from "../src/comparison/scores/measures";
import { textAct } from "../src/comparison/tabs/text";

test("the keyboard map of the grid", () => {
  const map: [Key, unknown][] = [
    [{ key: "ArrowDown" }, ["step", 1]],
    [{ key: "ArrowLeft" }, ["column", -1]],
    [{ key: "PageUp" }, ["page", -1]],
    [{ key: "Home" }, ["home"]],
    [{ key: "Home", ctrlKey: true }, ["top"]],
    [{ key: "End", ctrlKey: true }, ["bottom"]],
    [{ key: "Enter" }, ["enter"]],
    [{ key: " " }, ["enter"]],
    [{ key: "t" }, ["type"]],
    [{ key: "T" }, ["type"]],
    [{ key: "0" }, ["none"]],
    [{ key: "1" }, ["take", 0]],
    [{ key: "3" }, ["take", 2]],
    [{ key: "4" }, undefined],
    [{ key: "z" }, undefined],
    [{ key: "z", ctrlKey: true }, ["undo"]],
    [{ key: "Z", metaKey: true }, ["undo"]],
    [{ key: "t", ctrlKey: true }, undefined],
    [{ key: "1", ctrlKey: true }, undefined],
    [{ key: "ArrowDown", altKey: true }, undefined],
    [{ key: "ArrowDown", metaKey: true }, undefined],
    [{ key: "ArrowDown", ctrlKey: true }, ["step", 1]],
    [{ key: "Tab" }, undefined],
    [{ key: "/" }, undefined],
  ];
  for (const [key, act] of map) assert.deepEqual(gridAct(key, 3), act, JSON.stringify(key));
});

test("the keyboard map of the text", () => {
  assert.deepEqual(textAct({ key: "ArrowUp" }), ["field", -1]);
  assert.deepEqual(textAct({ key: "ArrowRight" }), ["text", 1]);
  assert.deepEqual(textAct({ key: "Escape" }), ["back"]);
  assert.equal(textAct({ key: "ArrowUp", ctrlKey: true }), undefined);
});

test("arrows in a table step over gaps and stop at its edges", () => {
  const lines = [
    ["a", "b", "c"],
    ["d", null, "f"],
    [null, "h", "i"],
  ];
  const to = (from: string, key: string, ctrlKey = false) =>
    tableTarget(lines, from, { key, ctrlKey });
  assert.equal(to("b", "ArrowDown"), "h");
  assert.equal(to("d", "ArrowRight"), "f");
  assert.equal(to("d", "ArrowDown"), null);
  assert.equal(to("a", "ArrowUp"), null);
  assert.equal(to("f", "Home"), "d");
  assert.equal(to("h", "End"), "i");
  assert.equal(to("b", "End", true), "i");
  assert.equal(to("i", "Home", true), "a");
  assert.equal(to("b", "Enter"), undefined);
  assert.equal(to("elsewhere", "ArrowDown"), undefined);
  assert.equal(tableTarget(lines, "b", { key: "ArrowDown", altKey: true }), undefined);
});
